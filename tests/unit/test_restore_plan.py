"""The plan: what would be written to make a live list what is wanted, and what nobody can write. By example."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from malsync.cli.errors import hint_of
from malsync.errors import Refused
from malsync.model.medium import ANIME, MANGA, MEDIA, Json, Kind, Medium
from malsync.model.snapshot import Covers, Snapshot
from malsync.planning.guards import guard_deletes, guard_wanted
from malsync.planning.preconditions import judge
from malsync.planning.restore_plan import MODES, Filters, Mode, Plan, PlannedWrite, Prefer, plan, unwritten, updated_at
from malsync.planning.writable import LONGEST_TEXT, is_partial, why_not_writable
from tests.support.lists import many, snapshot, watched

both = pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)
in_every_mode = pytest.mark.parametrize("mode", MODES)

BLANKS: dict[Kind, Any] = {Kind.NUMBER: 0, Kind.FLAG: False, Kind.DATE: None, Kind.TAGS: [], Kind.TEXT: ""}
SET: dict[Kind, Any] = {Kind.NUMBER: 2, Kind.FLAG: True, Kind.DATE: "2026-11", Kind.TAGS: ["one"], Kind.TEXT: "said"}


def read(chapters: int = 0, **more: Any) -> dict[str, Any]:
    """A manga's list status."""
    return {"status": "reading", "num_chapters_read": chapters, **more}


def at(second: int) -> str:
    """A moment as MAL writes it; the greater the number, the later."""
    return f"2026-11-01T12:00:{second:02d}+00:00"


def steps(made: Plan) -> list[tuple[str, str, int]]:
    """What is written, in order: op, medium, id."""
    return [(call.op, *call.key) for call in made.calls]


def fields_of(made: Plan) -> dict[str, tuple[Any, Any]]:
    """The fields of the only call."""
    (call,) = made.calls
    return call.fields


def updates(wanted: dict[str, Any], live: dict[str, Any], medium: Medium = ANIME, **options: Any) -> Plan:
    """The plan for one entry that both lists have."""
    return plan(*(snapshot(**{medium.name: {1: one}}) for one in (wanted, live)), "exact", **options)


def adds(wanted: dict[str, Any], **options: Any) -> Plan:
    """The plan for one entry that the live list does not have."""
    return plan(snapshot({1: wanted}, {}), snapshot({}, {}), "exact", **options)


# -- modes

WANTED = snapshot({1: watched(1), 2: watched(9)}, {1: read(1), 2: read(9)})
LIVE = snapshot({2: watched(2), 3: watched(3)}, {2: read(2), 3: read(3)})
ADDS = [("add", "anime", 1), ("add", "manga", 1)]
UPDATES = [("update", "anime", 2), ("update", "manga", 2)]
REMOVES = [("remove", "anime", 3), ("remove", "manga", 3)]


def test_merge_adds_and_updates_and_deletes_nothing() -> None:
    made = plan(WANTED, LIVE)

    assert sorted(steps(made)) == ADDS + UPDATES
    assert made == plan(WANTED, LIVE, "merge")


def test_exact_also_deletes_what_is_not_wanted() -> None:
    made = plan(WANTED, LIVE, "exact")

    assert sorted(steps(made)) == sorted(ADDS + UPDATES + REMOVES)
    assert steps(made)[-2:] == REMOVES
    assert made.counts == {"add": 2, "update": 2, "remove": 2}
    assert made.deletes == 2


def test_missing_only_adds() -> None:
    assert steps(plan(WANTED, LIVE, "missing")) == ADDS


@in_every_mode
def test_an_equal_list_takes_no_call(mode: Mode) -> None:
    assert plan(WANTED, WANTED, mode) == Plan(())


def test_an_update_carries_what_differs_and_nothing_else() -> None:
    made = updates(watched(5, score=9, comments="mine"), watched(4, score=9, tags=["a"]))

    assert fields_of(made) == {"num_episodes_watched": (4, 5), "tags": (["a"], []), "comments": ("", "mine")}


def test_an_add_carries_the_status_and_every_field_that_is_set() -> None:
    wanted = watched(0, score=8, is_rewatching=False, tags=[], comments="", start_date="2026-11-01", priority=None)

    assert fields_of(adds(wanted)) == {
        "status": (None, "watching"),
        "score": (None, 8),
        "start_date": (None, "2026-11-01"),
    }


def test_an_add_of_a_title_with_nothing_but_a_status_carries_that() -> None:
    assert fields_of(adds({"status": "plan_to_watch"})) == {"status": (None, "plan_to_watch")}


def test_a_removal_names_what_is_lost() -> None:
    made = plan(snapshot({2: watched()}, {}), snapshot({1: watched(5, score=0), 2: watched()}, {}), "exact")

    assert steps(made) == [("remove", "anime", 1)]
    assert fields_of(made) == {"status": ("watching", None), "num_episodes_watched": (5, None)}


def test_each_call_expects_the_live_entry_as_it_stood() -> None:
    live = {2: watched(2, updated_at=at(1), new={"x": [1]}), 3: watched(3, score=None)}
    made = plan(snapshot({1: watched(1), 2: watched(9)}, {}), snapshot(live, {}), "exact")

    assert {call.id: call.expect for call in made.calls} == {1: None, **live}


def test_a_call_names_its_title() -> None:
    wanted = {1: watched(1, title="Added"), 2: watched(2, title="Wanted")}
    made = plan(snapshot(wanted, {}), snapshot({2: watched(title="Live"), 3: watched(title="Gone")}, {}), "exact")

    assert {call.id: call.title for call in made.calls} == {1: "Added", 2: "Wanted", 3: "Gone"}


