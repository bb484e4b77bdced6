"""Which changes are still in force, and which are repairs: by the rules of `diff`, without a mirror."""

import pytest

from malsync.model.diff import diff
from malsync.model.entry import Key
from malsync.model.medium import ANIME
from malsync.model.snapshot import Snapshot
from malsync.planning.in_force import ChangeStatus, TitleVersion, by_title, in_force, undone_snapshots
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


def undone(*lists: dict[int, dict[str, object]], incidents: tuple[int, ...] = ()) -> dict[int, int]:
    """What the last of these lists, which are snapshots 1, 2, ..., may be a repair of."""
    snapshots = [snapshot(one) for one in lists]
    history: dict[Key, list[TitleVersion]] = {}
    for id in {id for one in lists[:-1] for id in one}:
        for number, one in enumerate(lists[:-1], start=1):
            versions = history.setdefault((ANIME.name, id), [])
            if number > 1 and id in lists[number - 2] and lists[number - 2][id] != one.get(id):
                versions[-1] = TitleVersion(versions[-1].since, number, versions[-1].list_status)
            if id in one and (number == 1 or lists[number - 2].get(id) != one[id]):
                versions.append(TitleVersion(number, None, one[id]))
    return undone_snapshots(by_title(diff(snapshots[-2], snapshots[-1])), history, incidents)


def rated(scores: dict[int, int]) -> dict[int, dict[str, object]]:
    """Anime 1 to 40 with a score of 8, but for these."""
    return {id: watched(3, score=scores.get(id, 8)) for id in range(1, 41)}


GOOD = rated({})


def test_a_repair_undoes_the_steps_of_the_damage() -> None:
    half, bad = rated(dict.fromkeys(range(1, 16), 1)), rated(dict.fromkeys(range(1, 31), 1))

    assert undone(GOOD, half, bad, GOOD) == {2: 15, 3: 15}
    assert undone(GOOD, half, bad, half) == {3: 15}
    assert undone(GOOD, half, bad, bad, bad, GOOD) == {2: 15, 3: 15}
    assert undone({}, GOOD, {}, GOOD) == {3: 40}


def test_a_few_titles_are_put_back_by_ordinary_use_unless_they_were_part_of_an_incident() -> None:
    bad = rated(dict.fromkeys(range(1, 10), 1))

    assert undone(GOOD, bad, GOOD) == {}
    assert undone(GOOD, bad, GOOD, incidents=(2,)) == {2: 9}


def test_values_that_changed_day_by_day_and_go_back_at_once_are_no_repair() -> None:
    """Somebody resets a list to what it was at first: each title goes back to an earlier value, of another day."""
    days = [rated(dict.fromkeys(range(1, last + 1), 9)) for last in range(0, 41, 5)]

    assert undone(*days, GOOD) == {}


def test_titles_that_are_removed_or_blanked_are_no_repair_unless_an_incident_brought_them() -> None:
    unrated = rated(dict.fromkeys(range(1, 41), 0))

    assert undone({}, GOOD, {}) == undone(unrated, GOOD, unrated) == {}
    assert undone({}, GOOD, {}, incidents=(2,)) == undone(unrated, GOOD, unrated, incidents=(2,)) == {2: 40}


def test_an_entry_is_put_back_where_most_of_its_changed_fields_are() -> None:
    bad = {id: watched(1, score=1, comments="x") for id in GOOD}

    assert undone(GOOD, bad, {id: watched(3, score=8, comments="x") for id in GOOD}) == {2: 40}
    assert undone(GOOD, bad, {id: watched(3, score=8, comments="y") for id in GOOD}) == {2: 40}
    assert undone(GOOD, bad, {id: watched(3, score=5, comments="y") for id in GOOD}) == {}


def test_a_comment_is_put_back_whether_mal_encodes_it_or_not() -> None:
    encoded, plain = ({id: watched(3, comments=text) for id in GOOD} for text in ("Tom &amp; Jerry", "Tom & Jerry"))

    assert undone(encoded, {id: watched(3, comments="gone") for id in GOOD}, plain) == {2: 40}


@pytest.mark.parametrize(
    ("status", "words", "advised"),
    [
        (ChangeStatus(0, 0, is_repair=False), "nothing changed", False),
        (ChangeStatus(9, 0, is_repair=False), "since put right", False),
        (ChangeStatus(9, 0, is_repair=True), "since put right", False),
        (ChangeStatus(9, 9, is_repair=True), "looks like a repair", False),
        (ChangeStatus(1200, 1100, is_repair=False), "1,100 of 1,200 still in force", True),
    ],
)
def test_only_changes_that_stand_and_are_no_repair_are_to_be_undone(
    status: ChangeStatus, words: str, advised: bool
) -> None:
    assert (str(status), status.is_worth_undoing) == (words, advised)
