"""Revert: what changed from a good list to a bad one is taken back, and what was done since is kept. By example.

Each row of the table in docs/restoring.md#what-revert-does stands here by what happened to the user.
"""

from dataclasses import replace
from typing import Any

import pytest

from malsync.model.medium import ANIME, MANGA, MEDIA
from malsync.model.snapshot import Covers, Snapshot
from malsync.planning.restore_plan import Filters, Plan, PlannedWrite, plan
from malsync.planning.revert_plan import Window, revert
from tests.support.lists import moment, snapshot, watched

Entry = dict[str, Any] | None
both = pytest.mark.parametrize("medium", MEDIA)
STATUS = {"status": "completed"}


def lists(*versions: Entry, medium: str = "anime") -> tuple[Snapshot, ...]:
    """Lists of title 1 alone; None where it does not stand on the list."""
    return tuple(snapshot(**{medium: {} if one is None else {1: one}}) for one in versions)


def reverted(good: Entry, bad: Entry, live: Entry, medium: str = "anime", **options: Any) -> Plan:
    """What is done about title 1."""
    return revert(*lists(good, bad, live, medium=medium), **options)


def written(made: Plan) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """What the only call does, where that is all."""
    (call,) = made.calls
    assert (made.left, made.already) == ((), 0)
    return call.op, call.fields


def conflict(made: Plan) -> tuple[str, dict[str, dict[str, Any]]]:
    """The only conflict, where that is all."""
    (left,) = made.left
    assert (made.calls, made.already) == ((), 0)
    return left.why, left.fields


NOTHING, ALREADY = Plan(()), Plan((), (), 1)


# -- the table


@both
@pytest.mark.parametrize("live", [None, STATUS, {"status": "dropped", "score": 1}])
@pytest.mark.parametrize("force", [False, True])
def test_an_entry_that_did_not_change_is_nobodys_business(medium: str, live: Entry, force: bool) -> None:
    assert reverted(STATUS | {"score": 9}, STATUS | {"score": 9}, live, medium, force=force) == NOTHING
    assert reverted(None, None, live, medium, force=force) == NOTHING


@pytest.mark.parametrize("force", [False, True])
def test_the_same_data_in_other_words_did_not_change(force: bool) -> None:
    good, bad = STATUS | {"tags": [], "score": None}, STATUS | {"comments": "", "updated_at": "2026-11-01T12:00:00Z"}

    assert reverted(good, bad, STATUS | {"score": 4}, force=force) == NOTHING


@both
@pytest.mark.parametrize("force", [False, True])
def test_an_entry_that_came_and_went_again_is_settled(medium: str, force: bool) -> None:
    assert reverted(None, STATUS, None, medium, force=force) == ALREADY


@both
@pytest.mark.parametrize("force", [False, True])
def test_an_entry_that_came_is_deleted(medium: str, force: bool) -> None:
    bad = STATUS | {"score": 1, "updated_at": "2026-11-01T12:00:00+00:00"}
    live = STATUS | {"score": 1, "updated_at": "2026-11-02T12:00:00+00:00", "priority": 0}

    made = reverted(None, bad, live, medium, force=force)

    assert written(made) == ("remove", {"status": ("completed", None), "score": (1, None)})
    assert made.calls[0].expect == live


@both
def test_an_entry_that_came_and_was_edited_since_is_a_conflict(medium: str) -> None:
    why, fields = conflict(reverted(None, STATUS | {"score": 1}, STATUS | {"score": 9, "comments": "mine"}, medium))

    assert why == "conflict: added, and edited since"
    assert fields["score"] == {"good": None, "bad": 1, "live": 9}
    assert fields["comments"] == {"good": None, "bad": "", "live": "mine"}


@both
def test_an_entry_that_came_and_was_edited_since_is_deleted_by_force(medium: str) -> None:
    live = STATUS | {"score": 9, "comments": "mine"}

    made = reverted(None, STATUS | {"score": 1}, live, medium, force=True)

    assert written(made) == (
        "remove",
        {"status": ("completed", None), "score": (9, None), "comments": ("mine", None)},
    )
    assert made.calls[0].expect == live


