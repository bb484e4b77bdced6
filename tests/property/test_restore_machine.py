"""Restores, faults, edits behind malsync's back, runs that stop and go on, undo: in any order, and nothing is ever lost.

The account is the sandbox's. What a command may have changed is told by the journal of its run, what each snapshot holds by
this machine's own notes, which it took when the snapshot was made.
"""

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from malsync.mirror import FILE_NAME, Mirror
from malsync.mirror.journal import Run
from malsync.planning.restore_plan import PlannedWrite
from malsync.sandbox import Sandbox
from malsync.sandbox.media import MEDIA as FAR_SIDE
from malsync.sandbox.media import Kind
from malsync.schemas import find_problem
from tests.support.effort import effort
from tests.support.far_lists import USER, Log, holds, key_of, put, world_of
from tests.support.harness import Malsync, Result
from tests.support.invented_lists import EDITS, FRESH, MOMENTS, TOTALS, Key, Lists, Status, shown

pytestmark = pytest.mark.promise("writing-14")

DOCUMENTED = {0, 2, 3, 4, 5, 7, 8}
"""The exit codes that these commands may end with: none is 70, and the mirror is not damaged (6)."""
SURE = ("--yes", "--max-deletes", str(len(TOTALS)))
FILTERS = [("--only", "anime"), ("--id", "anime:1"), ("--status", "completed"), ("--field", "comments")]

PASSING = ("500", "502:done=yes", "503", "429", "403", "cut:at=before,done=no", "cut", "html", "empty", "truncated")
REFUSING = ("redirect", "bad_request", "invalid_content", "gone", "unstored", "unstored:shows=kept")
PARTS = ("unstored:field=score", "unstored:field=comments,shows=kept", "unstored:field=status,shows=kept")
MOVING = ("meanwhile", "meanwhile:what=comments", "meanwhile:what=remove")
STOPPING = ("429:retry_after=400", "expire", "forbidden", "503:times=99", "504:done=yes,times=99")
FAULTS = [(spec, "my_list_status") for spec in (*PASSING, *REFUSING, *PARTS, *MOVING, *STOPPING, *STOPPING)]
FAULTS += [(spec, f"{name}list") for name in FAR_SIDE for spec in ("503", "redirect", "forbidden", "503:times=99")]


def fault(where: tuple[str, str], first: int, times: int) -> str:
    """A spec that strikes from the `first` request of its kind on, `times` in a row unless it says how often itself."""
    spec, path = where
    often = "" if "times" in spec else f",times={times}"
    return f"{spec}{',' if ':' in spec else ':'}on={path},nth={first}-999{often}"


faults = st.builds(fault, st.sampled_from(FAULTS), st.integers(1, 4), st.integers(1, 3))
trouble = st.just("") | faults | st.tuples(faults, faults).map(";".join)
"""What goes wrong from now on, beside all that does already."""


def _lists(seed: int) -> Lists:
    """Two of three titles, and of each what makes it differ from nearly every other."""
    random = Random(seed)
    found: Lists = {}
    for name, id in sorted(TOTALS):
        medium, entry = FAR_SIDE[name], {"updated_at": random.choice(MOMENTS)}
        values: dict[Kind, tuple[Any, ...]] = {
            Kind.STATUS: medium.statuses,
            Kind.NUMBER: (0, 1, 2),
            Kind.FLAG: (False, True),
            Kind.DATE: (None, "2021-12", "2021-12-31"),
            Kind.TAGS: ([], ["a", "b"], ["b"]),
            Kind.TEXT: ("", "said", "<b> & more"),
        }
        entry |= {one.read: random.choice(values[one.kind]) for one in medium.members if one.kind in values}
        if random.random() < 0.67:
            found[name, id] = {member: value for member, value in entry.items() if value is not None}
    return found


LISTS = [{}, *map(_lists, range(12))]
others = st.sampled_from([None, *range(len(LISTS))])
"""Which lists somebody else has made of those that were there; None: nobody has."""


