"""Guards count the writes that are really sent, beside the lists as they are by then: on `apply`, on `resume`, in a run."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from malsync.errors import Refused
from malsync.formats.latest_copy import LatestCopy
from malsync.mal.client import Client
from malsync.mal.credentials import FixedToken
from malsync.mirror import FILE_NAME, Mirror
from malsync.operations.run import RunContext, begin
from malsync.planning.restore_plan import plan
from malsync.sandbox import World
from tests.support.farside import Sandbox
from tests.support.harness import Malsync, TestTime
from tests.support.lists import snapshot, watched
from tests.support.writing import absent, ids, interrupt, keys, lists, outcomes, small, writes

pytestmark = [pytest.mark.writes, pytest.mark.promise("guards-3")]


@pytest.fixture
def world() -> World:
    """Few titles, so that a list is soon empty."""
    return small(anime=6, manga=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plan.json"


def newcomers(malsync: Malsync, box: Sandbox, number: int) -> list[int]:
    """So many manga come onto the list after a backup."""
    malsync.ok("backup")
    found = []
    for _ in range(number):
        found.append(absent(box, "manga"))
        box.add(box.user, "manga", found[-1], status="reading")
    return found


def remove_all_but(box: Sandbox, kept: list[int]) -> None:
    """Take every other manga off the list."""
    for id in set(ids(box, "manga")) - set(kept):
        box.remove(box.user, "manga", id)


EXACT = ("restore", "1", "--mode", "exact")


# -- apply


def test_apply_counts_the_list_as_it_is_now(malsync: Malsync, box: Sandbox, file: Path) -> None:
    """Two of five were to go; the other three have gone by now, so that it would be every one."""
    new = newcomers(malsync, box, 2)
    malsync.ok(*EXACT, "--only", "manga", "--plan", file)
    remove_all_but(box, new)
    sent, left = writes(box), lists(box)

    foretold = malsync.ok("apply", file, "--dry-run").stderr
    error = malsync.error("apply", file, exit_code=7)

    assert "This would be refused: This would delete every entry of the manga list" in foretold
    assert ("every entry of the manga list" in error["message"], "--max-deletes 2" in error["hint"]) == (True, True)
    assert (writes(box), lists(box), malsync.json("runs")) == (sent, left, [])
    malsync.ok("apply", file, "--max-deletes", "2")
    assert ids(box, "manga") == []


def test_what_is_gone_already_hides_no_emptied_list(malsync: Malsync, box: Sandbox, file: Path) -> None:
    """The plan has more deletions than the list has entries."""
    new = newcomers(malsync, box, 3)
    malsync.ok(*EXACT, "--only", "manga", "--plan", file)
    remove_all_but(box, new[:2])

    assert "every entry of the manga list" in malsync.error("apply", file, exit_code=7)["message"]


def test_what_would_not_be_sent_does_not_count(malsync: Malsync, box: Sandbox, file: Path) -> None:
    new = newcomers(malsync, box, 12)
    malsync.ok(*EXACT, "--plan", file, "--max-deletes", "12")
    for id in new[:2]:
        box.remove(box.user, "manga", id)

    assert malsync.json("apply", file)["outcomes"] == outcomes(done=10, already=2)


def test_a_plan_that_was_edited_to_delete_more_is_counted_anew(malsync: Malsync, box: Sandbox, file: Path) -> None:
    new = newcomers(malsync, box, 11)
    malsync.ok(*EXACT, "--plan", file, "--max-deletes", "11")
    plan = json.loads(file.read_text())
    file.write_text(json.dumps({**plan, "calls": plan["calls"][:10]}))
    assert keys(malsync.json("apply", file, "--dry-run")) == {("remove", "manga", id) for id in new[:10]}

    file.write_text(json.dumps(plan))
    assert "--max-deletes 11" in malsync.error("apply", file, exit_code=7)["hint"]
    assert writes(box) == {}


@pytest.mark.parametrize("mode", ["exact", "merge"])
def test_a_plan_for_a_suspicious_list_is_not_applied_either(
    malsync: Malsync, box: Sandbox, file: Path, mode: str
) -> None:
    malsync.ok("backup")
    for id in ids(box):
        box.remove(box.user, "anime", id)
    malsync.ok("backup", exit_code=8)
    for _ in range(3):
        box.add(box.user, "manga", absent(box, "manga"), status="reading")
    box.edit(box.user, "manga", ids(box, "manga")[0], score=1)
    malsync.ok("restore", "2", "--mode", mode, "--plan", file)

    if mode == "merge":
        malsync.ok("apply", file)
        return
    assert "suspicious" in malsync.error("apply", file, exit_code=7)["message"]
    assert "This would be refused" in malsync.ok("apply", file, "--dry-run").stderr
    assert writes(box) == {}
    assert malsync.json("apply", file, "--force")["outcomes"] == outcomes(done=4)


# -- resume


def test_resume_counts_the_list_as_it_is_now(malsync: Malsync, box: Sandbox) -> None:
    new = newcomers(malsync, box, 3)
    box.add_faults("429:method=DELETE,nth=2-99,retry_after=3600")
    malsync.ok(*EXACT, "--yes", exit_code=4)
    box.clear_faults()
    remove_all_but(box, new)
    sent, left = writes(box), lists(box)

    error = malsync.error("resume", exit_code=7)

    assert ("every entry of the manga list" in error["message"], "--max-deletes 2" in error["hint"]) == (True, True)
    assert (writes(box), lists(box)) == (sent, left)
    assert malsync.json("runs")[0]["state"] == "unfinished"
    malsync.ok("resume", "--max-deletes", "2", exit_code=5)  # it was to delete no more than those
    assert ids(box, "manga") == []


def test_resume_remembers_how_many_deletions_the_run_was_allowed(malsync: Malsync, box: Sandbox) -> None:
    newcomers(malsync, box, 12)
    interrupt(malsync, box, 0, *EXACT, "--max-deletes", "12")
    sent = writes(box)

    assert "--max-deletes 12" in malsync.error("resume", "--max-deletes", "11", exit_code=7)["hint"]
    assert writes(box) == sent
    assert malsync.json("resume")["outcomes"] == outcomes(done=12)


def test_resume_remembers_that_the_run_was_forced(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    one, two = ids(box)[:2]
    wanted = lists(box)
    for id in (one, two):
        box.edit(box.user, "anime", id, comments="vandal")
    interrupt(malsync, box, 0, "restore", "1", "--force")
    box.edit(box.user, "anime", one, comments="edited since")
    box.remove(box.user, "anime", two)

    assert malsync.json("resume")["outcomes"] == outcomes(done=2)
    assert lists(box) == wanted


def test_resume_remembers_that_an_undo_was_forced(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    one, two = ids(box)[:2]
    for id in (one, two):
        box.edit(box.user, "anime", id, comments="vandal")
    malsync.ok("restore", "1", "--yes")
    for id in (one, two):
        box.edit(box.user, "anime", id, comments="edited since")
    interrupt(malsync, box, 0, "undo", "--force")

    document = malsync.json("resume")

    assert (document["outcomes"], document["equal"]) == (outcomes(done=2), True)
    assert {box.entries(box.user, "anime")[id]["comments"] for id in (one, two)} == {"vandal"}


def test_resume_may_round_dates_though_the_run_did_not(malsync: Malsync, box: Sandbox) -> None:
    one = ids(box)[0]
    box.edit(box.user, "anime", one, start_date="2021-12")
    malsync.ok("backup")
    box.edit(box.user, "anime", one, start_date=None, comments="vandal")
    interrupt(malsync, box, 0, "restore", "1")

    document = malsync.json("resume", "--round-dates")

    assert box.entries(box.user, "anime")[one]["start_date"] == "2021-12-01"
    assert (document["equal"], document["left"]) == (True, [])


def test_resume_remembers_that_dates_were_to_be_rounded(malsync: Malsync, box: Sandbox) -> None:
    one = ids(box)[0]
    box.edit(box.user, "anime", one, start_date="2021-12")
    malsync.ok("backup")
    box.edit(box.user, "anime", one, start_date=None, comments="vandal")
    interrupt(malsync, box, 0, "restore", "1", "--round-dates")

    document = malsync.json("resume")

    assert box.entries(box.user, "anime")[one]["start_date"] == "2021-12-01"
    assert document["equal"] is True


# -- while a run is under way


def during_the_first_long_wait(malsync: Malsync, does: Callable[[], object]) -> None:
    sleep, done = malsync.time.sleep, []

    def sleeping(seconds: float) -> None:
        sleep(seconds)
        if seconds > 60 and not done:
            done.append(seconds)
            does()

    malsync.time.sleep = sleeping  # type: ignore[method-assign]


def test_lists_that_are_read_again_amid_a_run_are_counted_again(malsync: Malsync, box: Sandbox) -> None:
    new = newcomers(malsync, box, 3)
    box.add_faults("429:method=DELETE,nth=1,retry_after=299")
    during_the_first_long_wait(malsync, lambda: remove_all_but(box, new))

    error = malsync.error(*EXACT, "--yes", exit_code=7)

    assert "This would delete every entry of the manga list. The rest was not sent. Run 1: 0 of 3" in error["message"]
    assert ("--max-deletes 3" in error["hint"], "malsync resume 1" in error["hint"]) == (True, True)
    assert len(ids(box, "manga")) == 3
    malsync.ok("resume", "--max-deletes", "3", exit_code=5)  # it was to delete no more than those
    assert ids(box, "manga") == []


@pytest.mark.parametrize("allowed", [None, 1, 2])
def test_lists_that_are_read_again_before_a_run_are_counted_again(tmp_path: Path, allowed: int | None) -> None:
    """It waited at its question, and somebody took the other entries off."""
    live, later = (
        snapshot({1: watched(1), 2: watched(2), 3: watched(3)}, {}),
        snapshot({2: watched(2), 3: watched(3)}, {}),
    )
    made = plan(snapshot({1: watched(1)}, {}), live, "exact")
    time = TestTime(live.taken_at + timedelta(minutes=6))
    with Mirror.open(tmp_path / FILE_NAME, write=True) as mirror:
        client = Client("https://api.example.org/v2", FixedToken("token"))
        around = RunContext(client, mirror, LatestCopy(tmp_path), time.clock(), lambda: later, max_deletes=allowed)

        def start() -> object:
            return begin(around, made, live, account="default", kind="restore", head={})

        if allowed == 2:
            assert start()
            return
        with pytest.raises(Refused, match="every entry of the anime list"):
            start()
        assert (mirror.journal.runs(), mirror.infos()) == ([], [])
