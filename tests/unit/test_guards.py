"""The guard of backups, at the edge of every threshold."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given

from malsync.errors import UsageError
from malsync.formats.latest_copy import LatestCopy
from malsync.mirror import Mirror
from malsync.model.medium import ANIME, MEDIA
from malsync.model.snapshot import Snapshot, Source
from malsync.operations.backup import is_good, reference_for, store
from malsync.planning.guards import incomplete, suspicious
from tests.support.lists import MIKA, THEO, many, snapshot, watched
from tests.support.strategies import snapshots


def made(kept: int, changed: int = 0, added: int = 0) -> Snapshot:
    """The first `kept` of the titles that `many` makes, `changed` of them edited, and `added` that are new."""
    found = many(kept)
    for id in range(1, changed + 1):
        found[id] = watched(id % 12, score=1)
    return snapshot(found | {10**6 + id: watched() for id in range(added)}, {})


@pytest.mark.promise("guards-8")
@pytest.mark.parametrize(
    ("had", "has", "doubtful"),
    [
        (10, 5, False),  # exactly half
        (10, 4, True),  # more than half, and at least 5
        (11, 6, False),  # 5 of 11 is less than half
        (11, 5, True),
        (9, 4, True),  # exactly 5, more than half
        (8, 4, False),  # half, and only 4
        (7, 3, False),  # more than half, but 4
        (6, 1, True),  # 5 of 6
        (5, 1, False),  # 4 of 5
        (1000, 500, True),  # exactly half, but 500 of 1000 are over a quarter
        (98, 49, False),  # exactly half, and only 49
        (100, 50, True),  # exactly half; 50 of 100 are over a quarter
    ],
)
def test_a_list_is_suspicious_when_more_than_half_of_it_and_at_least_five_are_gone(
    had: int, has: int, doubtful: bool
) -> None:
    assert bool(suspicious(made(had), made(has))) == doubtful


@pytest.mark.parametrize(
    ("had", "changed", "doubtful"),
    [
        (200, 50, False),  # exactly a quarter
        (199, 50, True),  # more than a quarter, and at least 50
        (199, 49, False),  # nearly a quarter, and only 49
        (50, 49, False),  # nearly all, but only 49
        (50, 50, True),  # all
        (201, 50, False),  # 50, but less than a quarter
        (1000, 250, False),
        (1000, 251, True),
    ],
)
def test_a_list_is_suspicious_when_more_than_a_quarter_of_it_and_at_least_fifty_changed(
    had: int, changed: int, doubtful: bool
) -> None:
    assert bool(suspicious(made(had), made(had, changed))) == doubtful


def test_entries_that_went_count_among_those_that_changed() -> None:
    assert suspicious(made(199), made(179, changed=29)) == []
    assert suspicious(made(199), made(179, changed=30)) == ["anime: 50 of 199 entries were changed or removed"]


def test_entries_that_came_do_not_count() -> None:
    assert suspicious(made(100), made(100, changed=49, added=500)) == []
    assert suspicious(made(10), made(4, added=500)) == ["anime: 6 of 10 entries are gone"]


@pytest.mark.parametrize(("had", "said"), [(1, "1 entry"), (4, "4 entries"), (5, "5 entries"), (300, "300 entries")])
def test_a_list_that_had_entries_and_is_empty_now_is_suspicious(had: int, said: str) -> None:
    assert suspicious(made(had), made(0)) == [f"anime: the list is empty, and had {said}"]


def test_a_list_that_was_empty_may_be_anything() -> None:
    assert suspicious(made(0), made(0)) == []
    assert suspicious(made(0), made(1000)) == []


def test_each_list_is_judged_for_itself() -> None:
    good = snapshot(many(3), {id: {"status": "reading"} for id in range(1, 11)})
    now = snapshot({}, {id: {"status": "reading"} for id in range(1, 5)})

    assert suspicious(good, now) == [
        "anime: the list is empty, and had 3 entries",
        "manga: 6 of 10 entries are gone",
    ]


def test_a_list_that_is_not_covered_is_not_suspicious() -> None:
    good, anime_only = snapshot(many(300), many(300)), snapshot(many(300), None)

    assert suspicious(good, anime_only) == []
    assert suspicious(anime_only, snapshot(many(300), {})) == []


def test_a_field_that_mal_adds_to_every_entry_is_not_suspicious() -> None:
    good = snapshot(many(300), many(300))
    now = snapshot(many(300, new_field=1), many(300, new_field={"x": None}))

    assert suspicious(good, now) == []
    assert suspicious(now, good) == []


def test_times_that_mal_moves_on_every_entry_are_not_suspicious() -> None:
    assert suspicious(snapshot(many(300, updated_at="2026"), {}), snapshot(many(300, updated_at="2027"), {})) == []


def test_fields_that_one_side_does_not_know_are_not_suspicious() -> None:
    part = {"anime": ("status", "num_episodes_watched"), "manga": ()}
    imported = snapshot(many(300), {}, covers=part)

    assert suspicious(imported, snapshot(many(300, score=9), {})) == []
    assert suspicious(snapshot(many(300, score=9), {}), imported) == []


@given(snapshots())
def test_a_list_is_not_suspicious_beside_itself(one: Snapshot) -> None:
    assert suspicious(one, one) == []


@pytest.mark.parametrize(
    ("came", "counted", "reason"),
    [
        (5, None, None),  # the profile says nothing
        (5, 5, None),
        (6, 5, None),  # one was added since
        (4, 5, "anime: the list has 4 entries, and MAL's profile counts 5"),
        (1, 5, "anime: the list has 1 entry, and MAL's profile counts 5"),
        (0, 1, "anime: the list has 0 entries, and MAL's profile counts 1"),
    ],
)
def test_fewer_anime_than_the_profile_counts_are_a_reason(came: int, counted: int | None, reason: str | None) -> None:
    assert incomplete(came, counted) == reason


@given(snapshots(), snapshots())
def test_every_reason_names_a_list_that_both_cover(good: Snapshot, now: Snapshot) -> None:
    named = [reason.partition(":")[0] for reason in suspicious(good, now)]

    assert named == [name for name in MEDIA if name in named]
    for name in named:
        assert good.lists[name]
        assert now.lists[name] is not None


def test_what_is_gone_is_told_before_what_changed() -> None:
    """One sentence a list is enough, and losing entries is the worse of the two."""
    assert suspicious(made(200), made(99, changed=99)) == ["anime: 101 of 200 entries are gone"]
    assert [len(made(200).entries(ANIME)), len(made(99, changed=99).entries(ANIME))] == [200, 99]


# -- what is stored, with its doubts


def stored(mirror: Mirror, shelf: LatestCopy, made: Snapshot, *, accept: bool = False) -> tuple[str, ...]:
    """Why the snapshot is suspicious, once the mirror has it."""
    backup = store(mirror, shelf, made, accept=accept)
    assert backup.info.suspicious == backup.snapshot.suspicious == mirror.load(backup.info.number).suspicious
    assert backup.info.suspicious or shelf.last(made.user) is not None
    return backup.info.suspicious


@pytest.fixture
def shelf(tmp_path: Path) -> LatestCopy:
    return LatestCopy(tmp_path / "latest")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with Mirror.open(tmp_path / "mirror.db", write=True) as opened:
        yield opened


GONE = ("anime: the list is empty, and had 9 entries",)


def test_what_was_found_when_it_was_read_is_told_before_what_the_last_list_shows(
    mirror: Mirror, shelf: LatestCopy
) -> None:
    stored(mirror, shelf, snapshot(many(9), {}))

    assert stored(mirror, shelf, replace(snapshot({}, {}, at=LATER[0]), suspicious=("odd",))) == ("odd", *GONE)


def test_what_is_accepted_has_no_doubts_and_is_the_next_measure(mirror: Mirror, shelf: LatestCopy) -> None:
    stored(mirror, shelf, snapshot(many(9), {}))

    assert stored(mirror, shelf, replace(snapshot({}, {}, at=LATER[0]), suspicious=("odd",)), accept=True) == ()
    assert stored(mirror, shelf, snapshot({}, {1: {"status": "reading"}}, at=LATER[1])) == ()


def test_each_list_is_judged_beside_its_own_measure(mirror: Mirror, shelf: LatestCopy) -> None:
    reading = {id: {"status": "reading"} for id in range(1, 7)}
    for made in (snapshot(many(9), None), snapshot(None, reading, at=LATER[0])):
        stored(mirror, shelf, made)

    assert stored(mirror, shelf, snapshot({}, {}, at=LATER[1])) == (
        *GONE,
        "manga: the list is empty, and had 6 entries",
    )


def test_where_the_mirror_knows_no_list_the_file_beside_it_is_the_measure(mirror: Mirror, shelf: LatestCopy) -> None:
    shelf.put(snapshot(many(9), {}))

    assert stored(mirror, shelf, snapshot({}, {}, at=LATER[0])) == GONE


def test_a_first_list_of_a_user_is_not_suspicious(mirror: Mirror, shelf: LatestCopy) -> None:
    stored(mirror, shelf, snapshot(many(9), {}, user=THEO))

    assert stored(mirror, shelf, snapshot({}, {})) == ()


def test_a_list_that_went_back_to_what_was_good_is_not_suspicious(mirror: Mirror, shelf: LatestCopy) -> None:
    stored(mirror, shelf, snapshot(many(9), {}))
    assert stored(mirror, shelf, snapshot({}, {}, at=LATER[0])) == GONE
    assert stored(mirror, shelf, snapshot(many(9), {}, at=LATER[1])) == ()


def test_a_file_that_cannot_be_written_costs_no_snapshot(mirror: Mirror, shelf: LatestCopy) -> None:
    stored(mirror, shelf, snapshot(many(9), {}))
    shelf.folder.rename(shelf.folder.with_name("elsewhere"))
    shelf.folder.write_text("a file in place of the folder")

    with pytest.raises(UsageError, match="Snapshot 2 is stored in the mirror, but "):
        store(mirror, shelf, snapshot(many(8), {}, at=LATER[0]), accept=False)

    assert mirror.load(2).counts == {"anime": 8, "manga": 0}


@pytest.mark.parametrize("private", MEDIA)
def test_a_private_list_is_named_as_left_out(mirror: Mirror, shelf: LatestCopy, private: str) -> None:
    lists = {"anime": many(2), "manga": {1: {"status": "reading"}}} | {private: None}

    assert store(mirror, shelf, snapshot(**lists), accept=False).warnings == [
        f"The {private} list of mika is private: left out."
    ]
    assert store(mirror, shelf, snapshot({}, {}, user=THEO), accept=False).warnings == []


@pytest.mark.parametrize("source", get_args(Source))
def test_good_is_a_backup_that_is_not_suspicious(mirror: Mirror, source: Source) -> None:
    info = mirror.add(snapshot(many(2), {}, source=source))
    doubted = mirror.add(replace(snapshot(many(3), {}, source=source, at=LATER[0]), suspicious=GONE))

    assert is_good(info) == (source in ("backup", "public"))
    assert not is_good(doubted)


# -- what a list is judged by

FEW = {"anime": ("status", "score"), "manga": ("status",)}
LATER = [f"2026-11-0{day}T12:00:00Z" for day in range(2, 8)]


def measured(home: Path, *stored: Snapshot) -> int | None:
    """The number of the snapshot that the next anime list is judged by, where these were stored."""
    with Mirror.open(home / "mirror.db", write=True) as mirror:
        for one in stored:
            mirror.add(one)
        found = reference_for(ANIME, mirror.infos(MIKA))
        return None if found is None else found.number


@pytest.mark.parametrize("source", ["backup", "public", "import"])
def test_a_list_that_does_not_cover_every_field_is_no_measure(tmp_path: Path, source: Source) -> None:
    """Beside it the fields that it does not know could change as they like."""
    whole = snapshot(many(300), many(300), source=source)
    few = snapshot(many(300), many(300), source=source, covers=FEW, at=LATER[0])
    no_anime = snapshot(None, many(300), source=source, at=LATER[1])

    assert measured(tmp_path, whole, few, no_anime) == 1
    assert measured(tmp_path, snapshot(many(3), {}, source=source, at=LATER[2])) == 4


def test_where_no_list_covers_every_field_there_is_no_measure(tmp_path: Path) -> None:
    assert measured(tmp_path, snapshot(many(300), {}, covers=FEW)) is None


@pytest.mark.parametrize("source", ["before-run", "after-run"])
def test_a_list_around_a_run_and_a_suspicious_one_are_no_measure(tmp_path: Path, source: Source) -> None:
    doubted = replace(snapshot(many(3), {}, at=LATER[1]), suspicious=("anime: empty",))

    assert measured(tmp_path, snapshot(many(300), {}), snapshot(many(3), {}, source=source, at=LATER[0]), doubted) == 1


def test_a_file_is_a_measure_only_where_nothing_was_read_from_mal(tmp_path: Path) -> None:
    first, second = (snapshot(many(number), {}, source="import", at=LATER[number]) for number in (1, 2))

    assert measured(tmp_path, first, second) == 2
    assert measured(tmp_path, snapshot(many(3), {}, source="backup"), snapshot(many(4), {}, source="import")) == 3


def test_the_measure_is_the_list_that_was_stored_last_whatever_its_time(tmp_path: Path) -> None:
    """A clock that was wrong once must not freeze it."""
    assert measured(tmp_path, snapshot(many(2), {}, at="2027-01-01T00:00:00Z"), snapshot(many(3), {})) == 2
