"""Comparing lists: the laws of `diff`, and which values are one value."""

from typing import Any

import pytest

from malsync.model.diff import count, diff, entry_changes
from malsync.model.medium import ANIME, Kind, Medium
from tests.support.comparing import BLANKS, both, fields_of, one
from tests.support.lists import snapshot, watched

SET: dict[Kind, Any] = {
    Kind.WORD: "completed",
    Kind.NUMBER: 7,
    Kind.FLAG: True,
    Kind.DATE: "2026-11",
    Kind.TAGS: ["one"],
    Kind.TEXT: "said",
}


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