@pytest.mark.promise("planning-10")
@in_every_mode
def test_the_same_lists_give_the_same_plan_and_stay_as_they_were(mode: Mode) -> None:
    wanted, live = deepcopy(WANTED), deepcopy(LIVE)

    first = plan(wanted, live, mode)
    backwards = [
        replace(
            made, lists={name: dict(reversed((found or {}).items())) for name, found in reversed(made.lists.items())}
        )
        for made in (wanted, live)
    ]

    assert repr(plan(*backwards, mode)) == repr(first)
    assert (wanted.lists, live.lists) == (WANTED.lists, LIVE.lists)


# -- what is not covered


@in_every_mode
def test_a_list_that_the_wanted_one_does_not_cover_is_left_alone(mode: Mode) -> None:
    made = plan(snapshot({1: watched(2)}, None), snapshot({1: watched(1)}, {7: read(7)}), mode)

    assert [step for step in steps(made) if step[1] == "manga"] == []


@in_every_mode
def test_a_list_that_could_not_be_read_live_is_left_alone(mode: Mode) -> None:
    assert steps(plan(snapshot({}, {7: read(7)}), snapshot({}, None), mode)) == []


def test_a_field_that_the_wanted_list_does_not_cover_keeps_its_live_value() -> None:
    covers: Covers = {"anime": ("status", "num_episodes_watched"), "manga": None}
    wanted = snapshot({1: watched(5), 2: watched(2)}, None, covers=covers)
    live = snapshot({1: watched(4, score=9, comments="long", tags=["a"]), 2: watched(2, score=3)}, {})

    assert fields_of(plan(wanted, live, "exact")) == {"num_episodes_watched": (4, 5)}


def test_a_field_that_the_live_list_does_not_cover_is_not_sent() -> None:
    covers: Covers = {"anime": ("status", "num_episodes_watched"), "manga": None}
    live = snapshot({1: watched(4)}, None, covers=covers)

    assert fields_of(plan(snapshot({1: watched(5, score=9)}, {}), live)) == {"num_episodes_watched": (4, 5)}


def test_an_entry_is_added_with_the_fields_that_are_known_of_it() -> None:
    covers: Covers = {"anime": ("status", "score"), "manga": None}

    made = plan(snapshot({1: watched(5, score=9)}, None, covers=covers), snapshot({}, {}))

    assert fields_of(made) == {"status": (None, "watching"), "score": (None, 9)}


def test_an_entry_whose_status_is_not_known_is_not_added_with_one_that_nobody_chose() -> None:
    covers: Covers = {"anime": ("score",), "manga": None}

    made = plan(snapshot({1: {"score": 9}}, None, covers=covers), snapshot({}, {}))

    assert made.calls == ()
    assert [(left.key, "status" in left.why) for left in made.left] == [(("anime", 1), True)]


# -- blanks: absent, null, the empty text and the field's blank are one value


@both
def test_blank_in_any_spelling_is_no_difference(medium: Medium) -> None:
    status = {"status": "completed"}
    for field in medium.writable[1:]:
        blanks = [{}, {field.name: None}, {field.name: ""}, {field.name: BLANKS[field.kind]}]
        for a in blanks:
            for b in blanks:
                assert updates(status | a, status | b, medium) == Plan(()), (field.name, a, b)


@pytest.mark.promise("planning-8")
@both
def test_clearing_a_field_is_a_change_like_any_other(medium: Medium) -> None:
    """Dates, tags and comments too: the way to lose data in every peer that says `if tags:`."""
    status = {"status": "completed"}
    for field in medium.writable[1:]:
        was, blank = SET[field.kind], BLANKS[field.kind]
        for wanted in ({}, {field.name: None}, {field.name: ""}, {field.name: blank}):
            made = updates(status | wanted, status | {field.name: was}, medium)
            assert fields_of(made) == {field.name: (was, blank)}, (field.name, wanted)


@both
def test_setting_a_field_that_was_blank_is_a_change(medium: Medium) -> None:
    status = {"status": "completed"}
    for field in medium.writable[1:]:
        made = updates(status | {field.name: SET[field.kind]}, status, medium)
        assert fields_of(made) == {field.name: (BLANKS[field.kind], SET[field.kind])}


# -- tags, numbers, what is the server's, and what is new


@pytest.mark.promise("planning-2")
@pytest.mark.parametrize(("wanted", "live"), [(["b", "a"], ["a", "b"]), (["a", "a"], ["a"]), (["A"], ["a"])])
def test_tags_are_put_in_the_order_and_spelling_that_they_had(wanted: list[str], live: list[str]) -> None:
    assert fields_of(updates(watched(tags=wanted), watched(tags=live))) == {"tags": (live, wanted)}


def test_equal_tags_are_no_difference() -> None:
    assert updates(watched(tags=["a", "b"]), watched(tags=["a", "b"])) == Plan(())


def test_eight_is_eight_however_it_is_written() -> None:
    assert updates(watched(score=8.0), watched(score=8)) == Plan(())
    made = updates(watched(score=8.0), watched(score=7))
    assert (fields_of(made), made.left) == ({"score": (7, 8.0)}, ())


@pytest.mark.promise("planning-5")
@in_every_mode
def test_members_that_malsync_does_not_know_are_never_planned(mode: Mode) -> None:
    made = plan(snapshot({1: watched(1, new="x"), 2: watched(2, new="x")}, {}), snapshot({1: watched(1)}, {}), mode)

    assert [(call.id, "new" in call.fields) for call in made.calls] == [(2, False)]
    assert made.left == ()


@pytest.mark.promise("planning-3")
@in_every_mode
def test_when_mal_last_touched_an_entry_is_never_planned(mode: Mode) -> None:
    wanted = snapshot({1: watched(1, updated_at=at(1)), 2: watched(2, updated_at=at(2))}, {})
    made = plan(wanted, snapshot({1: watched(1, updated_at=at(9))}, {}), mode)

    assert [(call.id, "updated_at" in call.fields) for call in made.calls] == [(2, False)]


