"""Datasette as malsync runs it: one read-only database, our templates and queries, errors in words."""

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
from datasette.database import Database
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
    # MAL's longest lists have 20,000 entries; when all of one are replaced, there are twice as many changes.
    "max_returned_rows": 50_000,
    "num_sql_threads": 4,
    # The file without its write-ahead log is an incomplete copy; `malsync mirror copy` makes a complete one.
    "allow_download": False,
    # Suggestions take many queries on every table page.
    "suggest_facets": False,
    "truncate_cells_html": 400,
}
# The pragmas that Datasette and SQLite's full-text search use.
_TABLE_PRAGMAS = {"table_info", "table_xinfo", "foreign_key_list", "index_list", "index_info", "index_xinfo"}
_FILE_PRAGMAS = {
    "database_list", "function_list", "page_count", "max_page_count", "page_size", "schema_version", "data_version",
}  # fmt: skip


class ReadOnly(Database):
    """A file that is only read: SQLite itself keeps its connections from writing, and from opening any other file. The file
    may change meanwhile."""

    @property
    def _uri(self) -> str:
        return f"{Path(self.path).absolute().as_uri()}?mode=ro"

    def connect(self, write: bool = False) -> sqlite3.Connection:
        """Return a connection for one of Datasette's threads. Raises sqlite3.OperationalError for `write`."""
        if write:
            raise sqlite3.OperationalError("the mirror is read-only here")
        connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False, timeout=5.0)
        connection.execute("PRAGMA query_only = ON")
        queries.add_functions(connection)
        connection.set_authorizer(_authorize)
        connection.create_function("standing", 2, self._status_words)
        self._all_file_connections.append(connection)
        return connection

    @cached_property
    def alarms(self) -> Alarms:
        """Whether to recommend undoing what changed between two snapshots."""
        return Alarms(self._ask)

    async def change_status(self, before: int, after: int) -> ChangeStatus:
        """Return what is left of the changes between two snapshots, computed in another thread."""
        return await asyncio.get_running_loop().run_in_executor(None, self.alarms.status, before, after)

    def _ask(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        # A connection of its own: SQL calls this in the middle of a statement, on other threads, too.
        with closing(sqlite3.connect(self._uri, uri=True, timeout=5.0)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    def _status_words(self, before: Any, after: Any) -> str | None:
        """The SQL function `standing(before, after)`, for the queries under Data."""
        if not isinstance(before, int) or not isinstance(after, int):
            return None
        return str(self.alarms.status(before, after))

    async def execute(self, sql: str, params: Any = None, **named: Any) -> Any:
        """Run a query as Datasette does, but without printing failed statements and their values."""
        return await super().execute(sql, params, **{**named, "log_sql_errors": False})

    async def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query as dicts."""
        return [dict(row) for row in (await self.execute(sql, values)).rows]

    async def first(self, sql: str, **values: Any) -> dict[str, Any] | None:
        """Return the first row of a query; None where there is none."""
        rows = await self.query(sql, **values)
        return rows[0] if rows else None


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Return whether a user's SQL may do this (https://www.sqlite.org/c3ref/c_alter_table.html).

    The file is open for reading only. What remains to be denied is undoing that, and access to other files: ATTACH,
    VACUUM INTO (which attaches) and extensions.
    """
    if action == sqlite3.SQLITE_PRAGMA:
        # Datasette sets the cache size; any other pragma with a value could change what is allowed.
        allowed = first in _TABLE_PRAGMAS or first == "cache_size" or (first in _FILE_PRAGMAS and second is None)
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = second != "load_extension"
    else:
        allowed = action not in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


class Browse(Datasette):
    """Datasette over the mirror at `path`. The arguments are those of `Site`."""

    is_malsyncs = True
    """Tells the plugin that this is our instance."""

    def __init__(
        self,
        path: Path,
        *,
        pictures: bool = True,
        user: User | None = None,
        accounts: Mapping[str, User] = MappingProxyType({}),
        verify: Callable[[int], str | None] | None = None,
    ) -> None:
        _plug_in()
        self.pictures = _PICTURE_HOSTS if pictures else ()
        self.first_user = user
        # The account to name in commands for a MAL user; of several, preferably the default one, which needs no name.
        default_last = sorted(accounts, key=lambda name: name == DEFAULT_ACCOUNT)
        self.accounts = {accounts[name].key: name for name in default_last}
        self.verify = verify
        self.verified: dict[int, Future[str | None]] = {}
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
        """Close the file and end the threads."""
        self.executor.shutdown()
        self.mirror.close()


def _plug_in() -> None:
    if not pm.is_registered(plugin):
        # Datasette's own handler prints every exception with all local variables, including the cookie.
        pm.unregister(name="datasette.handle_exception")
        pm.register(plugin)
