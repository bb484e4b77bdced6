"""A run that is broken off, by Ctrl-C or by MAL: what was sent is in the journal, and the last line says how to go on."""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from malsync.cli.interruption import Interruption
from malsync.sandbox import World
from tests.support.farside import Sandbox
from tests.support.harness import Malsync, Result, TestTime, until
from tests.support.long_runs import (
    GO_ON,
    JOURNAL,
    MIRROR,
    RESTORE,
    USER,
    WAS,
    WRITES,
    Story,
    ctrl_c,
    ended,
    hanging,
    journal,
    needs_proc,
    path_of,
    resumed,
    rows,
    states,
)
from tests.support.processes import interrupted, started, told
from tests.support.terminal import on_terminal

pytestmark = pytest.mark.writes
TRIES = 5


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with Sandbox(World.holding(USER, rows(WAS))) as box:
        yield Story(box, tmp_path)


@pytest.fixture
def malsync(story: Story, home: Path) -> Malsync:
    return story.begin(home)


@contextmanager
def in_flight(
    story: Story, malsync: Malsync, fault: str, *command: str, **named: Any
) -> "Iterator[subprocess.Popen[str]]":
    """A run whose request waits for its answer."""
    story.box.add_faults(fault)
    with started(malsync, *(command or RESTORE), **named) as process:
        until(lambda: story.box.stalled or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process


def answer(story: Story) -> None:
    """Let the request that is held have its answer, and hold no other."""
    story.box.clear_faults()
    story.box.release()


# -- Ctrl-C while a call is in flight


@needs_proc
@pytest.mark.parametrize(("method", "nth", "settled"), [("PATCH", 1, 1), ("PATCH", 7, 7), ("DELETE", 3, 33)])
def test_ctrl_c_lets_the_call_in_flight_come_to_its_end(
    story: Story, malsync: Malsync, method: str, nth: int, settled: int
) -> None:
    with in_flight(story, malsync, f"stall:method={method},nth={nth}") as process:
        ctrl_c(process)
        assert process.poll() is None
        answer(story)
        err = ended(process)

    assert f"Run 1: {settled} of {WRITES} writes are settled." in err
    assert states(malsync) == ["done"] * settled + ["planned"] * (WRITES - settled)
    last = journal(malsync)[settled - 1]
    assert (last.tries, last.http) == (1, 200)
    assert len(story.writes()) == settled
    resumed(story, malsync)
    assert len(story.writes()) == WRITES


@needs_proc
@pytest.mark.parametrize("signals", [(signal.SIGHUP,), (signal.SIGTERM, signal.SIGHUP)])
def test_a_terminal_that_closes_under_a_run_is_one_ctrl_c(
    story: Story, malsync: Malsync, signals: tuple[int, ...]
) -> None:
    ours, its = os.openpty()
    with in_flight(story, malsync, "stall:method=PATCH,nth=7", stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        os.close(ours)  # what it paints and says from here on cannot be written
        for number in signals:
            ctrl_c(process, number)
        assert process.poll() is None
        answer(story)
        assert process.wait(timeout=10) == 130

    assert states(malsync) == ["done"] * 7 + ["planned"] * (WRITES - 7)
    assert journal(malsync)[6].tries == 1
    assert not (malsync.home / "last-error.txt").exists()
    resumed(story, malsync)
    assert len(story.writes()) == WRITES


@needs_proc
def test_a_terminal_that_closes_stops_no_run_that_was_told_to_pass_over_it(story: Story, malsync: Malsync) -> None:
    ours, its = os.openpty()
    with in_flight(
        story, malsync, "stall:method=PATCH,nth=7", *RESTORE, "--json", stdin=its, stdout=subprocess.DEVNULL, stderr=its
    ) as process:
        os.close(its)
        os.close(ours)
        answer(story)
        assert process.wait(timeout=10) == 0

    assert states(malsync) == ["done"] * WRITES


@needs_proc
def test_ctrl_c_in_the_last_call_leaves_the_last_reading(story: Story, malsync: Malsync) -> None:
    with in_flight(story, malsync, "stall:method=DELETE,nth=10") as process:
        ctrl_c(process)
        answer(story)
        ended(process)

    assert states(malsync) == ["done"] * WRITES
    assert resumed(story, malsync)["requests"] == {"GET": 5, "PATCH": 0, "DELETE": 0}


@needs_proc
def test_after_ctrl_c_nobody_waits_for_another_try(story: Story, malsync: Malsync) -> None:
    with in_flight(story, malsync, "stall:method=PATCH,nth=7,done=no") as process:
        ctrl_c(process)
        answer(story)  # a 504
        ended(process)

    assert states(malsync)[:8] == ["done"] * 6 + ["sent", "planned"]
    assert len(story.writes()) == 7
    resumed(story, malsync)
    assert len(story.writes()) == WRITES + 1


@needs_proc
@pytest.mark.parametrize("done", ["yes", "no"])
def test_a_second_ctrl_c_ends_it_at_once(story: Story, malsync: Malsync, done: str) -> None:
    with in_flight(story, malsync, f"stall:method=PATCH,nth=7,done={done}") as process:
        ctrl_c(process)
        assert process.poll() is None
        interrupted(process, "malsync resume 1")

    assert states(malsync)[:8] == ["done"] * 6 + ["sent", "planned"]
    assert len(story.writes()) == 7
    story.box.clear_faults()
    resumed(story, malsync)
    assert len(story.writes()) == WRITES + (done == "no")


@needs_proc
def test_ctrl_c_in_the_middle_of_a_run_is_told_as_json_too(story: Story, malsync: Malsync) -> None:
    with in_flight(story, malsync, "stall:method=PATCH,nth=7", *RESTORE, "--json") as process:
        ctrl_c(process)
        answer(story)
        out, _ = process.communicate(timeout=10)

    error = json.loads(out)["error"]
    assert (error["exit"], error["hint"]) == (130, GO_ON)


@needs_proc
def test_a_resume_and_an_undo_are_interrupted_like_any_run(story: Story, malsync: Malsync) -> None:
    with in_flight(story, malsync, "stall:method=PATCH,nth=7") as process:
        ctrl_c(process)
        answer(story)
        ended(process)
    with in_flight(story, malsync, "stall:method=PATCH,nth=7", "resume") as process:
        ctrl_c(process)
        answer(story)
        ended(process)
    assert states(malsync) == ["done"] * 14 + ["planned"] * 26
    resumed(story, malsync)
    with in_flight(story, malsync, "stall:method=PATCH,nth=7", "undo", "--yes", "--max-deletes", "14") as process:
        ctrl_c(process)
        answer(story)
        ended(process, "To go on: malsync resume 2")

    assert malsync.json("resume")["equal"] is True
    assert story.lists() == story.spoilt
    assert len(story.writes()) == 2 * WRITES


# -- Ctrl-C elsewhere


def test_ctrl_c_while_it_waits_for_another_try(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("429:method=PATCH,nth=5,retry_after=200")
    with started(malsync, *RESTORE) as process:
        told(process, "Trying again in 200")
        interrupted(process, "malsync resume 1")

    assert states(malsync)[:6] == ["done"] * 4 + ["sent", "planned"]
    story.box.clear_faults()
    resumed(story, malsync)


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_ctrl_c_while_the_lists_are_read_before_the_question(story: Story, malsync: Malsync, nth: int) -> None:
    with in_flight(story, malsync, f"stall:method=GET,nth={nth}") as process:
        interrupted(process, "malsync " + " ".join(RESTORE))

    assert malsync.json("runs") == []
    assert story.writes() == []


def test_ctrl_c_at_the_question(story: Story, malsync: Malsync) -> None:
    # Where Ctrl-C comes in the moment before the terminal is read, Python looks at it after the next line only.
    code, screen = on_terminal(malsync, "restore", "latest", prompt="[y/N]: ", typed="\x03\n")

    assert code == 130, screen
    assert screen.splitlines()[-1] == "\x1b[33mTo go on: malsync restore latest\x1b[0m"
    assert malsync.json("runs") == []
    assert story.writes() == []


def test_ctrl_c_at_the_last_reading(story: Story, malsync: Malsync) -> None:
    with in_flight(story, malsync, "stall:method=GET,on=animelist,nth=2") as process:
        interrupted(process, "malsync resume 1")

    assert states(malsync) == ["done"] * WRITES
    story.box.clear_faults()
    assert resumed(story, malsync)["requests"] == {"GET": 5, "PATCH": 0, "DELETE": 0}


@pytest.mark.parametrize(
    ("step", "when", "nth"),
    [
        (f"{JOURNAL}.begin", "after", 1),
        (f"{MIRROR}.add", "before", 2),
        (f"{MIRROR}.add", "after", 2),
        (f"{JOURNAL}.ended", "before", 1),
    ],
)
def test_ctrl_c_while_what_was_read_is_stored(story: Story, malsync: Malsync, step: str, when: str, nth: int) -> None:
    with hanging(malsync, step, when, nth, *RESTORE) as process:
        interrupted(process, "malsync resume 1")

    resumed(story, malsync)
    assert len(story.writes()) == WRITES


def test_ctrl_c_when_a_run_has_just_ended(story: Story, malsync: Malsync) -> None:
    with hanging(malsync, f"{JOURNAL}.ended", "after", 1, *RESTORE) as process:
        process.send_signal(signal.SIGINT)
        err = ended(process, "It had come to its end. To look at it: malsync runs")

    assert f"Run 1: {WRITES} of {WRITES} writes are settled." in err
    assert [run["state"] for run in malsync.json("runs")] == ["finished"]


@pytest.mark.parametrize(
    ("step", "when"), [(f"{MIRROR}.add", "before"), (f"{MIRROR}.add", "after"), (f"{JOURNAL}.begin", "before")]
)
def test_ctrl_c_before_there_is_a_run_to_resume(story: Story, malsync: Malsync, step: str, when: str) -> None:
    with hanging(malsync, step, when, 1, *RESTORE) as process:
        interrupted(process, "malsync " + " ".join(RESTORE))

    assert malsync.json("runs") == []
    assert malsync.json(*RESTORE)["equal"] is True


@pytest.mark.parametrize(("step", "when"), [("sent", "before"), ("sent", "after"), ("answered", "before")])
def test_ctrl_c_between_the_steps_of_a_write_lets_it_come_to_its_end(
    story: Story, malsync: Malsync, step: str, when: str
) -> None:
    with hanging(malsync, f"{JOURNAL}.{step}", when, 7, *RESTORE) as process:
        interrupted(process, "malsync resume 1")

    assert states(malsync) == ["done"] * 7 + ["planned"] * (WRITES - 7)
    resumed(story, malsync)
    assert len(story.writes()) == WRITES


def test_no_ctrl_c_is_lost_where_a_wait_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the moment between the last look at what was asked for and the end of the shield."""
    time = TestTime()
    interruption = Interruption(time.clock())
    looked = interruption._stop_if_asked

    def looks_too_early() -> None:
        looked()
        interruption._hear(signal.SIGINT, None)

    def wait() -> None:
        with interruption.shield():
            monkeypatch.setattr(interruption, "_stop_if_asked", looks_too_early)
            interruption.clock.sleep(200)

    with pytest.raises(KeyboardInterrupt):
        wait()

    assert time.slept == []


# -- MAL, or the network, is down


def stopped(malsync: Malsync, *command: str, exit_code: int = 4) -> Result:
    """A run that was broken off: in two lines, the last of which says how to go on."""
    result = malsync.ok(*(command or RESTORE), exit_code=exit_code)
    error, hint = result.stderr.splitlines()[-2:]
    assert error.startswith("Error: ")
    assert hint.endswith("malsync resume 1")
    return result


@pytest.mark.parametrize("fault", ["503", "429", "403", "cut:at=before,done=no", "cut", "html", "504:done=yes"])
def test_three_dead_calls_in_a_row_stop_the_run(story: Story, malsync: Malsync, fault: str) -> None:
    kind, _, keys = fault.partition(":")
    story.box.add_faults(f"{kind}:{keys},method=PATCH,nth=5-999")

    result = stopped(malsync)

    assert f"Run 1: 4 of {WRITES} writes are settled." in result.stderr
    assert result.stderr.splitlines()[-1] == GO_ON
    assert states(malsync) == ["done"] * 4 + ["sent"] * 3 + ["planned"] * 33
    lines = journal(malsync)
    assert Counter(story.writes()) == {path_of(line): 1 if line.seq <= 4 else TRIES for line in lines[:7]}
    assert [line.tries for line in lines[:8]] == [1] * 4 + [TRIES] * 3 + [0]
    assert all(line.why for line in lines[4:7])
    story.box.clear_faults()
    resumed(story, malsync)


def test_three_dead_calls_among_the_deletes_stop_the_run(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("503:method=DELETE")

    stopped(malsync)

    assert states(malsync) == ["done"] * 30 + ["sent"] * 3 + ["planned"] * 7
    story.box.clear_faults()
    resumed(story, malsync)
    assert len(story.writes()) == WRITES + 3 * TRIES


@pytest.mark.promise("other-8")
def test_dead_calls_at_the_end_are_open_again_when_the_lists_cannot_be_read(story: Story, malsync: Malsync) -> None:
    """Two are too few to stop it, and that MAL is down shows only when it is to be read: nobody knows what they did."""
    story.box.add_faults("503:method=DELETE,nth=9-999;503:method=GET,on=list,nth=3-999")

    stopped(malsync)

    assert states(malsync) == ["done"] * 38 + ["sent"] * 2
    story.box.clear_faults()
    resumed(story, malsync)
    assert len(story.writes()) == WRITES + 2 * TRIES


def test_two_dead_calls_and_a_good_one_do_not_stop_it(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("503:method=PATCH,nth=5-14;503:method=PATCH,nth=16-25")

    document = malsync.json(*RESTORE, exit_code=5)

    assert states(malsync) == [
        *(["done"] * 4 + ["failed"] * 2 + ["done"] + ["failed"] * 2),
        *(["done"] * (WRITES - 9)),
    ]
    assert document["outcomes"] == {"done": 36, "already": 0, "skipped": 0, "failed": 4, "not_restorable": 0}
    lines = journal(malsync)
    failed = [line.call for line in lines if line.state == "failed"]
    assert [(item["medium"], item["id"]) for item in document["left"]] == [call.key for call in failed]
    assert all("503" in item["why"] for item in document["left"])
    story.box.clear_faults()
    assert malsync.json(*RESTORE)["equal"] is True
    assert story.lists() == story.wanted
    assert len(story.writes()) == 36 + 4 * TRIES + 4


def test_what_mal_did_in_a_dead_call_the_last_reading_shows(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("504:method=PATCH,nth=5-14,done=yes")

    document = malsync.json(*RESTORE)

    assert document["equal"] is True
    assert states(malsync) == ["done"] * WRITES
    assert story.lists() == story.wanted


def test_refusals_are_no_dead_calls(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("bad_request:method=PATCH,nth=5-9")

    document = malsync.json(*RESTORE, exit_code=5)

    assert (document["outcomes"]["done"], document["outcomes"]["failed"]) == (35, 5)
    assert len(story.writes()) == WRITES


# -- a refused token, and a longer wait than anybody waits


def test_a_token_that_is_refused_in_the_middle_stops_the_run(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("expire:method=PATCH,nth=9")

    stopped(malsync, exit_code=3)

    assert states(malsync) == ["done"] * 8 + ["sent"] + ["planned"] * 31
    assert len(story.writes()) == 9
    malsync.error("resume", exit_code=3)
    assert len(story.writes()) == 9
    malsync.environment["MALSYNC_ACCESS_TOKEN"] = story.box.token_for(USER)
    resumed(story, malsync)
    assert len(story.writes()) == WRITES + 1


def test_an_account_that_may_not_write_any_more_stops_the_run(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("forbidden:method=PATCH,nth=9-999")

    stopped(malsync, exit_code=3)

    assert states(malsync) == ["done"] * 8 + ["sent"] + ["planned"] * 31
    story.box.clear_faults()
    resumed(story, malsync)


def test_what_to_type_after_a_refused_token_can_be_told_apart(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("expire:method=PATCH,nth=9")

    hint = stopped(malsync, exit_code=3).stderr.splitlines()[-1]

    assert "malsync login" in hint
    assert ". To go on: malsync resume 1" in hint


def test_a_wait_that_is_too_long_stops_the_run(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("429:method=PATCH,nth=9,retry_after=400")

    result = stopped(malsync)

    assert "wait 7 minutes" in result.stderr
    assert not any(seconds >= 300 for seconds in malsync.time.slept)
    assert states(malsync) == ["done"] * 8 + ["sent"] + ["planned"] * 31
    assert len(story.writes()) == 9
    resumed(story, malsync)
    assert len(story.writes()) == WRITES + 1


def test_the_lists_cannot_be_read_in_the_end(story: Story, malsync: Malsync) -> None:
    story.box.add_faults("503:on=mangalist,nth=2-999")

    stopped(malsync)

    assert states(malsync) == ["done"] * WRITES
    story.box.clear_faults()
    resumed(story, malsync)
    assert len(story.writes()) == WRITES
