"""What an undo goes by: the lists around a run, and what its journal says was sent and answered."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from malsync.mirror import JournalEntry
from malsync.model.medium import ANIME
from malsync.model.snapshot import Snapshot
from malsync.planning.request import WriteRequest
from malsync.planning.restore_plan import Op, Plan, PlannedWrite
from malsync.planning.undo_plan import LAG, RunTrace
from tests.support.lists import moment, snapshot, watched

pytestmark = pytest.mark.promise("writing-16")

Status = dict[str, Any] | None
SENT = moment("2026-11-01T12:00:00Z")
BEFORE, WRITTEN, LATER = (f"2026-11-01T{time}+00:00" for time in ("08:00:00", "12:00:01", "12:30:00"))
SOON, MUCH_LATER = "2026-11-01T12:01:00Z", "2026-11-01T15:00:00Z"


def entry(episodes: int, at: str = BEFORE, **more: Any) -> dict[str, Any]:
    return watched(episodes, updated_at=at, **more)


def line(op: Op = "update", id: int = 1, *, answer: Status = None, **named: Any) -> JournalEntry:
    """A write of the progress, or of an addition or deletion, that was sent and answered with 200."""
    fields = {"num_episodes_watched": (1, 5)} if op == "update" else {}
    if op == "add":
        fields = {"status": (None, "watching"), "num_episodes_watched": (None, 5)}
    call = PlannedWrite(op, ANIME, id, "Title", named.pop("fields", fields), None)
    given = {"state": "done", "tries": 1, "sent_at": SENT, "answered_at": SENT, "http": 200, "why": ""} | named
    return JournalEntry(seq=id, call=call, answer=answer, **given)


def lists(*, at: str = SOON, **entries: Status) -> Snapshot:
    """An anime list: `one` is the entry with id 1, `two` that with id 2."""
    ids = {"one": 1, "two": 2, "three": 3}
    return snapshot({ids[name]: status for name, status in entries.items() if status is not None}, {}, at=at)


def undone(before: Snapshot, after: Snapshot | None, live: Snapshot, *lines: JournalEntry, force: bool = False) -> Plan:
    return RunTrace(before, after, lines).undo(WriteRequest("undo", force=force), live)


def calls(made: Plan) -> list[tuple[str, int, dict[str, Any]]]:
    return [(call.op, call.id, call.fields) for call in made.calls]


def reasons(made: Plan) -> list[tuple[int, str]]:
    return [(left.id, left.why.partition(",")[0]) for left in made.left]


# -- the list after the run does not show its writes


@pytest.mark.parametrize("after", [lists(one=entry(1)), None], ids=["stale", "interrupted"])
def test_an_update_is_undone_though_the_last_reading_did_not_show_it(after: Snapshot | None) -> None:
    written = entry(5, WRITTEN)

    made = undone(lists(one=entry(1)), after, lists(one=written), line(answer=written))

    assert calls(made) == [("update", 1, {"num_episodes_watched": (5, 1)})]
    assert made.left == ()


def test_additions_and_deletions_are_undone_though_the_last_reading_did_not_show_them() -> None:
    before, added = lists(two=entry(2)), entry(5, WRITTEN)

    made = undone(before, before, lists(one=added), line("add", answer=added), line("remove", 2))

    assert [(call.op, call.id) for call in made.calls] == [("add", 2), ("remove", 1)]
    assert made.left == ()


def test_what_mal_made_of_a_write_is_undone() -> None:
    """It stopped at the total: that is no edit of somebody else's."""
    clamped = entry(3, WRITTEN)

    made = undone(lists(one=entry(1)), lists(one=entry(1)), lists(one=clamped), line(answer=clamped))

    assert calls(made) == [("update", 1, {"num_episodes_watched": (3, 1)})]


def test_what_the_list_after_the_run_shows_of_the_same_moment_is_the_runs_too() -> None:
    """The answer and the list may say it in different words."""
    shown = entry(5, WRITTEN, tags=["a b"])
    fields = {"tags": ([], ["a  b"])}

    made = undone(
        lists(one=entry(5)),
        lists(one=shown),
        lists(one=shown),
        line(answer=entry(5, WRITTEN, tags=["a  b"]), fields=fields),
    )

    assert calls(made) == [("update", 1, {"tags": (["a b"], [])})]


