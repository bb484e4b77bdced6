"""Pruning, for any history and any policy: what stays is what it was, what goes is gone, and the policy means what it says."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.cli.render import diff_document
from malsync.mirror import FILE_NAME, Mirror, Run, SnapshotInfo, VerifyReport
from malsync.mirror.journal import RUN_STATES
from malsync.model.diff import OPS, count, diff
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Covers, Snapshot, Source, User
from malsync.operations.references import list_document
from malsync.operations.retention import Policy, always, by_policy, kept
from tests.support.lists import MIKA, ORIGIN, THEO, moment, snapshot, titles, watched

PUBLIC = User(ORIGIN, None, "yuki")
MONTH = datetime(2026, 10, 28, 12, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
SOURCES: dict[User, list[Source]] = {
    MIKA: ["backup", "backup", "backup", "backup", "backup", "before-run", "after-run", "import"],
    THEO: ["backup", "backup", "import"],
    PUBLIC: ["public"],
}
STEPS = [timedelta(minutes=5), timedelta(hours=7), timedelta(days=1), timedelta(days=9), timedelta(days=150)]
STEPS += [-timedelta(days=2), timedelta()]  # clocks that were wrong, and a file that is older than what is here


@st.composite
def stories(draw: Callable[..., Any]) -> list[tuple[Snapshot, dict[str, Any] | None]]:
    """Snapshots of three users in the order in which they were stored, each with the run that was begun then, if one was."""
    told = []
    now = MONTH
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from(STEPS))
        user = draw(st.sampled_from([MIKA, MIKA, MIKA, MIKA, MIKA, THEO, PUBLIC]))
        lists, covers = {}, Covers()
        for name, medium in MEDIA.items():
            known = draw(st.sampled_from([medium.names, medium.names, medium.names, ("status", "score"), None]))
            found = draw(st.dictionaries(st.integers(1, 4), st.sampled_from([{"score": 1}, {"score": 2}, {}])))
            covers[name], lists[name] = known, titles(None if known is None else found)
        source = draw(st.sampled_from(SOURCES[user]))
        made = Snapshot(user, now, source, covers, lists, draw(st.sampled_from(["", "", "mine"])))
        if draw(st.sampled_from([False, False, False, True])):
            made = replace(made, suspicious=("anime: much of it is gone",))
        run = draw(
            st.none() | st.fixed_dictionaries({"state": st.sampled_from(RUN_STATES), "reach": st.integers(1, 6)})
        )
        told.append((made, run))
    return told


# Of rules that are all given, little is left to remove.
numbers = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3])
policies = st.builds(Policy, *[numbers] * 5, st.booleans()).filter(lambda policy: not policy.keeps_nothing)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror without anything in it: making its tables takes longer than all that an example does."""
    path = tmp_path_factory.mktemp("template") / FILE_NAME
    Mirror.open(path, write=True).__exit__(None, None, None)
    return path


@contextmanager
def lived(template: Path, story: list[tuple[Snapshot, dict[str, Any] | None]]) -> Iterator[Mirror]:
    """A mirror in which that story happened."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        shutil.copy(template, path)
        with Mirror.open(path, write=True) as mirror:
            mirror._connection.execute("PRAGMA synchronous = OFF")  # nobody pulls a plug here
            for made, run in story:
                info = mirror.add(made)
                if run is not None:
                    _run(mirror, info, **run)
            yield mirror


def _run(mirror: Mirror, info: SnapshotInfo, *, state: Any, reach: int) -> None:
    """A run of that snapshot's user. It was planned from an earlier snapshot, and may take the run before it back."""
    numbers = [one.number for one in mirror.infos(info.user)]
    earlier = mirror.journal.runs(info.user)
    if any(run.state == "unfinished" for run in earlier):
        return
    undoes = earlier[-1].number if earlier and reach % 2 else None
    run = mirror.journal.begin(
        info.user,
        "default",
        "restore" if undoes is None else "undo",
        {"lists": {"wanted": {"snapshot": max(1, info.number - reach)}}},
        [],
        before=numbers[-min(reach, len(numbers))],
        now=info.taken_at,
        undoes=undoes,
    )
    if state != "unfinished":
        mirror.journal.ended(run.number, state, info.taken_at, info.number if state == "finished" else None)


