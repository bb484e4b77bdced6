"""`kill -9` at any moment of a run: `malsync resume` looks at the live lists and finishes it, and sends nothing twice."""

import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from malsync.mirror import FILE_NAME, JournalEntry, Mirror
from malsync.sandbox import World
from tests.farside import Sandbox
from tests.harness import Malsync, clean_environment, until

pytestmark = pytest.mark.writes

WRITES = 40
GONE, CHANGED, CAME = {"anime": 8, "manga": 6}, {"anime": 10, "manga": 6}, {"anime": 6, "manga": 4}
SAME = 2
"""What happened to so many entries of each list: they make 14 adds, 16 updates and 10 deletes."""
USER = "kiki"
RESTORE = ("restore", "latest", "--mode", "exact", "--yes")

Lists = dict[str, dict[int, dict[str, Any]]]


def _as_it_was(medium: str, number: int) -> dict[str, Any]:
    """The data of the entry `number`; those of the two media take turns at being updated."""
    return {
        "status": ("completed", "on_hold", "dropped")[number % 3],
        "score": number % 10 + 1,
        "tags": ["mine", f"number {number}"],
        "comments": f"{medium} {number}, as it was",
        "start_date": "2019-10-23",
        "priority": number % 3,
        "updated_at": f"2026-01-{number:02}T{12 if medium == 'anime' else 13}:00:00+00:00",
    }


def _spoilt(status: Mapping[str, Any]) -> dict[str, Any]:
    """The entry after somebody else was at it."""
    return {
        "status": "plan_to_watch",
        "score": status["score"] % 10 + 1,
        "comments": "haha",
        "updated_at": "2026-11-20T21:14:03+00:00",
    }


def _lists() -> tuple[Lists, Lists]:
    """The lists as they were, and what was made of them. Titles have the same numbers in both media."""
    was: Lists = {"anime": {}, "manga": {}}
    now: Lists = {"anime": {}, "manga": {}}
    for medium in was:
        numbers = iter(range(1, 100))
        for _ in range(GONE[medium]):
            number = next(numbers)
            was[medium][number] = _as_it_was(medium, number)
        for _ in range(CHANGED[medium]):
            number = next(numbers)
            was[medium][number] = _as_it_was(medium, number)
            now[medium][number] = _spoilt(was[medium][number])
            if medium == "manga":
                now[medium][number]["status"] = "plan_to_read"
        for _ in range(CAME[medium]):
            number = next(numbers)
            now[medium][number] = {"status": "dropped", "score": 1, "updated_at": "2026-11-20T21:15:00+00:00"}
        for _ in range(SAME):
            number = next(numbers)
            was[medium][number] = now[medium][number] = _as_it_was(medium, number)
    return was, now


WAS, NOW = _lists()


def rows(lists: Lists) -> dict[str, list[dict[str, Any]]]:
    return {
        medium: [
            {"node": {"id": id, "title": f"{medium.title()} {id}"}, "list_status": status}
            for id, status in entries.items()
        ]
        for medium, entries in lists.items()
    }


class Story:
    """A list that was backed up and then spoilt, as often as it is wanted: a far side, and a home folder to copy."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self._kept = folder / "kept"
        self._put(WAS)
        self.wanted = self.lists()
        # Long ago, whichever clock is asked: lists that were read after a plan was made are read again.
        self._malsync(self._kept, timedelta(hours=1)).ok("backup")
        self._put(NOW)
        self.spoilt = self.lists()
        self._begun_at = 0

    def begin(self, home: Path) -> Malsync:
        """The far side spoilt again, and malsync with a backup from before."""
        self.box.clear_faults()
        self._put(NOW)
        self._begun_at = len(self.box.requests)
        shutil.copytree(self._kept, home)
        return self._malsync(home)

    def lists(self) -> Lists:
        """What stands in the lists, without what is the server's own."""
        return {
            medium: {
                id: {name: value for name, value in status.items() if name != "updated_at"}
                for id, status in self.box.entries(USER, medium).items()
            }
            for medium in ("anime", "manga")
        }

    def writes(self) -> list[str]:
        """The paths that were written since the beginning, in their order."""
        return [row["path"] for row in self.box.requests[self._begun_at :] if row["method"] != "GET"]

    def killed(self, process: "subprocess.Popen[str]") -> None:
        """Kill a process that waits for an answer."""
        until(lambda: self.box.stalled or process.poll() is not None)
        kill(process)
        until(lambda: not self.box.stalled)
        self.box.clear_faults()

    def _put(self, lists: Lists) -> None:
        self.box.world.put_state({"accounts": {USER: rows(lists)}})

    def _malsync(self, home: Path, ago: timedelta = timedelta()) -> Malsync:
        malsync = Malsync(home, self.box)
        # In step with the processes, whose time is real.
        malsync.time.moment = datetime.now(UTC) - ago
        return malsync


