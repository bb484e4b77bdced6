"""The digest, its canonical JSON (RFC 8785), and the JSON snapshot as it is written."""

import hashlib
import struct

import orjson
import pytest
import rfc8785

from malsync.model.medium import ANIME
from malsync.model.snapshot import canonical, digest_of, member, whole
from malsync.model.timestamps import parse_timestamp, timestamp
from tests.support.lists import moment, snapshot, watched, written

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


# -- the digest


def test_the_digest_of_a_known_list_is_known() -> None:
    """Written out: two lists as one canonical document. A digest that moves would disown every snapshot there is."""
    made = snapshot(
        {10: {"status": "completed", "score": 9, "tags": ["ä", "b"]}, 9: {"status": "dropped"}, 2: {}}, manga=None
    )
    document = '{"anime":{"10":{"score":9,"status":"completed","tags":["ä","b"]},"2":{},"9":{"status":"dropped"}},"manga":null}'

    assert made.digest == "sha256:" + hashlib.sha256(document.encode()).hexdigest()


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


def test_a_list_known_as_something_else_is_the_same_list() -> None:
    made = snapshot({1: watched(2)}, None, note="a word")
    imported = made.with_source("import")

    assert imported.source == "import"
    assert (imported.digest, imported.note, imported.lists) == (made.digest, "a word", made.lists)