class RestoreMachine(RuleBasedStateMachine):
    """One account and one home folder."""

    comments = "encoded"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="malsync-")
        self.box = Sandbox(world_of({}, TOTALS), settings={"comment_entities": self.comments}).__enter__()
        self.malsync = Malsync(Path(self.folder.name) / "home", self.box)
        self.snapshots: dict[int, Lists] = {}
        self.backups: list[int] = []
        self.found: dict[int, Lists] = {}
        """What each run found, until somebody else changes something."""
        self.is_well = True

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None and self.backups:
                self.everything_heals()
        finally:
            self.box.__exit__()
            self.folder.cleanup()

    # -- what happens to an account

    @initialize(first=others, second=others)
    def two_backups(self, first: int | None, second: int | None) -> None:
        for now in (first, second):
            self.back_up(now, accept=True)
        assert len(self.backups) == 2

    @rule(data=st.data(), key=st.sampled_from(sorted(TOTALS)), removes=st.booleans())
    def somebody_edits_adds_or_removes(self, data: st.DataObject, key: Key, removes: bool) -> None:
        here = self.box.entries(USER, key[0]).get(key[1])
        if here is not None and removes:
            self.box.remove(USER, *key)
        else:
            self.box.edit(USER, *key, **data.draw(FRESH[key] if here is None else EDITS[key]))
        self.found.clear()

    def changes(self, now: int | None) -> None:
        """Somebody makes these lists of what was there."""
        if now is not None:
            put(self.box.world, LISTS[now])
            self.found.clear()

    def goes_wrong(self, well: bool, spec: str) -> None:
        """What went wrong until now comes to an end, if `well`; then something else begins."""
        if well:
            self.box.clear_faults()
            self.malsync.environment["MALSYNC_ACCESS_TOKEN"] = self.box.token_for(USER)
        self.box.add_faults(spec)
        self.is_well = (self.is_well or well) and not spec

    # -- what malsync does

    @rule(now=others, accept=st.booleans())
    def back_up(self, now: int | None, accept: bool) -> None:
        """Sometimes a suspicious list is said to be meant."""
        self.changes(now)
        result = self.command("backup", *(["--accept"] if accept else []))
        if result.exit_code in (0, 8):
            self.backups.append(result.json["snapshot"])
            self.snapshots[self.backups[-1]] = shown(holds(self.box))

    def restore(self, now: int | None, well: bool, spec: str, which: int, *how: str) -> tuple[Result, set[Key], Lists]:
        """Restore a snapshot after all that; the entries that are not as wanted then."""
        self.changes(now)
        self.goes_wrong(well, spec)
        number = sorted(self.snapshots)[which % len(self.snapshots)]
        wanted = self.snapshots[number]
        result = self.command("restore", str(number), *how)
        after = shown(holds(self.box))
        return result, {key for key in TOTALS if wanted.get(key) != after.get(key)}, wanted

    @rule(now=others, well=st.booleans(), spec=trouble, which=st.integers(0, 99))
    def restore_exactly(self, now: int | None, well: bool, spec: str, which: int) -> None:
        result, unlike, _ = self.restore(now, well, spec, which, "--mode", "exact", *SURE)
        assert result.exit_code not in (0, 5) or left_of(result) == unlike

    @rule(now=others, well=st.booleans(), spec=trouble, which=st.integers(0, 99))
    def restore_and_delete_nothing(self, now: int | None, well: bool, spec: str, which: int) -> None:
        result, unlike, wanted = self.restore(now, well, spec, which, *SURE)
        assert result.exit_code not in (0, 5) or left_of(result) == unlike & wanted.keys()

    @rule(now=others, well=st.booleans(), spec=trouble, which=st.integers(0, 99))
    def restore_what_is_missing(self, now: int | None, well: bool, spec: str, which: int) -> None:
        result, unlike, wanted = self.restore(now, well, spec, which, "--mode", "missing", *SURE)
        missing = wanted.keys() - holds(self.box).keys()
        assert result.exit_code not in (0, 5) or missing <= left_of(result) <= unlike

    @rule(now=others, well=st.booleans(), spec=trouble, which=st.integers(0, 99), filters=st.sampled_from(FILTERS))
    def restore_a_part(self, now: int | None, well: bool, spec: str, which: int, filters: tuple[str, ...]) -> None:
        result, unlike, _ = self.restore(now, well, spec, which, "--mode", "exact", *filters, *SURE)
        assert result.exit_code not in (0, 5) or left_of(result) <= unlike

    @rule(now=others, spec=trouble, which=st.integers(0, 99), look=st.sampled_from(["--dry-run", "--rehearse"]))
    def look_at_a_restore(self, now: int | None, spec: str, which: int, look: str) -> None:
        log = Log(self.box)
        self.restore(now, True, spec, which, "--mode", "exact", look)
        assert log.writes == []

    @rule(now=others, well=st.booleans(), spec=trouble, good=st.integers(0, 99), bad=st.integers(1, 9))
    def revert(self, now: int | None, well: bool, spec: str, good: int, bad: int, *filters: str) -> None:
        self.changes(now)
        self.goes_wrong(well, spec)
        numbers = sorted(self.snapshots)
        pair = [numbers[one % len(numbers)] for one in (good, good + bad)]
        self.command("revert", *map(str, pair), *filters, *SURE)

    @rule(now=others, good=st.integers(0, 99), bad=st.integers(1, 9), filters=st.sampled_from(FILTERS))
    def revert_a_part(self, now: int | None, good: int, bad: int, filters: tuple[str, ...]) -> None:
        self.revert(now, True, "", good, bad, *filters)

    @precondition(lambda self: self.unfinished)
    @rule(well=st.booleans(), spec=trouble)
    def resume(self, well: bool, spec: str) -> None:
        self.goes_wrong(well, spec)
        self.command("resume")

    @precondition(lambda self: self.runs())
    @rule(well=st.booleans(), spec=trouble)
    def undo(self, well: bool, spec: str) -> None:
        self.goes_wrong(well, spec)
        found = self.found.get(self.runs()[-1].number) if self.is_well else None
        result = self.command("undo", *SURE)
        if found is not None:
            # An answered write that no list shows yet, as where MAL lied, cannot be told from one that shows later.
            left = result.json["left"] if result.exit_code == 5 else []
            assert result.exit_code == 0 or all("older than the run's write" in one["why"] for one in left), str(result)
            assert shown(holds(self.box)) == found

    @precondition(lambda self: self.runs())
    @rule(deletes=st.integers(0, 2))
    def undo_with_less_leave_to_delete(self, deletes: int) -> None:
        self.command("undo", "--yes", "--max-deletes", str(deletes))

    @precondition(lambda self: self.runs())
    @rule(which=st.integers(0, 9))
    def undo_an_older_run(self, which: int) -> None:
        runs = self.runs()
        self.command("undo", str(runs[which % len(runs)].number), *SURE)

    @precondition(lambda self: self.unfinished)
    @rule()
    def give_up(self) -> None:
        (run,) = self.unfinished
        self.malsync.ok("runs", "--abandon", str(run.number))

    def everything_heals(self) -> None:
        """Once nothing fails any more, whatever was begun comes to an end, and a backup can be brought back."""
        self.goes_wrong(well=True, spec="")
        if self.unfinished:
            assert self.command("resume").exit_code in (0, 5)
        command = ("restore", str(self.backups[-1]), "--mode", "exact", "--force", *SURE)
        healed = self.command(*command)
        assert healed.exit_code == 0, str(healed)
        assert healed.json["equal"]
        assert shown(holds(self.box)) == self.snapshots[self.backups[-1]]
        again = self.command(*command).json
        assert (again["run"], again["plan"], again["left"]) == (None, {"add": 0, "update": 0, "remove": 0}, [])
        assert self.malsync.json("verify")["ok"]

    # -- what must be true of whatever it does

    def runs(self) -> list[Run]:
        with Mirror.open(self.malsync.home / FILE_NAME) as mirror:
            return mirror.journal.runs()

    @property
    def unfinished(self) -> list[Run]:
        return [run for run in self.runs() if run.state == "unfinished"]

    def command(self, *arguments: str) -> Result:
        """A command line, and what it may have done: to the entries that its run's journal names, and only what is named."""
        known = {run.number: run.state for run in self.runs()}
        before, log = holds(self.box), Log(self.box)

        result = self.malsync(*arguments, "--json")

        after = holds(self.box)
        assert result.exit_code in DOCUMENTED, str(result)
        run, calls = self.worked_on(known, resumes=arguments[0] == "resume")
        assert log.keys <= calls.keys(), str(result)
        struck = {key for row in log.writes if "meanwhile" in row.get("faults", ()) for key in [key_of(row)]}
        for key in before.keys() | after.keys():
            if repr(before.get(key)) != repr(after.get(key)):
                assert key in calls, (key, str(result))
                if key not in struck:
                    assert "--force" in arguments or is_as_planned(calls[key], before.get(key)), (key, str(result))
                    assert_is_no_more_than(calls[key], before.get(key), after.get(key))
        if struck:
            self.found.clear()
        self.check(result, run, log)
        self.note(result, run, before, after, struck)
        return result

    def worked_on(self, known: dict[int, str], *, resumes: bool) -> tuple[Run | None, dict[Key, PlannedWrite]]:
        """The run that a command began, or else went on with, and its calls by entry."""
        with Mirror.open(self.malsync.home / FILE_NAME) as mirror:
            for run in reversed(mirror.journal.runs()):
                if run.number not in known or (resumes and known[run.number] == "unfinished"):
                    return run, {line.call.key: line.call for line in mirror.journal.lines(run.number)}
        return None, {}

    def check(self, result: Result, run: Run | None, log: Log) -> None:
        """The exit code, the document, the journal and the sandbox's log agree."""
        document = result.json
        if "error" in document:
            assert find_problem("output-error", document) is None
            assert document["error"]["exit"] == result.exit_code
            if run is not None and log.writes:
                assert run.state == "unfinished"
                assert result.exit_code in (3, 4)
                assert result.stderr.splitlines()[-1].endswith(f"To go on: malsync resume {run.number}")
            return
        if result.arguments[0] == "backup":
            return
        assert find_problem("output-run", document) is None
        is_real = not {"--dry-run", "--rehearse"} & set(result.arguments)
        assert is_real or not log.writes
        assert document["requests"] == {"GET": len(log.rows) - len(log.writes), **log.counts}
        if is_real:
            assert (result.exit_code == 5) == bool(document["left"])
            assert document["equal"] == (not document["left"])
        if document["run"] is not None:
            assert run is not None
            assert (run.number, run.state) == (document["run"], "finished")
            assert sum(document["outcomes"].values()) >= sum(document["plan"].values())

    def note(self, result: Result, run: Run | None, before: Lists, after: Lists, struck: set[Key]) -> None:
        """What the new snapshots hold, and what the new run found."""
        document = result.json
        if "error" not in document and result.arguments[0] != "resume" and not struck and document.get("before"):
            self.snapshots[document["before"]] = shown(before)
        if "error" not in document and document.get("after"):
            self.snapshots[document["after"]] = shown(after)
        if run is not None and result.arguments[0] != "resume":
            self.found = {run.number: shown(before)} if not struck else {}


