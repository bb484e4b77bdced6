"""A list as an SQLite file of its own, for Datasette and whatever else reads such files. Nothing comes back from it.

`snapshot` has one row that says what the file is. `anime` and `manga` have a row an entry, a column for each field that the
list covers under MAL's own name; what was never set is NULL, and a member that has no column, or does not fit into its own, is
in `extra` as JSON. Beside them: a row for each tag, a full-text index, and views over both lists.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import orjson

from malsync import __version__
from malsync.formats.mal_xml.layout import LAYOUTS, Facts
from malsync.model.entry import Entry
from malsync.model.medium import Field, Json, Kind, Medium
from malsync.model.snapshot import Snapshot
from malsync.model.timestamps import timestamp

_PAGE = "https://myanimelist.net/{}/{}"
_NUMBERS = {Kind.NUMBER, Kind.FLAG}
_INDEXED = ("status", "score", "updated_at")
_SEARCHED = ("title", "tags", "comments")
_LARGEST = 2**63
_SNAPSHOT = """
    CREATE TABLE snapshot (
        number INTEGER, user TEXT NOT NULL, user_id INTEGER, origin TEXT NOT NULL, taken_at TEXT NOT NULL,
        source TEXT NOT NULL, digest TEXT NOT NULL, covers TEXT NOT NULL, anime INTEGER, manga INTEGER,
        suspicious TEXT NOT NULL, note TEXT NOT NULL, written_by TEXT NOT NULL
    )
"""


def encode(snapshot: Snapshot, media: Sequence[Medium], facts: Mapping[str, Facts], number: int | None = None) -> bytes:
    """The file, with the lists of `media`. `facts` has each title's type and length by medium, where anybody knows them;
    `number` is the snapshot's in the mirror that it comes from."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute(_SNAPSHOT)
        row = _about(snapshot, number)
        connection.execute(f"INSERT INTO snapshot VALUES ({', '.join('?' * len(row))})", row)
        for medium in media:
            _fill(connection, snapshot, medium, facts.get(medium.name, {}))
        for statement in _views(snapshot, media):
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
        connection.execute("VACUUM")
        return connection.serialize()


def _about(snapshot: Snapshot, number: int | None) -> tuple[object, ...]:
    return (
        number,
        snapshot.user.name,
        snapshot.user.id,
        snapshot.user.origin,
        timestamp(snapshot.taken_at),
        snapshot.source,
        snapshot.digest,
        orjson.dumps(snapshot.covers).decode(),
        snapshot.counts["anime"],
        snapshot.counts["manga"],
        orjson.dumps(snapshot.suspicious).decode(),
        snapshot.note,
        f"malsync {__version__}",
    )


def _fields(snapshot: Snapshot, medium: Medium) -> list[Field]:
    covered = snapshot.covers[medium.name] or ()
    return [field for field in medium.fields if field.name in covered]


def _fill(connection: sqlite3.Connection, snapshot: Snapshot, medium: Medium, facts: Facts) -> None:
    name, fields, told = medium.name, _fields(snapshot, medium), [*LAYOUTS[medium.name].facts.values()]
    columns = {"id": "INTEGER PRIMARY KEY", "title": "TEXT NOT NULL"}
    columns |= {field.name: "INTEGER" if field.kind in _NUMBERS else "TEXT" for field in fields}
    columns |= {column: "TEXT" if column == "media_type" else "INTEGER" for column in told}
    columns |= {"page": "TEXT NOT NULL", "extra": "TEXT"}
    connection.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})")
    entries = [entry for _, entry in sorted(snapshot.plain.entries(medium).items())]
    rows = ([*_row(entry, fields), *_known(facts.get(entry.id, {}), told)] for entry in entries)
    connection.executemany(
        f"INSERT INTO {name} ({', '.join(column for column in columns if column not in ('page', 'extra'))}, page, extra)"
        f" VALUES ({', '.join('?' * len(columns))})",
        ([*row, _PAGE.format(name, entry.id), _extra(entry, fields)] for row, entry in zip(rows, entries, strict=True)),
    )
    for column in _INDEXED:
        if column in columns:
            connection.execute(f"CREATE INDEX {name}_by_{column} ON {name} ({column})")
    if "tags" in columns:
        _fill_tags(connection, medium, entries)
    _search(connection, name, [column for column in _SEARCHED if column in columns])


