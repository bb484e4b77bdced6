"""The digest, its canonical JSON (RFC 8785), and the JSON snapshot as it is written."""

import hashlib
import json
import struct
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from malsync.formats import snapshot_file
from malsync.formats.snapshot_file import encode
from malsync.model.entry import Entry
from malsync.model.medium import ANIME, MEDIA, Medium
from malsync.model.snapshot import Snapshot, canonical, digest_of, member, whole
from malsync.model.timestamps import parse_timestamp, timestamp
from malsync.schemas import find_problem
from tests.lists import moment, snapshot, watched
from tests.strategies import exact, json_values, list_statuses, means, snapshots

# RFC 8785, appendix B: the bits of a double, and how it is written.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
# RFC 8785, 3.2.3: the order of these names by UTF-16 units.
SORTED_NAMES = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]

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


@pytest.mark.parametrize(("bits", "written"), NUMBERS.items())
def test_a_number_is_written_as_the_rfc_says(bits: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))

    assert canonical({"n": number}) == b'{"n":%b}' % written.encode()


@pytest.mark.promise("storing-5")
def test_the_rfcs_own_example_comes_out_as_the_rfc_says() -> None:
    given = orjson.loads(
        rb"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]}"""
    )

    assert canonical(given).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_names_are_sorted_by_their_utf_16_units() -> None:
    names = sorted(SORTED_NAMES, key=str.encode)
    assert names != SORTED_NAMES

    assert list(orjson.loads(canonical(dict.fromkeys(names, 1)))) == SORTED_NAMES


def test_every_ascii_character_is_escaped_the_same_way_on_both_paths() -> None:
    """A fraction is what sends a list status down the exact path."""
    for character in map(chr, range(0x80)):
        plain = canonical({"comments": character})

        assert plain == rfc8785.dumps({"comments": character})
        assert canonical({"comments": character, "exact": 0.5}) == plain[:-1] + b',"exact":0.5}'


@pytest.mark.parametrize(
    ("integer", "written"),
    [
        (2**53 - 1, "9007199254740991"),
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740992"),
        (-(2**53) - 1, "-9007199254740992"),
        (10**18 + 1, "1000000000000000000"),
        (2**64 - 1, "18446744073709552000"),
    ],
)
def test_an_integer_beyond_a_doubles_reach_is_the_nearest_double(integer: int, written: str) -> None:
    assert canonical({"score": integer}) == b'{"score":%b}' % written.encode()


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


def test_the_digest_of_a_known_list_is_known() -> None:
    """Written out: two lists as one canonical document. A digest that moves would disown every snapshot there is."""
    made = snapshot(
        {10: {"status": "completed", "score": 9, "tags": ["ä", "b"]}, 9: {"status": "dropped"}, 2: {}}, manga=None
    )
    document = '{"anime":{"10":{"score":9,"status":"completed","tags":["ä","b"]},"2":{},"9":{"status":"dropped"}},"manga":null}'

    assert made.digest == "sha256:" + hashlib.sha256(document.encode()).hexdigest()


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


def test_an_empty_list_an_unknown_one_and_the_other_medium_have_digests_of_their_own() -> None:
    one = {1: {"status": "completed"}}
    made = [snapshot(one, {}), snapshot({}, one), snapshot(one), snapshot({}, {}), snapshot({}), snapshot(None, {})]

    assert len({each.digest for each in made}) == len(made)


def test_absent_null_and_blank_have_digests_of_their_own() -> None:
    """They are one value when lists are compared; what is stored is what the API gave."""
    made = [snapshot({1: data}) for data in ({}, {"score": None}, {"score": 0}, {"score": ""}, {"score": False})]

    assert len({each.digest for each in made}) == len(made)


def test_titles_times_users_sources_notes_and_covers_are_no_part_of_the_digest() -> None:
    made = snapshot({1: watched(3)}, {})
    other = snapshot(
        {1: watched(3, title="Another")},
        {},
        at="2027-01-01T00:00:00Z",
        source="import",
        covers={"anime": ("status",), "manga": ()},
        note="a word",
    )

    assert other.digest == made.digest