# -- order


def test_what_was_updated_last_is_written_last_over_both_lists() -> None:
    wanted = snapshot(
        {1: watched(1, updated_at=at(30)), 2: watched(2, updated_at=at(10)), 3: watched(3, updated_at=at(50))},
        {1: read(1, updated_at=at(20)), 2: read(2, updated_at=at(40))},
    )
    live = snapshot({2: watched(updated_at=at(59)), 3: watched(updated_at=at(1))}, {1: read(), 9: read()})

    assert steps(plan(wanted, live, "exact")) == [
        ("update", "anime", 2),
        ("update", "manga", 1),
        ("add", "anime", 1),
        ("add", "manga", 2),
        ("update", "anime", 3),
        ("remove", "manga", 9),
    ]


def test_moments_are_compared_as_moments() -> None:
    wanted = {
        1: watched(1, updated_at="2026-11-01T12:00:00+00:00"),
        2: watched(2, updated_at="2026-11-01T12:30:00+01:00"),  # half an hour before
        3: watched(3, updated_at="2026-11-01T11:45:00Z"),
    }

    assert [call.id for call in plan(snapshot(wanted, {}), snapshot({}, {})).calls] == [2, 3, 1]


@pytest.mark.parametrize("unsaid", [{}, {"updated_at": None}, {"updated_at": "yesterday"}, {"updated_at": 5}])
def test_entries_without_a_time_go_first(unsaid: dict[str, Any]) -> None:
    wanted = snapshot({1: watched(1, updated_at=at(1)), 2: watched(2, **unsaid)}, {1: read(1, **unsaid)})

    assert steps(plan(wanted, snapshot({}, {}))) == [("add", "anime", 2), ("add", "manga", 1), ("add", "anime", 1)]


def test_entries_of_one_time_go_by_list_and_number() -> None:
    one = {"updated_at": at(1)}
    wanted = snapshot({20: watched(1, **one), 3: watched(1, **one)}, {100: read(1, **one), 2: read(1, **one)})

    assert [call.key for call in plan(wanted, snapshot({}, {})).calls] == [
        ("anime", 3),
        ("anime", 20),
        ("manga", 2),
        ("manga", 100),
    ]


@pytest.mark.promise("planning-9")
def test_deletes_come_last_by_list_and_number_whenever_they_were_updated() -> None:
    live = snapshot({20: watched(updated_at=at(1)), 3: watched(updated_at=at(2))}, {2: read(updated_at=at(0))})
    wanted = snapshot({}, {7: read(updated_at=at(50))})

    assert steps(plan(wanted, live, "exact")) == [
        ("add", "manga", 7),
        ("remove", "anime", 3),
        ("remove", "anime", 20),
        ("remove", "manga", 2),
    ]


# -- filters


def test_only_one_list() -> None:
    for name in MEDIA:
        made = plan(WANTED, LIVE, "exact", filters=Filters(only=name))
        assert sorted(steps(made)) == sorted(step for step in ADDS + UPDATES + REMOVES if step[1] == name)


def test_only_the_titles_that_were_named() -> None:
    """anime 1 is not manga 1."""
    chosen = frozenset({("anime", 1), ("manga", 3), ("manga", 999)})

    assert steps(plan(WANTED, LIVE, "exact", filters=Filters(ids=chosen))) == [
        ("add", "anime", 1),
        ("remove", "manga", 3),
    ]


def test_a_status_on_either_side_lets_an_entry_pass() -> None:
    wanted = {
        1: {"status": "completed"},
        2: {"status": "dropped"},
        3: {"status": "on_hold"},
        4: {"status": "completed"},
    }
    live = {1: {"status": "dropped"}, 2: {"status": "completed"}, 3: {"status": "dropped"}, 5: {"status": "completed"}}
    lists = snapshot(wanted, {}), snapshot(live, {})

    completed = plan(*lists, "exact", filters=Filters(statuses=frozenset({"completed"})))
    two = plan(*lists, "exact", filters=Filters(statuses=frozenset({"completed", "on_hold"})))

    assert sorted(call.id for call in completed.calls) == [1, 2, 4, 5]
    assert sorted(call.id for call in two.calls) == [1, 2, 3, 4, 5]


@in_every_mode
def test_only_some_fields_are_updated_and_nothing_is_added_or_deleted(mode: Mode) -> None:
    wanted = snapshot({1: watched(1, score=1), 2: watched(9, score=9), 4: watched(4)}, {})
    live = snapshot({2: watched(2, score=2, comments="x"), 3: watched(3), 4: watched(3)}, {})

    made = plan(wanted, live, mode, filters=Filters(fields=frozenset({"score", "comments"})))

    expected = [] if mode == "missing" else [(2, {"score": (2, 9), "comments": ("x", "")})]
    assert [(call.id, call.fields) for call in made.calls] == expected


def test_a_field_of_the_other_list_updates_nothing() -> None:
    assert steps(plan(WANTED, LIVE, "exact", filters=Filters(fields=frozenset({"num_volumes_read"})))) == []
    assert steps(plan(WANTED, LIVE, "exact", filters=Filters(fields=frozenset({"num_chapters_read"})))) == UPDATES[1:]


def test_filters_work_together() -> None:
    filters = Filters("anime", frozenset({("anime", 2), ("manga", 2)}), frozenset({"watching"}), frozenset({"score"}))
    wanted, live = (
        ({2: watched(2, score=9), 3: watched(score=9)}, {2: read()}),
        ({2: watched(), 3: watched()}, {2: read(1)}),
    )

    made = plan(snapshot(*wanted), snapshot(*live), "exact", filters=filters)

    assert [(call.key, call.fields) for call in made.calls] == [(("anime", 2), {"score": (0, 9)})]


# -- which entry wins, where both lists have the title


