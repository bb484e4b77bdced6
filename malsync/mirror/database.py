"""Opening the mirror's file, and saying in words what SQLite says in codes."""

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from malsync import files
from malsync.errors import Busy, Damaged, MirrorError, UsageError

FILE_NAME = "mirror.db"
APPLICATION_ID = 0x6D616C73  # "mals"; how `file` and we tell a mirror from any other SQLite file
VERSION = 4
"""How many migrations this program knows, kept in `user_version`."""
SCHEMA = "90fd6a7d14d8436cf00741d9a234637a5836240eb8695943b9ea7c45cf465d5d"
"""The digest of the schema of that version (see `digest_of`): a file that has it needs no closer look. It only saves time."""

BUSY_SECONDS = 5.0

_IN_THE_WAY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# All our SQL is constant, so where it is an error the tables are not those that the file's version promises.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
# Somebody was killed while writing: what they had begun must be taken back, which only a writer may do.
_TO_BE_RECOVERED = {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY}
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file at `path` into MirrorError or Busy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _in_words(path, error) from error
    except UnicodeDecodeError as error:
        # A damaged schema's own words, inside SQLite's message.
        raise damaged(path, "its text is not UTF-8") from error
    except MemoryError as error:
        # What SQLite says of a schema whose lengths are not those of its text, too.
        raise damaged(path, "reading it takes more memory than there is") from error


def _in_words(path: Path, error: sqlite3.DatabaseError) -> MirrorError | Busy:
    # The low byte is the kind, the rest says which sort of it (https://www.sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", 0)
    # With a mirror that nobody has open, SQLite calls the folder's lack of rights a "locking protocol".
    is_closed = code == sqlite3.SQLITE_PROTOCOL and not os.access(path.parent, os.W_OK)
    if code == sqlite3.SQLITE_READONLY_DIRECTORY or is_closed:
        return MirrorError(
            f"The mirror {path} cannot be used: its folder cannot be written to, and SQLite keeps files of its own there.",
            "Give yourself the right to write to the folder, or put what `malsync mirror copy` makes there instead; to look at "
            "this one as it is, copy it to a folder of your own and name that with --home.",
        )
    code &= 0xFF
    if code in _IN_THE_WAY:
        return Busy(f"Another program holds the mirror {path}.", "Close it, or wait, and run the same command again.")
    if code in _DAMAGED:
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_READONLY:
        return MirrorError(
            f"The mirror {path} cannot be written: it is read-only. Nothing was stored.",
            "Give yourself the right to write to the file and its folder, or choose another folder with --home.",
        )
    if code in _NO_ROOM:
        return MirrorError(
            f"The mirror {path} could not be read or written ({error}). What was stored before is whole.",
            "Make room on that disk (see `df`) and run the same command again.",
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return MirrorError(
            f"The mirror {path} cannot be opened ({error}).", "Check the rights of the file and its folder."
        )
    return MirrorError(f"The mirror {path}: {error}.", "`malsync verify` says what is whole.")


def damaged(path: Path, detail: str) -> Damaged:
    """The error for a file that is no whole database any more."""
    return Damaged(
        f"The mirror {path} is damaged: {detail}.",
        "Make a new one from exported snapshots: malsync mirror rebuild FILES "
        "(the newest list of each user is in the folder `latest` beside it). The damaged file is kept.",
    )


class File:
    """The mirror's file through one connection. Every method raises MirrorError or Busy where the file fails it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """What a query gives. `values` are bound in their order, or by name if they are one dict."""
        with translated(self.path):
            return query(self._connection, sql, _bound(values))

    def named(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What a SELECT gives, each row by its columns' names."""
        with translated(self.path):
            columns = self._connection.execute(f"SELECT * FROM ({sql}) LIMIT 0", values).description
            return [
                dict(zip((column[0] for column in columns), row, strict=True))
                for row in query(self._connection, sql, values)
            ]

    def change(self, sql: str, *values: Any) -> int:
        """Run a statement, and say how many rows it changed. Outside of `transaction` it is on disk when this returns."""
        with translated(self.path):
            return self._connection.execute(sql, _bound(values)).rowcount

    def insert(self, sql: str, *values: Any) -> int:
        """Insert a row, and say which number it got."""
        with translated(self.path):
            return self._connection.execute(sql, _bound(values)).lastrowid or 0

    def change_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each of `rows`."""
        with translated(self.path):
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is changed within is stored, or nothing of it."""
        with translated(self.path), transaction(self._connection):
            yield

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """All that is read within is the file as it stood at one moment, whatever others change meanwhile."""
        if self._connection.in_transaction:
            yield
            return
        with translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                with suppress(sqlite3.Error):  # nothing was changed, and what failed has been said
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def understood(self, what: str) -> Iterator[None]:
        """Turn the failure to understand rows that we did not write into Damaged."""
        try:
            yield
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"{what} cannot be read ({error})") from error


