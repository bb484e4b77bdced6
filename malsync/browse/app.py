"""Datasette as we run it: one database, read-only whatever happens, our templates and queries, errors in words."""

import asyncio
import sqlite3
from asyncio import Future
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from datasette.app import Datasette
from datasette.database import Database, QueryInterrupted
from datasette.plugins import pm

from malsync.browse import plugin
from malsync.browse.alarms import Alarms
from malsync.mirror import queries
from malsync.model.snapshot import User
from malsync.planning.in_force import ChangeStatus
from malsync.text import DEFAULT_ACCOUNT

NAME = "mirror"
"""The database's name in every address."""

_HERE = Path(__file__).parent
_PICTURE_HOSTS = ("https://cdn.myanimelist.net", "https://api-cdn.myanimelist.net")
SETTINGS = {
    "sql_time_limit_ms": 2_000,
    "default_page_size": 50,
    # Whole lists as CSV and JSON, and what changed where every entry went and as many came: MAL's longest have 20,000.
    "max_returned_rows": 50_000,
    "num_sql_threads": 4,
    # The file alone is no whole copy while its write-ahead log has something: `malsync mirror copy` makes one.
    "allow_download": False,
    # What Datasette suggests takes many queries on every page of a table.
    "suggest_facets": False,
    "truncate_cells_html": 400,
}
# What Datasette and SQLite's own full-text search ask of a file.
_OF_A_TABLE = {"table_info", "table_xinfo", "foreign_key_list", "index_list", "index_info", "index_xinfo"}
_OF_THE_FILE = {
    "database_list", "function_list", "page_count", "max_page_count", "page_size", "schema_version", "data_version",
}  # fmt: skip


class ReadOnly(Database):
    """A file that is only read, through connections that SQLite itself forbids to write, and to open or make any other
    file; never taken for unchanging."""

    @property
    def _uri(self) -> str:
        return f"{Path(self.path).absolute().as_uri()}?mode=ro"

    def connect(self, write: bool = False) -> sqlite3.Connection:
        """A connection for one of Datasette's threads. Raises sqlite3.OperationalError for `write`."""
        if write:
            raise sqlite3.OperationalError("the mirror is only read here")
        connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False, timeout=5.0)
        connection.execute("PRAGMA query_only = ON")
        queries.add_functions(connection)
        connection.set_authorizer(_may)
        connection.create_function("standing", 2, self._standing_in_words)
        self._all_file_connections.append(connection)
        return connection

    @cached_property
    def alarms(self) -> Alarms:
        """Whether to recommend undoing what changed between two snapshots."""
        return Alarms(self._ask)

    async def standing(self, before: int, after: int) -> ChangeStatus:
        """What is left of the changes between two snapshots, found out beside the pages."""
        return await asyncio.get_running_loop().run_in_executor(None, self.alarms.status, before, after)

    def _ask(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        # A connection of its own: this is called inside of a statement, too, and not by Datasette's threads alone.
        with closing(sqlite3.connect(self._uri, uri=True, timeout=5.0)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    def _standing_in_words(self, before: Any, after: Any) -> str | None:
        """The SQL function `standing(before, after)`, for the queries under Data."""
        if not isinstance(before, int) or not isinstance(after, int):
            return None
        return str(self.alarms.status(before, after))

    async def execute(self, sql: str, params: Any = None, **named: Any) -> Any:
        """As Datasette's own, which would print statements that fail, with their values."""
        return await super().execute(sql, params, **{**named, "log_sql_errors": False})

    async def found(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of a query, each by its columns' names."""
        return [dict(row) for row in (await self.execute(sql, values)).rows]

    async def first(self, sql: str, **values: Any) -> dict[str, Any] | None:
        """The first row of a query, None where there is none."""
        rows = await self.found(sql, **values)
        return rows[0] if rows else None


def _may(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Whether SQLite may do this in a statement of anybody's (https://www.sqlite.org/c3ref/c_alter_table.html).

    The file is opened for reading, so what is left is to undo that, and other files: ATTACH, VACUUM INTO (which attaches),
    extensions.
    """
    if action == sqlite3.SQLITE_PRAGMA:
        # Datasette sets the size of the cache; every other pragma with a value could change what is allowed.
        may = first in _OF_A_TABLE or first == "cache_size" or (first in _OF_THE_FILE and second is None)
    elif action == sqlite3.SQLITE_FUNCTION:
        may = second != "load_extension"
    else:
        may = action not in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
    return sqlite3.SQLITE_OK if may else sqlite3.SQLITE_DENY


class Browse(Datasette):
    """Datasette over the mirror at `path`. The arguments are those of `Site`."""

    is_malsyncs = True
    """What the plugin knows it by."""

    def __init__(
        self,
        path: Path,
        *,
        pictures: bool = True,
        user: User | None = None,
        accounts: Mapping[str, User] = MappingProxyType({}),
        prove: Callable[[int], str | None] | None = None,
    ) -> None:
        _plug_in()
        self.pictures = _PICTURE_HOSTS if pictures else ()
        self.begins_with = user
        # The account to name for a MAL user's lists; the one that needs no name, where it is one of several.
        named = sorted(accounts, key=lambda name: name == DEFAULT_ACCOUNT)
        self.accounts = {accounts[name].key: name for name in named}
        self.prove = prove
        self.proven: dict[int, Future[str | None]] = {}
        super().__init__(
            memory=True,
            settings=SETTINGS,
            template_dir=str(_HERE / "templates"),
            static_mounts=[("-/malsync", str(_HERE / "static"))],
            metadata=queries.metadata(NAME),
        )
        self.remove_database("_memory")
        self.mirror = ReadOnly(self, str(path))
        self.add_database(self.mirror, NAME)

    def close(self) -> None:
        """Let go of the file and of the threads."""
        self.executor.shutdown()
        self.mirror.close()


def _plug_in() -> None:
    if not pm.is_registered(plugin):
        # Datasette's own handler prints every exception with all local variables, and the cookie is one of them.
        pm.unregister(name="datasette.handle_exception")
        pm.register(plugin)


__all__ = ["NAME", "Browse", "QueryInterrupted", "ReadOnly"]