# -- what the words mean, written down a second time


def _by_words(infos: list[SnapshotInfo], policy: Policy) -> set[int]:
    """What the rules keep, without what is kept anyhow: as the documents say it, not as malsync does it."""
    found: set[int] = set()
    for user in {info.user.key for info in infos}:
        for sources in ({"backup", "public"}, {"import"}, {"before-run", "after-run"}):
            group = [i for i in infos if i.user.key == user and i.source in sources and not i.suspicious]
            group.sort(key=lambda info: (info.taken_at, info.number))
            found |= {info.number for info in group[-policy.last :] if policy.last}
            for form, number in (
                ("%Y-%m-%d", policy.daily),
                ("%G-%V", policy.weekly),
                ("%Y-%m", policy.monthly),
                ("%Y", policy.yearly),
            ):
                newest = {f"{info.taken_at.astimezone():{form}}": info.number for info in group}
                found |= set(list(newest.values())[-number:] if number else ())
                if len(newest) < number and group:
                    found.add(group[0].number)
    return found | {info.number for info in infos if policy.noted and info.note}


def _anyhow(infos: list[SnapshotInfo], runs: list[Run]) -> set[int]:
    """What must be kept by any policy."""
    found: set[int] = set()
    for info in infos:
        theirs = sorted((i for i in infos if i.user.key == info.user.key), key=lambda i: (i.taken_at, i.number))
        backups = [i for i in theirs if i.source in {"backup", "public"}]
        good = [i for i in backups if not i.suspicious]
        found |= {rows[-1].number for rows in (good, backups) if rows}
        if info.suspicious:
            before = [i for i in good if (i.taken_at, i.number) < (info.taken_at, info.number)]
            found |= {info.number, *(i.number for i in before[-1:])}
    for run in runs:
        newest = max(one.number for one in runs if one.user.key == run.user.key)
        if run.number == newest or run.state == "unfinished":
            found |= {run.before or 0, run.after or 0}
        if run.state == "unfinished":
            undone = [one for one in runs if one.number == run.undoes]
            found |= {run.head["lists"]["wanted"]["snapshot"], *(n or 0 for o in undone for n in (o.before, o.after))}
    return found & {info.number for info in infos}


# -- the laws


@pytest.mark.promise("pruning-2")
@given(stories(), policies)
def test_what_is_kept_is_what_the_rules_say_and_what_must_be_kept(template: Path, story: Any, policy: Policy) -> None:
    with lived(template, story) as mirror:
        infos, runs = mirror.infos(), mirror.journal.runs()

    reasons = kept(infos, runs, policy, LATER)

    assert list(reasons) == sorted(reasons)
    assert all(reasons.values())
    asked, must = _by_words(infos, policy), _anyhow(infos, runs)
    assert reasons.keys() >= asked | must
    beyond = {word.partition(" ")[0] for number in reasons.keys() - asked - must for word in reasons[number]}
    # The other half of a run, and what a backup is judged by, list by list.
    assert beyond <= {"to", "the", "good", "newest"}
    for run in runs:
        pair = {number for number in (run.before, run.after) if number is not None}
        assert not pair & reasons.keys() or pair <= reasons.keys()


@pytest.mark.promise("pruning-5")
@given(stories(), policies)
def test_pruning_leaves_the_other_snapshots_unchanged(template: Path, story: Any, policy: Policy) -> None:
    with lived(template, story) as mirror:
        infos, runs = mirror.infos(), mirror.journal.runs()
        was = {info.number: mirror.load(info.number) for info in infos}
        histories = _histories(mirror, infos)
        stay = kept(infos, runs, policy, LATER)
        differed = _diffs(was, sorted(stay))

        mirror.prune({info.number for info in infos} - stay.keys())

        now = mirror.infos()
        assert {info.number for info in now} == stay.keys()
        assert mirror.verify() == VerifyReport(dict.fromkeys(sorted(stay)), "ok")
        assert {number: mirror.load(number) for number in stay} == {number: was[number] for number in stay}
        assert [replace(info, changes={}) for info in now] == [
            replace(info, changes={}) for info in infos if info.number in stay
        ]
        assert _diffs({number: mirror.load(number) for number in stay}, sorted(stay)) == differed
        for key, whole in histories.items():
            assert _history(mirror, *key) == _thinned(whole, [i for i in now if i.user.key == key[0].key], *key)
        assert _counted(now) == _counted_by_hand(infos, was, stay.keys())
        assert _unseen(mirror) == 0
        assert [(run.before, run.after) for run in mirror.journal.runs()] == [
            tuple(number if number in stay else None for number in (run.before, run.after)) for run in runs
        ]
        assert kept(now, mirror.journal.runs(), policy, LATER).keys() == stay.keys()

        vacuumed = mirror.vacuum()

        assert vacuumed.bytes_freed >= 0
        assert vacuumed.file_truncated
        assert {number: mirror.load(number) for number in stay} == {number: was[number] for number in stay}
        assert mirror.verify() == VerifyReport(dict.fromkeys(sorted(stay)), "ok")


