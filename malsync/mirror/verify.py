"""Verify the mirror: recompute the digest of every snapshot, and check the database and the journal in it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from malsync.errors import Damaged
from malsync.mirror.database import File, damaged
from malsync.mirror.journal import Journal
from malsync.mirror.snapshot_rows import CODECS, HEADERS, SnapshotInfo, info_of, rows_at, titles
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import Snapshot, digest_of, member

# Intervals that malsync never writes. The snapshots may still rebuild, but the next one could not be stored.
_BAD_INTERVALS = """
    SELECT media_id, CASE WHEN later IS NOT NULL THEN 'two versions at once' ELSE 'a version of no snapshot' END
    FROM (
        SELECT media_id, since, until, lead(since) OVER (PARTITION BY series, media_id ORDER BY since) AS later
        FROM {0}_version
    )
    WHERE until <= since OR until > (SELECT seq FROM sqlite_sequence WHERE name = 'snapshot')
        OR (later IS NOT NULL AND (until IS NULL OR until > later))
    LIMIT 5
"""


@dataclass(frozen=True)
class VerifyReport:
    """What `Mirror.verify` found."""

    snapshots: dict[int, str | None]
    """Each snapshot's number, in order, with its problem; None if it rebuilds to what was stored."""
    database: str
    """The problems of the database outside snapshots, joined by "; ", or "ok"."""

    @property
    def problems(self) -> list[str]:
        """Every problem, one sentence each; empty if the mirror is whole."""
        snapshots = [f"snapshot {number}: {problem}" for number, problem in self.snapshots.items() if problem]
        return snapshots if self.database == "ok" else [*snapshots, self.database]


def verify(file: File, load: Callable[[int], Snapshot]) -> VerifyReport:
    """Check everything in the file. `load` rebuilds one snapshot and raises Damaged if that fails (`Mirror.load`).

    Raises MirrorError if the file is too damaged to be read at all.
    """
    complaints = [message for (message,) in file.rows("PRAGMA integrity_check") if message != "ok"]
    complaints += [
        f"{table} row {row} points at a missing {parent}"
        for table, row, parent, _ in file.rows("PRAGMA foreign_key_check")
    ]
    for name, medium in MEDIA.items():
        titles(file, medium)  # raises if they cannot be read
        complaints += [f"{name} {id}: {problem}" for id, problem in file.rows(_BAD_INTERVALS.format(name))]
    complaints += Journal(file).problems()
    problems: dict[int, str | None] = {}
    by_series: dict[int, list[SnapshotInfo]] = {}
    for row in file.rows(f"{HEADERS} ORDER BY snapshot.id"):
        try:
            info = info_of(file, row)
            by_series.setdefault(info.series, []).append(info)
        except Damaged as error:
            problems[row[0]] = error.message
    for series in by_series.values():
        try:
            problems |= _verify_series(file, series)
        except (TypeError, ValueError):
            # One row cannot be decoded: check each snapshot separately, so that only those that hold the row have a problem.
            problems |= {info.number: _verify_one(info, load) for info in series}
    return VerifyReport(dict(sorted(problems.items())), "; ".join(complaints) or "ok")


def prove(file: File, info: SnapshotInfo) -> None:
    """Raise Damaged unless the stored rows of a snapshot have the digest in its header."""
    with file.decoding(f"snapshot {info.number}"):
        members = {
            name: None if rows is None else [member(id, CODECS[name].decode(row)) for id, row in rows.items()]
            for name, rows in rows_at(file, info).items()
        }
    if digest_of(members) != info.digest:
        raise digest_differs(file, info)


def digest_differs(file: File, info: SnapshotInfo) -> Damaged:
    """The error for a snapshot that does not rebuild to what was stored."""
    return damaged(file.path, f"snapshot {info.number} does not rebuild to what was stored")


def _verify_series(file: File, infos: list[SnapshotInfo]) -> dict[int, str | None]:
    """Check the snapshots of one series, in order. Raises ValueError or TypeError if a row cannot be decoded.

    Each version's canonical form is made once for all snapshots: rebuilding every snapshot takes 14 times as long.
    """
    sweeps = {name: _Sweep(_intervals(file, medium, infos[0].series)) for name, medium in MEDIA.items()}
    problems: dict[int, str | None] = {}
    for info in infos:
        members = {name: sweep.at(info.number) for name, sweep in sweeps.items()}
        covered = {name: None if info.covers[name] is None else members[name] for name in MEDIA}
        counts = {name: None if texts is None else len(texts) for name, texts in covered.items()}
        if digest_of(covered) != info.digest:
            problems[info.number] = "its digest differs: it does not rebuild to what was stored"
        else:
            problems[info.number] = _miscounted(info, counts)
    return problems


def _verify_one(info: SnapshotInfo, load: Callable[[int], Snapshot]) -> str | None:
    try:
        return _miscounted(info, load(info.number).counts)
    except Damaged as error:
        return error.message


def _miscounted(info: SnapshotInfo, counts: dict[str, int | None]) -> str | None:
    return None if counts == info.counts else f"it says {info.counts} entries and holds {counts}"


def _intervals(file: File, medium: Medium, series: int) -> Iterator[tuple[int, int, int | None, bytes]]:
    """Each version of a series: id, the snapshots from which and until which it is valid, and its canonical form.

    Raises ValueError or TypeError for rows that malsync did not write.
    """
    codec = CODECS[medium.name]
    previous: tuple[int, int | None] | None = None
    for id, since, until, *row in file.rows(
        f"SELECT media_id, since, until, {', '.join(codec.columns)} FROM {medium.name}_version WHERE series = ?"
        " ORDER BY media_id, since",
        series,
    ):
        overlaps = previous is not None and previous[0] == id and (previous[1] is None or previous[1] > since)
        if overlaps or (until is not None and until <= since):
            raise ValueError(f"{medium.name} {id}: not one version at a time")
        previous = id, until
        yield id, since, until, member(id, codec.decode(tuple(row)))


class _Sweep:
    """The entries of one list at one snapshot after another. Each version is added and removed once."""

    def __init__(self, intervals: Iterator[tuple[int, int, int | None, bytes]]) -> None:
        self._begins: dict[int, list[tuple[int, bytes]]] = {}
        self._ends: dict[int, list[int]] = {}
        self._members: dict[int, bytes] = {}
        for id, since, until, text in intervals:
            self._begins.setdefault(since, []).append((id, text))
            if until is not None:
                self._ends.setdefault(until, []).append(id)
        self._steps = sorted({*self._begins, *self._ends}, reverse=True)

    def at(self, number: int) -> Collection[bytes]:
        """The canonical entries at snapshot `number`, which is greater than in the call before."""
        while self._steps and self._steps[-1] <= number:
            step = self._steps.pop()
            for id in self._ends.get(step, ()):
                self._members.pop(id, None)
            self._members.update(self._begins.get(step, ()))
        return self._members.values()