def test_what_the_list_shows_as_it_was_sent_is_the_runs_whatever_the_answer_said() -> None:
    made = undone(
        lists(one=entry(1)), lists(one=entry(5, LATER)), lists(one=entry(5, LATER)), line(answer=entry(1, WRITTEN))
    )

    assert calls(made) == [("update", 1, {"num_episodes_watched": (5, 1)})]


def test_what_somebody_changed_between_the_write_and_the_last_reading_is_kept() -> None:
    theirs = entry(9, LATER)

    made = undone(lists(one=entry(1)), lists(one=theirs), lists(one=theirs), line(answer=entry(5, WRITTEN)))

    assert calls(made) == []
    assert [left.fields for left in made.left] == [{"num_episodes_watched": {"good": 1, "bad": 5, "live": 9}}]


def test_what_was_edited_since_is_a_conflict_and_by_force_undone() -> None:
    before, after, live = lists(one=entry(1)), lists(one=entry(5, WRITTEN)), lists(one=entry(9, LATER))
    write = line(answer=entry(5, WRITTEN))

    assert reasons(undone(before, after, live, write)) == [(1, "conflict: edited")]
    assert calls(undone(before, after, live, write, force=True)) == [("update", 1, {"num_episodes_watched": (9, 1)})]


def test_an_edit_of_another_field_in_the_meantime_is_none_of_the_undos_business() -> None:
    live = entry(5, LATER, score=10)

    made = undone(lists(one=entry(1)), lists(one=entry(5, WRITTEN)), lists(one=live), line(answer=entry(5, WRITTEN)))

    assert (calls(made), made.left) == ([("update", 1, {"num_episodes_watched": (5, 1)})], ())


# -- what was sent, and what came of it


def test_a_write_that_was_never_sent_is_none_to_undo() -> None:
    """Somebody else has done the same since: that is theirs."""
    before, live = lists(one=entry(1), two=entry(1)), lists(one=entry(5, LATER), two=entry(5, WRITTEN))
    planned = line(sent_at=None, answered_at=None, http=None, state="planned")

    made = undone(before, None, live, planned, line(id=2, answer=entry(5, WRITTEN)))

    assert [(call.op, call.id) for call in made.calls] == [("update", 2)]
    assert (made.left, made.already) == ((), 0)


@pytest.mark.parametrize("http", [400, 404, 499])
@pytest.mark.parametrize("op", ["add", "update", "remove"])
def test_a_write_that_mal_refused_is_none_to_undo(op: Op, http: int) -> None:
    before = lists(one=None if op == "add" else entry(1))
    theirs = lists(one=None if op == "remove" else entry(5, LATER))

    for after in (before, None):
        made = undone(before, after, theirs, line(op, http=http, state="failed"))
        assert (calls(made), made.left, made.already) == ([], (), 0)


@pytest.mark.parametrize(("tries", "live", "expected"), [(1, 5, []), (2, 5, [(5, 1)]), (2, 7, []), (2, None, [])])
def test_a_write_that_was_refused_at_its_second_try_is_undone_where_the_list_shows_it(
    tries: int, live: int | None, expected: list[tuple[int, int]]
) -> None:
    """The first try may have arrived, its answer lost."""
    now = lists(one=None if live is None else entry(live, WRITTEN))

    made = undone(lists(one=entry(1)), None, now, line(http=400, state="failed", tries=tries))

    assert [call.fields["num_episodes_watched"] for call in made.calls] == expected
    assert made.left == ()


def test_a_deletion_that_mal_answered_with_404_is_undone() -> None:
    made = undone(lists(one=entry(1)), lists(), lists(), line("remove", http=404))

    assert [(call.op, call.id) for call in made.calls] == [("add", 1)]