def kill(process: "subprocess.Popen[str]") -> None:
    """SIGKILL, to a process that has not ended by itself."""
    if process.poll() is None:
        process.kill()
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err


def journal(malsync: Malsync, run: int = 1) -> list[JournalEntry]:
    """What the journal says, without asking malsync."""
    with Mirror.open(malsync.home / FILE_NAME, write=False) as mirror:
        return mirror.journal.lines(run)


def states(malsync: Malsync, run: int = 1) -> list[str]:
    """The state of each line."""
    return [line.state for line in journal(malsync, run)]


def path_of(line: JournalEntry) -> str:
    """Where a line is written."""
    return f"/v2/{line.call.medium.name}/{line.call.id}/my_list_status"


def resumed(story: Story, malsync: Malsync) -> Any:
    """Finish the run, and look at everything that a run promises. Returns what `resume` says."""
    before, had = journal(malsync), len(story.writes())
    # The process lived in real time, and on a busy machine for long: what it read must not lie in the future.
    malsync.time.moment = max(malsync.time.moment, datetime.now(UTC))

    document = malsync.json("resume")

    assert document["equal"] is True
    assert document["left"] == []
    assert document["run"] == 1
    assert sum(document["outcomes"].values()) == WRITES
    assert story.lists() == story.wanted
    again = story.writes()[had:]
    assert len(again) == len(set(again)) == sum(document["requests"][method] for method in ("PATCH", "DELETE"))
    settled = {path_of(line) for line in before if line.state not in ("planned", "sent")}
    assert settled.isdisjoint(again)
    assert set(states(malsync)) <= {"done", "already"}
    assert [run["state"] for run in malsync.json("runs")] == ["finished"]
    assert malsync.json("verify")["ok"] is True
    return document


@pytest.fixture(scope="module")
def far_side(comments_shown: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    world = World.holding(USER, rows(WAS))
    with Sandbox(world) as box:
        yield Story(box, tmp_path_factory.mktemp("kill"))


@pytest.fixture
def story(far_side: Story) -> Iterator[Story]:
    """What happened, from its beginning on."""
    yield far_side
    far_side.box.clear_faults()


@pytest.fixture
def malsync(story: Story, home: Path) -> Malsync:
    return story.begin(home)


# -- after each write, and between each write and its answer


def test_the_run_has_forty_writes_of_all_kinds_and_both_media(story: Story, malsync: Malsync) -> None:
    document = malsync.json(*RESTORE)

    assert document["plan"] == {"add": 14, "update": 16, "remove": 10}
    assert document["outcomes"]["done"] == len(story.writes()) == WRITES
    assert {(line.call.op, line.call.medium.name) for line in journal(malsync)} == {
        (op, medium) for op in ("add", "update", "remove") for medium in ("anime", "manga")
    }
    assert story.lists() == story.wanted


@pytest.mark.promise("writing-2")
@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, WRITES + 1))
@pytest.mark.parametrize("done", ["yes", "no"])
def test_killed_while_it_waits_for_the_answer_to_a_write(
    story: Story, malsync: Malsync, done: str, number: int
) -> None:
    for method in ("PATCH", "DELETE"):
        story.box.add_faults(_nth_write(method, number, done))
    story.killed(malsync.process(*RESTORE))
    assert states(malsync) == ["done"] * (number - 1) + ["sent"] + ["planned"] * (WRITES - number)
    assert story.writes() == [path_of(line) for line in journal(malsync)[:number]]

    outcomes = resumed(story, malsync)["outcomes"]

    assert (outcomes["done"], outcomes["already"]) == ((WRITES - 1, 1) if done == "yes" else (WRITES, 0))
    often = Counter(story.writes())
    assert len(often) == WRITES
    twice = [path for path, times in often.items() if times > 1]
    assert twice == ([] if done == "yes" else [path_of(journal(malsync)[number - 1])])
    if number % 10 == 1:
        _undone(story, malsync)