def wins(prefer: Prefer, source: dict[str, Any], target: dict[str, Any], medium: Medium = ANIME) -> bool:
    """Whether the source's entry is taken over; the whole of it, or nothing."""
    source, target = source | {"comments": "source"}, target | {"comments": "target", "tags": ["target"]}
    made = updates(source, target, medium, prefer=prefer)
    if not made.calls:
        return False
    assert {"comments", "tags"} <= fields_of(made).keys()
    return True


def test_the_source_wins_unless_another_choice_was_made() -> None:
    assert wins("source", watched(1, updated_at=at(1)), watched(9, updated_at=at(9)))
    assert plan(WANTED, LIVE) == plan(WANTED, LIVE, prefer="source")


def test_the_target_wins_where_both_have_the_title() -> None:
    assert not wins("target", watched(9, updated_at=at(9)), watched(1, updated_at=at(1)))


def test_the_newest_wins() -> None:
    assert wins("newest", watched(1, updated_at=at(9)), watched(9, updated_at=at(1)))
    assert not wins("newest", watched(9, updated_at=at(1)), watched(1, updated_at=at(9)))


def test_of_two_of_one_time_the_target_stays() -> None:
    assert not wins("newest", watched(1, updated_at=at(1)), watched(9, updated_at=at(1)))


def test_an_entry_without_a_time_is_the_older_one() -> None:
    assert wins("newest", watched(1, updated_at=at(1)), watched(9))
    assert not wins("newest", watched(1), watched(9, updated_at=at(1)))
    assert not wins("newest", watched(1), watched(9))


def test_the_further_one_wins() -> None:
    assert wins("progress", watched(5, updated_at=at(1)), watched(4, updated_at=at(9)))
    assert not wins("progress", watched(4), watched(5))
    assert not wins("progress", watched(5), watched(5))


def test_completed_is_further_than_any_number_of_episodes() -> None:
    """MAL counts no episodes by itself: a completed title may say 0."""
    assert wins("progress", {"status": "completed"}, watched(11))
    assert not wins("progress", watched(11), {"status": "completed"})


def test_a_title_seen_again_is_further_than_one_seen_once() -> None:
    assert wins("progress", watched(1, num_times_rewatched=1), watched(11))
    assert wins("progress", read(1, num_times_reread=1), read(11), MANGA)


def test_chapters_tell_more_than_volumes() -> None:
    assert wins("progress", read(20, num_volumes_read=1), read(19, num_volumes_read=2), MANGA)
    assert wins("progress", read(20, num_volumes_read=2), read(20, num_volumes_read=1), MANGA)
    assert not wins("progress", read(20, num_volumes_read=1), read(20, num_volumes_read=2), MANGA)


@pytest.mark.parametrize("prefer", ["target", "newest", "progress"])
def test_titles_that_one_side_has_alone_are_settled_by_the_mode(prefer: Prefer) -> None:
    assert sorted(steps(plan(WANTED, LIVE, "merge", prefer=prefer)))[:2] == ADDS
    assert steps(plan(WANTED, LIVE, "exact", prefer=prefer))[-2:] == REMOVES


def test_an_entry_that_says_nothing_at_all_is_an_entry_all_the_same() -> None:
    assert steps(plan(snapshot({1: watched(1)}, {}), snapshot({1: {}}, {}), prefer="target")) == []
    assert steps(plan(snapshot({1: {}}, {}), snapshot({1: watched(1, score=9)}, {}), prefer="target")) == []


# -- dates


@pytest.mark.parametrize("partial", ["2021", "2021-12"])
def test_a_partial_date_is_sent_as_it_is(partial: str) -> None:
    assert fields_of(updates(watched(start_date=partial), watched())) == {"start_date": (None, partial)}


@pytest.mark.parametrize(("partial", "rounded"), [("2021", "2021-01-01"), ("2021-12", "2021-12-01")])
def test_a_partial_date_becomes_its_first_day_when_that_is_asked_for(partial: str, rounded: str) -> None:
    wanted = watched(start_date=partial, finish_date="2021-12-31", comments=partial)
    made = adds(wanted, round_dates=True)

    assert fields_of(made)["start_date"] == (None, rounded)
    assert fields_of(made)["finish_date"] == (None, "2021-12-31")
    assert fields_of(made)["comments"] == (None, partial)


def test_a_date_that_was_rounded_once_is_left_alone_afterwards() -> None:
    wanted = watched(start_date="2021", finish_date="2021-12")
    rounded = watched(start_date="2021-01-01", finish_date="2021-12-01")

    assert updates(wanted, rounded, round_dates=True) == Plan(())
    assert fields_of(updates(wanted, rounded)).keys() == {"start_date", "finish_date"}
    assert fields_of(updates(wanted, rounded | {"score": 1}, round_dates=True)) == {"score": (1, 0)}


def test_a_live_date_that_is_the_wanted_partial_one_is_not_rounded() -> None:
    assert updates(watched(start_date="2021"), watched(start_date="2021"), round_dates=True) == Plan(())


@pytest.mark.parametrize("text", ["", "2021-12-31", "2021-12-00", "2021-00-00"])
def test_what_is_no_partial_date_is_not_rounded(text: str) -> None:
    made = updates(watched(start_date=text), watched(start_date="1999-01-01"), round_dates=True)

    assert fields_of(made) == {"start_date": ("1999-01-01", text or None)}


@pytest.mark.parametrize(("text", "partial"), [("2021", True), ("2021-12", True), ("2021-12-31", False), (None, False)])
def test_a_date_that_names_no_day_is_partial(text: str | None, partial: bool) -> None:
    assert is_partial(ANIME.by_name["start_date"], text) == partial
    assert not is_partial(ANIME.by_name["comments"], text)


@pytest.mark.parametrize(("text", "partial"), [("20211231", True), (2021, False), ([], False)])
def test_a_day_without_dashes_counts_as_partial_and_what_is_no_text_does_not(text: Json, partial: bool) -> None:
    assert is_partial(ANIME.by_name["start_date"], text) == partial


