"""Defects of pruning, which is all that ever removes a list."""

from tests.mutants.kinds import Mutant, mutant

PRUNING: tuple[Mutant, ...] = (
    mutant(
        "suspicious lists are thinned out like others",
        "prune.py",
        '            yield info.number, ["suspicious"]\n',
        "",
        "cli_prune::test_a_suspicious_list_stays_and_so_does_the_good_one_before_it",
    ),
    mutant(
        "the good list before a suspicious one goes",
        "prune.py",
        "for one in (neighbour, *judged_by(bisect_left(numbers, info.number))):",
        "for one in ():",
        "cli_prune::test_a_suspicious_list_stays_and_so_does_the_good_one_before_it",
    ),
    mutant(
        "the newest good list may go",
        "prune.py",
        '    yield (good or infos)[-1].number, ["newest good" if good else "newest"]\n',
        "",
        "cli_prune",
        "prune_laws::test_what_is_kept_is_what_the_rules_say_and_what_must_be_kept",
    ),
    mutant(
        "the lists that an unfinished run needs are pruned",
        "prune.py",
        "        if run.is_open:",
        '        if run.state == "nothing":',
        "cli_prune::test_an_unfinished_run_is_resumed_after_a_prune",
        "cli_prune::test_an_unfinished_undo_is_resumed_after_a_prune",
    ),
    mutant(
        "a version goes that another snapshot sees",
        "mirror/pruning.py",
        "AND snapshot.id >= since",
        "AND snapshot.id > since",
        "cli_prune::test_references_name_what_is_left",
        "prune_laws::test_pruning_leaves_the_other_snapshots_unchanged",
    ),
    mutant(
        "what no snapshot sees any more stays for ever",
        "mirror/pruning.py",
        "        file.change(_UNSEEN.format(name))\n",
        "        pass\n",
        "cli_prune::test_what_nobody_sees_goes_as_well",
        "prune_laws::test_pruning_leaves_the_other_snapshots_unchanged",
    ),
    mutant(
        "a prune is committed whatever it has harmed",
        "mirror/store.py",
        '                if what != "ok":\n                    raise damaged',
        "                if not what:\n                    raise damaged",
        "cli_prune::test_a_damaged_mirror_is_not_pruned",
    ),
    mutant(
        "prune without a rule removes all that it may",
        "cli/prune.py",
        "    if policy.keeps_nothing:",
        "    if policy is None:",
        "cli_prune::test_without_a_rule_nothing_is_removed",
    ),
    mutant(
        "a dry run prunes",
        "cli/prune.py",
        "    if dry_run or not app.mirror_path.exists():",
        "    if not app.mirror_path.exists():",
        "cli_prune::test_a_dry_run_tells_the_same_and_removes_nothing",
    ),
    mutant(
        "a rule keeps every day, not so many",
        "prune.py",
        "                before, left = period, left - 1",
        "                before, left = period, left - 0",
        "cli_prune",
    ),
)
