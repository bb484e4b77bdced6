"""How every writing command goes: read the live lists, plan, show, ask, write, read again, say what came of it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.again import (
    foreseen,
    found_again,
    intent_of,
    plan_of,
    planner_again,
    rounded,
    trace_of,
    unanswered,
    what_remains,
)
from malsync.cli.errors import hint_of
from malsync.cli.job import Job, Task
from malsync.cli.telling import progress, report, show, tell_unwritten, warn_of_titles
from malsync.errors import Cancelled, Refused, UsageError
from malsync.model.entry import Entry
from malsync.model.snapshot import Snapshot, same_person
from malsync.model.timestamps import local_time
from malsync.text import pluralize

if TYPE_CHECKING:
    from malsync.formats.plan_file import PlanFile
    from malsync.mirror import Mirror, Run
    from malsync.planning.known_titles import Known
    from malsync.planning.request import WriteRequest
    from malsync.planning.restore_plan import Plan


# -- what each command does


def carry(job: Job, intent: "WriteRequest") -> int:
    """Plan by the lists that were chosen, then all the rest."""
    live = job.live()
    chosen = {role: job.lists[role].snapshot for role in intent.needs}
    for one in chosen.values():
        live = live.judged_like(one)
    _check_ids(intent, [*chosen.values(), live])
    lists = {role: one.document for role, one in job.lists.items()}
    known = job.known(live, {key for one in chosen.values() for key in one.keys})
    _compare_titles(job, intent, live, known)
    _name_unwritten(job, intent)

    def planner(now: Snapshot) -> "Plan":
        return known.applied(intent.plan(chosen, now))

    def guard() -> None:
        _guard_wanted(job, intent, live)
        _guard_titles(job, intent)

    return _go(job, Task(intent, planner(live), live, planner, lists, known), guard)


def carry_plan(job: Job, intent: "WriteRequest", file: "PlanFile", name: str) -> int:
    """Carry out the plan that was read from the file `name`. What is to be skipped is told before anything is sent."""
    live = job.live()
    known = job.known(live, {call.key for call in file.plan.calls})
    entries = [(call.medium, Entry(call.id, call.title, {})) for call in file.plan.calls]
    job.titles[name] = known.compare(entries)
    # What is left of a field that is written all the same is what MAL will store, and a call may have been edited since.
    told = {(call.key, field) for call in file.plan.calls for field in call.fields}
    left = [one for one in file.plan.left if not one.fields or not told >= {(one.key, field) for field in one.fields}]
    plan = known.applied(plan_of(rounded(file.plan.calls, intent), left))
    lists = {"wanted": file.wanted, "planned beside": file.live}
    task = Task(intent, plan, live, what_remains(plan.calls, plan.left), lists, known)

    def guard() -> None:
        _guard_planned(job, intent, file, live)
        _guard_titles(job, intent)

    if job.flags.writes:
        return _go(job, task, guard, ask=False)
    sent, skipped = foreseen(plan.calls, live, force=intent.force)
    return _go(job, replace(task, plan=plan_of(sent, [*skipped, *plan.left])), guard)


def go_on(job: Job, run: "Run") -> int:
    """Finish an interrupted run."""
    from malsync.operations.run import carry_out, fresh

    flags, intent = job.flags, intent_of(run)
    intent = replace(
        intent,
        force=intent.force or flags.force,
        round_dates=intent.round_dates or flags.round_dates,
        max_deletes=intent.max_deletes if flags.max_deletes is None else flags.max_deletes,
    )
    again, lines = planner_again(job, run, intent), job.mirror.journal.lines(run.number)
    live = job.live()
    known = job.known(live, {line.call.key for line in lines})
    open_lines = [line for line in lines if line.is_open]
    calls, kept = unanswered(open_lines, live, known)
    sent, left = foreseen(calls, live, force=intent.force)

    def planner(now: Snapshot) -> "Plan":
        return known.applied(again(now))

    task = Task(intent, known.applied(plan_of(sent, [*kept, *left])), live, planner, {}, known)
    job.app.output.note(
        f"Run {run.number} ({run.kind}, begun {local_time(run.started_at)}): "
        f"{pluralize(len(open_lines), 'write has', 'writes have')} no outcome yet."
    )
    if flags.dry_run:
        return _go(job, task, lambda: None)
    show(job, task.plan)
    _guarded(job, task, lambda: None)
    with progress(job, len(lines)) as told, job.writing(told, intent) as around:
        if not around.mirror.journal.run(run.number).is_open:
            raise UsageError(f"Another malsync has ended run {run.number}.", "Look at it: malsync runs")
        live = fresh(around, live)
        around.guard(calls, live)
        result = carry_out(around, run, live, planner)
        plan = plan_of([line.call for line in around.mirror.journal.lines(run.number)], result.left)
    return report(job, plan, result)


def take_back(job: Job, run: "Run") -> int:
    """Undo what a run wrote, and no more: by the lists before and after it, and by what MAL answered."""
    from malsync.operations.references import list_document
    from malsync.operations.run import keep

    live, intent = job.live(), job.flags.intent("undo")
    if run.state != "finished" and job.flags.writes:
        # Nobody has read yet what it left.
        with job.writing(lambda _line, _number: None, intent) as around:
            after = keep(around.mirror, around.shelf, live, "after-run").number
            around.mirror.journal.set_after(run.number, after)
    trace = trace_of(job, run)
    known = job.known(live, trace.sent)
    plan = known.applied(trace.undo(intent, live))
    ours = frozenset(call.key for call in plan.calls)
    lists = {"good": list_document(f"before run {run.number}", run.before, trace.before)}
    if trace.after is not None:
        lists["bad"] = list_document(f"after run {run.number}", run.after, trace.after)

    def planner(now: Snapshot) -> "Plan":
        return known.applied(trace.undo(intent, now, ours))

    task = Task(intent, plan, live, planner, lists, known, run, trace.lines)
    code = _go(job, task, lambda: None)
    if job.flags.writes and not task.plan.calls and run.is_open:
        with job.app.at_work(None), job.app.mirror(write=True) as mirror:
            mirror.journal.ended(run.number, "undone", now=job.app.world.clock.now())
    return code


# -- the way that all of them go


def _go(job: Job, task: Task, guard: Callable[[], object], *, ask: bool = True) -> int:
    """Show, guard, and then whatever the flags say: write the plan down, rehearse it, or carry it out."""
    flags = job.flags
    if flags.writes and task.plan.calls:
        with job.app.at_work(None):  # or it is another malsync's run that looks unfinished
            job.mirror.journal.refuse_unfinished(job.user, task.undoes_number)
    show(job, task.plan)
    warn_of_titles(job, task)
    _guarded(job, task, guard)
    file = _write_plan(job, task) if flags.plan_file is not None else None
    if flags.rehearse:
        from malsync.cli.rehearsal import rehearse

        rehearsed = rehearse(job, task)
        return report(job, task.plan, rehearsed.result, rehearsal=rehearsed.requests, file=file)
    if not flags.writes:
        return report(job, task.plan, None, file=file)
    if not task.plan.calls:
        return report(job, task.plan, None)
    if ask and not flags.yes:
        _ask(job, task.plan)
    return _write(job, task)


def _write(job: Job, task: Task) -> int:
    from malsync.operations.run import begin, carry_out

    with (
        progress(job, len(task.plan.calls)) as told,
        job.writing(told, task.intent) as around,
    ):
        _check_undone(around.mirror, task)
        run, live = begin(
            around,
            task.plan,
            task.live,
            account=job.account,
            kind=task.intent.kind,
            head=task.head(),
            undoes=task.undoes_number,
        )
        result = carry_out(around, run, live, task.planner)
    return report(job, task.plan, result)


def _check_undone(mirror: "Mirror", task: Task) -> None:
    """Raise UsageError where the run that is to be undone has gone on since that was planned."""
    if task.undoes is None:
        return
    number = task.undoes.number
    if mirror.journal.run(number).state != task.undoes.state or tuple(mirror.journal.lines(number)) != task.undone:
        raise UsageError(
            f"Another malsync has gone on with run {number} meanwhile. Nothing was sent.",
            f"Again: malsync undo {number}",
        )


def _guarded(job: Job, task: Task, guard: Callable[[], object]) -> None:
    """Raise what the guards raise; where nothing would be sent anyway, say it."""
    from malsync.planning.preconditions import to_send
    from malsync.planning.restore_plan import guard_deletes

    intent = task.intent
    try:
        guard()
        guard_deletes(to_send(task.plan.calls, task.live, force=intent.force), task.live, intent.max_deletes)
    except Refused as refusal:
        if job.flags.writes:
            raise
        # The last line says that nothing was sent.
        job.app.output.warn(f"This would be refused: {refusal.message.removesuffix(' Nothing was sent.')}")
        job.app.output.warn(hint_of(refusal))


def _guard_wanted(job: Job, intent: "WriteRequest", live: Snapshot) -> None:
    from malsync.model.medium import MEDIA
    from malsync.planning.restore_plan import guard_wanted

    if "wanted" not in intent.needs:
        return
    wanted = job.lists["wanted"]
    guard_wanted(
        wanted.snapshot,
        live,
        intent.mode,
        media=[name for name in MEDIA if intent.filters.only in (None, name)],
        name=wanted.reference,
        migrating=intent.kind == "migrate",
        force=intent.force,
    )


def _guard_planned(job: Job, intent: "WriteRequest", file: "PlanFile", live: Snapshot) -> None:
    """Raise Refused where the list that a plan file was made for is none to be trusted, if it is still there."""
    from malsync.planning.restore_plan import guard_wanted

    wanted = found_again(job, file.wanted)
    if wanted is None:
        return
    guard_wanted(
        wanted,
        live,
        "exact" if file.mode == "exact" else "merge",
        media=sorted({call.medium.name for call in file.plan.calls}),
        name=str(file.wanted.get("reference")),
        migrating=not same_person(wanted.user, job.user),
        force=intent.force,
    )


def _compare_titles(job: Job, intent: "WriteRequest", live: Snapshot, known: "Known") -> None:
    """Compare the titles of lists that come from a file or an import with MAL's."""
    from malsync.operations.references import is_path
    from malsync.planning.known_titles import meant

    for chosen in job.lists.values():
        if is_path(chosen.reference) or chosen.snapshot.source == "import":
            job.titles[chosen.reference] = known.compare(meant(chosen.snapshot, live, intent.filters))