def test_the_digest_can_be_made_of_members_in_any_order() -> None:
    made = snapshot({1: watched(), 2: watched(2)}, None)
    members = [member(id, entry.list_status) for id, entry in made.entries(ANIME).items()]

    assert digest_of({"anime": members[::-1], "manga": None}) == made.digest
    assert digest_of({"anime": members}) == made.digest


# -- what it covers, and its time


def test_a_whole_reading_covers_every_field_of_the_lists_that_were_read() -> None:
    assert whole({"anime": {}, "manga": None}) == {"anime": ANIME.names, "manga": None}


def test_counts_tell_an_empty_list_from_an_unknown_one() -> None:
    assert snapshot({}, None).counts == {"anime": 0, "manga": None}
    assert snapshot(None, {7: {}}).counts == {"anime": None, "manga": 1}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00.000Z"),
        ("2026-11-01T12:00:00.123456Z", "2026-11-01T12:00:00.123Z"),
        ("2026-11-01T01:30:00+02:00", "2026-10-31T23:30:00.000Z"),
        ("2026-10-31T20:00:00-09:30", "2026-11-01T05:30:00.000Z"),
    ],
)
def test_a_time_is_written_in_utc_with_milliseconds(text: str, written: str) -> None:
    assert timestamp(moment(text)) == written
    assert timestamp(parse_timestamp(text)) == written


def test_times_sort_as_text() -> None:
    texts = ["2026-11-01T12:00:00.9Z", "2026-11-01T12:00:00Z", "2026-11-01T12:00:01Z", "1999-01-01T00:00:00Z"]
    moments = [moment(text) for text in texts]

    assert sorted(map(timestamp, moments)) == [timestamp(one) for one in sorted(moments)]


@pytest.mark.parametrize("text", ["2026-11-01T12:00:00", "2026-11-01", "yesterday", "", "2026-13-01T00:00:00Z"])
def test_a_time_that_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_timestamp(text)


# -- the JSON snapshot


def written(made: Snapshot) -> bytes:
    return b"".join(encode(made))


@pytest.mark.promise("storing-10")
def test_a_snapshot_is_written_one_entry_a_line_by_its_number() -> None:
    made = snapshot(
        {10: watched(1, title="Ten"), 9: {"comments": "a\nb", "status": "dropped", "title": "Nine"}, 100: {}},
        None,
        note="two\nlines",
        covers={"anime": ("status", "comments"), "manga": None},
    )

    assert written(made).decode().splitlines() == [
        "{",
        '"format": "malsync-snapshot",',
        '"version": 1,',
        '"user": {"id":11,"name":"mika"},',
        '"origin": "https://api.example.org",',
        '"taken_at": "2026-11-01T12:00:00.000Z",',
        '"source": "backup",',
        '"covers": {"anime":["status","comments"],"manga":null},',
        f'"digest": "{made.digest}",',
        '"note": "two\\nlines",',
        '"anime": [',
        '{"node":{"id":9,"title":"Nine"},"list_status":{"comments":"a\\nb","status":"dropped"}},',
        '{"node":{"id":10,"title":"Ten"},"list_status":{"num_episodes_watched":1,"status":"watching"}},',
        '{"node":{"id":100,"title":"Title 100"},"list_status":{}}',
        "],",
        '"manga": null',
        "}",
    ]


def test_an_empty_list_is_written_as_an_empty_list() -> None:
    assert '"anime": [],\n"manga": []\n}\n' in written(snapshot({}, {})).decode()


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


def test_a_list_known_as_something_else_is_the_same_list() -> None:
    made = snapshot({1: watched(2)}, None, note="a word")
    imported = made.with_source("import")

    assert imported.source == "import"
    assert (imported.digest, imported.note, imported.lists) == (made.digest, "a word", made.lists)