def _nth_write(method: str, number: int, done: str) -> str:
    """The fault that holds the n-th write of a run, if it is of this method: its deletes follow all else."""
    patches = WRITES - sum(CAME.values())
    nth = number if method == "PATCH" else number - patches
    in_range = (1 <= nth <= patches) if method == "PATCH" else nth >= 1
    return f"stall:method={method},nth={nth},done={done}" if in_range else ""


def _undone(story: Story, malsync: Malsync) -> None:
    document = malsync.json("undo", "--yes", "--max-deletes", "14")

    assert document["equal"] is True
    assert story.lists() == story.spoilt
    assert document["plan"] == {"add": 10, "update": 16, "remove": 14}
    assert malsync.json("verify")["ok"] is True


@pytest.mark.parametrize("done", ["yes", "no"])
@pytest.mark.parametrize("number", [1, 17, 30])
def test_what_was_killed_can_be_taken_back_without_finishing_it(
    story: Story, malsync: Malsync, done: str, number: int
) -> None:
    story.box.add_faults(_nth_write("PATCH", number, done))
    story.killed(malsync.process(*RESTORE))

    document = malsync.json("undo", "--yes", "--max-deletes", "14")

    assert document["equal"] is True
    assert sum(document["plan"].values()) == number - (done == "no")
    assert story.lists() == story.spoilt
    assert malsync.json("runs")[0]["state"] == "undone"
    malsync.error("resume", "1", exit_code=2)