def _name_unwritten(job: Job, intent: "WriteRequest") -> None:
    """Name what the lists that were chosen do not know, and so what "match" does not mean."""
    from malsync.planning.restore_plan import unwritten

    for chosen in job.lists.values():
        found = job.unwritten[chosen.reference] = unwritten(chosen.snapshot, intent.filters)
        tell_unwritten(job.app.output, chosen.reference, found, chosen.snapshot.counts)


def _guard_titles(job: Job, intent: "WriteRequest") -> None:
    from malsync.planning.known_titles import guard_titles

    marks = {chosen.reference: chosen.snapshot.suspicious for chosen in job.lists.values()}
    for name, titles in job.titles.items():
        guard_titles(name, titles, marked=marks.get(name, ()), force=intent.force)


def _ask(job: Job, plan: "Plan") -> None:
    from malsync.cli.render import plan_summary
    from malsync.text import visible

    question = f"Write to the lists of {visible(job.user.name)}: {plan_summary(plan)}?"
    if not sys.stdin.isatty():
        raise UsageError(
            f"Nobody is here to answer: {question} Nothing was sent.",
            "Look at the plan with --dry-run, then say --yes; or --plan FILE and malsync apply FILE.",
        )
    if not click.confirm(question, err=True):
        raise Cancelled("Cancelled. Nothing was sent.", "To look at it again: --dry-run")