@pytest.mark.parametrize("http", [400, 503])
def test_what_mal_took_of_a_write_before_it_failed_is_undone(http: int) -> None:
    taken = entry(5, WRITTEN)

    made = undone(lists(one=entry(1)), lists(one=entry(1)), lists(one=taken), line(answer=taken, http=http))

    assert calls(made) == [("update", 1, {"num_episodes_watched": (5, 1)})]


def test_a_list_that_is_not_covered_is_left_alone() -> None:
    one = snapshot(None, {}, at=MUCH_LATER)

    assert undone(one, one, one, line(answer=entry(5, WRITTEN))).calls == ()


def test_a_late_addition_that_was_edited_since_is_a_conflict() -> None:
    made = undone(lists(), lists(), lists(one=entry(5, LATER, score=9)), unanswered("add"))

    assert (calls(made), reasons(made)) == ([], [(1, "conflict: added")])


def test_an_answered_deletion_that_left_the_entry_is_named_where_it_was_edited_since() -> None:
    before = lists(one=entry(1))

    for at in (SOON, MUCH_LATER):
        made = undone(before, before, lists(one=entry(1, LATER, score=9), at=at), line("remove"))
        assert reasons(made) == [(1, "conflict: removed")]


def test_a_deletion_that_found_nothing_to_delete_is_none_to_undo() -> None:
    """It was gone before the run began, and MAL answered 200 all the same."""
    for after in (lists(), None):
        made = undone(lists(), after, lists(), line("remove"))
        assert (calls(made), made.left, made.already) == ([], (), 0)


def test_a_conflict_shows_the_change_that_the_list_after_the_run_had() -> None:
    """The answer showed none, and somebody changed it again since."""
    made = undone(
        lists(one=entry(1)), lists(one=entry(5, WRITTEN)), lists(one=entry(9, LATER)), line(answer=entry(1, BEFORE))
    )

    assert [left.fields for left in made.left] == [{"num_episodes_watched": {"good": 1, "bad": 5, "live": 9}}]


def unanswered(op: Op = "update", **named: Any) -> JournalEntry:
    return line(op, http=500, state="failed", **named)


@pytest.mark.parametrize(
    ("op", "before", "after", "live", "expected"),
    [
        ("update", entry(1), entry(5, WRITTEN), entry(5, WRITTEN), [("update", {"num_episodes_watched": (5, 1)})]),
        ("update", entry(1), entry(1), entry(5, WRITTEN), [("update", {"num_episodes_watched": (5, 1)})]),
        ("update", entry(1), entry(1), entry(7, LATER), []),
        ("update", entry(1), entry(3, WRITTEN), entry(3, WRITTEN), [("update", {"num_episodes_watched": (3, 1)})]),
        ("add", None, None, None, []),
        ("add", None, None, entry(5, WRITTEN), [("remove", {"status": ("watching", None), "num_episodes_watched": (5, None)})]),
        ("add", None, None, entry(7, LATER), []),
        ("remove", entry(1), entry(1), entry(1), []),
        ("remove", entry(1), entry(1), entry(7, LATER), []),
        ("remove", entry(1), entry(1), None, [("add", {"status": (None, "watching"), "num_episodes_watched": (None, 1)})]),
    ],
)  # fmt: skip
def test_a_write_that_was_not_answered_is_undone_where_it_arrived(
    op: Op, before: Status, after: Status, live: Status, expected: list[tuple[str, dict[str, Any]]]
) -> None:
    made = undone(lists(one=before), lists(one=after), lists(one=live), unanswered(op))

    assert [(call.op, call.fields) for call in made.calls] == expected
    assert (made.left, made.already) == ((), 0)


def test_of_an_interrupted_run_a_write_without_an_answer_goes_by_what_was_sent() -> None:
    before, sent = lists(one=entry(1)), line(http=None, answered_at=None, state="sent")

    assert calls(undone(before, None, lists(one=entry(5)), sent)) == [("update", 1, {"num_episodes_watched": (5, 1)})]
    assert calls(undone(before, None, lists(one=entry(1)), sent)) == []
    assert reasons(undone(before, None, lists(one=entry(9)), sent)) == [(1, "conflict: edited")]