@both
@pytest.mark.parametrize("force", [False, True])
def test_an_entry_that_went_comes_back_whole(medium: str, force: bool) -> None:
    good = STATUS | {"score": 9, "tags": ["a", "b"], "comments": "", "start_date": "2021", "is_rewatching": None}

    made = reverted(good, None, None, medium, force=force)

    assert written(made) == (
        "add",
        {
            "status": (None, "completed"),
            "score": (None, 9),
            "start_date": (None, "2021"),
            "tags": (None, ["a", "b"]),
        },
    )
    assert made.calls[0].expect is None


@both
@pytest.mark.parametrize("force", [False, True])
def test_an_entry_that_went_and_was_put_back_as_it_was_is_settled(medium: str, force: bool) -> None:
    assert reverted(STATUS | {"score": 9}, None, STATUS | {"score": 9, "tags": []}, medium, force=force) == ALREADY


@both
def test_an_entry_that_went_and_was_added_again_otherwise_is_a_conflict(medium: str) -> None:
    why, fields = conflict(reverted(STATUS | {"score": 9}, None, STATUS | {"score": 3}, medium))

    assert why == "conflict: removed, and added again since"
    assert fields["score"] == {"good": 9, "bad": None, "live": 3}


@both
def test_an_entry_that_went_and_was_added_again_otherwise_is_made_the_good_one_by_force(medium: str) -> None:
    live = STATUS | {"score": 3, "comments": "new"}

    made = reverted(STATUS | {"score": 9}, None, live, medium, force=True)

    assert written(made) == ("update", {"score": (3, 9), "comments": ("new", "")})
    assert made.calls[0].expect == live


@both
def test_an_entry_that_was_edited_and_removed_since_is_a_conflict(medium: str) -> None:
    why, fields = conflict(reverted(STATUS | {"score": 9}, STATUS | {"score": 1}, None, medium))

    assert why == "conflict: edited, and removed since"
    assert fields["score"] == {"good": 9, "bad": 1, "live": None}


@both
def test_an_entry_that_was_edited_and_removed_since_comes_back_whole_by_force(medium: str) -> None:
    good = STATUS | {"score": 9, "comments": "long"}

    made = reverted(good, good | {"score": 1}, None, medium, force=True)

    assert written(made) == ("add", {"status": (None, "completed"), "score": (None, 9), "comments": (None, "long")})


@both
@pytest.mark.parametrize("force", [False, True])
def test_a_field_that_did_not_change_keeps_its_live_value(medium: str, force: bool) -> None:
    made = reverted(
        STATUS | {"score": 9, "priority": 1},
        STATUS | {"score": 1, "priority": 1},
        {"status": "dropped", "score": 1, "priority": 2, "comments": "since"},
        medium,
        force=force,
    )

    assert written(made) == ("update", {"score": (1, 9)})


@both
@pytest.mark.parametrize("force", [False, True])
def test_a_field_that_changed_is_set_back(medium: str, force: bool) -> None:
    good = STATUS | {"score": 9, "tags": ["a"], "finish_date": "2021-12"}
    bad = STATUS | {"start_date": "2026-11-01", "comments": "spam"}

    made = reverted(good, bad, bad, medium, force=force)

    assert written(made) == (
        "update",
        {
            "score": (0, 9),
            "start_date": ("2026-11-01", None),
            "finish_date": (None, "2021-12"),
            "tags": ([], ["a"]),
            "comments": ("spam", ""),
        },
    )
    assert made.calls[0].expect == bad


@both
@pytest.mark.parametrize("force", [False, True])
def test_a_field_that_somebody_set_right_already_is_settled(medium: str, force: bool) -> None:
    good, bad = STATUS | {"score": 9}, STATUS | {"score": 1}

    assert reverted(good, bad, good, medium, force=force) == ALREADY
    assert reverted(good, bad, {"status": "dropped", "score": 9}, medium, force=force) == ALREADY
    assert reverted(STATUS, bad, STATUS | {"score": 0}, medium, force=force) == ALREADY