@given(stories(), policies, stories())
def test_backups_after_pruning_continue_the_series(template: Path, story: Any, policy: Policy, later: Any) -> None:
    with lived(template, story) as mirror:
        infos = mirror.infos()
        highest = max(info.number for info in infos)
        stay = kept(infos, mirror.journal.runs(), policy, LATER)
        mirror.prune({info.number for info in infos} - stay.keys())
        for made, _ in later:
            made = replace(made, taken_at=made.taken_at + timedelta(days=400))
            here = {info.number: info for info in mirror.infos()}

            info = mirror.add(made)

            loaded = mirror.load(info.number)
            assert loaded.digest == made.digest
            if info.number not in here:  # else it is the very same
                assert info.number > max(highest, *here)
                assert loaded == replace(made, lists=loaded.lists)
                earlier = [number for number in here if here[number].series == info.series]
                changes = diff(mirror.load(max(earlier)), made) if earlier else []
                assert info.changes == count(changes)
        assert mirror.verify() == VerifyReport(dict.fromkeys(sorted(mirror.numbers())), "ok")


def test_pruning_deletes_versions_that_no_snapshot_covers(template: Path) -> None:
    """Between the two that know the list, one does not: it needs no version of it."""
    manga = {1: {"status": "reading"}}
    story = [
        (snapshot(anime, manga, at=f"2026-11-0{day}T12:00:00Z"), None)
        for day, anime in ((1, {1: {"score": 1}}), (2, {1: {"score": 2}}), (3, None), (4, {1: {"score": 3}}))
    ]
    with lived(template, story) as mirror:
        mirror.prune([2])

        assert _unseen(mirror) == 0
        assert mirror.verify() == VerifyReport({1: None, 3: None, 4: None}, "ok")
        assert _history(mirror, MIKA, "anime", 1) == [(1, {"score": 1}), (4, {"score": 3})]


def _diffs(loaded: dict[int, Snapshot], numbers: list[int]) -> list[bytes]:
    """What `diff --json` says of some pairs, byte for byte."""
    pairs = [(a, b) for a, b in combinations(numbers, 2) if loaded[a].user.key == loaded[b].user.key]
    return [
        orjson.dumps(
            diff_document(
                *(list_document(str(number), number, loaded[number]) for number in (a, b)), diff(loaded[a], loaded[b])
            )
        )
        for a, b in pairs[:10]
    ]


def _histories(mirror: Mirror, infos: list[SnapshotInfo]) -> dict[Any, list[tuple[int, Any]]]:
    users = {info.user.key: info.user for info in infos}.values()
    keys = [(user, name, id) for user in users for name in MEDIA for id in range(1, 5)]
    loaded = {info.number: mirror.load(info.number) for info in infos}
    return {
        key: [
            (
                info.number,
                entry.list_status if (entry := loaded[info.number].entries(MEDIA[key[1]]).get(key[2])) else None,
            )
            for info in infos
            if info.user.key == key[0].key and info.counts[key[1]] is not None
        ]
        for key in keys
    }


def _history(mirror: Mirror, user: User, name: str, id: int) -> list[tuple[int, Any]]:
    return [(version.snapshot, version.list_status) for version in mirror.history(user, MEDIA[name], id)]


