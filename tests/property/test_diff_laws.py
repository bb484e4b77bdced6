"""The laws of `diff`."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsync.model.diff import Change, diff, entry_changes
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.model.snapshot import Snapshot
from tests.support.comparing import BLANKS, both, fields_of, one
from tests.support.lists import snapshot, watched
from tests.support.strategies import entries, evolved, json_values, list_statuses, means, snapshots, title_lists


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


# -- what is not covered


@pytest.mark.promise("planning-4")
@given(snapshots(), snapshots())
def test_what_either_side_does_not_cover_is_never_compared(a: Snapshot, b: Snapshot) -> None:
    for change in diff(a, b):
        covered = set(a.covers[change.medium.name] or ()) & set(b.covers[change.medium.name] or ())
        assert a.lists[change.medium.name] is not None
        assert b.lists[change.medium.name] is not None
        assert {name for name in change.fields if name in change.medium.by_name} <= covered


# -- members that malsync does not know


@pytest.mark.promise("planning-5")
@given(st.data())
def test_members_that_malsync_does_not_know_are_compared_as_json(data: st.DataObject) -> None:
    was, now = data.draw(json_values), data.draw(json_values)
    changes = entry_changes(ANIME, {"new": was}, {"new": now})

    assert changes == ({} if means(was) == means(now) else {"new": (was, now)})


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
