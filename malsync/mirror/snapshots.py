"""Snapshots in the mirror: stored whole in one transaction, rebuilt exactly, verified by recomputing every digest."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

import orjson

from malsync.errors import Damaged, UsageError
from malsync.mirror import users
from malsync.mirror.database import (
    BUSY_SECONDS,
    File,
    connect,
    damaged,
    in_memory,
    is_number,
    refuse_irregular,
    translated,
)
from malsync.mirror.history import Version, through
from malsync.mirror.journal import Journal
from malsync.mirror.pruning import compact, counted, remove
from malsync.mirror.rows import Row, RowCodec
from malsync.mirror.sweep import Sweep
from malsync.model.diff import OPS, Op
from malsync.model.entry import TitleList
from malsync.model.medium import MEDIA, Medium
from malsync.model.row_values import maybe, typed
from malsync.model.snapshot import Covers, Encoded, Snapshot, Source, User, digest_of, member
from malsync.model.timestamps import parse_timestamp, timestamp

if TYPE_CHECKING:
    from malsync.mirror.catalogue import Catalogue

_P = ParamSpec("_P")
_R = TypeVar("_R")
_CODECS = {name: RowCodec(medium) for name, medium in MEDIA.items()}
_KINDS: dict[Source, str] = {"public": "public", "import": "import"}
_HEADERS = (
    "SELECT snapshot.id, series, origin, mal_id, name, taken_at, source, digest, covers, anime, manga,"
    " added, updated, removed, suspicious, note, encoded"
    " FROM snapshot JOIN series ON series.id = snapshot.series JOIN mal_user ON mal_user.id = series.user"
)
# Versions that no writer of ours made. Each snapshot may rebuild all the same; the next one could not be stored.
_BAD_SPANS = """
    SELECT media_id, CASE WHEN later IS NOT NULL THEN 'two versions at once' ELSE 'a version of no snapshot' END
    FROM (
        SELECT media_id, since, until, lead(since) OVER (PARTITION BY series, media_id ORDER BY since) AS later
        FROM {0}_version
    )
    WHERE until <= since OR until > (SELECT seq FROM sqlite_sequence WHERE name = 'snapshot')
        OR (later IS NOT NULL AND (until IS NULL OR until > later))
    LIMIT 5