def _thinned(seen: list[tuple[int, Any]], left: list[SnapshotInfo], *_: object) -> list[tuple[int, Any]]:
    """How an entry looked to the snapshots that are left, each time that it changed."""
    numbers = {info.number for info in left}
    found: list[tuple[int, Any]] = []
    for number, data in seen:
        if number in numbers and data != (found[-1][1] if found else None):
            found.append((number, data))
    return found


def _counted(infos: list[SnapshotInfo]) -> dict[int, Any]:
    return {info.number: info.changes for info in infos}


def _counted_by_hand(infos: list[SnapshotInfo], was: dict[int, Snapshot], stay: Any) -> dict[int, Any]:
    """What changed in each that stays since the one that is before it now."""
    found = {}
    for info in infos:
        earlier = [one.number for one in infos if one.series == info.series and one.number < info.number]
        left = [number for number in earlier if number in stay]
        if info.number in stay:
            changes = count(diff(was[max(left)], was[info.number])) if left else dict.fromkeys(OPS, 0)
            found[info.number] = changes
    return found


def _unseen(mirror: Mirror) -> int:
    """How many versions no snapshot sees, told by another program."""
    with closing(sqlite3.connect(mirror.path)) as other:
        found = 0
        for name in MEDIA:
            snapshots = other.execute(f"SELECT series, id FROM snapshot WHERE {name} IS NOT NULL").fetchall()
            for series, since, until in other.execute(f"SELECT series, since, until FROM {name}_version"):
                found += not any(s == series and since <= n and (until is None or n < until) for s, n in snapshots)
        empty = other.execute("SELECT count(*) FROM series WHERE id NOT IN (SELECT series FROM snapshot)").fetchone()[0]
        return found + int(empty)


@pytest.mark.promise("pruning-7")
def test_the_cost_of_pruning_is_linear(template: Path) -> None:
    """Four times as many, with four times as many versions, are four times the work for SQLite: it was sixteen times."""
    few, many = (_work_of_pruning_one(template, snapshots) for snapshots in (30, 120))

    assert many < 6 * few


def _work_of_pruning_one(template: Path, snapshots: int) -> int:
    """In steps of SQLite's machine, of a list that changes entry by entry each day."""
    days = [
        snapshot({id: {"score": day} for id in range(30)}, {}, at=f"{2000 + day}-01-01T00:00:00Z")
        for day in range(snapshots)
    ]
    steps: list[None] = []
    with lived(template, [(day, None) for day in days]) as mirror:
        mirror._connection.set_progress_handler(lambda: steps.append(None), 100)
        mirror.prune([2])
    return len(steps)


def test_a_suspicious_snapshot_takes_no_place_from_a_good_one(tmp_path: Path) -> None:
    with Mirror.open(tmp_path / "mirror.db", write=True) as mirror:
        for day, suspicious in enumerate([(), (), (), ("anime: empty",)], start=1):
            made = snapshot({1: watched(day)}, {}, at=f"2026-11-0{day}T12:00:00Z")
            mirror.add(replace(made, suspicious=suspicious))
        reasons = kept(mirror.infos(), [], Policy(last=2), LATER)

    assert list(reasons) == [2, 3, 4]
    assert ["last" in reasons[number] for number in (2, 3, 4)] == [True, True, False]


# -- the reasons, by example


def info(number: int, at: str, user: User = MIKA, source: Source = "backup", **more: Any) -> SnapshotInfo:
    """What the mirror says of a snapshot of both lists; `anime` and `manga` may be left out of them by name."""
    covers: Covers = {name: medium.names if more.pop(name, True) else None for name, medium in MEDIA.items()}
    given: dict[str, Any] = {"suspicious": (), "note": "", "digest": f"sha256:{number}", "encoded": {}} | more
    return SnapshotInfo(number, 1, user, moment(at), source, covers=covers, counts={}, changes={}, **given)


def run(number: int, before: int | None, after: int | None, user: User = MIKA, **more: Any) -> Run:
    """A finished run."""
    given: dict[str, Any] = {"head": {}, "undoes": None, "state": "finished"} | more
    return Run(number, user, "default", "restore", before=before, after=after, started_at=MONTH, ended_at=None, **given)


def days(*numbers: int, first: int = 1) -> list[SnapshotInfo]:
    """A backup of each of these days of October, numbered from `first`."""
    return [info(number, f"2026-10-{day:02}T12:00:00Z") for number, day in enumerate(numbers, first)]