@both
def test_a_field_that_was_changed_again_since_is_a_conflict_and_the_others_are_set_back(medium: str) -> None:
    good = STATUS | {"score": 9, "comments": "good", "priority": 1, "tags": ["t"]}
    bad = {"status": "dropped", "score": 1, "comments": "bad", "priority": 2, "tags": ["t"]}
    live = {"status": "completed", "score": 5, "comments": "bad", "priority": 2, "tags": ["u"]}

    made = reverted(good, bad, live, medium)

    (call,), (left,) = made.calls, made.left
    assert (call.op, call.fields) == ("update", {"priority": (2, 1), "comments": ("bad", "good")})
    assert left.why == "conflict: edited, and edited again since"
    assert left.fields == {"score": {"good": 9, "bad": 1, "live": 5}}
    assert made.already == 0


@both
def test_a_field_that_was_changed_again_since_is_set_back_by_force(medium: str) -> None:
    good, bad, live = (
        {"status": s, "score": n, "tags": [s]} for s, n in [("completed", 9), ("dropped", 1), ("on_hold", 5)]
    )

    made = reverted(good, bad, live, medium, force=True)

    assert written(made) == (
        "update",
        {"status": ("on_hold", "completed"), "score": (5, 9), "tags": (["on_hold"], ["completed"])},
    )


def test_a_conflict_shows_blank_for_what_was_never_set() -> None:
    """As everything else does: absent, null and the blank are one value."""
    bad, live = (
        STATUS | {"score": 1, "tags": ["a"], "comments": "x"},
        STATUS | {"score": 5, "tags": ["b"], "comments": "y"},
    )

    _, fields = conflict(reverted(STATUS | {"comments": None}, bad, live))

    assert fields == {
        "score": {"good": 0, "bad": 1, "live": 5},
        "tags": {"good": [], "bad": ["a"], "live": ["b"]},
        "comments": {"good": "", "bad": "x", "live": "y"},
    }


@pytest.mark.promise("planning-12")
def test_a_conflict_names_the_fields_that_are_not_one_value_in_all_three() -> None:
    good = STATUS | {"score": 9, "priority": 1, "comments": "same"}
    _, removed = conflict(reverted(good, good | {"score": 1}, None))
    _, added = conflict(reverted(None, STATUS | {"score": 1}, STATUS | {"score": 1, "priority": 2}))

    assert removed["score"] == {"good": 9, "bad": 1, "live": None}
    assert removed["comments"] == {"good": "same", "bad": "same", "live": None}
    assert added["priority"] == {"good": None, "bad": 0, "live": 2}
    assert "tags" not in removed.keys() | added.keys()


def test_a_conflict_names_its_title() -> None:
    named = [{**STATUS, "score": score, "title": title} for score, title in [(9, "Good"), (1, "Bad"), (5, "Live")]]

    assert [left.title for left in reverted(*named).left] == ["Live"]
    assert [left.title for left in reverted(named[0], named[1], None).left] == ["Good"]
    assert [left.title for left in reverted(None, named[1], named[2] | {"title": ""}).left] == ["Bad"]


# -- whole lists


def test_both_lists_and_every_row_at_once() -> None:
    good = snapshot({1: watched(1), 2: watched(2), 3: watched(3)}, {1: {"status": "reading"}, 2: {"status": "reading"}})
    bad = snapshot({1: watched(1), 2: watched(9), 4: watched(4)}, {2: {"status": "dropped"}})
    live = snapshot({1: watched(7), 2: watched(9), 4: watched(4), 5: watched(5)}, {2: {"status": "reading"}})

    made = revert(good, bad, live)

    assert [(call.op, *call.key) for call in made.calls] == [
        ("update", "anime", 2),
        ("add", "anime", 3),
        ("add", "manga", 1),
        ("remove", "anime", 4),
    ]
    assert made.left == ()
    assert made.already == 1