def _fill_tags(connection: sqlite3.Connection, medium: Medium, entries: Iterable[Entry]) -> None:
    name = medium.name
    connection.execute(
        f"CREATE TABLE {name}_tag ({name} INTEGER NOT NULL REFERENCES {name} (id), tag TEXT NOT NULL,"
        f" PRIMARY KEY ({name}, tag)) WITHOUT ROWID"
    )
    tags = ((entry.id, tag) for entry in entries for tag in _tags_of(entry))
    connection.executemany(f"INSERT OR IGNORE INTO {name}_tag VALUES (?, ?)", tags)
    connection.execute(f"CREATE INDEX {name}_tag_by_tag ON {name}_tag (tag)")


def _tags_of(entry: Entry) -> Iterator[str]:
    tags = entry.list_status.get("tags")
    if isinstance(tags, list):
        yield from (tag for tag in tags if isinstance(tag, str))


def _search(connection: sqlite3.Connection, name: str, columns: Sequence[str]) -> None:
    # Datasette finds the index of a table by its content="...", with these very quotes.
    connection.execute(
        f"CREATE VIRTUAL TABLE {name}_search USING fts5 ({', '.join(columns)},"
        f" content=\"{name}\", content_rowid='id', tokenize='unicode61 remove_diacritics 2')"
    )
    connection.execute(f"INSERT INTO {name}_search ({name}_search) VALUES ('rebuild')")


def _views(snapshot: Snapshot, media: Sequence[Medium]) -> Iterator[str]:
    """Both lists in one, and how many entries there are of each status and score, as far as every list knows them."""
    known = [{field.name for field in _fields(snapshot, medium)} for medium in media]
    shared = [name for name in media[0].names if all(name in names for names in known)]
    columns = ", ".join(["id", "title", *shared, "page"])
    union = " UNION ALL ".join(f"SELECT '{medium.name}' AS medium, {columns} FROM {medium.name}" for medium in media)
    yield f"CREATE VIEW entry AS {union}"
    for name in ("status", "score"):
        if name in shared:
            mean = ", round(avg(nullif(score, 0)), 2) AS mean_score" if name == "status" and "score" in shared else ""
            yield (
                f"CREATE VIEW by_{name} AS SELECT medium, {name}, count(*) AS entries{mean} FROM entry"
                f" GROUP BY medium, {name} ORDER BY medium, {'entries' if name == 'status' else name} DESC"
            )


def _row(entry: Entry, fields: Iterable[Field]) -> Iterator[object]:
    yield entry.id
    yield entry.title
    for field in fields:
        item = entry.list_status.get(field.name)
        if not _fits(field, item):
            yield None
        else:
            yield orjson.dumps(item).decode() if isinstance(item, list) else item


def _known(told: Mapping[str, Any], columns: Iterable[str]) -> Iterator[object]:
    # MAL's 0 is a length that nobody knows.
    return (told.get(column) or None for column in columns)


def _fits(field: Field, item: Json) -> bool:
    if field.kind is Kind.NUMBER:
        return isinstance(item, int) and not isinstance(item, bool) and -_LARGEST <= item < _LARGEST
    if field.kind is Kind.FLAG:
        return isinstance(item, bool)
    if field.kind is Kind.TAGS:
        return isinstance(item, list) and all(isinstance(tag, str) for tag in item)
    return isinstance(item, str)


def _extra(entry: Entry, fields: Iterable[Field]) -> str | None:
    fit = {field.name for field in fields if _fits(field, entry.list_status.get(field.name))}
    left = {name: item for name, item in entry.list_status.items() if name not in fit}
    return orjson.dumps(left, option=orjson.OPT_SORT_KEYS).decode() if left else None
