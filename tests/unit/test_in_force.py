"""What is still in force of a change, and what a repair is: by the rules of `diff`, without a mirror."""

import pytest

from malsync.model.diff import diff
from malsync.model.medium import ANIME
from malsync.model.snapshot import Snapshot
from malsync.planning.in_force import Standing, by_title, distance, in_force, undoes
from tests.support.lists import snapshot, watched


def kept(before: Snapshot, after: Snapshot, newest: Snapshot) -> tuple[int, int]:
    """How many changes there were, and how many are still in force."""
    changes = diff(before, after, unknowns=False)
    since = by_title(diff(after, newest, unknowns=False))
    return len(changes), in_force(changes, since, newest)


@pytest.mark.promise("guards-5")
@pytest.mark.parametrize(
    ("before", "after", "newest", "expected"),
    [
        ({1: watched(3)}, {1: watched(4)}, {1: watched(4)}, (1, 1)),
        ({1: watched(3)}, {1: watched(4)}, {1: watched(3)}, (1, 0)),
        ({1: watched(3)}, {1: watched(4)}, {1: watched(5)}, (1, 0)),
        ({1: watched(3)}, {1: watched(4)}, {}, (1, 0)),
        ({1: watched(3)}, {}, {}, (1, 1)),
        ({1: watched(3)}, {}, {1: watched(9)}, (1, 0)),
        ({}, {1: watched(3)}, {1: watched(9)}, (1, 1)),
        ({}, {1: watched(3)}, {}, (1, 0)),
        # One of two fields put right: the entry still shows the other.
        ({1: watched(3, score=8)}, {1: watched(4, score=1)}, {1: watched(3, score=1)}, (1, 1)),
        # Blank and absent are one value, and MAL's own time is none.
        ({1: watched(3)}, {1: watched(3, score=5)}, {1: watched(3, score=0)}, (1, 0)),
        ({1: watched(3, comments="")}, {1: watched(3)}, {1: watched(3)}, (0, 0)),
        (
            {1: watched(3, updated_at="2026-01-01T00:00:00+00:00")},
            {1: watched(4, updated_at="2026-01-02T00:00:00+00:00")},
            {1: watched(4, updated_at="2026-01-03T00:00:00+00:00")},
            (1, 1),
        ),
    ],
)
def test_a_change_is_in_force_while_the_newest_list_shows_it(
    before: dict[int, dict[str, object]],
    after: dict[int, dict[str, object]],
    newest: dict[int, dict[str, object]],
    expected: tuple[int, int],
) -> None:
    assert kept(snapshot(before), snapshot(after), snapshot(newest)) == expected


def test_what_the_newest_list_does_not_cover_is_not_in_force() -> None:
    before, after = snapshot({1: watched(3, score=8)}), snapshot({1: watched(3, score=1)})

    assert kept(
        before, after, snapshot({1: watched(3)}, covers={"anime": ("status", "num_episodes_watched"), "manga": None})
    ) == (1, 0)
    assert kept(before, after, snapshot({1: watched(3, score=1)}, covers={"anime": ("score",), "manga": None})) == (
        1,
        1,
    )
    assert kept(before, after, snapshot(None)) == (1, 0)


def test_distance_counts_fields() -> None:
    good = snapshot({1: watched(3, score=8), 2: watched(1)})

    assert distance(diff(good, good)) == 0
    assert distance(diff(good, snapshot({1: watched(3, score=1), 2: watched(1)}))) == 1
    assert distance(diff(good, snapshot({1: watched(4, score=1), 2: watched(1)}))) == 2
    assert distance(diff(good, snapshot({2: watched(1)}))) == 3


def test_changes_undo_others_where_most_of_them_go_back() -> None:
    good = snapshot({id: watched(3, score=8) for id in range(1, 11)})
    bad = snapshot({id: watched(3, score=1) for id in range(1, 11)})
    harm = by_title(diff(good, bad))

    assert undoes(diff(bad, good), harm)
    assert undoes(diff(bad, snapshot({id: watched(3, score=8 if id < 7 else 2) for id in range(1, 11)})), harm)
    assert not undoes(diff(bad, snapshot({id: watched(3, score=8 if id < 5 else 2) for id in range(1, 11)})), harm)
    assert not undoes(diff(good, bad), harm)
    assert undoes(diff(snapshot({}), good), by_title(diff(good, snapshot({}))))
    assert not undoes([], harm)
    assert {key[0] for key in harm} == {ANIME.name}


@pytest.mark.parametrize(
    ("standing", "words", "advised"),
    [
        (Standing(0, 0, is_repair=False), "nothing changed", False),
        (Standing(9, 0, is_repair=False), "since put right", False),
        (Standing(9, 0, is_repair=True), "since put right", False),
        (Standing(9, 9, is_repair=True), "looks like a repair", False),
        (Standing(1200, 1100, is_repair=False), "1,100 of 1,200 still in force", True),
    ],
)
def test_only_changes_that_stand_and_are_no_repair_are_to_be_undone(
    standing: Standing, words: str, advised: bool
) -> None:
    assert (str(standing), standing.is_worth_undoing) == (words, advised)