def test_until_it_is_resumed_no_other_run_begins(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("stall:method=PATCH,nth=9")
    story.killed(malsync.process(*RESTORE))
    had = story.writes()

    error = malsync.error(*RESTORE, exit_code=7)

    assert "32 of its writes" in error["message"]
    assert "malsync resume 1" in error["hint"]
    assert story.writes() == had
    resumed(story, malsync)


@pytest.mark.promise("writing-14")
def test_what_others_did_since_it_was_killed_is_not_overwritten(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("stall:method=PATCH,nth=9,done=no")
    story.killed(malsync.process(*RESTORE))
    lines = journal(malsync)
    update = next(line.call for line in lines[8:] if line.call.op == "update")
    remove = next(line.call for line in lines[8:] if line.call.op == "remove")
    add = next(line.call for line in lines[9:] if line.call.op == "add")
    for call in (update, remove, add):
        story.box.edit(USER, call.medium.name, call.id, comments="mine, since")

    document = malsync.json("resume", exit_code=5)

    assert document["outcomes"] == {"done": 37, "already": 0, "skipped": 3, "failed": 0, "not_restorable": 0}
    moved = {(call.medium.name, call.id) for call in (update, remove, add)}
    assert {(item["medium"], item["id"]) for item in document["left"]} == moved
    for medium, id in moved:
        assert story.box.entries(USER, medium)[id]["comments"] == "mine, since"


# -- before, after, and again


@pytest.mark.promise("writing-1")
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_before_anything_was_sent(story: Story, malsync: Malsync, nth: int) -> None:
    story.box.add_faults(f"stall:method=GET,nth={nth}")
    story.killed(malsync.process(*RESTORE))

    assert malsync.json("runs") == []
    malsync.error("resume", exit_code=2)
    assert story.writes() == []
    assert len(malsync.json("snapshots")) == 1
    assert malsync.json("verify")["ok"] is True
    assert malsync.json(*RESTORE)["equal"] is True
    assert story.lists() == story.wanted


@pytest.mark.parametrize("medium", ["anime", "manga"])
def test_killed_at_the_last_reading(story: Story, malsync: Malsync, medium: str) -> None:
    story.box.add_faults(f"stall:method=GET,on={medium}list,nth=2")
    story.killed(malsync.process(*RESTORE))
    assert states(malsync) == ["done"] * WRITES

    assert resumed(story, malsync)["requests"] == {"GET": 5, "PATCH": 0, "DELETE": 0}

    assert len(story.writes()) == WRITES
    _undone(story, malsync)


def test_the_resume_is_killed_too_again_and_again(story: Story, malsync: Malsync) -> None:
    faults = [
        ("stall:method=PATCH,nth=7,done=no", 7),  # the seventh
        ("stall:method=PATCH,nth=5,done=yes", 12),  # the seventh again, and four more
        ("stall:method=GET,nth=1", 12),
        ("stall:method=GET,nth=3", 12),
        ("stall:method=DELETE,nth=4,done=yes", 35),  # the eleventh was carried out; 19 updates and adds, 4 deletes
        ("stall:method=DELETE,nth=6,done=no", 41),
        ("stall:method=GET,on=animelist,nth=2", 42),  # the last one again, and then the last reading
    ]
    commands = [RESTORE] + [("resume", "-q")] * (len(faults) - 1)
    done: set[str] = set()
    for (fault, writes), command in zip(faults, commands, strict=True):
        story.box.add_faults(fault)
        had = len(story.writes())
        story.killed(malsync.process(*command))

        assert len(story.writes()) == writes, fault
        assert done.isdisjoint(story.writes()[had:]), fault
        done = {path_of(line) for line in journal(malsync) if line.state in ("done", "already")}
        assert malsync.json("verify")["ok"] is True

    assert set(states(malsync)) == {"done", "already"}
    resumed(story, malsync)
    assert Counter(Counter(story.writes()).values()) == {1: WRITES - 2, 2: 2}
    _undone(story, malsync)


def test_an_undo_that_was_killed_is_resumed(story: Story, malsync: Malsync) -> None:
    malsync.ok(*RESTORE)
    story.box.add_faults("stall:method=PATCH,nth=9,done=yes")
    story.killed(malsync.process("undo", "--yes", "--max-deletes", "14"))
    assert Counter(states(malsync, 2)) == {"done": 8, "sent": 1, "planned": 31}

    document = malsync.json("resume")

    assert document["outcomes"] == {"done": 39, "already": 1, "skipped": 0, "failed": 0, "not_restorable": 0}
    assert document["equal"] is True
    assert story.lists() == story.spoilt
    assert len(story.writes()) == 2 * WRITES


# -- at the points that no stalled request marks: between two steps of our own

HANGING = """
import importlib, os, signal, sys
from malsync.__main__ import main

module, path, when, nth = sys.argv[1:5]
owner = importlib.import_module(module)
*owners, name = path.split(".")
for one in owners:
    owner = getattr(owner, one)
real, calls = getattr(owner, name), []

def hanging(*arguments, **named):
    calls.append(name)
    result = real(*arguments, **named) if when == "after" else None
    if len(calls) == int(nth):
        heard, hears = os.pipe()
        os.set_blocking(hears, False)
        signal.set_wakeup_fd(hears)
        print("here", flush=True)
        os.read(heard, 1)  # a signal that came before this is not lost, as it would be for signal.pause()
    return real(*arguments, **named) if when == "before" else result

setattr(owner, name, hanging)
sys.argv[1:] = sys.argv[5:]
main()
"""
JOURNAL, MIRROR = "malsync.mirror.journal:Journal", "malsync.mirror:Mirror"


@contextmanager
def hanging(malsync: Malsync, step: str, when: str, nth: int, *command: str) -> Iterator["subprocess.Popen[str]"]:
    """A command line in a process that hangs just before or after a step of its own, until it gets a signal."""
    module, _, path = step.partition(":")
    with subprocess.Popen(
        [sys.executable, "-c", HANGING, module, path, when, str(nth), *command],
        env={**clean_environment(), **malsync.environ_of_a_process()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "here\n" in process.stdout, process.communicate()
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def hang(malsync: Malsync, step: str, when: str, nth: int, *command: str) -> None:
    """Run a command line until it hangs there, and kill it."""
    with hanging(malsync, step, when, nth, *command) as process:
        kill(process)


@pytest.mark.parametrize(
    ("step", "when", "nth"),
    [
        (f"{MIRROR}.add", "before", 1),
        (f"{MIRROR}.add", "after", 1),
        (f"{JOURNAL}.begin", "before", 1),
        ("malsync.mirror.journal:_text", "after", 30),  # in the middle of the plan
    ],
)
def test_killed_before_the_plan_is_in_the_journal(
    story: Story, malsync: Malsync, step: str, when: str, nth: int
) -> None:
    hang(malsync, step, when, nth, *RESTORE)

    assert malsync.json("runs") == []
    assert story.writes() == []
    assert malsync.json("verify")["ok"] is True
    malsync.error("resume", exit_code=2)
    document = malsync.json(*RESTORE)
    assert (document["equal"], document["outcomes"]["done"]) == (True, WRITES)
    assert story.lists() == story.wanted


@pytest.mark.promise("writing-14")
@pytest.mark.parametrize(
    ("step", "when", "nth", "writes", "found"),
    [
        (f"{JOURNAL}.begin", "after", 1, 0, {"planned": 40}),
        (f"{JOURNAL}.sent", "before", 1, 0, {"planned": 40}),
        (f"{JOURNAL}.sent", "after", 1, 0, {"sent": 1, "planned": 39}),
        (f"{JOURNAL}.answered", "before", 1, 1, {"sent": 1, "planned": 39}),
        (f"{JOURNAL}.answered", "after", 1, 1, {"done": 1, "planned": 39}),
        (f"{JOURNAL}.sent", "before", 20, 19, {"done": 19, "planned": 21}),
        (f"{JOURNAL}.sent", "after", 20, 19, {"done": 19, "sent": 1, "planned": 20}),
        (f"{JOURNAL}.answered", "before", 35, 35, {"done": 34, "sent": 1, "planned": 5}),
        (f"{JOURNAL}.answered", "after", 40, 40, {"done": 40}),
        (f"{MIRROR}.add", "before", 2, 40, {"done": 40}),
        (f"{MIRROR}.add", "after", 2, 40, {"done": 40}),
        (f"{JOURNAL}.set_after", "after", 1, 40, {"done": 40}),  # in the transaction that ends the run
        (f"{JOURNAL}.ended", "before", 1, 40, {"done": 40}),
    ],
)
def test_killed_between_two_steps(
    story: Story, malsync: Malsync, step: str, when: str, nth: int, writes: int, found: dict[str, int]
) -> None:
    hang(malsync, step, when, nth, *RESTORE)
    assert len(story.writes()) == writes
    assert Counter(states(malsync)) == found
    (run,) = malsync.json("runs")
    assert (run["state"], run["after"]) == ("unfinished", None)

    resumed(story, malsync)

    assert len(story.writes()) == len(set(story.writes())) == WRITES


def test_killed_when_all_is_done(story: Story, malsync: Malsync) -> None:
    hang(malsync, f"{JOURNAL}.ended", "after", 1, *RESTORE)

    assert [run["state"] for run in malsync.json("runs")] == ["finished"]
    malsync.error("resume", exit_code=2)
    assert story.lists() == story.wanted
    _undone(story, malsync)
