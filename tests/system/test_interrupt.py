"""Ctrl-C: nothing half done, exit 130, and the last line is what to type to go on."""

import json
import signal
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
from filelock import FileLock

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync, until
from tests.support.processes import interrupted, started, told


@pytest.mark.parametrize("requests", [1, 2, 3])
def test_ctrl_c_while_the_lists_are_read_stores_nothing(home: Path, requests: int) -> None:
    with Sandbox(World.generated(entries=2_500, seed=1), latency=0.3) as box:
        malsync = Malsync(home, box)
        with started(malsync, "backup", "--note", "a note") as process:
            until(lambda: len(box.requests) >= requests)
            interrupted(process, "malsync backup --note 'a note'")

        assert malsync.json("snapshots") == []
        assert not (home / "latest").exists()


def test_what_to_type_does_go_on(home: Path, world: World) -> None:
    with Sandbox(world, latency=0.2) as box:
        malsync = Malsync(home, box)
        with started(malsync, "--home", home, "-q", "backup") as process:
            until(lambda: box.requests)
            _, err = interrupted(process, f"malsync --home {home} -q backup")

        words = err.splitlines()[-1].removeprefix("To go on: malsync ").split()
        assert malsync.ok(*words).exit_code == 0
        assert len(malsync.json("snapshots")) == 1


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGHUP,)])
def test_a_machine_that_shuts_down_and_a_terminal_that_closes_are_ctrl_c(
    home: Path, world: World, signals: tuple[int, ...]
) -> None:
    with (
        Sandbox(world, faults="stall:on=boards") as box,
        started(Malsync(home, box), "fetch", "forum", "boards") as process,
    ):
        until(lambda: box.stalled)
        interrupted(process, "malsync fetch forum boards", *signals)


def test_termination_is_heard_where_a_shells_background_job_hears_no_ctrl_c(home: Path, world: World) -> None:
    with Sandbox(world, faults="stall:on=boards") as box:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a process is started in a script's background
        try:
            background = started(Malsync(home, box), "fetch", "forum", "boards")
            process = background.__enter__()
        finally:
            signal.signal(signal.SIGINT, before)
        with ExitStack() as stack:
            stack.push(background)
            until(lambda: box.stalled)
            interrupted(process, "malsync fetch forum boards", signal.SIGINT, signal.SIGTERM)


def test_a_second_ctrl_c_takes_no_word_away(home: Path, world: World) -> None:
    with (
        Sandbox(world, faults="stall:on=boards") as box,
        started(Malsync(home, box), "fetch", "forum", "boards") as process,
    ):
        until(lambda: box.stalled)
        process.send_signal(signal.SIGINT)
        told(process, "\n")  # the line that ends the ^C of a terminal: the first one was heard
        interrupted(process, "malsync fetch forum boards")


def test_ctrl_c_before_it_has_begun_shows_no_insides(home: Path, world: World) -> None:
    with (
        Sandbox(world, faults="stall:on=boards") as box,
        started(Malsync(home, box), "fetch", "forum", "boards", env={"PYTHONPROFILEIMPORTTIME": "1"}) as process,
    ):
        told(process, "click.globals")  # the first of many: it is being imported
        _, err = interrupted(process, "malsync fetch forum boards")

    assert box.requests == []
    assert "malsync.cli.fetch" not in err


def test_what_breaks_in_the_wake_of_ctrl_c_is_no_bug(malsync: Malsync, box: Sandbox) -> None:
    def locked() -> datetime:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")  # as two at once make of threading.Condition

    malsync.time.now = locked  # type: ignore[method-assign]
    said = malsync.ok("backup", exit_code=130).stderr

    assert said.splitlines()[-1] == "To go on: malsync backup"
    assert box.requests
    assert not (malsync.home / "last-error.txt").exists()


def test_ctrl_c_is_told_as_json_too(home: Path, world: World) -> None:
    with Sandbox(world, latency=0.3) as box, started(Malsync(home, box), "backup", "--json") as process:
        until(lambda: box.requests)
        out, _ = interrupted(process, "malsync backup --json")

    assert json.loads(out)["error"]["exit"] == 130


def test_ctrl_c_while_waiting_for_another_malsync(malsync: Malsync, box: Sandbox) -> None:
    malsync.home.mkdir()
    with FileLock(malsync.home / "malsync.lock"), started(malsync, "backup") as process:
        told(process, "waiting up to 60 s")
        interrupted(process, "malsync backup")

    assert box.requests == []
    malsync.ok("backup", "--wait", "0")


@pytest.mark.parametrize("path", ["users/@me", "mangalist"])
def test_ctrl_c_while_waiting_before_another_try(home: Path, world: World, path: str) -> None:
    with (
        Sandbox(world, faults=f"429:retry_after=200,on={path}") as box,
        started(Malsync(home, box), "backup") as process,
    ):
        told(process, "Trying again in 200")
        interrupted(process, "malsync backup")