def test_what_was_there_already_is_counted_entry_by_entry() -> None:
    good = snapshot({1: watched(1), 2: watched(2), 9: watched()}, {1: {"status": "reading"}})
    bad = snapshot({3: watched(3), 2: watched(4, score=3), 9: watched()}, {1: {"status": "dropped"}})

    assert revert(good, bad, good) == Plan((), (), 4)


def test_entries_come_back_in_the_order_in_which_they_were_updated() -> None:
    times = {1: 30, 2: 10, 3: 20}
    good = {id: watched(id, updated_at=f"2026-11-01T12:00:{second}+00:00") for id, second in times.items()}
    bad = {1: watched(9, updated_at="2026-12-01T12:00:00+00:00"), 4: watched(4)}
    manga = {5: {"status": "reading", "updated_at": "2026-11-01T12:00:15+00:00"}}

    made = revert(snapshot(good, manga), snapshot(bad, {}), snapshot(bad, {}))

    assert [call.key for call in made.calls] == [
        ("anime", 2),
        ("manga", 5),
        ("anime", 3),
        ("anime", 1),
        ("anime", 4),
    ]


@pytest.mark.parametrize("blind", range(3))
@pytest.mark.parametrize("force", [False, True])
def test_a_list_that_one_of_the_three_does_not_cover_is_left_alone(blind: int, force: bool) -> None:
    manga: list[Any] = [{1: {"status": "reading"}}, {}, {2: {"status": "reading"}}]
    manga[blind] = None

    made = revert(*(snapshot({}, one) for one in manga), force=force)

    assert made == NOTHING


@pytest.mark.parametrize("blind", range(3))
@pytest.mark.parametrize("force", [False, True])
def test_a_field_that_one_of_the_three_does_not_cover_is_left_alone(blind: int, force: bool) -> None:
    covers: Covers = {"anime": tuple(name for name in ANIME.names if name != "comments"), "manga": ANIME.names}
    versions = [STATUS | {"score": n, "comments": f"{n}"} for n in (9, 1, 1)]
    del versions[blind]["comments"]
    made = [snapshot({1: one}, {}, covers=covers if n == blind else None) for n, one in enumerate(versions)]

    assert written(revert(*made, force=force)) == ("update", {"score": (1, 9)})


@pytest.mark.parametrize("blind", range(3))
@pytest.mark.parametrize("force", [False, True])
def test_a_field_that_one_of_the_three_entries_does_not_know_is_left_alone(blind: int, force: bool) -> None:
    """Its list covers the field: a row of a file may lack an element that the others have."""
    made = [*lists(*(STATUS | {"score": n, "comments": f"{n}"} for n in (9, 1, 1)))]
    entry = made[blind].entries(ANIME)[1]
    status = {name: found for name, found in entry.list_status.items() if name != "comments"}
    poor = entry._replace(list_status=status, unknown=frozenset({"comments"}))
    made[blind] = replace(made[blind], lists={"anime": {1: poor}, "manga": None})

    assert written(revert(*made, force=force)) == ("update", {"score": (1, 9)})


@pytest.mark.parametrize("blind", [0, 1])
@pytest.mark.parametrize("op", ["added", "removed"])
def test_of_an_entry_that_came_or_went_only_fields_that_both_lists_know_count(op: str, blind: int) -> None:
    covers: Covers = {"anime": ("status", "score"), "manga": MANGA.names}
    versions = [STATUS | {"comments": "said"}, STATUS | {"comments": "said"}]
    del versions[blind]["comments"]
    one, live = (snapshot({1: status}, {}, covers=covers if n == blind else None) for n, status in enumerate(versions))
    none = snapshot({}, {})

    if op == "added":
        assert written(revert(none, one, live)) == ("remove", {"status": ("completed", None)})
    else:
        assert revert(one, none, live) == ALREADY


