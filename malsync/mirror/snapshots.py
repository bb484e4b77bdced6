"""Snapshots in the mirror: stored whole in one transaction, rebuilt exactly, each proven before it is committed."""

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import orjson

from malsync.errors import Damaged, UsageError
from malsync.mirror import pruning, users
from malsync.mirror.database import (
    BUSY_SECONDS,
    File,
    connect,
    connect_in_memory,
    connect_unchanged,
    damaged,
    is_row_number,
    refuse_irregular,
)
from malsync.mirror.journal import Journal
from malsync.mirror.migrations import VERSION
from malsync.mirror.snapshot_rows import CODECS, SnapshotInfo, Version, history, infos, rows_at, titles
from malsync.mirror.verify import VerifyReport, digest_differs, prove, verify
from malsync.model.diff import OPS
from malsync.model.entry import TitleList
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import Snapshot, Source, User
from malsync.model.timestamps import timestamp

if TYPE_CHECKING:
    from malsync.mirror.catalogue import Catalogue

_SERIES_KINDS: dict[Source, str] = {"public": "public", "import": "import"}  # any other source: "own"


class Mirror:
    """An open mirror; close it by `with`. Every method raises MirrorError or Busy if the file cannot be used."""

    def __init__(self, path: Path, connection: sqlite3.Connection, file_version: int = VERSION) -> None:
        self.path = path
        self.file_version = file_version
        """The version of the file at `path`; 0 if there is none. The tables that are read are always up to date."""
        self._connection = connection
        self._file = File(path, connection)

    @classmethod
    def open(cls, path: Path, *, write: bool = False, wait: float = BUSY_SECONDS) -> Self:
        """Open the mirror at `path` and migrate an older one. A missing file is created with `write`, or else read as empty.

        Waits up to `wait` seconds for a program that has locked the file.
        """
        if not write and _is_missing(path):
            return cls(path, connect_in_memory(), 0)
        return cls(path, connect(path, write=write, wait=wait))

    @classmethod
    def open_unchanged(cls, path: Path, *, wait: float = BUSY_SECONDS) -> Self:
        """Open the mirror at `path` for reading without changing its file: an older one is migrated in memory."""
        if _is_missing(path):
            return cls(path, connect_in_memory(), 0)
        return cls(path, *connect_unchanged(path, wait=wait))

    @classmethod
    def open_copy(cls, path: Path) -> Self:
        """Open a copy in memory of the mirror at `path`: what is added to it is lost when it is closed."""
        if _is_missing(path):
            return cls(path, connect_in_memory(), 0)
        return cls(path, *connect_unchanged(path, copy=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def journal(self) -> Journal:
        """The journal of all runs, in the same file."""
        return Journal(self._file)

    @property
    def catalogue(self) -> "Catalogue":
        """MAL's catalogue of titles and its forum, in the same file."""
        from malsync.mirror.catalogue import Catalogue  # a backup does not need its tables

        return Catalogue(self._file)

    # -- headers

    def users(self) -> list[User]:
        """Every MAL user with a snapshot, in the order of their first one."""
        # A user without snapshots may have suggestions, if `fetch` came before the first backup.
        rows = self._file.rows(
            "SELECT origin, mal_id, name FROM mal_user WHERE id IN (SELECT user FROM series) ORDER BY id"
        )
        with self._file.decoding("a MAL user"):
            return [users.user_of(*row) for row in rows]

    def infos(self, user: User | None = None) -> list[SnapshotInfo]:
        """All snapshots, or those of one user, oldest first."""
        all_infos = infos(self._file, "ORDER BY taken_at, snapshot.id")
        return all_infos if user is None else [info for info in all_infos if info.user.key == user.key]

    def info(self, number: int) -> SnapshotInfo:
        """The snapshot of that number. Raises KeyError if there is none."""
        if not is_row_number(number):
            raise KeyError(number)
        if matching := infos(self._file, "WHERE snapshot.id = ?", number):
            return matching[0]
        if number in self.numbers():
            # A damaged index: a scan of the table finds the row, a lookup does not.
            raise damaged(self.path, f"snapshot {number} is not where it should be")
        raise KeyError(number)

    def numbers(self) -> list[int]:
        """The number of every snapshot, including those whose headers cannot be read."""
        return [number for (number,) in self._file.rows("SELECT id FROM snapshot ORDER BY id")]

    def find(self, snapshot: Snapshot) -> SnapshotInfo | None:
        """The stored snapshot with the same user, time, digest and coverage; None if there is none."""
        same = "WHERE taken_at = ? AND digest = ? ORDER BY snapshot.id"
        for info in infos(self._file, same, timestamp(snapshot.taken_at), snapshot.digest):
            if (info.user.key, info.covers) == (snapshot.user.key, snapshot.covers):
                return info
        return None

    def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Return all rows of a SELECT, each as a dict by column name. `values` are bound by name."""
        return self._file.dicts(sql, **values)

    # -- reading

    def load(self, number: int) -> Snapshot:
        """Rebuild the snapshot of that number and compare its digest. Raises KeyError if there is none, Damaged if it differs."""
        with self._file.read_transaction():
            info = self.info(number)
            lists: dict[str, TitleList | None] = {}
            for name, rows in rows_at(self._file, info).items():
                known = {} if rows is None else self.titles(MEDIA[name])
                with self._file.decoding(f"snapshot {number}"):
                    lists[name] = (
                        None
                        if rows is None
                        else {id: CODECS[name].entry(id, known.get(id, ""), row) for id, row in rows.items()}
                    )
        snapshot = Snapshot(
            info.user, info.taken_at, info.source, info.covers, lists, info.note, info.suspicious, info.encoded
        )
        with self._file.decoding(f"snapshot {number}"):
            digest = snapshot.digest
        if digest != info.digest:
            raise digest_differs(self._file, info)
        return snapshot

    def history(self, user: User, medium: Medium, id: int) -> list[Version]:
        """One entry through all snapshots of `user` that cover `medium`: a version for each change, oldest first."""
        return self.histories(user, medium, [id])[id]

    def histories(self, user: User, medium: Medium, ids: Iterable[int]) -> dict[int, list[Version]]:
        """The history of each of `ids`."""
        with self._file.read_transaction():
            covering = [info for info in self.infos(user) if info.counts[medium.name] is not None]
            return {id: history(self._file, covering, medium, id) for id in ids}

    def titles(self, medium: Medium) -> dict[int, str]:
        """The title of every id that was ever on a list in the mirror."""
        return titles(self._file, medium)

    # -- writing

    def add(self, snapshot: Snapshot) -> SnapshotInfo:
        """Store `snapshot` in one transaction, and rebuild it before that is committed.

        A snapshot that is stored already is not stored again. The previous one of its series is proven first, because
        damage in it would be stored as the user's own changes. Raises MirrorError, with the mirror unchanged, if anything
        fails or the rebuilt digest differs.
        """
        with self._file.transaction():
            stored = self.find(snapshot)
            if stored is not None:
                return stored
            user = users.ensure(self._file, snapshot.user, rename=snapshot.source != "import")
            series = self._series_for(user, snapshot)
            newest = infos(self._file, "WHERE series = ? ORDER BY snapshot.id DESC LIMIT 1", series)
            previous = newest[0] if newest else None
            if previous is not None:
                prove(self._file, previous)
            number = self._insert_snapshot(series, snapshot)
            before, after = self._write_versions(series, number, snapshot, previous)
            if previous is not None:
                changes = pruning.count_changes(previous, before, snapshot, after)
                self._file.execute(
                    "UPDATE snapshot SET added = ?, updated = ?, removed = ? WHERE id = ?",
                    *(changes[op] for op in OPS),
                    number,
                )
            prove(self._file, self.info(number))
        return self.info(number)

    def prune(self, numbers: Collection[int]) -> None:
        """Delete these snapshots in one transaction, and verify all others before that is committed.

        Raises Damaged, with the mirror unchanged, if anything in it is not whole then.
        """
        with self._file.transaction():
            pruning.remove(self._file, self.infos(), numbers)
            for problem in self.verify().problems:
                raise damaged(self.path, problem)

    def vacuum(self, *, if_needed: bool = False) -> pruning.Vacuumed:
        """Give free space back to the disk. With `if_needed`, do nothing unless the file has free pages."""
        return pruning.vacuum(self._file, if_needed=if_needed)

    def copy(self, target: Path) -> None:
        """Write a compact copy of the mirror to the new file `target`, also while other processes read and write.

        Raises UsageError if `target` exists or cannot be created, and leaves no file behind if the copy fails.
        """
        try:
            target.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise UsageError(
                f"{target} cannot be written: {error.strerror or error}.", "Name a file that does not exist yet."
            ) from error
        try:
            self._file.vacuum_into(target)
        except BaseException as error:
            target.unlink(missing_ok=True)
            if isinstance(error, Damaged):
                raise damaged(self.path, str(error.__cause__)) from error
            raise

    def verify(self) -> VerifyReport:
        """Recompute the digest of every snapshot, and check the database and the journal in it.

        Raises MirrorError if the file is too damaged to be read at all.
        """
        with self._file.read_transaction():
            return verify(self._file, self.load)

    # -- parts of `add`

    def _series_for(self, user: int, snapshot: Snapshot) -> int:
        """The series to append `snapshot` to, new if need be. Its snapshots are not younger, so no interval is ever split."""
        kind = _SERIES_KINDS.get(snapshot.source, "own")
        rows = self._file.rows(
            "SELECT series.id, max(taken_at) AS newest FROM series JOIN snapshot ON snapshot.series = series.id"
            " WHERE user = ? AND kind = ? GROUP BY series.id HAVING newest <= ? ORDER BY newest DESC LIMIT 1",
            *(user, kind, timestamp(snapshot.taken_at)),
        )
        if rows:
            return int(rows[0][0])
        return self._file.insert("INSERT INTO series (user, kind) VALUES (?, ?)", user, kind)

    def _insert_snapshot(self, series: int, snapshot: Snapshot) -> int:
        return self._file.insert(
            "INSERT INTO snapshot (series, taken_at, source, digest, covers, anime, manga, added, updated, removed,"
            " suspicious, note, encoded) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?)",
            series,
            timestamp(snapshot.taken_at),
            snapshot.source,
            snapshot.digest,
            orjson.dumps(snapshot.covers).decode(),
            *(snapshot.counts.get(name) for name in MEDIA),
            orjson.dumps(list(snapshot.suspicious)).decode(),
            snapshot.note,
            orjson.dumps({name: list(fields) for name, fields in snapshot.encoded.items() if fields}).decode(),
        )

    def _write_versions(
        self, series: int, number: int, snapshot: Snapshot, previous: SnapshotInfo | None
    ) -> tuple[dict[str, TitleList], dict[str, TitleList]]:
        """Store what changed since `previous`. Returns the changed entries before and after, by medium and id."""
        before: dict[str, TitleList] = {}
        after: dict[str, TitleList] = {}
        is_import = snapshot.source == "import"
        for name, medium in MEDIA.items():
            entries = snapshot.lists.get(name)
            if entries is None:
                continue
            before[name], after[name] = self._write_list(
                medium, series, number, entries, 0 if previous is None else previous.number, with_titles=is_import
            )
            self._store_titles(medium, entries, overwrite=not is_import)
        return before, after

    def _write_list(
        self, medium: Medium, series: int, number: int, entries: TitleList, previous: int, *, with_titles: bool
    ) -> tuple[TitleList, TitleList]:
        """End the versions of entries that changed or went, insert those of entries that changed or came."""
        codec, table = CODECS[medium.name], f"{medium.name}_version"
        columns = ", ".join(codec.columns)
        # Versions valid at `previous` may have ended already: in a snapshot after it that has been pruned.
        stored = self._file.rows(
            f"SELECT until IS NULL, media_id, {columns} FROM {table} WHERE series = :series"
            " AND (until IS NULL OR (since <= :previous AND until > :previous))",
            {"series": series, "previous": previous},
        )
        previous_rows = {row[1]: row[2:] for row in stored}
        open_rows = {row[1]: row[2:] for row in stored if row[0]}
        rows = {id: codec.encode(entry, with_title=with_titles) for id, entry in entries.items()}
        ended = [id for id, row in previous_rows.items() if rows.get(id) != row]
        begun = [id for id, row in rows.items() if open_rows.get(id) != row]
        self._file.execute_many(
            f"UPDATE {table} SET until = ? WHERE series = ? AND media_id = ? AND until IS NULL",
            ((number, series, id) for id in ended),
        )
        self._file.execute_many(
            f"INSERT INTO {table} (series, media_id, since, {columns})"
            f" VALUES (?, ?, ?, {', '.join('?' * len(codec.columns))})",
            ((series, id, number, *rows[id]) for id in sorted(begun)),
        )
        # Titles are left out: only `list_status` is compared.
        with self._file.decoding("the snapshot before"):
            before = {id: codec.entry(id, "", previous_rows[id]) for id in {*ended, *begun} & previous_rows.keys()}
        return before, {id: entries[id] for id in begun}

    def _store_titles(self, medium: Medium, entries: TitleList, *, overwrite: bool) -> None:
        known = self.titles(medium)
        changed = [
            (entry.id, entry.title)
            for entry in entries.values()
            if known.get(entry.id) != entry.title and ((overwrite and entry.title) or not known.get(entry.id))
        ]
        # Only the title: the catalogue's other columns stay.
        self._file.execute_many(
            f"INSERT INTO {medium.name} (id, title) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET title = excluded.title",
            changed,
        )


def _is_missing(path: Path) -> bool:
    """Whether there is no file at `path`, or an empty one. Raises MirrorError for a pipe or a device."""
    refuse_irregular(path)
    return not path.exists() or not path.stat().st_size
