"""`export --format sqlite`: a file of its own that Datasette opens well, and that says all that the list says."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from malsync.formats import sqlite_export
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot
from malsync.sandbox import Sandbox
from tests.support.harness import ROOT, Malsync
from tests.support.lists import snapshot, watched, write
from tests.support.strategies import exact, snapshots

VALID = ROOT / "fixtures" / "xml" / "valid"


@contextmanager
def opened(content: Path | bytes) -> Iterator[sqlite3.Connection]:
    """The file, its rows by the columns' names."""
    with closing(sqlite3.connect(":memory:" if isinstance(content, bytes) else content)) as connection:
        if isinstance(content, bytes):
            connection.deserialize(content)
        connection.row_factory = sqlite3.Row
        yield connection


def rows(connection: sqlite3.Connection, sql: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sql)]


@pytest.fixture
def path(malsync: Malsync, tmp_path: Path) -> Path:
    """The file of the sandbox's first user."""
    malsync.ok("backup", "--note", "for later")
    document = malsync.json("export", "latest", "--format", "sqlite", "--output", tmp_path / "list.db")
    assert document["file"] == str(tmp_path / "list.db")
    assert document["format"] == "sqlite"
    return tmp_path / "list.db"


def test_the_file_says_what_it_is(path: Path, malsync: Malsync) -> None:
    (info,) = malsync.json("snapshots")

    with opened(path) as connection:
        (about,) = rows(connection, "SELECT * FROM snapshot")
        assert connection.execute("PRAGMA integrity_check").fetchall()[0][0] == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"

    for name in ("user", "taken_at", "source", "digest", "note"):
        assert about[name] == info[name]
    assert about["number"] == 1
    assert json.loads(about["covers"]) == info["covers"]
    assert (about["anime"], about["manga"]) == (info["counts"]["anime"], info["counts"]["manga"])
    assert about["written_by"].startswith("malsync ")
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_entry_is_a_row_under_mals_names(path: Path, box: Sandbox) -> None:
    with opened(path) as connection:
        for name in MEDIA:
            found = {row["id"]: row for row in rows(connection, f"SELECT * FROM {name}")}
            live = box.entries(box.user, name)
            assert found.keys() == live.keys()
            for id, entry in live.items():
                assert found[id]["page"] == f"https://myanimelist.net/{name}/{id}"
                assert found[id]["extra"] is None
                for member, item in entry.items():
                    kept = found[id][member]
                    assert (json.loads(kept) if member == "tags" else kept) == item


def test_what_was_never_set_is_null_and_what_is_not_covered_has_no_column(tmp_path: Path, offline: Malsync) -> None:
    offline.ok("export", VALID / "nobody.xml", "--format", "sqlite", "--output", tmp_path / "list.db")

    with opened(tmp_path / "list.db") as connection:
        (row,) = rows(connection, "SELECT * FROM anime")
        tables_there = {row["name"] for row in rows(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert rows(connection, "SELECT medium, status, entries FROM by_status") == [
            {"medium": "anime", "status": "watching", "entries": 1}
        ]

    assert row.keys() >= {"status", "num_episodes_watched", "comments"}
    assert not row.keys() & {"score", "tags", "updated_at"}
    assert not tables_there & {"manga", "anime_tag"}


def test_views_tags_and_search_answer(offline: Malsync, tmp_path: Path) -> None:
    made = snapshot(
        {
            1: watched(3, title="Kimi to Café", score=8, tags=["calm", "café", "calm"]),
            2: watched(score=0, title="Rain"),
            3: watched(score=6, title="Bebop", comments="a cafe in space"),
        },
        {2: {"status": "reading", "score": 9, "title": "Berserk", "tags": ["grim"]}},
    )
    offline.ok("export", write(tmp_path / "x.json", made), "--format", "sqlite", "--output", tmp_path / "list.db")

    with opened(tmp_path / "list.db") as connection:
        assert rows(connection, "SELECT * FROM by_status") == [
            {"medium": "anime", "status": "watching", "entries": 3, "mean_score": 7.0},
            {"medium": "manga", "status": "reading", "entries": 1, "mean_score": 9.0},
        ]
        assert [
            tuple(row.values()) for row in rows(connection, "SELECT medium, id, title FROM entry WHERE score > 7")
        ] == [
            ("anime", 1, "Kimi to Café"),
            ("manga", 2, "Berserk"),
        ]
        assert rows(connection, "SELECT anime FROM anime_tag WHERE tag = 'café'") == [{"anime": 1}]
        found = rows(connection, "SELECT rowid FROM anime_search WHERE anime_search MATCH 'cafe' ORDER BY rowid")
        assert [row["rowid"] for row in found] == [1, 3]
        plan = rows(connection, "EXPLAIN QUERY PLAN SELECT * FROM anime WHERE status = 'watching' AND score = 3")
        assert "INDEX" in plan[0]["detail"]


def test_datasette_opens_it_with_search_and_links(path: Path) -> None:
    from datasette.app import Datasette

    from malsync.browse.app import Browse

    async def asked() -> tuple[Any, Any, str]:
        Browse(path).close()  # what malsync hangs into Datasette for the browser is no business of this file's
        datasette = Datasette([str(path)])
        table = (await datasette.client.get("/list/anime.json?_search=bebop&_shape=objects")).json()
        facets = (await datasette.client.get("/list/anime.json?_facet=status&_facet_array=tags&_size=0")).json()
        page = (await datasette.client.get("/list/anime_tag")).text
        return table, facets, page

    table, facets, page = asyncio.run(asked())

    assert [row["title"] for row in table["rows"]] == ["Cowboy Bebop"]
    assert {"status", "tags"} <= facets["facet_results"].keys()
    assert 'href="/list/anime/' in page


def test_one_list_is_enough_and_stdout_takes_the_file(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup")

    with malsync.process(
        "export", "latest", "--format", "sqlite", "--only", "manga", "--output", "-", text=False
    ) as process:
        content, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    with opened(content) as connection:
        assert len(rows(connection, "SELECT * FROM manga")) == 90
        assert rows(connection, "SELECT name FROM sqlite_master WHERE name = 'anime'") == []


def test_a_folder_gets_a_file_with_a_name(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup")

    document = malsync.json("export", "latest", "--format", "sqlite", "--output", f"{tmp_path}/")

    assert Path(document["file"]).parent == tmp_path
    assert Path(document["file"]).name.startswith("lists_17")
    assert Path(document["file"]).name.endswith("_-_9000001.db")


@given(snapshots(misfits=True))
@settings(max_examples=30)
def test_every_member_of_every_entry_is_there_whatever_it_is(made: Snapshot) -> None:
    media = [medium for name, medium in MEDIA.items() if made.lists[name] is not None]
    if not media:
        return

    with opened(sqlite_export.encode(made, media, {})) as connection:
        for medium in media:
            found = {row["id"]: row for row in rows(connection, f"SELECT * FROM {medium.name}")}
            assert found.keys() == made.entries(medium).keys()
            for id, entry in made.entries(medium).items():
                told = json.loads(found[id]["extra"] or "{}")
                for field in medium.fields:
                    if (kept := found[id].get(field.name)) is not None:
                        told[field.name] = kept
                        if field.kind.value == "tags":
                            told[field.name] = json.loads(kept)
                        if field.kind.value == "yes or no":
                            told[field.name] = bool(kept)
                assert found[id]["title"] == entry.title
                assert exact(told) == exact(entry.list_status)
