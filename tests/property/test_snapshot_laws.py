"""The laws of digests, canonical JSON and JSON snapshots."""

import hashlib
import json
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from malsync.formats import snapshot_file
from malsync.model.entry import Entry
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import Snapshot, canonical, member
from malsync.schemas import find_problem
from tests.support.lists import snapshot, watched, written
from tests.support.strategies import exact, json_values, list_statuses, means, snapshots

both = pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)


def by_the_standard_library(made: Snapshot) -> str:
    """The digest of a plain list by another way: one document, sorted and written by the standard library."""
    lists = {
        name: None if found is None else {str(id): entry.list_status for id, entry in found.items()}
        for name, found in made.lists.items()
    }
    text = json.dumps(lists, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


# -- canonical JSON


@pytest.mark.promise("storing-5")
@given(st.data())
def test_canonical_json_is_that_of_the_rfc_8785_library(data: st.DataObject) -> None:
    medium = data.draw(st.sampled_from([*MEDIA.values()]))
    list_status = data.draw(list_statuses(medium, misfits=True))
    try:
        expected = rfc8785.dumps(list_status)
    except rfc8785.IntegerDomainError:
        assume(False)

    assert canonical(list_status) == expected


@given(json_values)
def test_canonical_json_means_what_it_was_made_from(item: Any) -> None:
    assert means(orjson.loads(canonical({"x": item})), doubles=True) == means({"x": item}, doubles=True)


@given(st.data())
def test_a_whole_number_is_the_same_however_it_was_spelt(data: st.DataObject) -> None:
    """RFC 8785 knows doubles only: 8 and 8.0 are one number, so they are one digest."""
    score = data.draw(st.integers(-(2**53) + 1, 2**53 - 1))

    assert canonical({"score": score}) == canonical({"score": float(score)})
    assert canonical({"tags": ["a"], "score": True}) != canonical({"tags": ["a"], "score": 1})


# -- the digest


@given(st.sets(st.integers(1, 2**53 - 1), max_size=30))
def test_members_stand_in_the_order_of_their_names(ids: set[int]) -> None:
    """`"10"` stands before `"9"` in RFC 8785, and so it does when whole members are sorted as bytes."""
    made = snapshot({id: watched(id % 3) for id in ids}, {})

    assert made.digest == by_the_standard_library(made)
    members = sorted(member(id, {"score": 1}) for id in ids)
    assert [piece.split(b'"')[1].decode() for piece in members] == sorted(map(str, ids))


@given(st.data())
def test_the_digest_is_free_of_any_order(data: st.DataObject) -> None:
    made = data.draw(snapshots())

    assert _shuffled(data, made).digest == made.digest


def _shuffled(data: st.DataObject, made: Snapshot) -> Snapshot:
    """The same snapshot, its lists, its entries and their members in another order."""
    lists: dict[str, Any] = {}
    for name, found in data.draw(st.permutations(list(made.lists.items()))):
        entries = data.draw(st.permutations(list((found or {}).values())))
        lists[name] = None if found is None else {entry.id: _reordered(data, entry) for entry in entries}
    return Snapshot(made.user, made.taken_at, made.source, made.covers, lists, made.note)


def _reordered(data: st.DataObject, entry: Entry) -> Entry:
    return entry._replace(list_status=dict(data.draw(st.permutations(list(entry.list_status.items())))))


@given(st.data())
def test_the_digest_changes_when_any_value_does(data: st.DataObject) -> None:
    made = data.draw(snapshots(whole=True))
    places = [(name, id) for name, found in made.lists.items() for id in found or {}]
    assume(places)
    name, id = data.draw(st.sampled_from(places))
    found = made.lists[name]
    assert found is not None
    list_status = found[id].list_status
    field = data.draw(st.sampled_from([*list_status, "score", "new"]))
    value = data.draw(json_values)
    assume(field not in list_status or means(value, doubles=True) != means(list_status[field], doubles=True))

    edited = found | {id: found[id]._replace(list_status=list_status | {field: value})}

    assert _with(made, name, edited).digest != made.digest


@given(st.data())
def test_the_digest_changes_when_a_member_or_an_entry_goes(data: st.DataObject) -> None:
    made = data.draw(snapshots(whole=True))
    places = [(name, id) for name, found in made.lists.items() for id in found or {}]
    assume(places)
    name, id = data.draw(st.sampled_from(places))
    found = dict(made.lists[name] or {})
    entry = found.pop(id)

    assert _with(made, name, found).digest != made.digest
    for field in entry.list_status:
        rest = {key: item for key, item in entry.list_status.items() if key != field}
        assert _with(made, name, found | {id: entry._replace(list_status=rest)}).digest != made.digest


def _with(made: Snapshot, name: str, found: Any) -> Snapshot:
    return Snapshot(made.user, made.taken_at, made.source, made.covers, {**made.lists, name: found}, made.note)


# -- the JSON snapshot


@given(snapshots())
def test_a_written_snapshot_is_valid_and_has_a_line_for_each_entry(made: Snapshot) -> None:
    text = written(made)
    document = orjson.loads(text)

    assert find_problem("snapshot-1", document) is None
    for name, found in made.lists.items():
        items = document[name]
        assert (items is None) == (found is None)
        assert [item["node"]["id"] for item in items or []] == sorted(found or {})
        for item in items or []:
            assert item.keys() - {"unknown"} == {"node", "list_status"}
            assert item["node"].keys() == {"id", "title"}
    lines = [line.rstrip(b",") for line in text.split(b"\n") if line.startswith(b'{"node"')]
    assert [orjson.loads(line) for line in lines] == [*(document["anime"] or []), *(document["manga"] or [])]


@given(snapshots())
def test_a_snapshot_comes_back_from_its_json_as_it_was(made: Snapshot) -> None:
    again = snapshot_file.decode(written(made), "it")

    assert again.digest == made.digest
    assert (again.user, again.taken_at, again.source, again.covers, again.note) == (
        made.user,
        made.taken_at,
        made.source,
        made.covers,
        made.note,
    )
    for name, found in made.lists.items():
        assert _exactly(again.lists[name]) == _exactly(found)


def _exactly(found: Any) -> Any:
    return found and {id: (entry.id, entry.title, exact(entry.list_status)) for id, entry in found.items()}


@given(st.data())
def test_the_same_list_is_the_same_bytes_whatever_order_it_came_in(data: st.DataObject) -> None:
    made = data.draw(snapshots())

    assert written(_shuffled(data, made)) == written(made)


@both
@given(st.data())
def test_known_members_stand_in_the_tables_order_before_all_others(medium: Medium, data: st.DataObject) -> None:
    list_status = data.draw(list_statuses(medium))
    arranged = list(medium.arranged(list_status))

    known = [name for name in medium.names if name in list_status]
    assert arranged == known + sorted(list_status.keys() - set(known))