"""
_VALID_AT = "series = :series AND since <= :snapshot AND (until IS NULL OR until > :snapshot)"


def _at_one_moment(method: Callable[Concatenate["Mirror", _P], _R]) -> Callable[Concatenate["Mirror", _P], _R]:
    """All that the method reads is the mirror at one moment, whatever is pruned meanwhile."""

    @wraps(method)
    def called(self: "Mirror", /, *positional: _P.args, **named: _P.kwargs) -> _R:
        with self._file.one_moment():
            return method(self, *positional, **named)

    return called


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """What the mirror says of a snapshot without rebuilding it. `changes` is against the one before it in its series."""

    number: int
    series: int
    user: User
    taken_at: datetime
    source: Source
    digest: str
    covers: Covers
    counts: dict[str, int | None]
    changes: dict[Op, int]
    suspicious: tuple[str, ...]
    note: str
    encoded: Encoded
    """The fields whose text is HTML-encoded, by medium."""


class Mirror:
    """The mirror's file, open. Every method raises MirrorError or Busy where the file fails it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._file = File(path, connection)

    @classmethod
    def open(cls, path: Path, *, write: bool = False, wait: float = BUSY_SECONDS) -> Self:
        """The mirror at `path`: for reading (an empty one where there is no file) or, with `write`, made when missing."""
        refuse_irregular(path)
        if not write and (not path.exists() or not path.stat().st_size):
            return cls(path, in_memory())
        return cls(path, connect(path, write=write, wait=wait))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def journal(self) -> Journal:
        """The journal of every run, in the same file."""
        return Journal(self._file)

    @property
    def catalogue(self) -> "Catalogue":
        """What MAL says of titles, and its forum, in the same file."""
        from malsync.mirror.catalogue import Catalogue  # a backup has no use for its tables

        return Catalogue(self._file)

    # -- who and what is here

    def users(self) -> list[User]:
        """Every MAL user that has a snapshot here, in the order in which they came."""
        # Not one who has suggestions alone: `fetch` may come before the first backup.
        rows = self._file.rows(
            "SELECT origin, mal_id, name FROM mal_user WHERE id IN (SELECT user FROM series) ORDER BY id"
        )
        with self._file.understood("a MAL user"):
            return [users.read(*row) for row in rows]

    def infos(self, user: User | None = None) -> list[SnapshotInfo]:
        """Every snapshot, or those of one user, oldest first."""
        found = [_info(row) for row in self._file.rows(f"{_HEADERS} ORDER BY taken_at, snapshot.id")]
        return found if user is None else [info for info in found if info.user.key == user.key]

    def info(self, number: int) -> SnapshotInfo:
        """The snapshot of that number. Raises KeyError when there is none."""
        if not is_number(number):
            raise KeyError(number)
        for row in self._file.rows(f"{_HEADERS} WHERE snapshot.id = ?", number):
            return _info(row)
        if number in self.numbers():
            # Going through the table finds it, and looking it up does not.
            raise damaged(self.path, f"snapshot {number} is not where it should be")
        raise KeyError(number)

    def numbers(self) -> list[int]:
        """The number of every snapshot, even of those whose headers cannot be read."""
        return [number for (number,) in self._file.rows("SELECT id FROM snapshot ORDER BY id")]

    def find(self, snapshot: Snapshot) -> SnapshotInfo | None:
        """The same snapshot, if it is here already: its user, its time, its digest and what it covers."""
        same = f"{_HEADERS} WHERE taken_at = ? AND digest = ? ORDER BY snapshot.id"
        rows = self._file.rows(same, timestamp(snapshot.taken_at), snapshot.digest)
        wanted = snapshot.user.key, snapshot.covers
        return next((info for info in map(_info, rows) if (info.user.key, info.covers) == wanted), None)

    def ask(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What a SELECT gives, each row by its columns' names."""
        return self._file.named(sql, **values)

    # -- reading

    @_at_one_moment
    def load(self, number: int) -> Snapshot:
        """The snapshot of that number, rebuilt, its digest recomputed and compared. Raises KeyError when there is none."""
        info = self.info(number)
        lists: dict[str, TitleList | None] = {}
        for name, rows in self._rows(info).items():
            titles = {} if rows is None else self.titles(MEDIA[name])
            with self._file.understood(f"snapshot {number}"):
                lists[name] = (
                    None
                    if rows is None
                    else {id: _CODECS[name].entry(id, titles.get(id, ""), row) for id, row in rows.items()}
                )
        found = Snapshot(
            info.user, info.taken_at, info.source, info.covers, lists, info.note, info.suspicious, info.encoded
        )
        with self._file.understood(f"snapshot {number}"):
            its_digest = found.digest
        if its_digest != info.digest:
            raise _unlike(self.path, number)
        return found

    def history(self, user: User, medium: Medium, id: int) -> list[Version]:
        """One entry through every snapshot of `user` that covers `medium`: a version wherever it changed, came or went."""
        return self.histories(user, medium, [id])[id]

    @_at_one_moment
    def histories(self, user: User, medium: Medium, ids: Iterable[int]) -> dict[int, list[Version]]:
        """The history of each of `ids`."""
        infos = [info for info in self.infos(user) if info.counts[medium.name] is not None]
        return {id: through(self._file, infos, medium, id) for id in ids}

    def titles(self, medium: Medium) -> dict[int, str]:
        """The title of every id that was ever on a list here."""
        # The catalogue has many more.
        ever = f"SELECT media_id FROM {medium.name}_version"
        return dict(self._file.rows(f"SELECT id, title FROM {medium.name} WHERE id IN ({ever})"))

    # -- writing

    def add(self, snapshot: Snapshot) -> SnapshotInfo:
        """Store `snapshot` whole, in one transaction, and rebuild it before that is committed.

        A snapshot that is here already is not stored again. The one before it in its series is proven first: on a damaged
        one, the damage would be stored as the user's own change. Raises MirrorError and leaves the mirror as it was when
        anything fails, a rebuilt digest that differs included.
        """
        with self._file.transaction():
            found = self.find(snapshot)
            if found is not None:
                return found
            user = users.keep(self._file, snapshot.user, may_rename=snapshot.source != "import")
            series = self._series_for(user, snapshot)
            previous = self._newest_of(series)
            if previous is not None:
                self._prove(previous.number)
            number = self._insert_snapshot(series, snapshot)
            before, after = self._write_versions(series, number, snapshot, previous)
            if previous is not None:
                changes = counted(previous, before, snapshot, after)
                self._file.change(
                    "UPDATE snapshot SET added = ?, updated = ?, removed = ? WHERE id = ?",
                    *(changes[op] for op in OPS),
                    number,
                )
            self._prove(number)
        return self.info(number)

    def prune(self, numbers: Collection[int]) -> None:
        """Take these snapshots out, in one transaction, and prove every other one before that is committed.

        Raises Damaged, and leaves the mirror as it was, where anything in it is not whole then.
        """
        with self._file.transaction():
            remove(self._file, self.infos(), numbers)
            checked, database = self.verify()
            for what in [*(f"snapshot {number}: {problem}" for number, problem in checked if problem), database]:
                if what != "ok":
                    raise damaged(self.path, what)

    def compact(self, removed: int) -> tuple[int, bool]:
        """Give the disk back what that many snapshots took: `pruning.compact`."""
        return compact(self._file, removed)

    def copy(self, target: Path) -> None:
        """A compact copy of the whole mirror at `target`, which must not exist, safe while others read and write.

        Raises UsageError when there can be no such file, and leaves none behind when it cannot be filled.
        """
        try:
            target.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise UsageError(
                f"{target} cannot be written: {error.strerror or error}.", "Name a file that is not there yet."
            ) from error
        try:
            with translated(target):
                # As an address, which can say a name that is no UTF-8.
                self._connection.execute("VACUUM INTO ?", (target.absolute().as_uri(),))
        except BaseException as error:
            target.unlink(missing_ok=True)
            if isinstance(error, Damaged):
                raise damaged(self.path, str(error.__cause__)) from error
            raise

    # -- verifying

    @_at_one_moment
    def verify(self) -> tuple[list[tuple[int, str | None]], str]:
        """Recompute every digest and check the database, the journal in it included.

        Returns each snapshot's number with its problem (None: it is whole), and "ok" or what SQLite found.
        Raises MirrorError when the file is too damaged to read.
        """
        complaints = [row[0] for row in self._file.rows("PRAGMA integrity_check") if row[0] != "ok"]
        complaints += [
            f"{row[0]} row {row[1]} points at a missing {row[2]}" for row in self._file.rows("PRAGMA foreign_key_check")
        ]
        for medium in MEDIA.values():
            self.titles(medium)
            complaints += [
                f"{medium.name} {row[0]}: {row[1]}" for row in self._file.rows(_BAD_SPANS.format(medium.name))
            ]
        complaints += self.journal.problems()
        problems: dict[int, str | None] = {}
        by_series: dict[int, list[SnapshotInfo]] = {}
        for row in self._file.rows(f"{_HEADERS} ORDER BY snapshot.id"):
            try:
                info = _info(row)
                by_series.setdefault(info.series, []).append(info)
            except Damaged as error:
                problems[row[0]] = error.message
        for infos in by_series.values():
            try:
                problems |= self._verify_series(infos)
            except (TypeError, ValueError):
                # A row that nobody can read: each snapshot for itself then, so that only those that hold it are not whole.
                problems |= {info.number: self._problem(info) for info in infos}
        return sorted(problems.items()), "; ".join(complaints) or "ok"

    def _verify_series(self, infos: list[SnapshotInfo]) -> dict[int, str | None]:
        """Walk the snapshots in order with each version's canonical form made once: rebuilding each anew costs 14 times that."""
        sweeps = {name: Sweep(self._spans(medium, infos[0].series)) for name, medium in MEDIA.items()}
        problems: dict[int, str | None] = {}
        for info in infos:
            members = {name: sweep.at(info.number) for name, sweep in sweeps.items()}
            known = {name: None if info.covers[name] is None else members[name] for name in MEDIA}
            counts = {name: None if found is None else len(found) for name, found in known.items()}
            if digest_of(known) != info.digest:
                problems[info.number] = "its digest differs: it does not rebuild to what was stored"
            else:
                problems[info.number] = _miscounted(info, counts)
        return problems

    def _problem(self, info: SnapshotInfo) -> str | None:
        """What is wrong with one snapshot; None when it is whole."""
        try:
            return _miscounted(info, self.load(info.number).counts)
        except Damaged as error:
            return error.message

    def _spans(self, medium: Medium, series: int) -> Iterator[tuple[int, int, int | None, bytes]]:
        """Each version's interval and canonical form. Raises ValueError or TypeError for rows that we did not write."""
        codec = _CODECS[medium.name]
        before: tuple[int, int | None] | None = None
        for media_id, since, until, *row in self._file.rows(
            f"SELECT media_id, since, until, {', '.join(codec.columns)} FROM {medium.name}_version WHERE series = ?"
            " ORDER BY media_id, since",
            series,
        ):
            overlaps = before is not None and before[0] == media_id and (before[1] is None or before[1] > since)
            if overlaps or (until is not None and until <= since):
                raise ValueError(f"{medium.name} {media_id}: not one version at a time")
            before = media_id, until
            yield media_id, since, until, member(media_id, codec.decode(tuple(row)))

    # -- inside

    def _rows(self, info: SnapshotInfo) -> dict[str, dict[int, Row] | None]:
        """Each list's rows at that snapshot, by id; None for a list that it does not cover."""
        at = {"series": info.series, "snapshot": info.number}
        found: dict[str, dict[int, Row] | None] = {}
        for name, codec in _CODECS.items():
            if info.covers[name] is None:
                found[name] = None
                continue
            columns = ", ".join(codec.columns)
            rows = self._file.rows(f"SELECT media_id, {columns} FROM {name}_version WHERE {_VALID_AT}", at)
            found[name] = {row[0]: row[1:] for row in rows}
        return found

    def _prove(self, number: int) -> None:
        """Raise Damaged unless that snapshot rebuilds to what its digest says."""
        info = self.info(number)
        with self._file.understood(f"snapshot {info.number}"):
            members = {
                name: None if rows is None else [member(id, _CODECS[name].decode(row)) for id, row in rows.items()]
                for name, rows in self._rows(info).items()
            }
        if digest_of(members) != info.digest:
            raise _unlike(self.path, number)

    def _series_for(self, user: int, snapshot: Snapshot) -> int:
        """The series that `snapshot` continues: one whose newest is not younger, so that no interval is ever split."""
        kind = _KINDS.get(snapshot.source, "own")
        found = self._file.rows(
            "SELECT series.id, max(taken_at) AS newest FROM series JOIN snapshot ON snapshot.series = series.id"
            " WHERE user = ? AND kind = ? GROUP BY series.id HAVING newest <= ? ORDER BY newest DESC LIMIT 1",
            user,
            kind,
            timestamp(snapshot.taken_at),
        )
        if found:
            return int(found[0][0])
        return self._file.insert("INSERT INTO series (user, kind) VALUES (?, ?)", user, kind)

    def _newest_of(self, series: int) -> SnapshotInfo | None:
        rows = self._file.rows(f"{_HEADERS} WHERE series = ? ORDER BY snapshot.id DESC LIMIT 1", series)
        return _info(rows[0]) if rows else None

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
        """Close the versions that changed or went, insert those that changed or came. Returns both, before and after."""
        seen = 0 if previous is None else previous.number
        before: dict[str, TitleList] = {}
        after: dict[str, TitleList] = {}
        for name, medium in MEDIA.items():
            titles = snapshot.lists.get(name)
            if titles is None:
                continue
            was, now = self._write_list(medium, series, number, titles, seen, titled=snapshot.source == "import")
            before[name], after[name] = was, now
            self._keep_titles(medium, titles, overwrite=snapshot.source != "import")
        return before, after

    def _write_list(
        self, medium: Medium, series: int, number: int, titles: TitleList, previous: int, *, titled: bool
    ) -> tuple[TitleList, TitleList]:
        codec, table = _CODECS[medium.name], f"{medium.name}_version"
        columns = ", ".join(codec.columns)
        # Where what came after the previous one has been pruned, versions of it may be closed already.
        found = self._file.rows(
            f"SELECT until IS NULL, media_id, {columns} FROM {table} WHERE series = :series"
            " AND (until IS NULL OR (since <= :snapshot AND until > :snapshot))",
            {"series": series, "snapshot": previous},
        )
        seen_rows = {row[1]: row[2:] for row in found}
        open_rows = {row[1]: row[2:] for row in found if row[0]}
        rows = {id: codec.encode(entry, titled=titled) for id, entry in titles.items()}
        ended = [id for id, row in seen_rows.items() if rows.get(id) != row]
        begun = [id for id, row in rows.items() if open_rows.get(id) != row]
        self._file.change_many(
            f"UPDATE {table} SET until = ? WHERE series = ? AND media_id = ? AND until IS NULL",
            ((number, series, id) for id in ended),
        )
        self._file.change_many(
            f"INSERT INTO {table} (series, media_id, since, {columns})"
            f" VALUES (?, ?, ?, {', '.join('?' * len(codec.columns))})",
            ((series, id, number, *rows[id]) for id in sorted(begun)),
        )
        # Nobody reads these titles: what is compared is the user's data.
        with self._file.understood("the snapshot before"):
            was = {id: codec.entry(id, "", seen_rows[id]) for id in {*ended, *begun} & seen_rows.keys()}
        return was, {id: titles[id] for id in begun}

    def _keep_titles(self, medium: Medium, titles: TitleList, *, overwrite: bool) -> None:
        known = self.titles(medium)
        fresh = [
            (entry.id, entry.title)
            for entry in titles.values()
            if known.get(entry.id) != entry.title and ((overwrite and entry.title) or not known.get(entry.id))
        ]
        # Only the title: what the catalogue holds of it stays.
        self._file.change_many(
            f"INSERT INTO {medium.name} (id, title) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET title = excluded.title",
            fresh,
        )


def _unlike(path: Path, number: int) -> Damaged:
    return damaged(path, f"snapshot {number} does not rebuild to what was stored")


def _miscounted(info: SnapshotInfo, counts: dict[str, int | None]) -> str | None:
    return None if counts == info.counts else f"it says {info.counts} entries and holds {counts}"


def _info(row: Row) -> SnapshotInfo:
    number, series, origin, mal_id, name, taken_at, source, its_digest, covers, *rest = row
    try:
        anime, manga, added, updated, removed, suspicious, note, encoded = rest
        told = orjson.loads(covers)
        return SnapshotInfo(
            number=number,
            series=series,
            user=users.read(origin, mal_id, name),
            taken_at=parse_timestamp(taken_at),
            source=source,
            digest=typed(str, its_digest),
            covers={name: None if told[name] is None else tuple(told[name]) for name in MEDIA},
            counts={"anime": maybe(int, anime), "manga": maybe(int, manga)},
            changes={"add": typed(int, added), "update": typed(int, updated), "remove": typed(int, removed)},
            suspicious=tuple(typed(str, reason) for reason in orjson.loads(suspicious)),
            note=typed(str, note),
            encoded={name: tuple(fields) for name, fields in orjson.loads(encoded).items()},
        )
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Damaged(
            f"The mirror is damaged: snapshot {number} has a header that cannot be read ({error}).",
            "Make a new one from exported snapshots: malsync mirror rebuild FILES",
        ) from error
