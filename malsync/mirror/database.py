"""Open the mirror's file, run SQL on it, and translate SQLite's errors into malsync's."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from malsync import files
from malsync.errors import Busy, Damaged, MirrorError, UsageError
from malsync.mirror.migrations import VERSION, migrate
from malsync.mirror.schema import SCHEMA, SchemaObject, foreign_object, schema_digest, schema_objects

FILE_NAME = "mirror.db"
APPLICATION_ID = 0x6D616C73  # "mals": tells a mirror from any other SQLite file, also for `file`
BUSY_SECONDS = 5.0
"""How long to wait for another program that has locked the file."""

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# All our SQL is constant. An error in it means that the tables are not those of the file's version.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
# A process was killed while it wrote. Only a connection that may write can roll its transaction back.
_NEEDS_RECOVERY = {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY}
_DISK_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file at `path` into MirrorError or Busy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise _translated(path, error) from error
    except UnicodeDecodeError as error:
        # Python fails to decode SQLite's message if that quotes a damaged schema.
        raise damaged(path, "its text is not UTF-8") from error
    except MemoryError as error:
        # SQLite also reports this for a schema with wrong lengths in it.
        raise damaged(path, "reading it takes more memory than there is") from error


def _translated(path: Path, error: sqlite3.DatabaseError) -> MirrorError | Busy:
    extended_code = getattr(error, "sqlite_errorcode", 0)
    # SQLite reports "locking protocol" if the folder is read-only and no process has the mirror open.
    is_folder_locked = extended_code == sqlite3.SQLITE_PROTOCOL and not os.access(path.parent, os.W_OK)
    if extended_code == sqlite3.SQLITE_READONLY_DIRECTORY or is_folder_locked:
        return MirrorError(
            f"The mirror {path} cannot be used: its folder cannot be written to, and SQLite keeps files of its own there.",
            advice="make the folder writable",
        )
    code = extended_code & 0xFF  # the low byte is the primary code (https://www.sqlite.org/rescode.html)
    if code in _LOCKED:
        return Busy(f"Another program holds the mirror {path}.", advice="wait for the other program")
    if code in _DAMAGED:
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_READONLY:
        return MirrorError(
            f"The mirror {path} cannot be written: it is read-only. Nothing was stored.",
            advice="make the mirror writable",
        )
    if code in _DISK_FULL:
        return MirrorError(
            f"The mirror {path} could not be read or written ({error}). What was stored before is whole.",
            advice="free disk space",
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return MirrorError(
            f"The mirror {path} cannot be opened ({error}).", "Check the rights of the file and its folder."
        )
    return MirrorError(f"The mirror {path}: {error}.", advice="verify")


def damaged(path: Path, detail: str) -> Damaged:
    """The error for a mirror that cannot be read completely any more."""
    return Damaged(f"The mirror {path} is damaged: {detail}.", advice="rebuild the mirror")


class File:
    """The mirror's file through one connection. Every method raises MirrorError or Busy if the file cannot be used."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Return all rows of a query. `values` are bound by position, or by name if they are one dict."""
        with translate_errors(self.path):
            return query(self._connection, sql, _bound(values))

    def dicts(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Return all rows of a SELECT, each as a dict by column name. `values` are bound by name."""
        with translate_errors(self.path):
            columns = self._connection.execute(f"SELECT * FROM ({sql}) LIMIT 0", values).description
            return [
                dict(zip((column[0] for column in columns), row, strict=True))
                for row in query(self._connection, sql, values)
            ]

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement and return how many rows it changed. Outside `transaction` it is on disk on return."""
        with translate_errors(self.path):
            return self._connection.execute(sql, _bound(values)).rowcount

    def insert(self, sql: str, *values: Any) -> int:
        """Insert a row and return its number."""
        with translate_errors(self.path):
            return self._connection.execute(sql, _bound(values)).lastrowid or 0

    def execute_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each of `rows`."""
        with translate_errors(self.path):
            self._connection.executemany(sql, rows)

    def vacuum_into(self, target: Path) -> None:
        """Write a compact copy of the file to `target`, which must be empty. Raises MirrorError naming the file that failed."""
        with translate_errors(target):
            # SQLite decodes a URI, and so can open a path that is not valid UTF-8.
            self._connection.execute("VACUUM INTO ?", (target.absolute().as_uri(),))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that the block changes, or nothing if it raises."""
        with translate_errors(self.path), transaction(self._connection):
            yield

    @contextmanager
    def read_transaction(self) -> Iterator[None]:
        """Read the file as it is at one moment, whatever other processes commit meanwhile."""
        if self._connection.in_transaction:
            yield
            return
        with translate_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                with suppress(sqlite3.Error):  # nothing was changed, and the block's own error is raised
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def decoding(self, what: str) -> Iterator[None]:
        """Raise Damaged if the block fails to decode the stored rows of `what`, such as "snapshot 3"."""
        try:
            yield
        except (TypeError, ValueError) as error:
            raise damaged(self.path, f"{what} cannot be read ({error})") from error


def _bound(values: tuple[Any, ...]) -> Mapping[str, object] | Sequence[object]:
    return values[0] if values and isinstance(values[0], dict) else values


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in a write transaction: committed at the end, rolled back if the block raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already. Then there is nothing to roll back.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
        raise


def query(connection: sqlite3.Connection, sql: str, values: Mapping[str, object] | Sequence[object]) -> list[Any]:
    """Return all rows of a query. Bytes that are not UTF-8 are replaced: the digest of their snapshot then differs, and
    all other rows stay readable."""
    try:
        return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if "UTF-8" not in str(error):
            raise
    # Set only if needed: a Python function called for every text doubles the time of a query.
    connection.text_factory = _decode_leniently
    return connection.execute(sql, values).fetchall()


def _decode_leniently(stored: bytes) -> str:
    return stored.decode(errors="replace")


def is_row_number(number: int) -> bool:
    """Whether `number` fits SQLite's 64-bit integers, and so can be the number of a row."""
    return -(2**63) <= number < 2**63


# -- opening


def connect(path: Path, *, write: bool, wait: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Open the mirror at `path` and migrate it to this program's version. With `write`, a missing file is created.

    Waits up to `wait` seconds for a program that has locked the file. Raises MirrorError if the file is damaged, not a
    mirror or newer than this program; Busy if it stays locked.
    """
    refuse_irregular(path)
    with translate_errors(path):
        if not path.exists():
            # Created first, because comments are private: SQLite would let others read the file.
            _create(path)
        version = _checked_version(path, wait)
        if version < VERSION:
            with closing(_open(path, "rw", wait)) as connection:
                _make_durable(connection)
                _migrate(connection)
        connection = _open(path, "rw" if write else "ro", wait)
        if write:
            _make_durable(connection)
        return connection


def connect_in_memory() -> sqlite3.Connection:
    """An empty mirror in memory, for reading a home folder that has none yet."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _migrate(connection)
    return connection


def connect_unchanged(path: Path, *, copy: bool = False, wait: float = BUSY_SECONDS) -> tuple[sqlite3.Connection, int]:
    """Open the mirror at `path` without changing the file, and return the connection and the file's version.

    A mirror of an older version is copied into memory and migrated there. With `copy` an up-to-date mirror is copied too,
    so that whatever is written through the connection is lost. Raises MirrorError and Busy like `connect`.
    """
    refuse_irregular(path)
    with translate_errors(path):
        version = _checked_version(path, wait)
        connection = _open(path, "ro", wait)
        if version < VERSION or copy:
            with closing(connection):
                memory = sqlite3.connect(":memory:", isolation_level=None)
                connection.backup(memory)
            _migrate(memory)
            connection = memory
        return connection, version


def refuse_irregular(path: Path) -> None:
    """Raise MirrorError if `path` is a pipe or a device: opening one may block forever."""
    try:
        files.refuse_irregular(path)
    except UsageError as error:
        raise MirrorError(error.message, error.hint, advice=error.advice, **error.facts) from error


def _create(path: Path) -> None:
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise MirrorError(
            f"The mirror {path} cannot be made: {error.strerror or error}.", "Check the rights of its folder."
        ) from error


def _open(path: Path, mode: str, wait: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=wait
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@dataclass(frozen=True)
class _Header:
    """What identifies a file: its ids, and every object in it."""

    application_id: int
    version: int
    objects: list[SchemaObject]


def _checked_version(path: Path, wait: float) -> int:
    """The version of a mirror. Raises MirrorError if the file is not a mirror, newer, or contains foreign objects."""
    if path.is_dir():
        raise MirrorError(f"The mirror {path} is a folder.", advice="choose another home or move the folder")
    try:
        header = _read_header(path, "ro", wait)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _NEEDS_RECOVERY:
            raise
        header = _read_header(path, "rw", wait)
    if header.application_id != APPLICATION_ID and (header.objects or header.application_id or header.version):
        raise MirrorError(
            f"{path} is a database of another program; malsync leaves it alone.",
            advice="choose another home or move the file",
        )
    if header.version > VERSION:
        raise MirrorError(
            f"The mirror {path} was made by a newer malsync (its version is {header.version}, this program knows {VERSION}).",
            "Install the newest malsync in the way this one was installed (a clone: git pull, then install it again).",
        )
    if header.objects and schema_digest(header.objects) != SCHEMA:
        _refuse_foreign(path, header.version, wait)
    return header.version


def _read_header(path: Path, mode: str, wait: float) -> _Header:
    with closing(_open(path, mode, wait)) as connection:
        connection.text_factory = _decode_leniently
        connection.execute("BEGIN")  # one moment: another process may be migrating the file
        sources = ("pragma_application_id", "pragma_user_version")
        application_id, version = (connection.execute(f"SELECT * FROM {source}").fetchone()[0] for source in sources)
        return _Header(application_id, version, schema_objects(connection))


def _refuse_foreign(path: Path, version: int, wait: float) -> None:
    with closing(_open(path, "ro", wait)) as connection:
        connection.text_factory = _decode_leniently
        foreign = foreign_object(connection, version)
    if foreign is not None:
        raise MirrorError(
            f"{path} is not a malsync mirror: it contains {foreign}, which malsync did not create. Nothing was read from it.",
            advice="remove the foreign object",
        )


def _migrate(connection: sqlite3.Connection) -> None:
    # Reading commands take no lock of malsync's, so two may migrate at once: the second waits here, with nothing left to do.
    with transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(connection)


def _make_durable(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
        connection.execute("PRAGMA synchronous = FULL")
        return
    # Network disks have no shared memory for a write-ahead log; a rollback journal is slower there, and right. With FULL
    # alone a power cut could bring back the journal that a commit deleted, and with it the state before the commit.
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
