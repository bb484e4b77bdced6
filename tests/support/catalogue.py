"""The catalogue as tests look at it: the mirror's rows by plain SQL, and MAL's answers by a reading that shares nothing with
malsync's own."""

import json
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from malsync.mirror import FILE_NAME
from malsync.sandbox import Sandbox, World

ANIME_FIELDS = (
    "id,title,main_picture,alternative_titles,start_date,end_date,synopsis,mean,rank,popularity,num_list_users,"
    "num_scoring_users,nsfw,created_at,updated_at,media_type,status,genres,num_episodes,start_season,broadcast,source,"
    "average_episode_duration,rating,pictures,background,related_anime,related_manga,recommendations,studios,statistics,"
    "num_favorites,opening_themes,ending_themes,videos"
)
MANGA_FIELDS = (
    "id,title,main_picture,alternative_titles,start_date,end_date,synopsis,mean,rank,popularity,num_list_users,"
    "num_scoring_users,nsfw,created_at,updated_at,media_type,status,genres,num_volumes,num_chapters,"
    "authors{first_name,last_name},pictures,background,related_anime,related_manga,recommendations,serialization{name},"
    "num_favorites"
)
FIELDS = {"anime": ANIME_FIELDS, "manga": MANGA_FIELDS}
FEW = {"anime": (1, 6, 20, 30, 121, 5114), "manga": (2, 584, 8158)}


def few_titles() -> World:
    """One account with a short list of shipped titles."""
    statuses = {"anime": {"num_episodes_watched": 0}, "manga": {"num_chapters_read": 0, "num_volumes_read": 0}}
    shipped = World.demo().catalogue
    lists = {
        medium: [
            {
                "node": {"id": id, "title": shipped.known(medium, id)["title"]},
                "list_status": {
                    "status": "completed",
                    "score": 7,
                    **statuses[medium],
                    "updated_at": "2026-01-01T00:00:00+00:00",
                },
            }
            for id in ids
        ]
        for medium, ids in FEW.items()
    }
    return World.holding("short_list", lists)


def answer(box: Sandbox, path: str, **query: Any) -> Any:
    """What the sandbox's API answers to a GET."""
    address = f"{box.api_url}{path}{'?' if query else ''}{urlencode(query)}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {box.access_token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def whole(box: Sandbox, path: str, **query: Any) -> list[Any]:
    """Every item of what comes in pages."""
    found: list[Any] = []
    while True:
        data = answer(box, path, **{**query, "offset": len(found), "limit": 100})["data"]
        found += data
        if len(data) < 100:
            return found


def change(box: Sandbox, medium: str, id: int, **members: Any) -> None:
    """Let the sandbox tell these members of a title from now on, whatever they are."""
    known = box.world.catalogue.known(medium, id)
    box.world.put_state({"titles": {medium: [{**known, **members}]}})


def rows(where: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a query gives, of the mirror in a home folder or of a file."""
    with closing(sqlite3.connect(where / FILE_NAME if where.is_dir() else where)) as connection:
        return connection.execute(sql, values).fetchall()


def record(where: Path, table: str, id: int) -> dict[str, Any]:
    """One row by its id, as a dict."""
    with closing(sqlite3.connect(where / FILE_NAME if where.is_dir() else where)) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute(f"SELECT * FROM {table} WHERE id = ?", (id,)).fetchone())


def found(where: Path, table: str, words: str) -> set[int]:
    """The ids that the full-text index of a table finds."""
    return {id for (id,) in rows(where, f"SELECT rowid FROM {table}_fts WHERE {table}_fts MATCH ?", words)}


def assert_sound(where: Path) -> None:
    """The file is whole, every reference leads somewhere, and each index holds the words of its table and no others."""
    assert rows(where, "PRAGMA integrity_check") == [("ok",)]
    assert rows(where, "PRAGMA foreign_key_check") == []
    indexed = {
        "anime": ("title alternative_titles synopsis", "fetched_at IS NOT NULL"),
        "manga": ("title alternative_titles synopsis", "fetched_at IS NOT NULL"),
        "forum_topic": ("title", "TRUE"),
        "forum_post": ("text", "TRUE"),
    }
    for table, (columns, when) in indexed.items():
        names = ", ".join(columns.split())
        said = rows(where, f"SELECT id, {names} FROM {table} WHERE {when}")
        with closing(sqlite3.connect(":memory:")) as fresh:
            fresh.execute(f"CREATE VIRTUAL TABLE words USING fts5({names}, tokenize='unicode61 remove_diacritics 2')")
            marks = ", ".join("?" * (1 + len(columns.split())))
            fresh.executemany(f"INSERT INTO words (rowid, {names}) VALUES ({marks})", said)
            assert _vocabulary(fresh, "words") == _vocabulary_of(where, f"{table}_fts"), table


def _vocabulary_of(where: Path, index: str) -> list[Any]:
    with closing(sqlite3.connect(where / FILE_NAME if where.is_dir() else where)) as connection:
        return _vocabulary(connection, index)


def _vocabulary(connection: sqlite3.Connection, index: str) -> list[Any]:
    connection.execute(f"CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', '{index}', 'instance')")
    return connection.execute("SELECT term, doc, col, offset FROM vocabulary ORDER BY 1, 2, 3, 4").fetchall()
