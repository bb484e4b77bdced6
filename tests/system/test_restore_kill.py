"""`kill -9` at any moment of a run: `malsync resume` looks at the live lists and finishes it, and sends nothing twice."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from malsync.sandbox import World
from tests.support.farside import Sandbox
from tests.support.harness import Malsync
from tests.support.long_runs import (
    CAME,
    JOURNAL,
    MIRROR,
    RESTORE,
    USER,
    WAS,
    WRITES,
    Story,
    hanging,
    journal,
    kill,
    path_of,
    resumed,
    rows,
    states,
)

pytestmark = pytest.mark.writes


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


USUAL = {1, 15, 16, 30, 31, WRITES}
"""The first and the last write of each kind of request, and two in the middle; at night all."""


@pytest.mark.promise("writing-2")
@pytest.mark.parametrize(
    "number",
    [pytest.param(n, marks=[] if n in USUAL else pytest.mark.nightly) for n in range(1, WRITES + 1)],
)
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
