"""A run of forty writes as a process that can be stopped at any of its steps."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from malsync.mirror import FILE_NAME, JournalEntry, Mirror
from tests.support.farside import Sandbox
from tests.support.harness import Malsync, clean_environment, until

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


GO_ON = "To go on: malsync resume 1"


def ctrl_c(process: "subprocess.Popen[str]", number: int = signal.SIGINT) -> None:
    """Press Ctrl-C, or send what is the same, and return when it was heard: two at once would be one."""
    process.send_signal(number)
    until(lambda: process.poll() is not None or _sleeps_undisturbed(process.pid))


def _sleeps_undisturbed(pid: int) -> bool:
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    is_waiting = any(int(told[name], 16) for name in ("SigPnd", "ShdPnd"))
    return told["State"].strip().startswith("S") and not is_waiting


def ended(process: "subprocess.Popen[str]", typed: str = GO_ON) -> str:
    """How a process that was interrupted ends. Returns what it said on stderr."""
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == typed
    return err


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="no /proc here, which says that a signal was heard"
)
