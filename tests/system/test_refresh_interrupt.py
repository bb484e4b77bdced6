"""Ctrl-C during a token refresh: MAL has rotated the pair, so the new one is stored before the command ends."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync, until
from tests.support.long_runs import RESTORE, USER, WAS, WRITES, Story, ctrl_c, ended, needs_proc, resumed, rows, states
from tests.support.processes import interrupted, started
from tests.support.signing import MONTH, grants, kept, sign_in

pytestmark = needs_proc

NOTICE = "Ending after the new sign-in tokens are stored. Ctrl-C again ends at once."
READERS = "expire:on=list,nth=1"
"""The refresh is then one of the threads' that read the lists, not the main thread's."""


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with Sandbox(World.holding(USER, rows(WAS))) as box:
        yield Story(box, tmp_path)


@pytest.fixture
def malsync(home: Path, box: Sandbox) -> Malsync:
    malsync = Malsync(home, box)
    malsync.time.moment = datetime.now(UTC)
    return malsync


@contextmanager
def refreshing(
    malsync: Malsync, box: Sandbox, *command: str, expire: str = "", done: str = "yes"
) -> "Iterator[subprocess.Popen[str]]":
    """A command whose token refresh waits for its answer."""
    sign_in(malsync, box, lives=MONTH if expire else 0)
    for fault in (f"stall:on=token,done={done}", expire):
        if fault:
            box.add_faults(fault)
    with started(malsync, *command) as process:
        until(lambda: box.stalled or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process


def answer(box: Sandbox) -> None:
    box.clear_faults()
    box.release()


def is_good(malsync: Malsync, box: Sandbox) -> bool:
    """Whether the pair that is kept signs in, and can be refreshed."""
    before = kept(malsync)["default"]
    malsync.time.moment = datetime.now(UTC)
    malsync.ok("show", "live", "-q")
    box.expire_tokens()
    malsync.ok("show", "live", "-q")
    return kept(malsync)["default"]["refresh_token"] != before["refresh_token"]


@pytest.mark.promise("secrets-8")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("expire", ["", READERS])
def test_a_refresh_is_stored_before_a_signal_ends_the_command(
    malsync: Malsync, box: Sandbox, number: int, expire: str
) -> None:
    old = sign_in(malsync, box)
    with refreshing(malsync, box, "backup", expire=expire) as process:
        ctrl_c(process, number)
        assert process.poll() is None
        answer(box)
        err = ended(process, "To go on: malsync backup")

    assert NOTICE in err
    assert kept(malsync)["default"]["refresh_token"] != old.refresh_token
    assert grants(box) == ["refresh_token"]
    assert malsync.json("snapshots") == []
    assert is_good(malsync, box)


@pytest.mark.promise("secrets-8")
@pytest.mark.parametrize(
    ("command", "expire"),
    [
        (("show", "live"), ""),
        (("diff", "live", "live"), READERS),
        (("restore", "live", "--dry-run"), READERS),
        (("fetch", "suggestions"), "expire:on=suggestions,nth=1"),
    ],
)
def test_reading_commands_store_it_too(malsync: Malsync, box: Sandbox, command: tuple[str, ...], expire: str) -> None:
    with refreshing(malsync, box, *command, expire=expire) as process:
        ctrl_c(process)
        assert process.poll() is None
        answer(box)
        ended(process, f"To go on: malsync {' '.join(command)}")

    assert is_good(malsync, box)


@pytest.mark.parametrize("expire", ["", READERS])
def test_a_second_ctrl_c_ends_it_at_once(malsync: Malsync, box: Sandbox, expire: str) -> None:
    with refreshing(malsync, box, "backup", expire=expire) as process:
        before = kept(malsync)
        ctrl_c(process)
        assert process.poll() is None
        interrupted(process, "malsync backup")

    assert kept(malsync) == before


def test_signals_that_come_together_are_one_ctrl_c(malsync: Malsync, box: Sandbox) -> None:
    with refreshing(malsync, box, "backup") as process:
        ctrl_c(process, signal.SIGTERM)
        ctrl_c(process, signal.SIGHUP)
        assert process.poll() is None
        answer(box)
        ended(process, "To go on: malsync backup")

    assert is_good(malsync, box)


def test_a_refresh_that_fails_after_ctrl_c_keeps_the_old_pair(malsync: Malsync, box: Sandbox) -> None:
    with refreshing(malsync, box, "backup", done="no") as process:
        before = kept(malsync)
        ctrl_c(process)
        answer(box)
        ended(process, "To go on: malsync backup")

    assert kept(malsync) == before
    assert is_good(malsync, box)


@pytest.mark.promise("secrets-8")
def test_a_refresh_within_a_write_is_stored_with_the_write(story: Story, home: Path) -> None:
    malsync = story.begin(home)
    malsync.time.moment = datetime.now(UTC)
    with refreshing(malsync, story.box, *RESTORE, expire="expire:method=PATCH,nth=3") as process:
        ctrl_c(process)
        assert process.poll() is None
        answer(story.box)
        err = ended(process)

    assert "Ending after the write that is under way." in err
    assert states(malsync) == ["done"] * 3 + ["planned"] * (WRITES - 3)
    resumed(story, malsync)
    assert is_good(malsync, story.box)


def test_a_second_ctrl_c_ends_a_refresh_within_a_write_at_once(story: Story, home: Path) -> None:
    malsync = story.begin(home)
    malsync.time.moment = datetime.now(UTC)
    with refreshing(malsync, story.box, *RESTORE, expire="expire:method=PATCH,nth=3") as process:
        before = kept(malsync)
        ctrl_c(process)
        assert process.poll() is None
        _, err = interrupted(process, "malsync resume 1")

    assert NOTICE not in err
    assert kept(malsync) == before


def test_a_failure_of_one_list_does_not_tear_the_others_refresh(malsync: Malsync, box: Sandbox) -> None:
    """Without any Ctrl-C: a command that ends with an error waits for a refresh as well."""
    old = sign_in(malsync, box)
    for fault in ("gone:on=mangalist", "expire:on=animelist,nth=1", "stall:on=list", "stall:on=token"):
        box.add_faults(fault)
    with started(malsync, "backup") as process:
        until(lambda: box.stalled == 2 or process.poll() is not None)
        box.release(
            "animelist"
        )  # the refresh begins once both lists were asked for: one that waits for it asks nothing
        until(lambda: (box.stalled == 2 and grants(box)) or process.poll() is not None)
        box.release("mangalist")
        assert process.poll() is None
        answer(box)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 4, err
    assert NOTICE not in err
    assert kept(malsync)["default"]["refresh_token"] != old.refresh_token