def test_a_deletion_without_an_answer_was_carried_out_where_a_list_lacks_the_entry() -> None:
    before, edited, sent = lists(one=entry(1)), lists(one=entry(7, LATER)), unanswered("remove")

    assert undone(before, None, before, sent).already == 0
    assert reasons(undone(before, None, edited, sent)) == []
    assert [call.op for call in undone(before, None, lists(), sent).calls] == ["add"]
    assert reasons(undone(before, lists(), edited, sent)) == [(1, "conflict: removed")]


def test_an_addition_that_found_the_title_on_the_list_is_undone_as_an_update() -> None:
    """By force, over what somebody had put there after it was planned and before the run began."""
    written = entry(5, WRITTEN)

    made = undone(lists(one=entry(1)), lists(one=written), lists(one=written), line("add", answer=written))

    assert calls(made) == [("update", 1, {"num_episodes_watched": (5, 1)})]


@pytest.mark.parametrize("times", [("", WRITTEN), (WRITTEN, ""), ("", "")])
def test_without_a_time_an_entry_is_not_taken_for_an_older_one(times: tuple[str, str]) -> None:
    now, answer = (entry(5, time) for time in times)

    made = undone(lists(one=entry(1)), None, lists(one=now), line(answer=answer))

    assert (calls(made), made.left) == ([("update", 1, {"num_episodes_watched": (5, 1)})], ())


# -- encoded text


@pytest.mark.parametrize(
    ("sent", "answer", "plain"),
    [
        ("c > d", "c &gt; d", "c > d"),
        ("&lt;", "&amp;lt;", "&lt;"),  # plain text that looks encoded
        ("c > d ", "c &gt; d", "c > d"),  # MAL trimmed it
    ],
)
@pytest.mark.parametrize("seen", [True, False])
def test_comments_that_mal_shows_encoded_are_undone(sent: str, answer: str, plain: str, seen: bool) -> None:
    before, now = lists(one=entry(1, comments="a &lt; b")), lists(one=entry(1, WRITTEN, comments=answer))
    write = line(answer=entry(1, WRITTEN, comments=answer), fields={"comments": ("a < b", sent)})

    made = undone(before, now if seen else None, now, write)

    assert calls(made) == [("update", 1, {"comments": (plain, "a < b")})]
    assert made.left == ()


def test_comments_that_a_write_did_not_touch_are_no_change_along_with_it() -> None:
    """One text alone does not show whether it is encoded."""
    before, now = lists(one=entry(1, comments="a &lt; b")), lists(one=entry(5, WRITTEN, comments="a &lt; b"))

    made = undone(before, now, now, line(answer=entry(5, WRITTEN, comments="a &lt; b")))

    assert (calls(made), made.left) == ([("update", 1, {"num_episodes_watched": (5, 1)})], ())


# -- what MAL changed along with a write


ALONG = entry(5, WRITTEN, status="completed", finish_date="2026-11-01")
CHANGED = {
    "status": {"good": "watching", "bad": "completed", "live": "completed"},
    "finish_date": {"good": None, "bad": "2026-11-01", "live": "2026-11-01"},
}


def test_what_mal_changed_along_with_a_write_is_named_and_by_force_undone() -> None:
    before, written = lists(one=entry(1)), lists(one=ALONG)

    made, forced = (undone(before, written, written, line(answer=ALONG), force=force) for force in (False, True))

    assert calls(made) == [("update", 1, {"num_episodes_watched": (5, 1)})]
    assert [left.fields for left in made.left] == [CHANGED]
    assert made.left[0].why.startswith("changed along with the run's write")
    assert set(forced.calls[0].fields) == {"num_episodes_watched", *CHANGED}
    assert forced.left == ()


def test_what_mal_changed_along_is_named_for_every_entry() -> None:
    before, written = lists(one=entry(1), two=entry(1)), lists(one=ALONG, two=ALONG)

    made = undone(before, written, written, line(answer=ALONG), line(id=2, answer=ALONG))

    assert [(left.medium, left.id, left.title, left.fields) for left in made.left] == [
        (ANIME, 1, "Title", CHANGED),
        (ANIME, 2, "Title", CHANGED),
    ]


