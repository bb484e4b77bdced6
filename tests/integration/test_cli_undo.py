"""`undo` beside a MAL that serves old lists, changes more than it was asked to, or moves entries to other ids."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import World
from tests.support.farside import Sandbox
from tests.support.harness import Malsync
from tests.support.writing import absent, harm, ids, interrupt, keys, lists, outcomes, small, someone, writes

pytestmark = [pytest.mark.writes, pytest.mark.promise("writing-16")]


@pytest.fixture
def world() -> World:
    """Few titles."""
    return small(anime=8, manga=4)


@contextmanager
def beside(home: Path, **settings: str) -> Iterator[tuple[Malsync, Sandbox]]:
    with Sandbox(small(anime=8, manga=4), settings=settings) as box:
        yield Malsync(home, box), box


def stale(box: Sandbox, *numbers: int) -> None:
    """Let those readings of the lists, counted from now, be from before the writes."""
    box.add_faults(";".join(f"stale:on={name}list,nth={number}" for number in numbers for name in ("anime", "manga")))


@pytest.mark.parametrize("how", ["undo", "interrupted and resumed", "undo of it"])
def test_a_run_whose_last_reading_was_stale_is_undone(malsync: Malsync, box: Sandbox, how: str) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    harm(box)
    harmed = lists(box)
    stale(box, 2)
    result = malsync.json("restore", "1", "--mode", "exact", "--yes", exit_code=5)
    box.clear_faults()
    assert result["outcomes"] == outcomes(failed=3)
    assert lists(box) == wanted

    if how == "interrupted and resumed":
        interrupt(malsync, box, 1, "undo", "1")
        document = malsync.json("resume")
    else:
        document = malsync.json("undo", "1", "--yes")

    assert lists(box) == harmed
    assert (document["equal"], document["left"], document["outcomes"]) == (True, [], outcomes(done=3))
    if how == "undo of it":
        malsync.ok("undo", "--yes")
        assert lists(box) == wanted


def test_an_undo_whose_own_first_reading_is_stale_says_so_and_works_later(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)
    harmed = lists(box)
    malsync.ok("restore", "1", "--mode", "exact", "--yes")
    restored, sent = lists(box), writes(box)
    stale(box, 1)

    document = malsync.json("undo", "--yes", exit_code=5)
    box.clear_faults()

    assert (document["equal"], document["changes"], len(document["left"])) == (False, [], 3)
    assert (lists(box), writes(box)) == (restored, sent)
    assert malsync.json("undo", "--yes")["equal"] is True
    assert lists(box) == harmed


def test_a_user_who_edits_after_a_stale_reading_keeps_the_edit(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    one, two = ids(box)[:2]
    for id in (one, two):
        box.edit(box.user, "anime", id, comments="vandal", score=1)
    stale(box, 2)
    malsync.json("restore", "1", "--yes", exit_code=5)
    box.clear_faults()
    box.edit(box.user, "anime", one, comments="mine")

    document = malsync.json("undo", "--yes", exit_code=5)

    entries = box.entries(box.user, "anime")
    assert [(entries[id]["comments"], entries[id]["score"]) for id in (one, two)] == [("mine", 1), ("vandal", 1)]
    assert [(left["id"], list(left["fields"])) for left in document["left"]] == [(one, ["comments"])]


def test_what_mal_fills_in_along_with_the_undo_itself_is_named(home: Path) -> None:
    with beside(home, fills_in="on") as (malsync, box):
        id = finished(box)
        total = box.entries(box.user, "anime")[id]["num_episodes_watched"] + 1
        malsync.ok("backup")
        box.edit(box.user, "anime", id, num_episodes_watched=total)
        malsync.ok("restore", "1", "--yes")

        document = malsync.json("undo", "--yes", exit_code=5)

        assert document["equal"] is False
        assert document["left"] == [
            {
                "medium": "anime",
                "id": id,
                "title": document["left"][0]["title"],
                "why": "changed while the run was under way",
                "fields": {"status": {"wanted": "watching", "live": "completed"}},
            }
        ]


def finished(box: Sandbox) -> int:
    """An anime that is watched up to the last episode but one, with no finish date."""
    for id in ids(box):
        if (total := box.world.catalogue.known("anime", id).get("num_episodes") or 0) > 1:
            status = {
                "status": "watching",
                "num_episodes_watched": total - 1,
                "finish_date": None,
                "comments": "so far",
            }
            box.edit(box.user, "anime", id, **status)
            return id
    raise AssertionError("no title of several episodes")


@pytest.mark.parametrize("lag", [False, True])
def test_what_mal_fills_in_along_with_a_write_is_named_and_undone_by_force(home: Path, lag: bool) -> None:
    with beside(home, fills_in="on") as (malsync, box):
        id = finished(box)
        total = box.entries(box.user, "anime")[id]["num_episodes_watched"] + 1
        box.edit(box.user, "anime", id, num_episodes_watched=total)
        malsync.ok("backup")
        box.edit(box.user, "anime", id, num_episodes_watched=total - 1)
        found = lists(box)
        if lag:
            stale(box, 2)
        malsync.ok("restore", "1", "--yes", exit_code=5)
        box.clear_faults()
        assert lists(box)["anime"][id]["status"] == "completed"

        document = malsync.json("undo", "--yes", exit_code=5)

        assert document["equal"] is False
        assert [left["fields"] for left in document["left"] if "good" in str(left["fields"])] == [
            {"status": {"good": "watching", "bad": "completed", "live": "completed"}}
        ]
        assert lists(box)["anime"][id]["num_episodes_watched"] == total - 1
        box.edit(box.user, "anime", id, finish_date=None)  # which that undo left
        assert malsync.json("undo", "1", "--yes", "--force")["equal"] is True
        assert lists(box) == found


@pytest.mark.parametrize("how", ["finished", "interrupted", "stale"])
def test_an_entry_that_landed_under_another_id_is_named(home: Path, how: str) -> None:
    with Sandbox(small(anime=8, manga=4)) as before:
        gone, other = ids(before)[0], absent(before)
    with beside(home, merged_titles=f"anime:{gone}=anime:{other}") as (malsync, box):
        malsync.ok("backup")
        box.remove(box.user, "anime", gone)
        box.edit(box.user, "anime", ids(box)[0], comments="vandal")
        if how == "interrupted":
            interrupt(malsync, box, 1, "restore", "1")
        else:
            stale(box, *([2] if how == "stale" else []))
            malsync.ok("restore", "1", "--yes", exit_code=5)
            box.clear_faults()
        if other not in lists(box)["anime"]:  # the interruption came first
            malsync.ok("resume", exit_code=5)

        for words in (("--yes",), ("--yes",)):
            document = malsync.json("undo", "1", *words, exit_code=5)

            assert document["equal"] is False
            (left,) = document["left"]
            assert left["id"] == gone
            assert f"anime {other} " in left["why"]
        box.remove(box.user, "anime", other)
        malsync.time.moment += timedelta(hours=1)
        assert malsync.json("undo", "1")["equal"] is True


# -- deletions


@pytest.mark.promise("writing-17")
def test_a_deletion_that_somebody_else_made_first_is_done_whatever_mal_answers(home: Path) -> None:
    for answer in ("200", "404"):
        with beside(home / answer, delete_absent=answer) as (malsync, box):
            malsync.ok("backup")
            new = absent(box)
            box.add(box.user, "anime", new, status="watching")
            box.add_faults("meanwhile:method=DELETE,what=remove")

            document = malsync.json("restore", "1", "--mode", "exact", "--yes")

            assert writes(box) == {"DELETE": 1}
            assert (document["outcomes"], document["equal"]) == (outcomes(done=1), True)
            assert new not in lists(box)["anime"]


@pytest.mark.comments
@pytest.mark.promise("writing-17")
@pytest.mark.parametrize("end", ["read", "resume"])
def test_a_deletion_that_deleted_nothing_failed_whatever_mal_answered(malsync: Malsync, box: Sandbox, end: str) -> None:
    malsync.ok("backup")
    new, more = absent(box), ids(box, "manga")[0]
    box.add(box.user, "anime", new, status="watching")
    box.edit(box.user, "manga", more, comments="vandal")
    if end == "read":
        box.add_faults("unstored:method=DELETE")
        document = malsync.json("restore", "1", "--mode", "exact", "--yes", exit_code=5)
    else:
        box.add_faults("unstored:method=DELETE;redirect:on=list,method=GET,nth=3-9")
        malsync.ok("restore", "1", "--mode", "exact", "--yes", exit_code=4)
        box.clear_faults()
        document = malsync.json("resume", exit_code=5)
    box.clear_faults()

    assert (document["outcomes"], document["equal"]) == (outcomes(done=1, failed=1), False)
    (left,) = document["left"]
    assert (left["id"], left["why"]) == (new, "the last reading does not show it as wanted")
    assert new in lists(box)["anime"]
    # Nothing was deleted, so there is nothing to put back; but nobody knows that yet.
    soon: dict[str, Any] = malsync.json("undo", "--yes", exit_code=5)
    assert (keys(soon), [left["id"] for left in soon["left"]]) == ({("update", "manga", more)}, [new])
    malsync.time.moment += timedelta(hours=1)
    assert malsync.json("undo", "1")["equal"] is True


def test_what_mal_took_of_an_entry_before_it_refused_the_rest_is_undone(malsync: Malsync, box: Sandbox) -> None:
    """A field did not arrive, and when it was sent once more MAL refused it: the others had been stored by then."""
    malsync.ok("backup")
    one = ids(box)[0]
    box.edit(box.user, "anime", one, comments="vandal", score=1)
    found = lists(box)
    stale(box, 2)
    box.add_faults("unstored:field=score,shows=kept,nth=1;bad_request:method=PATCH,nth=2")
    malsync.ok("restore", "1", "--yes", exit_code=5)
    box.clear_faults()
    assert lists(box) != found

    document = malsync.json("undo", "--yes")

    assert (lists(box), document["equal"]) == (found, True)


@pytest.mark.parametrize("op", ["add", "update"])
@pytest.mark.parametrize("second", ["gone", "bad_request", "invalid_content"])
def test_a_write_that_was_lost_and_then_refused_is_undone(malsync: Malsync, box: Sandbox, op: str, second: str) -> None:
    """MAL took the first request, its answer did not come, and it refused the second one."""
    malsync.ok("backup")
    one = ids(box)[0]
    if op == "add":
        box.remove(box.user, "anime", one)
    else:
        box.edit(box.user, "anime", one, score=1)
    before = lists(box)
    box.add_faults(f"504:method=PATCH,done=yes,nth=1;{second}:method=PATCH,nth=2")
    malsync.ok("restore", "1", "--yes")
    box.clear_faults()

    assert lists(box) != before
    assert malsync.json("undo", "--yes")["equal"] is True
    assert lists(box) == before


def test_a_write_that_mal_answered_and_never_stored_is_nothing_to_undo_later(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    box.edit(box.user, "anime", ids(box)[0], score=1)
    before = lists(box)
    box.add_faults("unstored:method=PATCH")
    malsync.ok("restore", "1", "--yes", exit_code=5)
    box.clear_faults()
    malsync.time.moment += timedelta(days=3)

    assert malsync.json("undo", "--yes")["equal"] is True
    assert lists(box) == before


# -- runs after it


@pytest.mark.parametrize("later", ["nothing sent", "another user"])
def test_undo_does_not_count_writes_that_were_never_sent_to_this_list(
    malsync: Malsync, box: Sandbox, tmp_path: Path, later: str
) -> None:
    """A later run wrote the same id to another user's list, or found it as wanted: an old list is still doubtful."""
    malsync.ok("backup")
    one = ids(box)[0]
    box.edit(box.user, "anime", one, score=1)
    malsync.ok("restore", "1", "--plan", tmp_path / "plan.json")
    malsync.ok("restore", "1", "--yes")
    if later == "nothing sent":
        malsync.ok("apply", tmp_path / "plan.json")
    else:
        env = someone(malsync, box)
        malsync.ok("migrate", "1", "--to", "second", "--id", f"anime:{one}", "--yes", env=env)
    sent = writes(box)
    stale(box, 1)

    document = malsync.json("undo", "1", "--yes", exit_code=5)

    assert [(left["id"], left["why"].partition(",")[0]) for left in document["left"]] == [
        (one, "the list that MAL shows is older than the run's write")
    ]
    assert writes(box) == sent


def test_undo_has_no_doubt_about_an_entry_that_a_later_run_removed(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    box.remove(box.user, "anime", ids(box)[0])
    malsync.ok("restore", "1", "--yes")
    malsync.ok("undo", "1", "--yes")

    document = malsync.json("undo", "1", "--yes")

    assert (document["changes"], document["left"], document["equal"]) == ([], [], True)


def test_undo_leaves_an_edit_alone_that_came_after_a_write_that_never_arrived(malsync: Malsync, box: Sandbox) -> None:
    """The list after the run shows that MAL stored nothing."""
    malsync.ok("backup")
    one = ids(box)[0]
    box.edit(box.user, "anime", one, score=1)
    box.add_faults("500:method=PATCH")
    malsync.ok("restore", "1", "--yes", exit_code=5)
    box.clear_faults()
    box.edit(box.user, "anime", one, score=2)

    document = malsync.json("undo", "--yes")

    assert (document["changes"], document["left"], document["equal"]) == ([], [], True)
    assert box.entries(box.user, "anime")[one]["score"] == 2