def _bound(values: tuple[Any, ...]) -> Mapping[str, object] | Sequence[object]:
    return values[0] if values and isinstance(values[0], dict) else values


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction, for writing from its start: committed at the end, taken back when anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already; then there is nothing to take back.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
        raise


def connect(path: Path, *, write: bool, wait: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection to the mirror at `path`, migrated to this program's version; with `write`, made when missing.

    It waits up to `wait` seconds for another program that holds the file.

    Raises MirrorError for a file that is damaged, not ours or newer than this program, Busy for one that is locked.
    """
    refuse_irregular(path)
    with translated(path):
        is_new = not path.exists()
        if is_new:
            # Comments are private, so the file is nobody else's from its first byte on.
            _create(path)
        version = _checked_version(path, wait)
        if version < VERSION:
            _migrate(path, wait)
        connection = _open(path, "rw" if write else "ro", wait)
        if write:
            _make_durable(connection)
        return connection


def refuse_irregular(path: Path) -> None:
    """Raise MirrorError for a pipe or a device in the place of the mirror: opening it may never end."""
    try:
        files.refuse_irregular(path)
    except UsageError as error:
        raise MirrorError(error.message, error.hint) from error


def _create(path: Path) -> None:
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise MirrorError(
            f"The mirror {path} cannot be made: {error.strerror or error}.", "Check the rights of its folder."
        ) from error


def in_memory() -> sqlite3.Connection:
    """An empty mirror that is on no disk, for reading a home folder that has none yet."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _apply(connection)
    return connection


def look(path: Path, *, wait: float = BUSY_SECONDS, copied: bool = False) -> tuple[sqlite3.Connection, int]:
    """A connection to the mirror at `path` that changes nothing of it, and the version of the file.

    Not even its version: a mirror of an older one is copied into memory and migrated there. `copied`: a mirror of this
    version too, so that what is written through the connection is written nowhere.

    Raises MirrorError and Busy like `connect`.
    """
    refuse_irregular(path)
    with translated(path):
        version = _checked_version(path, wait)
        connection = _open(path, "ro", wait)
        if version < VERSION or copied:
            with closing(connection):
                memory = sqlite3.connect(":memory:", isolation_level=None)
                connection.backup(memory)
            _apply(memory)
            connection = memory
        return connection, version


def _open(path: Path, mode: str, wait: float = BUSY_SECONDS) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=wait
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def is_number(number: int) -> bool:
    """Whether SQLite can store `number`, and so whether it can be a row's."""
    return -(2**63) <= number < 2**63


def query(connection: sqlite3.Connection, sql: str, values: Mapping[str, object] | Sequence[object]) -> list[Any]:
    """What a query gives. Text that is not UTF-8 comes out wrong, and its snapshot's digest says so: it hides no other row."""
    try:
        return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if "UTF-8" not in str(error):
            raise
    # Only where it is needed: a function of ours for every text costs as much as the rest of the query.
    connection.text_factory = _lenient
    return connection.execute(sql, values).fetchall()


def _lenient(stored: bytes) -> str:
    return stored.decode(errors="replace")


def _checked_version(path: Path, wait: float) -> int:
    if path.is_dir():
        raise MirrorError(
            f"The mirror {path} is a folder.", "Choose another home folder with --home, or move that folder away."
        )
    try:
        application, version, objects = _marks(path, "ro", wait)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _TO_BE_RECOVERED:
            raise
        application, version, objects = _marks(path, "rw", wait)
    if application != APPLICATION_ID and (objects or application or version):
        raise MirrorError(
            f"{path} is a database of another program; malsync leaves it alone.",
            "Choose another home folder with --home or MALSYNC_HOME, or move that file away.",
        )
    if version > VERSION:
        raise MirrorError(
            f"The mirror {path} was made by a newer malsync (its version is {version}, this program knows {VERSION}).",
            "Install the newest malsync in the way this one was installed (a clone: git pull, then install it again).",
        )
    if objects and digest_of(objects) != SCHEMA:
        _check_schema(path, int(version), wait)
    return int(version)


Object = tuple[str, str, str, str | None]
"""A row of SQLite's own table of a file's tables, indexes, views and triggers: type, name, table, and its statement."""
# Made by SQLite itself: for ANALYZE, for AUTOINCREMENT, and for the keys of tables.
_MADE_BY_SQLITE = re.compile(r"table sqlite_(stat[1-4]|sequence)|index sqlite_autoindex_.*", re.DOTALL)


def objects_of(connection: sqlite3.Connection) -> list[Object]:
    """All that is in a file, but for what SQLite makes by itself, in the order of the names."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return [row for row in rows if not _MADE_BY_SQLITE.fullmatch(f"{row[0]} {row[1]}")]


def digest_of(objects: Iterable[Object]) -> str:
    """SHA-256 over a schema."""
    return hashlib.sha256(repr(list(objects)).encode(errors="replace")).hexdigest()


def _marks(path: Path, mode: str, wait: float) -> tuple[int, int, list[Object]]:
    """What tells whose the file is: its application's id, its version, and what is in it. All of one moment, for another
    malsync may be bringing it up to date."""
    connection = _open(path, mode, wait)
    connection.text_factory = _lenient
    try:
        connection.execute("BEGIN")
        sources = ("pragma_application_id", "pragma_user_version")
        application, version = (connection.execute(f"SELECT * FROM {source}").fetchone()[0] for source in sources)
        return application, version, objects_of(connection)
    finally:
        connection.close()


def _check_schema(path: Path, version: int, wait: float) -> None:
    """Raise MirrorError where the file contains what malsync did not create: a trigger can change what is stored, and a view
    can take the place of a table."""
    from malsync.mirror import migrations

    with closing(_open(path, "ro", wait)) as connection:
        connection.text_factory = _lenient
        found = migrations.foreign(connection, version)
    if found is not None:
        raise MirrorError(
            f"{path} is not a malsync mirror: it contains {found}, which malsync did not create. Nothing was read from it.",
            "If you added it, remove it (DROP) with the program that you added it with. Otherwise move the file away, and make "
            "a new one from a copy or from exported snapshots: malsync mirror rebuild FILES",
        )


def _migrate(path: Path, wait: float) -> None:
    connection = _open(path, "rw", wait)
    try:
        _make_durable(connection)
        _apply(connection)
    finally:
        connection.close()


def _apply(connection: sqlite3.Connection) -> None:
    from malsync.mirror import migrations

    # Reading commands take no lock of ours, so two may migrate at once: the second waits here, and finds nothing to do.
    with transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            is_empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            (migrations.make if is_empty else migrations.upgrade)(connection)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _make_durable(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
        connection.execute("PRAGMA synchronous = FULL")
        return
    # Network disks have no shared memory for a write-ahead log; a rollback journal is slower there, and right. With FULL
    # alone a power cut could bring back the journal that a commit took away, and with it what was there before.
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
