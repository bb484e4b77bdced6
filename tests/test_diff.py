"""Comparing lists: the laws of `diff`, and which values are one value."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.model.diff import Change, count, diff, entry_changes
from malsync.model.medium import ANIME, MEDIA, Kind, Medium
from malsync.model.snapshot import Snapshot
from tests.lists import snapshot, watched
from tests.strategies import entries, evolved, json_values, list_statuses, means, snapshots, title_lists

both = pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)

# What a field is when nothing was ever entered, said again.
BLANKS: dict[Kind, Any] = {
    Kind.WORD: None,
    Kind.NUMBER: 0,
    Kind.FLAG: False,
    Kind.DATE: None,
    Kind.TAGS: [],
    Kind.TEXT: "",
}
SET: dict[Kind, Any] = {
    Kind.WORD: "completed",
    Kind.NUMBER: 7,
    Kind.FLAG: True,
    Kind.DATE: "2026-11",
    Kind.TAGS: ["one"],
    Kind.TEXT: "said",
}


def readable(made: Snapshot, medium: Medium) -> dict[int, dict[str, Any]]:
    """A list as a person sees it: every field that a user can set, blanks where nothing was."""
    return {
        id: {
            field.name: BLANKS[field.kind]
            if entry.list_status.get(field.name) in (None, "")
            else entry.list_status[field.name]
            for field in medium.writable
        }
        for id, entry in made.entries(medium).items()
    }


def patched(before: Snapshot, medium: Medium, changes: list[Change]) -> dict[int, dict[str, Any]]:
    """The list that `changes` make of an earlier one: a patch program that knows nothing of `diff`."""
    found = readable(before, medium)
    blank = {field.name: BLANKS[field.kind] for field in medium.writable}
    for change in changes:
        if change.medium is not medium:
            continue
        to = {name: now for name, (_, now) in change.fields.items() if name in medium.by_name}
        if change.op == "remove":
            del found[change.id]
        elif change.op == "add":
            assert change.id not in found
            found[change.id] = blank | to
        else:
            found[change.id] = found[change.id] | to
    return found


def pairs() -> st.SearchStrategy[tuple[Snapshot, Snapshot]]:
    """Two lists that have something in common, or nothing."""
    near = snapshots(whole=True).flatmap(lambda made: st.tuples(st.just(made), evolved(made)))
    return near | st.tuples(snapshots(), snapshots())


def one(list_status: dict[str, Any], **options: Any) -> Snapshot:
    """A snapshot of one anime."""
    return snapshot({1: list_status}, {}, **options)


def fields_of(changes: list[Change]) -> dict[str, tuple[Any, Any]]:
    """The fields of the only change."""
    (change,) = changes
    return change.fields


# -- laws


@given(snapshots())
def test_a_list_does_not_differ_from_itself(made: Snapshot) -> None:
    assert diff(made, made) == []


@given(snapshots(), st.data())
def test_a_list_does_not_differ_from_itself_in_another_order_or_at_another_time(
    made: Snapshot, data: st.DataObject
) -> None:
    lists = {
        name: found and dict(data.draw(st.permutations(list(found.items())))) for name, found in made.lists.items()
    }
    again = Snapshot(made.user, made.taken_at + timedelta(days=1), "import", made.covers, lists)

    assert diff(made, again) == []


@given(st.data())
def test_what_changed_from_a_to_b_makes_b_of_a(data: st.DataObject) -> None:
    a, b = data.draw(snapshots(whole=True).flatmap(lambda made: st.tuples(st.just(made), snapshots(whole=True))))

    changes = diff(a, b)

    for medium in MEDIA.values():
        assert patched(a, medium, changes) == readable(b, medium)


@given(st.data())
def test_small_edits_are_found_and_nothing_else_is(data: st.DataObject) -> None:
    a = data.draw(snapshots(whole=True))
    b = data.draw(evolved(a))

    changes = diff(a, b)

    for medium in MEDIA.values():
        if b.lists[medium.name] is None:
            assert not [change for change in changes if change.medium is medium]
        else:
            assert patched(a, medium, changes) == readable(b, medium)
    assert all(change.fields for change in changes if change.op == "update")


@given(pairs())
def test_the_way_back_is_the_way_there_mirrored(pair: tuple[Snapshot, Snapshot]) -> None:
    a, b = pair
    mirrored = {"add": "remove", "remove": "add", "update": "update"}

    assert [
        (mirrored[change.op], change.medium, change.id, {name: pair[::-1] for name, pair in change.fields.items()})
        for change in diff(a, b)
    ] == [(change.op, change.medium, change.id, change.fields) for change in diff(b, a)]


@given(pairs())
def test_changes_stand_by_medium_then_by_number(pair: tuple[Snapshot, Snapshot]) -> None:
    changes = diff(*pair)
    media = [*MEDIA.values()]
    places = [(media.index(change.medium), change.id) for change in changes]

    assert places == sorted(set(places))
    for change in changes:
        known = [name for name in change.medium.names if name in change.fields]
        assert list(change.fields) == known + sorted(change.fields.keys() - set(known))


@given(pairs())
def test_no_change_says_that_a_value_became_itself(pair: tuple[Snapshot, Snapshot]) -> None:
    for change in diff(*pair):
        for was, now in change.fields.values():
            assert means(was) != means(now)


# -- values that are one value


@pytest.mark.promise("planning-1")
@both
def test_absent_null_and_blank_are_one_value(medium: Medium) -> None:
    for field in medium.writable:
        blank = BLANKS[field.kind]
        same = [{}, {field.name: None}, {field.name: ""}, *([] if blank is None else [{field.name: blank}])]

        for a in same:
            assert entry_changes(medium, a, {field.name: SET[field.kind]}) == {field.name: (blank, SET[field.kind])}
            for b in same:
                assert entry_changes(medium, a, b) == {}, (field.name, a, b)


@pytest.mark.promise("planning-1")
@both
def test_a_status_has_no_blank(medium: Medium) -> None:
    """Every entry has one; where MAL sends none, nothing stands in for it."""
    for status in medium.statuses:
        assert entry_changes(medium, {}, {"status": status}) == {"status": (None, status)}
        assert entry_changes(medium, {"status": status}, {"status": ""}) == {"status": (status, None)}


@pytest.mark.promise("planning-2")
@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"tags": ["a", "b"]}, {"tags": ["b", "a"]}),
        ({"tags": ["a"]}, {"tags": ["a", "a"]}),
        ({"tags": ["a"]}, {"tags": ["A"]}),
        ({"tags": ["a"]}, {"tags": [" a"]}),
        ({"tags": [""]}, {"tags": []}),
        ({"comments": "é"}, {"comments": "e\u0301"}),
        ({"comments": " "}, {"comments": ""}),
        ({"start_date": "2026"}, {"start_date": "2026-01-01"}),
        ({"start_date": "2026-11"}, {}),
        ({"score": 7}, {"score": 7.5}),
    ],
)
def test_nearly_the_same_is_not_the_same(was: dict[str, Any], now: dict[str, Any]) -> None:
    (name,) = {*was, *now}

    assert list(entry_changes(ANIME, was, now)) == [name]


def test_a_number_is_the_same_however_json_spells_it() -> None:
    assert entry_changes(ANIME, {"score": 8}, {"score": 8.0}) == {}
    assert entry_changes(ANIME, {"new": [8, {"x": 1}]}, {"new": [8.0, {"x": 1.0}]}) == {}


@pytest.mark.promise("planning-3")
@given(st.text(), st.none() | st.text())
def test_when_the_server_touched_an_entry_is_no_difference(was: str, now: str | None) -> None:
    a, b = one(watched(3, updated_at=was)), one(watched(3, updated_at=now))

    assert diff(a, b) == []
    assert diff(a, b, fields={"updated_at"}) == []


@given(st.data())
def test_an_addition_has_every_field_that_is_not_blank_out_of_nothing(data: st.DataObject) -> None:
    entry = data.draw(entries(ANIME, unknowns=False))
    with_it = Snapshot(*_head(), lists={"anime": {entry.id: entry}, "manga": {}})
    without = Snapshot(*_head(), lists={"anime": {}, "manga": {}})

    (added,), (removed,) = diff(without, with_it), diff(with_it, without)

    data_shown = readable(with_it, ANIME)[entry.id]
    set_fields = {f.name: data_shown[f.name] for f in ANIME.writable if data_shown[f.name] != BLANKS[f.kind]}
    assert (added.op, added.id, added.title) == ("add", entry.id, entry.title)
    assert added.fields == {name: (None, item) for name, item in set_fields.items()}
    assert (removed.op, removed.id, removed.title) == ("remove", entry.id, entry.title)
    assert removed.fields == {name: (item, None) for name, item in set_fields.items()}


def _head() -> tuple[Any, ...]:
    made = snapshot({}, {})
    return made.user, made.taken_at, made.source, made.covers


def test_an_update_has_the_title_as_it_is_now() -> None:
    a, b = one(watched(1, title="Old title")), one(watched(2, title="New title"))
    untitled = one(watched(2, title=""))

    assert diff(a, b)[0].title == "New title"
    assert diff(a, untitled)[0].title == "Old title"


def test_a_title_that_mal_renamed_is_no_difference() -> None:
    assert diff(one(watched(1, title="Old title")), one(watched(1, title="New title"))) == []


def test_changes_are_counted_by_what_they_are() -> None:
    a = snapshot({1: watched(1), 2: watched(2), 3: watched(3)}, {1: {"status": "reading"}})
    b = snapshot({2: watched(3), 3: watched(3), 4: {}}, {})

    assert count(diff(a, b)) == {"add": 1, "update": 1, "remove": 2}
    assert count([]) == {"add": 0, "update": 0, "remove": 0}


# -- what is not covered


@pytest.mark.promise("planning-4")
@given(snapshots(), snapshots())
def test_what_either_side_does_not_cover_is_never_compared(a: Snapshot, b: Snapshot) -> None:
    for change in diff(a, b):
        covered = set(a.covers[change.medium.name] or ()) & set(b.covers[change.medium.name] or ())
        assert a.lists[change.medium.name] is not None
        assert b.lists[change.medium.name] is not None
        assert {name for name in change.fields if name in change.medium.by_name} <= covered


def test_a_list_that_one_side_does_not_know_is_not_one_that_went() -> None:
    everything, anime_only = snapshot({1: watched()}, {1: {"status": "reading"}}), snapshot({}, None)

    assert [(change.medium.name, change.op) for change in diff(everything, anime_only)] == [("anime", "remove")]
    assert [(change.medium.name, change.op) for change in diff(anime_only, everything)] == [("anime", "add")]


def test_a_field_that_one_side_does_not_know_is_not_one_that_was_cleared() -> None:
    full = one(watched(5, score=9, comments="mine"))
    poor = one(watched(4), covers={"anime": ("status", "num_episodes_watched"), "manga": None})

    assert fields_of(diff(full, poor)) == {"num_episodes_watched": (5, 4)}
    assert fields_of(diff(poor, full)) == {"num_episodes_watched": (4, 5)}


def test_an_entry_counts_as_added_or_gone_whatever_fields_are_known() -> None:
    full = one(watched(5, score=9))
    poor = snapshot({}, {}, covers={"anime": ("status",), "manga": None})

    assert fields_of(diff(full, poor)) == {"status": ("watching", None)}
    assert count(diff(poor, full)) == {"add": 1, "update": 0, "remove": 0}


# -- members that malsync does not know


@pytest.mark.promise("planning-5")
@given(st.data())
def test_members_that_malsync_does_not_know_are_compared_as_json(data: st.DataObject) -> None:
    was, now = data.draw(json_values), data.draw(json_values)
    changes = entry_changes(ANIME, {"new": was}, {"new": now})

    assert changes == ({} if means(was) == means(now) else {"new": (was, now)})


def test_in_json_true_is_not_one() -> None:
    """They are equal in Python, and their digests differ."""
    a, b = one(watched(1, new=True)), one(watched(1, new=1))

    assert a.digest != b.digest
    assert fields_of(diff(a, b)) == {"new": (True, 1)}
    assert fields_of(diff(one(watched(1, new=[{"x": False}])), one(watched(1, new=[{"x": 0}])))) == {
        "new": ([{"x": False}], [{"x": 0}])
    }


def test_a_member_that_malsync_does_not_know_has_no_blank_but_null() -> None:
    assert entry_changes(ANIME, {"new": None}, {}) == {}
    assert entry_changes(ANIME, {"new": 0}, {}) == {"new": (0, None)}
    assert entry_changes(ANIME, {"new": ""}, {}) == {"new": ("", None)}


def test_members_that_malsync_does_not_know_count_between_whole_readings_alone() -> None:
    a, b = watched(1, new=1), watched(1, new=2)
    part = {"anime": tuple(name for name in ANIME.names if name != "comments"), "manga": None}

    assert fields_of(diff(one(a), one(b))) == {"new": (1, 2)}
    assert diff(one(a, covers=part), one(b)) == []
    assert diff(one(a), one(b, covers=part)) == []
    assert diff(one(a), one(b), unknowns=False) == []


# -- narrowed down


@given(pairs(), st.sampled_from([*MEDIA]))
def test_one_list_alone_is_what_all_lists_say_of_it(pair: tuple[Snapshot, Snapshot], name: str) -> None:
    assert diff(*pair, media={name}) == [change for change in diff(*pair) if change.medium.name == name]
    assert diff(*pair, media=[*MEDIA]) == diff(*pair)


@given(pairs(), st.sets(st.sampled_from([*ANIME.names, "num_chapters_read", "extra"]), min_size=1))
def test_fields_alone_are_what_all_fields_say_of_them(pair: tuple[Snapshot, Snapshot], names: set[str]) -> None:
    expected = []
    for change in diff(*pair):
        kept = {name: change.fields[name] for name in change.fields if name in names}
        if kept or change.op != "update":
            expected.append((change.op, change.medium, change.id, kept))

    assert [(change.op, change.medium, change.id, change.fields) for change in diff(*pair, fields=names)] == expected


@both
@given(st.data())
def test_two_versions_of_an_entry_differ_as_two_lists_of_it_do(medium: Medium, data: st.DataObject) -> None:
    a, b = data.draw(list_statuses(medium)), data.draw(list_statuses(medium))
    before, after = ({medium.name: {1: made}} for made in (a, b))

    changes = diff(snapshot(**before), snapshot(**after))

    assert (fields_of(changes) if changes else {}) == entry_changes(medium, a, b)


@given(title_lists(ANIME))
def test_comparing_leaves_both_lists_as_they_were(found: Any) -> None:
    a, b = Snapshot(*_head(), lists={"anime": found, "manga": {}}), snapshot({}, {})
    before = a.digest

    diff(a, b)

    assert Snapshot(*_head(), lists=a.lists).digest == before