def test_what_mal_changed_along_and_somebody_set_right_is_not_named() -> None:
    live = lists(one=entry(5, LATER))

    made = undone(lists(one=entry(1)), lists(one=ALONG), live, line(answer=ALONG))

    assert (calls(made), made.left) == ([("update", 1, {"num_episodes_watched": (5, 1)})], ())


def test_what_mal_changed_along_with_an_addition_goes_with_it() -> None:
    made = undone(lists(), lists(one=ALONG), lists(one=ALONG), line("add", answer=ALONG))

    assert [(call.op, call.id) for call in made.calls] == [("remove", 1)]
    assert made.left == ()


# -- what cannot be checked


def test_a_list_that_is_older_than_the_write_is_no_ground_to_undo_it() -> None:
    before, write = lists(one=entry(1)), line(answer=entry(5, WRITTEN))

    made = undone(before, before, lists(one=entry(1)), write)

    assert (calls(made), made.already) == ([], 0)
    assert reasons(made) == [(1, "the list that MAL shows is older than the run's write")]
    # No list is older for so long: MAL never stored what it answered, so there is nothing to undo.
    assert undone(before, before, lists(one=entry(1), at=MUCH_LATER), write).left == ()
    assert undone(before, before, lists(one=entry(1, LATER)), write).left == ()


def test_a_list_that_shows_an_earlier_edit_is_older_than_the_write() -> None:
    """Neither the entry from before the run nor the run's, but one of a time in between."""
    before, write = lists(one=entry(1)), line(answer=entry(5, WRITTEN))

    made = undone(before, before, lists(one=entry(3, "2026-11-01T11:00:00+00:00")), write)

    assert (calls(made), reasons(made)) == ([], [(1, "the list that MAL shows is older than the run's write")])


def test_a_doubtful_entry_is_named_and_keeps_no_other_from_being_undone() -> None:
    doubtful, other = line(answer=entry(5, WRITTEN)), line(id=2, answer=entry(5, WRITTEN))
    before = lists(one=entry(1), two=entry(1), three=entry(1))
    live = lists(one=entry(1), two=entry(5, WRITTEN), three=entry(5, WRITTEN))

    made = undone(before, None, live, unanswered(id=3), doubtful, other)

    assert [(call.op, call.id) for call in made.calls] == [("update", 2), ("update", 3)]
    (left,) = made.left
    assert (left.medium, left.id, left.title, left.fields) == (ANIME, 1, "Title", {})


@pytest.mark.parametrize("after", ["written", "stale", "unknown"])
def test_a_list_that_shows_an_entry_untouched_is_older_though_it_changed_within_one_second(after: str) -> None:
    before, write = lists(one=entry(1, WRITTEN)), line(answer=entry(5, WRITTEN))
    seen = {"written": lists(one=entry(5, WRITTEN)), "stale": before, "unknown": None}[after]

    soon, later = (undone(before, seen, lists(one=entry(1, WRITTEN), at=at), write) for at in (SOON, MUCH_LATER))

    assert [left.id for left in soon.left] == [1]
    # Once it has been seen as written, an untouched one comes from an older list, whatever the time.
    assert [left.id for left in later.left] == ([1] if after == "written" else [])
    kept = line(answer=entry(1, WRITTEN))
    assert undone(before, seen, lists(one=entry(1, WRITTEN)), kept).left == ()


def test_an_addition_that_no_list_has_shown_is_named_for_a_while() -> None:
    before, write = lists(two=entry(2)), line("add", answer=entry(5, WRITTEN))
    last, first = ((SENT + LAG + timedelta(seconds=late)).isoformat() for late in (-1, 0))

    assert reasons(undone(before, before, lists(two=entry(2), at=last), write)) == [(1, "MAL accepted the write")]
    assert undone(before, before, lists(two=entry(2), at=first), write).left == ()