def test_revert_names_every_conflict_and_the_entry_that_it_is_about() -> None:
    good, bad, live = (snapshot({1: watched(n), 2: watched(n)}, {}) for n in (1, 2, 3))

    made = revert(good, bad, live)

    assert [(left.medium, left.id, left.title) for left in made.left] == [(ANIME, 1, "Title 1"), (ANIME, 2, "Title 2")]


def test_revert_gives_its_writes_the_title_of_the_entry() -> None:
    (call,) = reverted(STATUS | {"score": 9}, STATUS | {"score": 1}, STATUS | {"score": 1}).calls

    assert call.title == "Title 1"


def test_a_conflict_shows_every_field_that_is_not_the_same_in_all_three_lists() -> None:
    _, fields = conflict(reverted(STATUS | {"score": 9}, STATUS, None))
    assert fields == {
        "status": {"good": "completed", "bad": "completed", "live": None},
        "score": {"good": 9, "bad": 0, "live": None},
    }

    _, fields = conflict(reverted(None, STATUS | {"score": 1}, STATUS | {"score": 9}))
    assert fields == {
        "status": {"good": None, "bad": "completed", "live": "completed"},
        "score": {"good": None, "bad": 1, "live": 9},
    }


def test_a_field_that_the_good_list_does_not_know_keeps_an_edited_entry_from_being_deleted() -> None:
    """The good list lacks the entry: what it would know of one is no reason to overlook an edit."""
    poor: Covers = {"anime": ("status", "score"), "manga": MANGA.names}
    good = snapshot({}, {}, covers=poor)

    made = revert(good, *lists(STATUS, STATUS | {"comments": "a long review"}))

    why, fields = conflict(made)
    assert why == "conflict: added, and edited since"
    assert fields["comments"] == {"good": None, "bad": "", "live": "a long review"}


def test_an_entry_comes_back_whole_though_the_bad_list_knows_few_fields() -> None:
    """The bad list lacks the entry: what it would know of one is no reason to lose the rest."""
    poor: Covers = {"anime": ("status", "score"), "manga": MANGA.names}
    (good,) = lists(STATUS | {"comments": "a long review"})
    bad = snapshot({}, {}, covers=poor)

    assert written(revert(good, bad, snapshot({}, {}))) == (
        "add",
        {"status": (None, "completed"), "comments": (None, "a long review")},
    )


def test_members_that_malsync_does_not_know_are_never_planned_nor_in_conflict() -> None:
    assert reverted(STATUS | {"new": 1}, STATUS | {"new": 2}, STATUS | {"new": 3}) == NOTHING
    made = reverted(STATUS | {"new": 1, "score": 1}, STATUS | {"new": 2}, STATUS | {"new": 3})
    assert written(made) == ("update", {"score": (0, 1)})
    made = reverted(None, STATUS | {"new": 1}, STATUS | {"new": 2})
    assert written(made)[0] == "remove"


def test_what_no_request_can_say_is_left_and_the_rest_goes_on() -> None:
    good = STATUS | {"score": 9, "tags": ["a,b"]}
    made = reverted(good, STATUS, STATUS)

    assert [call.fields for call in made.calls] == [{"score": (0, 9)}]
    assert [left.fields for left in made.left] == [{"tags": {"from": [], "to": ["a,b"]}}]


def test_partial_dates_are_rounded_when_that_is_asked_for() -> None:
    good, bad = STATUS | {"start_date": "2021"}, STATUS

    assert written(reverted(good, bad, bad)) == ("update", {"start_date": (None, "2021")})
    assert written(reverted(good, bad, bad, round_dates=True)) == ("update", {"start_date": (None, "2021-01-01")})


# -- one evening's vandalism told from one's own edits


EVENING = Window(moment("2026-11-01T20:00:00Z"), moment("2026-11-01T22:00:00Z"))