def _write_plan(job: Job, task: Task) -> str:
    from malsync.formats import plan_file
    from malsync.operations.references import list_document

    _guard_titles(job, task.intent)  # the plan has MAL's titles, so nothing in it would show whose ids these are
    path = job.app.target(str(job.flags.plan_file))
    roles = {role: _timeless(described) for role, described in task.lists.items()}
    wanted = roles.pop("wanted", None) or roles
    live = _timeless(list_document("live", None, task.live))
    plan_file.write(path, plan_file.PlanFile(job.account, job.user, task.intent.name, wanted, live, task.plan))
    job.app.output.say(f"Wrote the plan to {path}. To carry it out: malsync apply {path}", colour="green")
    return str(path)


def _timeless(described: Mapping[str, Any]) -> dict[str, Any]:
    """Without the moment at which a live list was read: the same lists give the same file, byte for byte."""
    from malsync.operations.references import parse

    is_live = parse(described["reference"]).is_live
    return {name: item for name, item in described.items() if name != "taken_at" or not is_live}


def _check_ids(intent: "WriteRequest", lists: list[Snapshot]) -> None:
    from malsync.model.medium import MEDIA

    for name, id in sorted(intent.filters.ids):
        if not any(id in one.entries(MEDIA[name]) for one in lists):
            raise UsageError(
                f"{name} {id} is on none of these lists.", "The id is in the title's address on MAL: anime:5114"
            )