@pytest.mark.parametrize(
    "text", [None, 2026, ["2026-11-01T12:00:00Z"], "", "soon", "2026-11-01", "2026-11-01T12:00:00", "2026-13-01T12:00Z"]
)
def test_what_names_no_moment_is_no_time_of_an_update(text: Json) -> None:
    assert updated_at({"updated_at": text}) is None
    assert updated_at({}) is None
    assert updated_at(None) is None


# -- what no request can say


@pytest.mark.parametrize(
    ("name", "cannot", "why"),
    [
        ("tags", ["fine", "one,two"], "comma"),
        ("tags", [","], "comma"),
        ("tags", [""], "empty tag"),
        ("tags", ["fine", 5], "list of tags"),
        ("tags", "fine", "list of tags"),
        ("tags", {"fine": 1}, "list of tags"),
        ("score", 7.5, "whole number"),
        ("score", True, "whole number"),
        ("score", "8", "whole number"),
        ("priority", [1], "whole number"),
        ("is_rewatching", 1, "true nor false"),
        ("is_rewatching", "false", "true nor false"),
        ("start_date", 2021, "text"),
        ("start_date", ["2021"], "text"),
        ("score", 11, "between 0 and 10"),
        ("score", -1, "between 0 and 10"),
        ("priority", 3, "between 0 and 2"),
        ("rewatch_value", 6, "between 0 and 5"),
        ("num_times_rewatched", -1, "between 0 and"),
        ("num_times_rewatched", 2**53, "between 0 and"),
        ("start_date", "2021-02-31", "date"),
        ("start_date", "31.12.2021", "date"),
        ("finish_date", "2023-02-29", "date"),
        ("finish_date", "2021-13", "date"),
        ("finish_date", "2021-00", "date"),
        ("finish_date", "2021-00-12", "date"),
        ("finish_date", "0000-12-31", "date"),
        ("finish_date", "0000", "date"),
        ("finish_date", "2021-12-31T00:00:00", "date"),
        ("finish_date", " 2021", "date"),
        ("finish_date", "2021-", "date"),
        ("finish_date", "soon", "date"),
        ("finish_date", "٢٠٢١", "date"),
        ("comments", 5, "text"),
        ("comments", False, "text"),
    ],
)
def test_what_no_request_can_say_is_left_and_the_rest_goes_on(name: str, cannot: Any, why: str) -> None:
    was = {"tags": ["old"], "score": 2, "priority": 2, "start_date": "2020", "comments": "old"}
    wanted = was | watched(5, **{name: cannot})
    shown = was.get(name, BLANKS[ANIME.by_name[name].kind])

    update, add = updates(wanted, watched(4, **was)), adds(wanted | {"title": "Named"})

    assert fields_of(update) == {"num_episodes_watched": (4, 5)}
    assert [(left.key, left.fields) for left in update.left] == [(("anime", 1), {name: {"from": shown, "to": cannot}})]
    assert name not in fields_of(add)
    assert {"status", "num_episodes_watched"} <= fields_of(add).keys()
    (left,) = add.left
    assert (left.key, left.title, left.fields) == (("anime", 1), "Named", {name: {"from": None, "to": cannot}})
    assert left.why.startswith(f"{name}: ")
    assert why in left.why


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("score", 0),
        ("score", 10),
        ("score", 7.0),
        ("num_times_rewatched", 2**53 - 1),
        ("is_rewatching", False),
        ("start_date", None),
        ("comments", ""),
        ("comments", "x" * LONGEST_TEXT),
        ("tags", []),
        ("tags", ["x" * (LONGEST_TEXT // 2 - 1)] * 2),
        ("tags", ["", "one"]),
        ("status", "completed"),
    ],
)
def test_what_a_request_can_say_at_the_edge_of_each_kind(name: str, to: Json) -> None:
    assert why_not_writable(ANIME, name, to) is None


@pytest.mark.parametrize(
    ("name", "to", "why"),
    [
        ("comments", "x" * (LONGEST_TEXT + 1), "it is too long"),
        ("tags", ["x" * (LONGEST_TEXT // 2 - 1), "x" * (LONGEST_TEXT // 2)], "they are too long"),
        ("score", None, "there is no value to set"),
        ("comments", None, "there is no value to set"),
        ("tags", None, "there is no value to set"),
        ("status", "reading", "a status is one of watching, completed, on_hold, dropped, plan_to_watch"),
        ("status", ["completed"], "it is not text"),
        ("tags", ["", ""], "MAL has no empty tag"),
        ("tags", ["a,b"], "MAL splits tags at commas, so a tag cannot contain one"),
        ("tags", "a", "it is not a list of tags"),
        ("score", 7.5, "it is not a whole number"),
        ("is_rewatching", 1, "it is neither true nor false"),
        ("start_date", "2021-13", "it is not a date such as 2021-12-31, 2021-12 or 2021"),
    ],
)
def test_what_is_just_beyond_what_a_request_can_say(name: str, to: Json, why: str) -> None:
    assert why_not_writable(ANIME, name, to) == why


def test_plan_names_what_is_left_of_every_entry() -> None:
    made = plan(snapshot({1: watched(tags=["a,b"]), 2: watched(), 3: watched(tags=["c,d"])}, {}), snapshot({}, {}))

    assert [left.id for left in made.left] == [1, 3]


def test_an_entry_with_nothing_else_to_write_takes_no_call() -> None:
    made = updates(watched(tags=["a,b"]), watched(tags=["a", "b"]))

    assert made.calls == ()
    assert [left.fields for left in made.left] == [{"tags": {"from": ["a", "b"], "to": ["a,b"]}}]


@pytest.mark.parametrize("round_dates", [False, True])
@pytest.mark.parametrize(("name", "live", "wanted"), [("score", 1, True), ("is_rewatching", 0, False)])
def test_true_is_not_taken_for_one(name: str, live: Any, wanted: Any, round_dates: bool) -> None:
    """They are equal in Python: what differs and cannot be mended must not go unsaid."""
    made = updates(watched(**{name: wanted}), watched(**{name: live}), round_dates=round_dates)

    said = [left.fields for left in made.left] + [call.fields for call in made.calls]
    assert [list(fields) for fields in said] == [[name]]


@pytest.mark.parametrize("tags", [[" a "], ["a b"], ["", "a"], ["a", ""], ["進撃"], ["#", "a;b"]])
def test_tags_that_may_arrive_otherwise_are_tried(tags: list[str]) -> None:
    """Real lists hold such ones (`,malSync::...`), and the answer tells."""
    made = updates(watched(tags=tags), watched())

    assert (fields_of(made), made.left) == ({"tags": ([], tags)}, ())


def test_a_tag_that_no_request_can_set_can_be_cleared() -> None:
    for live in (["a,b"], [""]):
        made = updates(watched(tags=[]), watched(tags=live))
        assert (fields_of(made), made.left) == ({"tags": (live, [])}, ())


@pytest.mark.parametrize("unsaid", [{}, {"status": None}, {"status": ""}])
def test_an_entry_without_a_status_is_not_added(unsaid: dict[str, Any]) -> None:
    made = adds({"score": 5, **unsaid})

    assert made.calls == ()
    assert [left.key for left in made.left] == [("anime", 1)]
    assert made.left[0].why == "status: the list does not give its status, and MAL accepts no entry without one"


def test_an_entry_without_a_status_keeps_the_live_one_and_is_updated_otherwise() -> None:
    made = updates({"score": 5}, watched(score=4))

    assert fields_of(made) == {"score": (4, 5)}
    assert [left.fields for left in made.left] == [{"status": {"from": "watching", "to": None}}]


def test_a_deletion_is_planned_whatever_the_entry_holds() -> None:
    live = snapshot({1: watched(tags=["a,b"], score="many", status=None), 2: watched()}, {})
    made = plan(snapshot({2: watched()}, {}), live, "exact")

    assert (steps(made), made.left) == ([("remove", "anime", 1)], ())


def test_what_the_filters_leave_out_is_not_said_to_be_left() -> None:
    wanted, live = watched(5, tags=["a,b"]), watched(4)

    assert updates(wanted, live, filters=Filters(fields=frozenset({"num_episodes_watched"}))).left == ()
    assert updates(wanted, live, filters=Filters(only="manga")).left == ()
    assert updates(wanted, live, prefer="target").left == ()


# -- what no plan writes

FEW: Covers = {"anime": ("status", "score", "updated_at"), "manga": None}


def left_alone(*names: str, entries: int = 2) -> dict[str, int]:
    """Those fields of so many entries each, and every field that FEW does not cover."""
    return dict.fromkeys((*(name for name in ANIME.names if name not in FEW["anime"]), *names), entries)  # type: ignore[operator]


def test_a_whole_list_leaves_nothing_alone() -> None:
    assert unwritten(FULL) == {}
    assert unwritten(snapshot({}, {}, covers={"anime": ("status",), "manga": ("status",)})) == {}


def test_fields_that_a_list_does_not_cover_are_counted_with_every_entry() -> None:
    found = unwritten(snapshot(many(2), None, covers=FEW))

    assert found == {"anime": left_alone(), "manga": None}
    assert list(found["anime"] or ()) == [name for name in ANIME.names if name not in ("status", "score", "updated_at")]


def test_fields_that_an_entry_does_not_know_and_members_that_mal_has_not_are_counted_by_entry() -> None:
    made = snapshot(many(3) | {2: watched(1, mood="glad", zest=1), 3: watched(1, mood="")}, {})
    anime = made.entries(ANIME)
    gaps = {
        1: anime[1]._replace(unknown=frozenset({"tags", "score"})),
        3: anime[3]._replace(unknown=frozenset({"tags"})),
    }
    made = replace(made, lists={**made.lists, "anime": anime | gaps})

    found = unwritten(made)

    assert found == {"anime": {"score": 1, "tags": 2, "mood": 2, "zest": 1}}
    assert list(found["anime"] or ()) == ["score", "tags", "mood", "zest"]


def test_a_list_that_is_not_covered_does_not_hide_what_the_other_leaves_alone() -> None:
    assert unwritten(snapshot(None, {1: read(mood="glad")})) == {"anime": None, "manga": {"mood": 1}}


def test_what_the_filters_leave_out_is_not_counted_as_left_alone() -> None:
    made = snapshot(many(2) | {3: watched(status="dropped", mood="glad")}, None, covers=FEW)

    def counted(**chosen: Any) -> Any:
        return unwritten(made, Filters(**chosen))

    assert counted(only="anime") == {"anime": left_alone(entries=3) | {"mood": 1}}
    assert counted(only="manga") == {"manga": None}
    assert counted(fields=frozenset({"tags", "score", "mood"}))["anime"] == {"tags": 3, "mood": 1}
    assert counted(fields=frozenset({"score"})) == {"manga": None}
    assert counted(ids=frozenset({("anime", 1), ("manga", 2)}))["anime"] == left_alone(entries=1)
    assert counted(statuses=frozenset({"dropped"}))["anime"] == left_alone("mood", entries=1)


# -- guards


def deleting(number: int, of: int = 100) -> tuple[Plan, Snapshot]:
    """A plan that takes so many of a list's entries off it, and that list."""
    live = snapshot(many(of), {})
    kept = {id: watched(id % 12) for id in range(number + 1, of + 1)}
    return plan(snapshot(kept, {}), live, "exact"), live


def test_ten_deletes_are_free() -> None:
    guard_deletes(*deleting(0), None)
    guard_deletes(*deleting(10), None)


def test_the_refusal_of_deletes_says_what_was_sent_and_what_allows_them() -> None:
    both = snapshot({1: watched(1)}, {1: read(1)})

    with pytest.raises(Refused) as one:
        guard_deletes(*deleting(12), None)
    with pytest.raises(Refused) as other:
        guard_deletes(plan(EMPTY, both, "exact"), both, None, "Nothing was written to the file.")

    assert one.value.message == "This would delete 12 entries. Nothing was sent."
    assert hint_of(one.value).endswith("--max-deletes 12")
    assert other.value.message == (
        "This would delete every entry of the anime and the manga list. Nothing was written to the file."
    )
    assert hint_of(other.value).endswith("--max-deletes 2")


@pytest.mark.parametrize("allowed", [None, 0, 1, 10])
def test_eleven_deletes_are_refused_unless_so_many_are_allowed(allowed: int | None) -> None:
    with pytest.raises(Refused) as refused:
        guard_deletes(*deleting(11), allowed)

    assert "11 entries" in refused.value.message
    assert "--max-deletes 11" in hint_of(refused.value)


@pytest.mark.parametrize("allowed", [11, 12, 10**6])
def test_eleven_deletes_are_allowed_by_that_number_or_more(allowed: int) -> None:
    guard_deletes(*deleting(11), allowed)


@pytest.mark.parametrize("odd", [[], {}, None, 7])
def test_a_status_that_is_no_word_passes_no_filter_of_statuses(odd: Json) -> None:
    """A file is believed no more than any stranger's, and may say that a status is a list."""
    filters = Filters(statuses=frozenset({"completed"}))

    assert not filters.takes(ANIME, 1, {"status": odd}, None)
    assert filters.takes(ANIME, 1, {"status": odd}, {"status": "completed"})


def test_a_number_that_was_given_is_the_most_even_below_ten() -> None:
    with pytest.raises(Refused, match="8 entries"):
        guard_deletes(*deleting(8), 5)
    guard_deletes(*deleting(5), 5)
    with pytest.raises(Refused, match=r"This would delete 1 entry\. "):
        guard_deletes(*deleting(1), 0)


@pytest.mark.parametrize("number", [1, 9])
def test_every_entry_of_a_list_is_refused_even_where_there_are_few(number: int) -> None:
    made, live = deleting(number, of=number)

    with pytest.raises(Refused, match="every entry of the anime list") as refused:
        guard_deletes(made, live, None)

    assert f"--max-deletes {number}" in hint_of(refused.value)
    guard_deletes(made, live, number)


def test_every_entry_of_one_list_is_refused_whatever_the_other_holds() -> None:
    live = snapshot(many(50), {1: read(), 2: read()})
    made = plan(snapshot(many(50), {}), live, "exact")

    with pytest.raises(Refused, match="every entry of the manga list"):
        guard_deletes(made, live, 1)
    guard_deletes(made, live, 2)


def test_what_is_gone_already_hides_no_list_that_would_be_emptied() -> None:
    made = plan(snapshot({}, {}), snapshot(many(5), {}), "exact")

    with pytest.raises(Refused, match="every entry of the anime list"):
        guard_deletes(made, snapshot(many(3), {}), None)
    guard_deletes(made, snapshot(many(6), {}), None)


def test_replacing_every_entry_by_others_is_refused_too() -> None:
    live = snapshot({1: watched()}, {})

    with pytest.raises(Refused, match="every entry"):
        guard_deletes(plan(snapshot({2: watched()}, {}), live, "exact"), live, None)


def test_what_the_filters_leave_out_does_not_count_against_the_guard() -> None:
    made, live = plan(snapshot({}, {1: read()}), snapshot(many(50), {1: read(), 2: read()}), "exact"), None
    assert made.deletes == 51
    live = snapshot(many(50), {1: read(), 2: read()})

    guard_deletes(plan(snapshot({}, {1: read()}), live, "exact", filters=Filters(only="manga")), live, None)


@pytest.mark.promise("guards-4")
def test_an_empty_live_list_is_what_restoring_is_for() -> None:
    live = snapshot({}, {})
    made = plan(snapshot(many(500), {}), live, "exact")

    guard_deletes(made, live, None)
    guard_wanted(snapshot(many(500), {}), live, "exact", media=MEDIA, name="3", migrating=True, force=False)


def guarded(wanted: Snapshot, live: Snapshot, mode: Mode = "exact", **options: Any) -> None:
    guard_wanted(
        wanted, live, mode, **{"media": MEDIA, "name": "Snapshot 3", "migrating": False, "force": False} | options
    )


EMPTY, FULL = snapshot({}, {}), snapshot(many(3), {1: read()})
NO_MANGA = snapshot(many(3), {})
DOUBTFUL = replace(FULL, suspicious=("anime: 9 of 12 entries are gone",))


def test_an_empty_wanted_list_is_refused_with_exact() -> None:
    with pytest.raises(Refused, match="Snapshot 3 holds no anime and no manga at all") as refused:
        guarded(EMPTY, FULL)

    assert hint_of(refused.value) == "Check that it is the list you mean (malsync snapshots). If it is: --force"


def test_one_empty_list_is_refused_with_exact_where_the_live_one_has_entries() -> None:
    with pytest.raises(Refused, match="Snapshot 3 holds no manga at all"):
        guarded(NO_MANGA, FULL)


def test_the_refusal_names_the_lists_that_would_be_lost_alone() -> None:
    with pytest.raises(Refused) as refused:
        guarded(EMPTY, snapshot({}, {1: read()}))

    assert refused.value.message == "Snapshot 3 holds no manga at all. Nothing was sent."


def test_who_has_no_manga_at_all_may_restore_exactly() -> None:
    guarded(NO_MANGA, NO_MANGA)
    guarded(NO_MANGA, snapshot(many(9), {}))


def test_a_list_that_is_not_covered_is_not_an_empty_one() -> None:
    guarded(snapshot(many(3), None), FULL)


def test_a_list_that_is_not_meant_is_not_looked_at() -> None:
    guarded(NO_MANGA, FULL, media=["anime"])
    with pytest.raises(Refused, match="no manga"):
        guarded(NO_MANGA, FULL, media=["manga"])


@pytest.mark.parametrize("mode", ["merge", "missing"])
def test_an_empty_or_suspicious_wanted_list_does_no_harm_where_nothing_is_deleted(mode: Mode) -> None:
    guarded(EMPTY, FULL, mode)
    guarded(NO_MANGA, FULL, mode)
    guarded(DOUBTFUL, FULL, mode)


def test_a_suspicious_wanted_list_is_refused_with_exact_and_says_why() -> None:
    doubtful = replace(FULL, suspicious=("anime: 9 of 12 entries are gone", "manga: the list is empty"))

    with pytest.raises(Refused) as refused:
        guarded(doubtful, FULL)

    assert refused.value.message == (
        "Snapshot 3 is suspicious (anime: 9 of 12 entries are gone; manga: the list is empty). Nothing was sent."
    )
    assert hint_of(refused.value) == "Look at it (malsync diff good latest). If it is what you want: --force"


@in_every_mode
@pytest.mark.parametrize("wanted", [EMPTY, DOUBTFUL], ids=["empty", "suspicious"])
def test_an_empty_or_suspicious_list_is_not_carried_elsewhere_in_any_mode(wanted: Snapshot, mode: Mode) -> None:
    with pytest.raises(Refused):
        guarded(wanted, FULL, mode, migrating=True)


def test_an_account_without_manga_is_carried_elsewhere_but_does_not_empty_the_other_one() -> None:
    guarded(NO_MANGA, EMPTY, "exact", migrating=True)
    guarded(NO_MANGA, FULL, "merge", migrating=True)
    with pytest.raises(Refused, match="no manga"):
        guarded(NO_MANGA, FULL, "exact", migrating=True)


@in_every_mode
@pytest.mark.parametrize("wanted", [EMPTY, NO_MANGA, DOUBTFUL], ids=["empty", "no manga", "suspicious"])
def test_force_lifts_the_refusal_of_a_wanted_list(wanted: Snapshot, mode: Mode) -> None:
    for migrating in (False, True):
        guarded(wanted, FULL, mode, migrating=migrating, force=True)


# -- against a later reading: what others did meanwhile


def planned(wanted: dict[str, Any] | None, live: dict[str, Any] | None) -> PlannedWrite:
    """The only call that makes the one of the other."""
    lists = (snapshot({0: watched()} | ({} if one is None else {1: one}), {}) for one in (wanted, live))
    (call,) = plan(*lists, "exact").calls
    return call


def verdict(call: PlannedWrite, now: dict[str, Any] | None, **options: Any) -> tuple[str, dict[str, Any]]:
    """What becomes of a call, and the values that it sends."""
    found = judge(call, now, **options)
    assert (found.state == "skipped") == bool(found.why)
    return found.state, {name: to for name, (_, to) in found.fields.items()}


SCORED = watched(2, score=9)


def test_an_add_goes_while_the_title_is_absent() -> None:
    add = planned(SCORED, None)

    assert verdict(add, None) == ("send", SCORED)
    assert verdict(add, SCORED | {"tags": [], "updated_at": at(9)}) == ("already", {})
    assert verdict(add, watched(1)) == ("skipped", {})
    assert verdict(add, watched(2), force=True) == ("send", {"score": 9})


def test_an_update_goes_while_each_field_that_it_writes_is_as_it_was() -> None:
    update = planned(SCORED, watched(1, score=7))

    assert verdict(update, watched(1, score=7, comments="since", updated_at=at(9))) == (
        "send",
        {"score": 9, "num_episodes_watched": 2},
    )
    assert verdict(update, watched(2, score=7)) == ("send", {"score": 9})
    assert verdict(update, SCORED | {"status": "dropped"}) == ("already", {})
    assert verdict(update, watched(5, score=7)) == ("skipped", {})
    assert verdict(update, watched(2, score=5)) == ("skipped", {})
    assert verdict(update, watched(2, score=5), force=True) == ("send", {"score": 9})


def test_an_update_knows_blanks_in_any_spelling() -> None:
    update = planned(watched(score=9), watched(tags=["a"]))

    assert verdict(update, watched(score=None, tags=["a"])) == ("send", {"score": 9, "tags": []})
    assert verdict(update, {"status": "watching", "score": 9, "tags": None}) == ("already", {})


def test_an_update_whose_entry_has_gone_makes_no_entry_of_its_few_fields() -> None:
    update = planned(SCORED | {"tags": []}, watched(2, score=7, comments="x", tags=["a"]))

    assert verdict(update, None) == ("skipped", {})
    assert verdict(planned(watched(), watched(comments="x")), None) == ("skipped", {})


def test_an_update_whose_entry_has_gone_makes_the_whole_entry_by_force() -> None:
    update = planned(SCORED | {"comments": "long"}, watched(2, score=7, comments="long", tags=["a"]))

    assert verdict(update, None, force=True) == ("send", SCORED | {"comments": "long"})


def test_a_deletion_goes_if_nothing_of_the_entry_moved() -> None:
    entry = SCORED | {"updated_at": at(1), "new": 1}
    removal = planned(None, entry)

    assert verdict(removal, dict(entry))[0] == "send"
    assert verdict(removal, None) == ("already", {})
    for since in ({"updated_at": at(2)}, {"comments": "since"}, {"new": 2}):
        assert verdict(removal, entry | since) == ("skipped", {})
        assert verdict(removal, entry | since, force=True)[0] == "send"
