"""Files of every version that ever left the house stay readable. The fixtures here are never made again."""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest

from malsync.errors import Damaged, Refused
from malsync.mal.types import Title
from malsync.mirror import FILE_NAME, Mirror
from malsync.model.medium import ANIME
from tests.support.catalogue import assert_sound, found, record, rows
from tests.support.harness import ROOT, Malsync

pytestmark = pytest.mark.promise("storing-15")

MIRRORS = sorted((ROOT / "fixtures" / "mirrors").glob("version-*.db"))
BERSERK = {
    "status": "reading", "score": 0, "num_volumes_read": 1, "num_chapters_read": 4, "is_rereading": True, "priority": 1,
    "num_times_reread": 2, "reread_value": 5, "tags": ["a tag, of prose"], "comments": "",
    "updated_at": "2026-01-02T03:04:05+00:00",
}  # fmt: skip


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda path: path.stem)
def test_a_mirror_of_an_older_version_verifies_and_shows_its_lists(mirror: Path, offline: Malsync) -> None:
    offline.home.mkdir()
    shutil.copy(mirror, offline.home / FILE_NAME)

    verified = offline.json("verify")
    listed = {row["snapshot"]: row for row in offline.json("snapshots")}
    shown = {entry["id"]: entry for entry in offline.json("show", "1")["entries"]}

    assert verified["ok"]
    assert len(verified["snapshots"]) == 5
    assert listed[1]["note"] == "the first"
    assert listed[2]["changes"] == {"add": 0, "update": 1, "remove": 1}
    assert listed[3]["suspicious"] == ["manga: the list is empty, and had 9 entries"]
    assert {number: row["source"] for number, row in listed.items()} == {
        1: "backup", 2: "backup", 3: "backup", 4: "import", 5: "public",
    }  # fmt: skip
    assert shown[2]["list_status"] == BERSERK
    assert shown[20]["list_status"]["new_member"] == {"n": 1.5, "big": 2**60}
    assert shown[20]["list_status"]["score"] is None
    assert shown[20]["list_status"]["finish_date"] == "2023-12"


def test_a_mirror_older_than_the_journal_accepts_runs(tmp_path: Path) -> None:
    shutil.copy(MIRRORS[0], tmp_path / FILE_NAME)

    with Mirror.open(tmp_path / FILE_NAME) as mirror:
        assert mirror.journal.runs() == []
        mika = mirror.info(1).user
    with Mirror.open(tmp_path / FILE_NAME, write=True) as mirror:
        run = mirror.journal.begin(mika, "default", "restore", {}, [], before=2, now=datetime(2026, 11, 1, tzinfo=UTC))
        assert (run.number, run.before, mirror.verify().database) == (1, 2, "ok")


def test_concurrent_processes_migrate_a_mirror_once(tmp_path: Path) -> None:
    """Reading commands wait for nobody, and after an upgrade of malsync each of them finds an older mirror."""
    together = Barrier(8)

    def verified(path: Path) -> str:
        together.wait(timeout=30)
        with Mirror.open(path, wait=30) as mirror:
            return mirror.verify().database

    for number in range(5):
        path = tmp_path / f"{number}.db"
        shutil.copy(MIRRORS[0], path)
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(verified, [path] * 8)) == ["ok"] * 8


