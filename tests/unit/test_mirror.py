"""The mirror: every snapshot rebuilds exactly, and a quiet day costs one row."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from malsync.mirror import FILE_NAME, Mirror, VerifyReport
from malsync.model.medium import ANIME, MANGA, MEDIA
from malsync.model.snapshot import Snapshot, User
from tests.support.lists import MIKA, ORIGIN, THEO, many, moment, snapshot, watched
from tests.support.mirrors import assert_holds, assert_whole, rows, store, total
from tests.support.strategies import SAFE, exact


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


# -- what is stored


@pytest.mark.promise("storing-4", "security-31")
@pytest.mark.parametrize(
    "list_status",
    [
        {},
        {"score": None},
        {"score": 8.0},
        {"score": True},
        {"score": "8"},
        {"score": SAFE + 2},
        {"score": 2**64 - 1},
        {"score": -0.0},
        {"is_rewatching": 1},
        {"is_rewatching": False},
        {"tags": []},
        {"tags": ["a", 1, None]},
        {"tags": "a,b"},
        {"comments": "NUL\0 and \U0001f600"},
        {"comments": 5},
        {"extra": {"extra": [1.0, 1, True]}, "series": 3, "since": None, "": ""},
        {"status": None, "updated_at": ["2026"]},
    ],
    ids=str,
)
def test_a_value_of_any_type_comes_back_as_it_was(path: Path, list_status: dict[str, Any]) -> None:
    (info,) = store(path, snapshot({1: list_status}, {1: list_status}))

    with Mirror.open(path) as mirror:
        found = mirror.load(info.number)
        assert [exact(entry.list_status) for medium in MEDIA.values() for entry in found.entries(medium).values()] == [
            exact(list_status)
        ] * 2


@pytest.mark.promise("storing-4")
def test_absent_null_and_blank_stay_apart(path: Path) -> None:
    forms: dict[int, dict[str, Any]] = {1: {}, 2: {"comments": None}, 3: {"comments": ""}, 4: {"comments": "said"}}
    store(path, snapshot(forms, {}))

    assert rows(path, "SELECT media_id, comments, extra FROM anime_version") == [
        (1, None, None),
        (2, None, '{"comments":null}'),
        (3, "", None),
        (4, "said", None),
    ]
    with Mirror.open(path) as mirror:
        assert {id: entry.list_status for id, entry in mirror.load(1).entries(ANIME).items()} == forms


# -- what it costs


@pytest.mark.promise("storing-9")
def test_a_quiet_day_costs_one_row(path: Path) -> None:
    made = snapshot(many(30, score=5), {id: {"status": "reading"} for id in range(1, 9)})
    store(path, made)
    before = total(path)

    store(
        path, snapshot(many(30, score=5), {id: {"status": "reading"} for id in range(1, 9)}, at="2026-11-02T12:00:00Z")
    )

    after = total(path)
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(after, 0) | {"snapshot": 1}


def test_the_same_snapshot_again_changes_nothing(path: Path) -> None:
    made = snapshot({1: watched(3)}, {}, note="first")
    (first,) = store(path, made)
    before = total(path)

    again, imported = store(path, made, made.with_source("import"))

    assert again == imported == first
    assert total(path) == before


def test_the_same_list_at_another_time_is_another_snapshot(path: Path) -> None:
    infos = store(path, snapshot({1: {}}, {}), snapshot({1: {}}, {}, at="2026-11-01T12:00:00.001Z"))

    assert [info.number for info in infos] == [1, 2]
    assert len({info.digest for info in infos}) == 1


# -- series


def test_an_older_snapshot_starts_another_series(path: Path) -> None:
    """Its intervals would lie inside those that stand, and none is ever split."""
    days = [snapshot({1: watched(day)}, {}, at=f"2026-11-{day:02}T12:00:00Z") for day in (10, 11, 5, 12, 6)]

    infos = store(path, *days)

    assert [info.series for info in infos] == [1, 1, 2, 1, 2]
    assert [info.changes["update"] for info in infos] == [0, 1, 0, 1, 1]
    with Mirror.open(path) as mirror:
        assert [info.number for info in mirror.infos()] == [3, 5, 1, 2, 4]
        for info, made in zip(infos, days, strict=True):
            assert_holds(mirror, info, made)
        assert_whole(mirror)


def test_own_backups_public_lists_and_imports_are_separate_series(path: Path) -> None:
    sources: list[Any] = ["backup", "before-run", "import", "public", "after-run", "import"]
    made = [
        snapshot({1: {}}, {}, source=source, at=f"2026-11-{day:02}T12:00:00Z") for day, source in enumerate(sources, 1)
    ]

    assert [info.series for info in store(path, *made)] == [1, 1, 2, 3, 1, 2]


def test_a_snapshot_of_the_same_moment_continues_its_series(path: Path) -> None:
    infos = store(path, snapshot({1: {}}, {}), snapshot({2: {}}, {}))

    assert [(info.number, info.series) for info in infos] == [(1, 1), (2, 1)]


def test_a_list_missing_from_some_snapshots_adds_no_rows(path: Path) -> None:
    both = {1: {"status": "reading"}}
    infos = store(
        path,
        snapshot({}, both),
        snapshot({}, None, at="2026-11-02T12:00:00Z"),
        snapshot({}, both, at="2026-11-03T12:00:00Z"),
    )

    assert [info.counts["manga"] for info in infos] == [1, None, 1]
    assert [info.changes for info in infos] == [{"add": 0, "update": 0, "remove": 0}] * 3
    assert total(path)["manga_version"] == 1
    with Mirror.open(path) as mirror:
        assert mirror.load(2).lists["manga"] is None
        assert mirror.load(3).entries(MANGA).keys() == {1}


# -- users


def test_a_user_with_an_id_is_identified_by_it(path: Path) -> None:
    store(
        path, snapshot({}, {}), snapshot({1: {}}, {}, user=User(ORIGIN, MIKA.id, "renamed"), at="2026-11-02T12:00:00Z")
    )

    with Mirror.open(path) as mirror:
        assert mirror.users() == [User(ORIGIN, MIKA.id, "renamed")]
        assert [info.number for info in mirror.infos(MIKA)] == [1, 2]


@pytest.mark.parametrize(("one", "two"), [("Mika", "mIKA"), ("ÉLAN", "élan"), ("Élan", "Élan")])
def test_a_user_without_an_id_is_identified_by_the_name_ignoring_case(path: Path, one: str, two: str) -> None:
    store(
        path,
        snapshot({}, {}, user=User(ORIGIN, None, one), source="public"),
        snapshot({1: {}}, {}, user=User(ORIGIN, None, two), source="public", at="2026-11-02T12:00:00Z"),
    )

    with Mirror.open(path) as mirror:
        assert len(mirror.users()) == 1
        assert [info.series for info in mirror.infos()] == [1, 1]


def test_users_of_two_origins_and_a_name_that_looks_like_an_id_are_different_users(path: Path) -> None:
    known = [MIKA, User("http://127.0.0.1:8000", MIKA.id, "mika"), THEO, User(ORIGIN, None, "11")]

    store(path, *(snapshot({}, {}, user=user) for user in known))

    with Mirror.open(path) as mirror:
        assert mirror.users() == known
        assert [[info.number for info in mirror.infos(user)] for user in known] == [[1], [2], [3], [4]]


# -- titles and history


def test_the_newest_title_from_mal_is_stored(path: Path) -> None:
    store(
        path,
        snapshot({1: {"title": "First"}, 2: {"title": "Kept"}}, {1: {"title": "A manga"}}),
        snapshot({1: {"title": "Renamed"}, 2: {"title": ""}}, {}, at="2026-11-02T12:00:00Z"),
    )

    with Mirror.open(path) as mirror:
        assert mirror.titles(ANIME) == {1: "Renamed", 2: "Kept"}
        assert mirror.titles(MANGA) == {1: "A manga"}
        assert [entry.title for entry in mirror.load(1).entries(ANIME).values()] == ["Renamed", "Kept"]


def test_an_imported_title_is_stored_only_if_there_is_none(path: Path) -> None:
    store(
        path,
        snapshot({1: {"title": "MAL's own"}}, {}),
        snapshot({1: {"title": "a file's"}, 2: {"title": "new"}}, {}, source="import", at="2026-11-02T12:00:00Z"),
    )

    with Mirror.open(path) as mirror:
        assert mirror.titles(ANIME) == {1: "MAL's own", 2: "new"}


def test_history_has_a_version_for_each_change(path: Path) -> None:
    days: list[dict[int, dict[str, Any]] | None] = [
        {2: {}},
        {1: watched(1)},
        {1: watched(1)},
        None,
        {1: watched(2)},
        {},
        {},
        {1: watched(2)},
    ]
    store(path, *(snapshot(anime, {}, at=f"2026-11-{day:02}T12:00:00Z") for day, anime in enumerate(days, 1)))

    with Mirror.open(path) as mirror:
        found = mirror.history(MIKA, ANIME, 1)
        assert [(version.snapshot, version.list_status) for version in found] == [
            (2, watched(1)),
            (5, watched(2)),
            (6, None),
            (8, watched(2)),
        ]
        assert found[1].taken_at == moment("2026-11-05T12:00:00Z")
        assert mirror.history(MIKA, MANGA, 1) == []
        assert mirror.history(THEO, ANIME, 1) == []


def test_histories_read_the_headers_once(path: Path) -> None:
    """`malsync history a` asks for those of half the list, and there may be a thousand snapshots."""
    store(
        path,
        *(snapshot({id: watched(day) for id in range(40)}, {}, at=f"2026-11-{day:02}T12:00:00Z") for day in (1, 2)),
    )

    with Mirror.open(path) as mirror:
        looks: list[str] = []
        mirror._connection.set_trace_callback(looks.append)
        found = mirror.histories(MIKA, ANIME, range(41))

    assert [len(found[id]) for id in range(41)] == [*[2] * 40, 0]
    assert sum("FROM snapshot JOIN" in look for look in looks) == 1


def test_history_runs_through_every_series_by_time(path: Path) -> None:
    """What an import does not cover says nothing of the entry."""
    newer = snapshot({1: watched(9)}, {}, at="2026-11-09T12:00:00Z")
    older = snapshot({1: watched(3)}, {}, at="2026-11-03T12:00:00Z", source="import")
    other = snapshot(None, {}, at="2026-11-06T12:00:00Z", source="public")
    store(path, newer, older, other)

    with Mirror.open(path) as mirror:
        versions = mirror.history(MIKA, ANIME, 1)
        assert [(one.snapshot, one.list_status) for one in versions] == [(2, watched(3)), (1, watched(9))]


# -- an empty mirror, and numbers


def test_a_missing_mirror_reads_as_empty_and_is_not_created(path: Path) -> None:
    with Mirror.open(path) as mirror:
        assert (mirror.infos(), mirror.users(), mirror.titles(ANIME), mirror.verify()) == (
            [],
            [],
            {},
            VerifyReport({}, "ok"),
        )

    assert not path.exists()


def test_loading_an_unknown_number_raises_key_error(path: Path) -> None:
    store(path, snapshot({}, {}))

    with Mirror.open(path) as mirror:
        for number in (0, 2, -1):
            with pytest.raises(KeyError):
                mirror.info(number)
            with pytest.raises(KeyError):
                mirror.load(number)


def test_reasons_for_suspicion_are_stored(path: Path) -> None:
    with Mirror.open(path, write=True) as mirror:
        mirror.add(replace(snapshot({}, {}), suspicious=("anime: the list is empty", "two")))

    with Mirror.open(path) as mirror:
        assert mirror.info(1).suspicious == ("anime: the list is empty", "two")


# -- the views


def test_the_views_show_readable_values(path: Path) -> None:
    store(
        path,
        snapshot({1: watched(1, score=5)}, {7: {"status": "plan_to_read", "title": "Gone later"}}),
        snapshot(
            {
                1: {
                    "status": "on_hold",
                    "score": 9,
                    "num_episodes_watched": 3,
                    "is_rewatching": True,
                    "start_date": "2026-11",
                    "tags": ["slow", "b, c", "ä"],
                    "comments": "fine",
                    "updated_at": "2026-11-01T00:00:00+00:00",
                    "title": "One",
                },
                2: {"status": "plan_to_watch", "tags": [], "is_rewatching": False},
                3: {},
            },
            {8: {"status": "plan_to_read", "num_chapters_read": 12, "num_volumes_read": 1}},
            at="2026-11-02T12:00:00Z",
        ),
    )

    shown = "SELECT {} FROM {}_list ORDER BY id"
    assert rows(path, shown.format("user, snapshot, id, title, status, score, num_episodes_watched", "anime")) == [
        ("mika", 2, 1, "One", "on hold", 9, 3),
        ("mika", 2, 2, "Title 2", "plan to watch", 0, 0),
        ("mika", 2, 3, "Title 3", None, 0, 0),
    ]
    assert rows(path, shown.format("is_rewatching, start_date, tags, comments, updated_at", "anime")) == [
        ("yes", "2026-11", "slow, b, c, ä", "fine", "2026-11-01T00:00:00+00:00"),
        ("", None, None, "", None),
        ("", None, None, "", None),
    ]
    assert rows(path, shown.format("id, title, status, num_volumes_read, num_chapters_read", "manga")) == [
        (8, "Title 8", "plan to read", 1, 12)
    ]


def test_the_views_show_the_last_snapshot_that_covers_a_list(path: Path) -> None:
    store(path, snapshot({1: {}}, {5: {}}), snapshot({1: {}}, None, at="2026-11-02T12:00:00Z"))

    assert rows(path, "SELECT snapshot, id FROM anime_list") == [(2, 1)]
    assert rows(path, "SELECT snapshot, id FROM manga_list") == [(1, 5)]


# -- a copy


def test_a_copy_is_a_whole_mirror(path: Path, tmp_path: Path) -> None:
    days = [snapshot({1: watched(day)}, {2: {}}, at=f"2026-11-{day:02}T12:00:00Z") for day in (1, 2, 3)]
    infos = store(path, *days)
    target = tmp_path / "copy.db"

    with Mirror.open(path) as mirror:
        mirror.copy(target)

    assert target.stat().st_mode & 0o777 == 0o600
    later = snapshot({}, {}, at=days[-1].taken_at.isoformat().replace("-03T", "-04T"))
    with Mirror.open(target, write=True) as copied:
        assert copied.infos() == infos
        assert_whole(copied)
        assert copied.add(later).changes == {"add": 0, "update": 0, "remove": 2}
    with Mirror.open(path) as mirror:
        assert len(mirror.infos()) == 3


def test_a_copy_is_whole_while_another_process_writes(path: Path, tmp_path: Path) -> None:
    store(path, snapshot({1: {}}, {}))

    with closing(sqlite3.connect(path, isolation_level=None)) as other, Mirror.open(path) as mirror:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE snapshot SET digest = 'half done'")
        mirror.copy(tmp_path / "copy.db")
        other.execute("ROLLBACK")

    with Mirror.open(tmp_path / "copy.db") as copied:
        assert_whole(copied)


def test_times_are_stored_to_the_millisecond(path: Path) -> None:
    made = snapshot({}, {}, at="2026-11-01T12:00:00.123Z")
    later = Snapshot(made.user, made.taken_at + timedelta(milliseconds=1), made.source, made.covers, made.lists)

    assert [info.taken_at for info in store(path, made, later)] == [made.taken_at, later.taken_at]