def test_each_rule_names_what_it_keeps_and_the_oldest_one() -> None:
    taken = {one.number: one.taken_at for one in days(1, 2, 20, 21, 21)}

    assert by_policy(taken, Policy(last=1, daily=2)) == {5: ["last", "daily"], 3: ["daily"]}
    assert by_policy(taken, Policy(monthly=2)) == {5: ["monthly"], 1: ["oldest monthly"]}
    assert by_policy(taken, Policy(daily=4)) == {5: ["daily"], 3: ["daily"], 2: ["daily"], 1: ["daily"]}
    assert by_policy(taken, Policy(weekly=1, yearly=1)) == {5: ["weekly", "yearly"]}
    assert by_policy({one.number: one.taken_at for one in days(13, 20, 21)}, Policy(weekly=3)) == {
        3: ["weekly"],
        1: ["weekly"],
    }
    assert by_policy({}, Policy(last=1, daily=1)) == {}


def test_of_two_of_one_time_the_one_stored_last_is_the_newer() -> None:
    taken = dict.fromkeys((2, 1, 3), MONTH)

    assert by_policy(taken, Policy(last=2)) == {3: ["last"], 2: ["last"]}


def test_the_newest_is_the_one_of_the_latest_time_though_an_older_one_was_stored_later() -> None:
    taken = {one.number: one.taken_at for one in days(1, 9, 3)}

    assert by_policy(taken, Policy(last=2, daily=1)) == {2: ["last", "daily"], 3: ["last"]}


def test_backups_imports_and_lists_around_runs_are_thinned_out_apart() -> None:
    sources: list[Source] = ["import", "before-run", "after-run", "backup", "public"]
    infos = [replace(one, source=source) for one, source in zip(days(1, 2, 3, 4, 5), sources, strict=True)]

    reasons = kept(infos, [], Policy(last=1), LATER)

    assert {number for number, words in reasons.items() if "last" in words} == {1, 3, 5}


def test_a_suspicious_snapshot_before_any_good_one_is_kept_alone() -> None:
    infos = [info(1, "2026-10-01T12:00:00Z", suspicious=("anime: empty",)), *days(2, first=2)]

    assert always(infos, []) == {1: ["suspicious"], 2: ["newest good", "newest backup"]}


def test_a_note_is_a_reason_only_where_that_was_asked_for() -> None:
    infos = [info(1, "2026-10-01T12:00:00Z", note="mine"), *days(2, 3, first=2)]

    assert kept(infos, [], Policy(last=1, noted=True), LATER)[1] == ["note"]
    assert list(kept(infos, [], Policy(last=1), LATER)) == [3]


def test_the_newest_of_a_user_is_kept_with_every_reason() -> None:
    infos = [*days(1, 2), info(3, "2026-10-03T12:00:00Z", source="import"), *days(4, first=4)]

    reasons = kept(infos, [], Policy(last=1), LATER)

    assert reasons == {
        3: ["last"],  # imports are thinned out for themselves
        4: ["last", "newest good", "newest backup"],
    }


def test_where_nothing_good_is_there_the_newest_is_kept() -> None:
    infos = [info(number, f"2026-10-0{number}T12:00:00Z", source="import") for number in (1, 2, 3)]

    assert always(infos, []) == {3: ["newest", "the next backup is judged by it"]}


def test_what_the_next_backup_is_judged_by_is_kept_list_by_list() -> None:
    infos = [
        *days(1),
        info(2, "2026-10-02T12:00:00Z", anime=False),
        info(3, "2026-10-03T12:00:00Z", manga=False),
        info(4, "2026-10-04T12:00:00Z", anime=False, manga=False),
    ]

    assert always(infos, []) == {
        4: ["newest good", "newest backup"],
        3: ["the next backup is judged by it"],
        2: ["the next backup is judged by it"],
    }


def test_a_suspicious_one_is_kept_with_those_that_it_was_judged_by() -> None:
    infos = [
        *days(1, 2),
        info(3, "2026-10-03T12:00:00Z", anime=False),
        info(4, "2026-10-04T12:00:00Z", suspicious=("anime: empty",)),
        *days(5, 6, first=5),
    ]

    assert always(infos, []) == {
        2: ["good before a suspicious one"],
        3: ["good before a suspicious one"],
        4: ["suspicious"],
        6: ["newest good", "newest backup"],
    }