@pytest.mark.promise("planning-13")
@pytest.mark.parametrize(
    ("when", "inside"),
    [
        ("2026-11-01T19:59:59+00:00", False),
        ("2026-11-01T20:00:00+00:00", True),
        ("2026-11-01T21:59:59+00:00", True),
        ("2026-11-01T22:00:00+00:00", False),
        ("2026-11-01T22:30:00+01:00", True),
        ("2026-11-01T21:00:00", False),
        ("evening", False),
        (None, False),
    ],
)
def test_only_what_was_updated_in_the_window_is_taken_back(when: str | None, inside: bool) -> None:
    bad = STATUS | {"score": 1, "updated_at": when}

    for good in (STATUS | {"score": 9, "updated_at": "2026-11-01T21:00:00+00:00"}, None):
        assert len(reverted(good, bad, bad, window=EVENING).calls) == inside
        # Neither a conflict nor settled either: it is not meant at all.
        assert reverted(good, bad, STATUS | {"score": 5}, window=EVENING).left == () or inside
        assert reverted(good, bad, good, window=EVENING).already == inside


def test_entries_that_went_are_always_in_the_window() -> None:
    good = STATUS | {"updated_at": "2020-01-01T00:00:00+00:00"}

    assert written(reverted(good, None, None, window=EVENING))[0] == "add"


def test_a_window_may_be_open_at_either_end() -> None:
    early, late = (STATUS | {"score": 1, "updated_at": f"2026-11-0{day}T12:00:00+00:00"} for day in (1, 3))
    middle = moment("2026-11-02T00:00:00Z")

    assert len(reverted(STATUS, early, early, window=Window(since=middle)).calls) == 0
    assert len(reverted(STATUS, late, late, window=Window(since=middle)).calls) == 1
    assert len(reverted(STATUS, early, early, window=Window(until=middle)).calls) == 1
    assert len(reverted(STATUS, late, late, window=Window(until=middle)).calls) == 0


def test_without_a_window_an_entry_needs_no_time() -> None:
    assert len(reverted(STATUS, STATUS | {"score": 1}, STATUS | {"score": 1}).calls) == 1


# -- filters

GOOD = snapshot({1: watched(1, score=1), 2: watched(2)}, {1: {"status": "reading", "score": 1}})
BAD = snapshot({1: watched(0), 3: watched(3)}, {1: {"status": "dropped"}})


def keys(made: Plan) -> set[tuple[str, int]]:
    """Which entries are written."""
    return {call.key for call in made.calls}


def test_only_one_list_is_reverted() -> None:
    assert keys(revert(GOOD, BAD, BAD, filters=Filters(only="anime"))) == {("anime", 1), ("anime", 2), ("anime", 3)}
    assert keys(revert(GOOD, BAD, BAD, filters=Filters(only="manga"))) == {("manga", 1)}


def test_only_the_titles_that_were_named_are_reverted() -> None:
    assert keys(revert(GOOD, BAD, BAD, filters=Filters(ids=frozenset({("manga", 1), ("anime", 3)})))) == {
        ("manga", 1),
        ("anime", 3),
    }


@pytest.mark.parametrize(("status", "found"), [("reading", True), ("dropped", True), ("completed", False)])
def test_an_entry_passes_by_the_status_it_had_or_has(status: str, found: bool) -> None:
    filters = Filters(only="manga", statuses=frozenset({status}))

    assert bool(revert(GOOD, BAD, BAD, filters=filters).calls) == found


def test_only_some_fields_are_reverted_and_nothing_is_added_or_deleted() -> None:
    made = revert(GOOD, BAD, BAD, filters=Filters(fields=frozenset({"score"})))

    assert [(call.op, *call.key, call.fields) for call in made.calls] == [
        ("update", "anime", 1, {"score": (0, 1)}),
        ("update", "manga", 1, {"score": (0, 1)}),
    ]


