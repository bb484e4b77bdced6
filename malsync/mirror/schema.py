"""Compare what a mirror's file contains with what malsync creates: a foreign trigger could change what is stored."""

import hashlib
import re
from collections.abc import Iterable
from contextlib import closing
from sqlite3 import Connection, connect
from typing import Any

from malsync.mirror.migrations import migrate

SCHEMA = "90fd6a7d14d8436cf00741d9a234637a5836240eb8695943b9ea7c45cf465d5d"
"""The digest of an up-to-date schema (see `schema_digest`). A file that has it needs no comparison, which only saves time."""

SchemaObject = tuple[str, str, str, str | None]
"""A row of `sqlite_master`, one for each table, index, view and trigger: type, name, table, SQL statement."""
# Created by SQLite itself: for ANALYZE, for AUTOINCREMENT, and for primary keys.
_CREATED_BY_SQLITE = re.compile(r"table sqlite_(stat[1-4]|sequence)|index sqlite_autoindex_.*", re.DOTALL)


def schema_objects(connection: Connection) -> list[SchemaObject]:
    """Everything in a file except what SQLite creates by itself, sorted by type and name."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return [row for row in rows if not _CREATED_BY_SQLITE.fullmatch(f"{row[0]} {row[1]}")]


def schema_digest(objects: Iterable[SchemaObject]) -> str:
    """SHA-256 of a schema, in hexadecimal."""
    return hashlib.sha256(repr(list(objects)).encode(errors="replace")).hexdigest()


def foreign_object(connection: Connection, version: int) -> str | None:
    """The first object of a mirror that malsync did not create, such as "the trigger calm"; None if there is none.

    Compares the file with the schema of that `version`, created in memory. If only the SQL of a table differs, as it does
    between versions of SQLite, its columns decide.
    """
    with closing(connect(":memory:", isolation_level=None)) as expected:
        migrate(expected, version)
        own = {(kind, name): (table, _normalized(sql)) for kind, name, table, sql in schema_objects(expected)}
        for kind, name, table, sql in schema_objects(connection):
            if (kind, name) not in own:
                return f"the {kind} {name}"
            if own[kind, name] == (table, _normalized(sql)):
                continue
            if kind != "table" or _is_virtual(sql) or _is_virtual(own[kind, name][1]):
                return f"another {kind} {name} than its own"
            if columns := _columns(connection, name) - _columns(expected, name):
                return f"the column {min(columns)[0]} of the table {name}"
    return None


def _normalized(sql: str | None) -> str:
    """A statement without the quotes and blanks that versions of SQLite write differently."""
    return re.sub(r'[\s"]+', " ", sql or "").replace("( ", "(").replace(" )", ")").strip()


def _is_virtual(sql: str | None) -> bool:
    return _normalized(sql).upper().startswith("CREATE VIRTUAL")


def _columns(connection: Connection, table: str) -> set[tuple[Any, ...]]:
    """A table's columns as texts: name, type, constraints, and whether it is generated."""
    rows = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', [table]
    )
    return {tuple(map(str, row)) for row in rows}
