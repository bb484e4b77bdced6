"""A list as an SQLite database of its own, for Datasette and other programs that read SQLite. It cannot be imported again.

`snapshot` has one row that describes the export. `anime` and `manga` have one row per entry and a column for each field that
the list covers, under MAL's name. A field that was never set is NULL; a member that has no column, or does not fit its
column, is in `extra` as JSON. There is also a row per tag, a full-text index, and views over both lists.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import orjson
from sqlite_utils import Database

from malsync import __version__
from malsync.formats.mal_xml.layout import LAYOUTS, Facts
from malsync.model.entry import Entry
from malsync.model.medium import Field, Json, Kind, Medium
from malsync.model.snapshot import Snapshot
from malsync.model.timestamps import timestamp

_PAGE = "https://myanimelist.net/{}/{}"
_INDEXED = ("status", "score", "updated_at")
_SEARCHED = ("title", "tags", "comments")
_LARGEST = 2**63


def encode(snapshot: Snapshot, media: Sequence[Medium], facts: Mapping[str, Facts], number: int | None = None) -> bytes:
    """The database file with the lists of `media`.

    `facts` holds the type and length of each title by medium and id, where they are known; `number` is the snapshot's
    number in the mirror that it comes from.
    """
    database = Database(memory=True, execute_plugins=False)
    with closing(database.conn):
        _add_description(database, snapshot, number)
        for medium in media:
            _add_list(database, snapshot, medium, facts.get(medium.name, {}))
        _add_views(database, media)
        database.analyze()
        database.vacuum()
        return database.conn.serialize()


def _add_description(database: Database, snapshot: Snapshot, number: int | None) -> None:
    """Add the table `snapshot` and its row."""
    about = {
        "taken_at": timestamp(snapshot.taken_at),
        "source": snapshot.source,
        "digest": snapshot.digest,
        "covers": _json(snapshot.covers),
        **snapshot.counts,
        "suspicious": _json(snapshot.suspicious),
        "note": snapshot.note,
        "written_by": f"malsync {__version__}",
    }
    user = snapshot.user
    row = {"number": number, "user": user.name, "user_id": user.id, "origin": user.origin, **about}
    numbers = {"number", "user_id", *snapshot.counts}
    columns = {name: int if name in numbers else str for name in row}
    database.create_table("snapshot", columns, not_null=columns.keys() - numbers).insert(row)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _add_list(database: Database, snapshot: Snapshot, medium: Medium, facts: Facts) -> None:
    """Add the table of one list, with its indexes, its tags and its full-text index."""
    name, covered = medium.name, snapshot.covers[medium.name] or ()
    fields = [field for field in medium.fields if field.name in covered]
    columns: dict[str, type] = {"id": int, "title": str}
    columns |= {field.name: int if field.kind in (Kind.NUMBER, Kind.FLAG) else str for field in fields}
    columns |= {column: str if column == "media_type" else int for column in LAYOUTS[name].facts.values()}
    columns |= {"page": str, "extra": str}
    table = database.create_table(name, columns, pk="id", not_null=("title", "page"))
    entries = [entry for _, entry in sorted(snapshot.plain.entries(medium).items())]
    table.insert_all(_row(medium, entry, fields, facts.get(entry.id, {})) for entry in entries)
    for column in _INDEXED:
        if column in columns:
            table.create_index([column], f"{name}_by_{column}")
    if "tags" in columns:
        key = {name: int, "tag": str}
        tags = database.create_table(f"{name}_tag", key, pk=tuple(key), not_null=key, foreign_keys=[(name, name, "id")])
        tags.insert_all(({name: entry.id, "tag": tag} for entry in entries for tag in _tags(entry)), ignore=True)
        tags.create_index(["tag"], f"{name}_tag_by_tag")
    table.enable_fts([column for column in _SEARCHED if column in columns], tokenize="unicode61 remove_diacritics 2")
    database.rename_table(f"{name}_fts", f"{name}_search")


def _tags(entry: Entry) -> list[str]:
    tags = entry.list_status.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def _row(medium: Medium, entry: Entry, fields: Sequence[Field], facts: Mapping[str, Any]) -> dict[str, Any]:
    status = entry.list_status
    cells = {field.name: status[field.name] for field in fields if _fits(field, status.get(field.name))}
    extra = {member: item for member, item in status.items() if member not in cells}
    return {
        "id": entry.id,
        "title": entry.title,
        **{name: _json(item) if isinstance(item, list) else item for name, item in cells.items()},
        # MAL writes an unknown length as 0.
        **{column: facts.get(column) or None for column in LAYOUTS[medium.name].facts.values()},
        "page": _PAGE.format(medium.name, entry.id),
        "extra": _json(extra) if extra else None,
    }


def _fits(field: Field, item: Json) -> bool:
    """Whether the column of `field` can hold `item` without loss."""
    if field.kind is Kind.NUMBER:
        return isinstance(item, int) and not isinstance(item, bool) and -_LARGEST <= item < _LARGEST
    if field.kind is Kind.FLAG:
        return isinstance(item, bool)
    if field.kind is Kind.TAGS:
        return isinstance(item, list) and all(isinstance(tag, str) for tag in item)
    return isinstance(item, str)


def _add_views(database: Database, media: Sequence[Medium]) -> None:
    """Add a view of both lists in one, and the number of entries per status and per score where all of `media` have these."""
    tables = [database.table(medium.name) for medium in media]
    shared = [name for name in media[0].names if all(name in table.columns_dict for table in tables)]
    columns = ", ".join(["id", "title", *shared, "page"])
    lists = (f"SELECT '{table.name}' AS medium, {columns} FROM {table.name}" for table in tables)
    database.create_view("entry", " UNION ALL ".join(lists))
    count = "count(*) AS entries"
    mean = ", round(avg(nullif(score, 0)), 2) AS mean_score" if "score" in shared else ""
    for name, figures, order in (("status", count + mean, "entries"), ("score", count, "score")):
        if name in shared:
            groups = f"GROUP BY medium, {name} ORDER BY medium, {order} DESC"
            database.create_view(f"by_{name}", f"SELECT medium, {name}, {figures} FROM entry {groups}")