def test_an_unreadable_record_of_migrations_is_damage(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    shutil.copy(MIRRORS[0], path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE _sqlite_migrations DROP COLUMN applied_at")

    with pytest.raises(Damaged, match="record of migrations"):
        Mirror.open(path)


@pytest.mark.parametrize("mirror", MIRRORS[1:], ids=lambda path: path.stem)
def test_runs_in_an_older_mirror_can_be_resumed(mirror: Path, tmp_path: Path) -> None:
    shutil.copy(mirror, tmp_path / FILE_NAME)

    with Mirror.open(tmp_path / FILE_NAME, write=True) as opened:
        journal = opened.journal
        runs = journal.runs()
        whole = {(line.call.key, line.state, line.tries, line.http, line.why) for line in journal.lines(5)}
        naruto, bebop, berserk = journal.lines(5)[:3]

        assert [(run.kind, run.state, run.before, run.after, run.undoes) for run in runs] == [
            ("restore", "finished", 2, 1, None),
            ("apply", "undone", 2, None, None),
            ("undo", "finished", 3, 3, 2),
            ("migrate", "abandoned", 5, None, None),
            ("revert", "unfinished", 3, None, None),
        ]
        assert [run.account for run in runs[2:4]] == ["default", "ünother"]
        assert runs[4].head == {"good": 1, "bad": 3, "filters": {"ids": [["anime", 20]]}}
        assert runs[0].started_at == datetime(2026, 1, 5, 20, 0, 1, tzinfo=UTC)
        assert whole == {
            (("anime", 20), "done", 1, 200, ""),
            (("anime", 1), "sent", 0, None, ""),
            (("manga", 2), "already", 0, None, ""),
            (("anime", 5), "skipped", 0, None, "moved: status was plan_to_watch and is dropped"),
            (("manga", 3), "failed", 5, 503, "MAL answered 503, five times"),
            (("manga", 4), "not_restorable", 2, 400, "start_date: MAL refuses 2021"),
            (("anime", 6), "planned", 0, None, ""),
        }
        assert naruto.call.expect is None
        assert naruto.call.fields["finish_date"] == (None, "2023-12")
        assert naruto.answer is not None
        assert naruto.answer["new_member"] == {"n": 1.5, "big": 2**60}
        assert bebop.call.fields == {"score": (10, 9), "tags": ([], ["a tag, of prose"])}
        assert berserk.call.expect == {"status": "reading", "score": 0, "odd": -0.0}
        assert journal.pending(5) == 2
        with pytest.raises(Refused, match="Run 5"):
            journal.begin(runs[4].user, "default", "restore", {}, [], before=3, now=datetime(2026, 11, 1, tzinfo=UTC))
        ended = journal.ended(5, "finished", datetime(2026, 11, 1, tzinfo=UTC), after=3)
        assert (ended.state, ended.after) == ("finished", 3)


@pytest.mark.parametrize("mirror", MIRRORS[2:], ids=lambda path: path.stem)
def test_the_catalogue_of_an_older_mirror_is_searched_and_updated(mirror: Path, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    shutil.copy(mirror, path)
    now = datetime(2026, 1, 7, 20, 0, tzinfo=UTC)
    told: Title = {"id": 1, "title": "Cowboy Bebop", "mean": 9, "alternative_titles": {"synonyms": ["Space Jazz"]}}

    with Mirror.open(path, write=True) as opened:
        mika = opened.info(1).user
        missing = [one.id for one in opened.catalogue.titles_to_fetch(mika, ANIME)]
        sweep = opened.catalogue.begin_fetch(mika, "details", now)
        before = record(path, "anime", 1)
        opened.catalogue.keep("search", {}, now, titles=[(ANIME, told)])
        assert opened.verify().database == "ok"

    assert (before["background"], before["extra"], before["mean"]) == ("A note.", '{"new_member":{"n":1.5}}', 8.75)
    assert record(path, "anime", 1)["mean"] == 9
    assert missing == []
    assert (sweep.is_new, sweep.started_at) == (False, datetime(2026, 1, 6, 20, 0, tzinfo=UTC))
    assert found(path, "anime", "jazz") == {1}
    assert found(path, "forum_post", "first") == {71}
    assert rows(path, "SELECT genre.name FROM manga_genre JOIN genre ON genre.id = genre") == [("Seinen",)]
    assert rows(path, "SELECT day, rank FROM anime_ranking") == [("2026-01-06", 1)]
    assert_sound(path)


def test_a_new_mirror_has_the_tables_of_a_migrated_one(tmp_path: Path) -> None:
    """Migrations are never edited: what they once made is what they make today."""
    tables = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    applied = "SELECT id, migration_set, name, length(applied_at) FROM _sqlite_migrations"
    with Mirror.open(tmp_path / "fresh.db", write=True):
        fresh = rows(tmp_path / "fresh.db", tables), rows(tmp_path / "fresh.db", applied)
    for mirror in MIRRORS:
        path = tmp_path / mirror.name
        shutil.copy(mirror, path)
        with Mirror.open(path):
            assert (rows(path, tables), rows(path, applied)) == fresh, mirror.name


@pytest.mark.parametrize("mirror", [None, *MIRRORS], ids=lambda path: path.stem if path else "new")
def test_user_version_is_the_number_of_recorded_migrations(mirror: Path | None, tmp_path: Path) -> None:
    """An older malsync reads `user_version` alone, and refuses a mirror with a higher one than its own."""
    path = tmp_path / FILE_NAME
    if mirror is not None:
        shutil.copy(mirror, path)
    with Mirror.open(path, write=True):
        pass

    assert rows(path, "PRAGMA user_version") == rows(path, "SELECT count(*) FROM _sqlite_migrations") == [(4,)]


@pytest.mark.promise("storing-16")
def test_there_is_a_mirror_of_each_version() -> None:
    from malsync.mirror.migrations import VERSION

    assert [path.stem for path in MIRRORS] == [f"version-{number}" for number in range(1, VERSION + 1)]