def test_an_addition_that_was_seen_and_is_gone_is_settled_after_a_while() -> None:
    write = line("add", answer=entry(5, WRITTEN))

    made = undone(lists(), lists(one=entry(5, WRITTEN)), lists(at=MUCH_LATER), write)

    assert reasons(undone(lists(), lists(one=entry(5, WRITTEN)), lists(), write)) == [(1, "MAL accepted the write")]
    assert (calls(made), made.left, made.already) == ([], (), 1)


@pytest.mark.parametrize("after", ["gone", "there", "unknown"])
def test_a_deletion_that_the_list_does_not_show_is_named(after: str) -> None:
    before = lists(one=entry(1))
    seen = {"gone": lists(), "there": before, "unknown": None}[after]

    soon, later = (undone(before, seen, lists(one=entry(1), at=at), line("remove")) for at in (SOON, MUCH_LATER))

    why = "the list that MAL shows is older than the run's write" if after == "gone" else "MAL accepted the deletion"
    assert (calls(soon), reasons(soon)) == ([], [(1, why)])
    # One that was gone and is back as it was comes from an older list, whatever the time.
    assert [left.id for left in later.left] == ([1] if after == "gone" else [])


@pytest.mark.parametrize(
    "moved",
    [
        entry(3, WRITTEN),  # stopped at the other title's total
        entry(5, LATER, score=9),  # edited since
    ],
)
@pytest.mark.parametrize("was", [None, entry(4)])
def test_an_addition_that_went_to_another_id_is_named_with_it(moved: Status, was: Status) -> None:
    before, after = lists(two=was), lists(two=moved, at=SOON)

    made = undone(before, after, replace(after, taken_at=moment(MUCH_LATER)), line("add", answer=entry(5, WRITTEN)))

    assert calls(made) == []
    (left,) = made.left
    assert (left.id, "anime 2 Title 2 may be where it went" in left.why) == (1, True)


def test_an_entry_that_was_there_or_that_the_run_wrote_is_not_taken_for_one_that_moved() -> None:
    """Both have the very values that were sent; and so has one of the other medium."""
    added, alike = line("add", answer=entry(5, WRITTEN)), entry(5, WRITTEN)
    manga = {7: {"status": "watching", "num_episodes_watched": 5, "updated_at": WRITTEN}}
    after = snapshot({2: alike, 3: alike}, manga, at=MUCH_LATER)

    made = undone(lists(two=alike), after, after, added, line("add", 3, answer=alike))

    assert [(call.op, call.id) for call in made.calls] == [("remove", 3)]
    assert (made.left, made.already) == ((), 1)


def test_an_addition_that_was_seen_did_not_move_to_another_id() -> None:
    written = entry(5, WRITTEN)

    made = undone(lists(), lists(one=written), lists(two=written, at=MUCH_LATER), line("add", answer=written))

    assert (made.left, made.already) == ((), 1)


def test_an_updated_entry_that_is_gone_is_a_conflict_at_once() -> None:
    made = undone(lists(one=entry(1)), lists(one=entry(5, WRITTEN)), lists(), line(answer=entry(5, WRITTEN)))

    assert reasons(made) == [(1, "conflict: edited")]


def test_an_entry_that_somebody_else_added_is_not_taken_for_one_that_moved() -> None:
    before, after = lists(), lists(two=entry(7, LATER))

    made = undone(before, after, replace(after, taken_at=moment(MUCH_LATER)), line("add", answer=entry(5, WRITTEN)))

    assert made.left == ()


def test_what_a_later_run_wrote_is_no_doubt() -> None:
    trace = RunTrace(lists(), lists(), (line("add", answer=entry(5, WRITTEN)),), frozenset({("anime", 1)}))

    made = trace.undo(WriteRequest("undo"), lists())

    assert (made.calls, made.left, made.already) == ((), (), 1)


def test_what_the_undo_wrote_itself_is_no_doubt() -> None:
    added = entry(5, WRITTEN)
    trace = RunTrace(lists(), lists(), (line("add", answer=added),))
    first = trace.undo(WriteRequest("undo"), lists(one=added))

    made = trace.undo(WriteRequest("undo"), lists(), settled=[call.key for call in first.calls])

    assert [call.op for call in first.calls] == ["remove"]
    assert made.left == ()