def test_what_was_stored_before_a_suspicious_one_is_its_measure_whatever_its_time() -> None:
    """A clock was wrong once: number 2 was judged by number 1, and is older than it by its time."""
    infos = [
        info(1, "2026-10-09T12:00:00Z"),
        info(2, "2026-10-02T12:00:00Z", suspicious=("anime: empty",)),
        info(3, "2026-10-01T12:00:00Z"),
        info(4, "2026-10-10T12:00:00Z"),
    ]

    reasons = always(infos, [])

    assert reasons[1] == ["good before a suspicious one"]
    assert reasons[3] == ["good before a suspicious one"]


def test_what_is_dated_in_the_future_is_kept_and_takes_no_place() -> None:
    infos = [*days(1, 2), info(3, "2030-01-01T12:00:00Z", note="mine")]

    reasons = kept(infos, [], Policy(last=1, noted=True), MONTH)

    assert reasons == {2: ["last", "newest good", "newest backup"], 3: ["dated in the future"]}


def test_the_lists_around_the_newest_run_of_each_user_are_kept() -> None:
    infos = [*days(1, 2, 3, 4), *(replace(one, user=THEO) for one in days(1, 2, 3, first=5))]
    runs = [run(3, 5, 6, THEO), run(2, 2, 3), run(1, 1, 2)]

    assert always(infos, runs) == {
        2: ["run 2, the newest"],
        3: ["run 2, the newest"],
        4: ["newest good", "newest backup"],
        5: ["run 3, the newest"],
        6: ["run 3, the newest"],
        7: ["newest good", "newest backup"],
    }


@pytest.mark.parametrize(
    ("head", "needed"),
    [
        ({"lists": {"wanted": {"snapshot": 2}}}, {2, 5}),
        ({"lists": {"good": {"snapshot": 1}, "bad": {"snapshot": 3}}}, {1, 3, 5}),
        ({"lists": {"wanted": {"reference": "a.json"}}}, {5}),
        ({"lists": {"wanted": {"snapshot": "2"}}}, {5}),
        ({"lists": {"wanted": "2", "good": {"snapshot": 3}}}, {3, 5}),
        ({"lists": ["wanted"]}, {5}),
        ({}, {5}),
    ],
)
def test_an_unfinished_run_keeps_the_lists_that_it_was_planned_from(head: dict[str, Any], needed: set[int]) -> None:
    reasons = always(days(*range(1, 8)), [run(1, 5, None, head=head, state="unfinished")])

    assert {number for number, words in reasons.items() if "run 1 is unfinished" in words} == needed


def test_an_unfinished_undo_keeps_the_lists_around_the_run_that_it_undoes() -> None:
    runs = [run(1, 1, 2), run(2, 3, 4), run(3, 5, None, undoes=1, state="unfinished")]

    reasons = always(days(*range(1, 8)), runs)

    assert reasons == {number: ["run 3 is unfinished"] for number in (1, 2, 5)} | {7: ["newest good", "newest backup"]}
    assert always(days(1, 2), [run(3, 1, None, undoes=9, state="unfinished")])[1] == ["run 3 is unfinished"]


def test_both_lists_around_a_run_stay_where_one_does() -> None:
    """Runs hang together: the list after one is the list before the next."""
    infos = [info(number, f"2026-10-0{number}T12:00:00Z", source="after-run") for number in range(1, 7)]
    runs = [run(1, 1, 2), run(2, 2, 3), run(3, 3, 4), run(4, 6, None), run(5, None, 9)]

    reasons = kept([*infos, *days(8, first=8)], runs, Policy(yearly=1), LATER)

    assert reasons == {
        6: ["yearly"],
        8: ["yearly", "newest good", "newest backup"],
    }
    noted = [replace(one, note="mine") if one.number == 4 else one for one in infos]
    assert kept([*noted, *days(8, first=8)], runs, Policy(yearly=1, noted=True), LATER) == reasons | {
        1: ["to undo run 1"],
        2: ["to undo run 2"],
        3: ["to undo run 3"],
        4: ["note"],
    }