def left_of(result: Result) -> set[Key]:
    """The entries that a command says it has left."""
    return {(one["medium"], one["id"]) for one in result.json["left"]}


def is_as_planned(call: PlannedWrite, before: Status | None) -> bool:
    """Whether nobody has done anything to the entry since that this would overwrite."""
    if call.op == "update" and before is not None:
        now = shown({call.key: before})[call.key]
        return all(now[name] in pair for name, pair in call.fields.items())
    return before == call.expect


def assert_is_no_more_than(call: PlannedWrite, before: Status | None, after: Status | None) -> None:
    """Every field is what it was, or what the call says it is to be."""
    if call.op == "remove":
        assert after is None
        return
    assert after is not None
    was, now = ({} if one is None else shown({call.key: one})[call.key] for one in (before, after))
    for member in FAR_SIDE[call.medium.name].members:
        if member.kind is Kind.SERVER:
            continue
        allowed = [was.get(member.read, member.blank)]
        if member.read in call.fields:
            allowed.append(call.fields[member.read][1])
        if member.kind is Kind.STATUS and before is None:
            allowed.append(FAR_SIDE[call.medium.name].planned)
        assert now[member.read] in allowed, (member.read, now[member.read], allowed)


class RestoreMachineRaw(RestoreMachine):
    """The same beside an API that shows comments as they were written."""

    comments = "raw"


LAWS = settings(
    max_examples=effort(6, nightly=80),
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestRestoreMachine: Any = RestoreMachine.TestCase
TestRestoreMachineRaw: Any = RestoreMachineRaw.TestCase
TestRestoreMachine.settings = TestRestoreMachineRaw.settings = LAWS