@pytest.mark.parametrize("field", ["status", "score"])
def test_a_field_alone_adds_nothing_even_by_force(field: str) -> None:
    good, bad = STATUS | {"score": 9, "comments": "mine"}, {"status": "dropped", "score": 1}

    made = reverted(good, bad, None, filters=Filters(fields=frozenset({field})), force=True)

    why, fields = conflict(made)
    assert (why, list(fields)) == ("conflict: edited, and removed since", [field])


def test_what_the_filters_leave_out_is_neither_in_conflict_nor_settled() -> None:
    made = reverted(STATUS, STATUS | {"score": 1}, STATUS | {"score": 5}, filters=Filters(only="manga"))
    assert made == NOTHING
    made = reverted(STATUS, STATUS | {"score": 1}, STATUS | {"score": 5}, filters=Filters(fields=frozenset({"tags"})))
    assert made == NOTHING
    assert reverted(None, STATUS, None, filters=Filters(only="manga")) == NOTHING


# -- taking back a run: only what it wrote


def run(before: Snapshot, wanted: Snapshot) -> dict[tuple[str, int], PlannedWrite]:
    """The writes of a run from `before` to `wanted`, by entry."""
    return {call.key: call for call in plan(wanted, before, "exact").calls}


def test_an_undo_takes_back_the_entries_that_the_run_wrote() -> None:
    before = snapshot({1: watched(1), 2: watched(2), 3: watched(3)}, {})
    wanted = snapshot({1: watched(9), 2: watched(2), 4: watched(4)}, {})
    # While the run was under way, the user edited one entry, removed another and added a third.
    after = snapshot({1: watched(9), 2: watched(5), 4: watched(4), 5: watched(5)}, {1: {"status": "reading"}})

    made = revert(before, after, after, written=run(before, wanted))

    assert [(call.op, call.id) for call in made.calls] == [("update", 1), ("add", 3), ("remove", 4)]


def test_an_undo_takes_back_the_fields_that_the_run_wrote() -> None:
    before, wanted = lists(watched(1, score=9), watched(2, score=9))
    (after,) = lists(watched(2, score=3, comments="meanwhile"))

    made = revert(before, after, after, written=run(before, wanted))

    assert written(made) == ("update", {"num_episodes_watched": (2, 1)})


def test_an_undo_leaves_alone_what_the_run_did_otherwise_than_the_lists_say() -> None:
    """The run added it, and somebody had it on the list before; it updated it, and somebody removed it."""
    nothing, one, other = lists(None, watched(1), watched(2))

    assert revert(one, other, other, written=run(nothing, other)) == NOTHING
    assert revert(one, nothing, nothing, written=run(one, other)) == NOTHING
    assert revert(nothing, other, other, written=run(one, other)) == NOTHING


def test_an_undo_of_a_run_that_wrote_nothing_writes_nothing() -> None:
    assert revert(GOOD, BAD, BAD, written={}) == NOTHING


def test_an_undo_leaves_alone_what_was_edited_since() -> None:
    before, after = lists(watched(1, score=9), watched(2, score=3))
    (live,) = lists(watched(7, score=3, comments="mine"))

    made = revert(before, after, live, written=run(before, after))

    assert [call.fields for call in made.calls] == [{"score": (3, 9)}]
    assert [left.fields for left in made.left] == [{"num_episodes_watched": {"good": 1, "bad": 2, "live": 7}}]


def test_an_undo_by_force_puts_a_removed_entry_back_whole() -> None:
    before, after = lists(watched(1, comments="a long review"), watched(2, comments="a long review"))
    (live,) = lists(None)

    made = revert(before, after, live, written=run(before, after), force=True)

    assert written(made) == (
        "add",
        {"status": (None, "watching"), "num_episodes_watched": (None, 1), "comments": (None, "a long review")},
    )


def test_an_undo_of_an_add_deletes_it_only_as_the_run_left_it() -> None:
    nothing, after, edited = lists(None, watched(1), watched(1, comments="mine"))

    assert written(revert(nothing, after, after, written=run(nothing, after)))[0] == "remove"
    assert conflict(revert(nothing, after, edited, written=run(nothing, after)))[0].endswith("edited since")
