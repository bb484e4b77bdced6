"""Delete snapshots: their headers, then every version that no other snapshot sees. Intervals are never edited."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from malsync.mirror.database import File
from malsync.mirror.snapshot_rows import CODECS, SnapshotInfo
from malsync.model.diff import OPS, Op, count, diff
from malsync.model.entry import TitleList
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import Snapshot

# A snapshot sees the versions of its series that are valid at its number, if it covers that list. The plus keeps SQLite
# from scanning the whole series for each version: by number, it starts at the first snapshot that may see the version.
_DELETE_UNSEEN = """
    DELETE FROM {0}_version WHERE NOT EXISTS (
        SELECT * FROM snapshot WHERE +snapshot.series = {0}_version.series AND snapshot.{0} IS NOT NULL
            AND snapshot.id >= since AND (until IS NULL OR snapshot.id < until)
    )
"""
_CHECKPOINT_WAIT = 1000  # milliseconds

Lists = Mapping[str, TitleList]


@dataclass(frozen=True)
class Vacuumed:
    """What `vacuum` gave back to the disk."""

    bytes_freed: int
    """How much smaller the database is."""
    file_truncated: bool
    """False if another process was reading: the file shrinks when that ends."""


def remove(file: File, infos: Iterable[SnapshotInfo], numbers: Collection[int]) -> None:
    """Delete the snapshots `numbers`, given `infos` of all there are. Call it within a transaction.

    Recounts the changes of a snapshot whose predecessor goes. A run's `before` and `after` become NULL if they go.
    """
    file.execute_many("DELETE FROM snapshot WHERE id = ?", ((number,) for number in sorted(numbers)))
    for name in MEDIA:
        file.execute(_DELETE_UNSEEN.format(name))
    file.execute("DELETE FROM series WHERE id NOT IN (SELECT series FROM snapshot)")
    by_series: dict[int, list[SnapshotInfo]] = {}
    for info in sorted(infos, key=lambda info: info.number):
        by_series.setdefault(info.series, []).append(info)
    for series in by_series.values():
        _recount_changes(file, series, [info for info in series if info.number not in numbers])


def vacuum(file: File, *, if_needed: bool) -> Vacuumed:
    """Run VACUUM and truncate the write-ahead log. With `if_needed`, do nothing unless the file has free pages.

    Raises MirrorError if the disk has no room for it, Busy if another process has locked the file. Nothing is lost then.
    """
    if if_needed and not file.rows("PRAGMA freelist_count")[0][0]:
        return Vacuumed(0, file_truncated=True)
    size = _size(file)
    file.execute("VACUUM")
    bytes_freed = size - _size(file)
    file.rows(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT}")
    is_busy = bool(file.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0])
    return Vacuumed(bytes_freed, file_truncated=not is_busy)


def _size(file: File) -> int:
    """The size of the database in bytes."""
    return int(file.rows("PRAGMA page_count")[0][0]) * int(file.rows("PRAGMA page_size")[0][0])


def count_changes(info: SnapshotInfo, before: Lists, later: "SnapshotInfo | Snapshot", after: Lists) -> dict[Op, int]:
    """Count the changes from `info` to `later`. `before` and `after` hold only the entries that may differ, by medium.

    If `info` does not cover a list, the versions of an earlier snapshot stay valid: its entries do not count as changed.
    """
    known = {name: entries for name, entries in before.items() if info.covers[name] is not None}
    return count(
        diff(
            Snapshot(info.user, info.taken_at, info.source, info.covers, known, encoded_as=info.encoded),
            Snapshot(later.user, later.taken_at, later.source, later.covers, after, encoded_as=later.encoded),
        )
    )


def _recount_changes(file: File, all_infos: list[SnapshotInfo], remaining: list[SnapshotInfo]) -> None:
    """Recompute added, updated and removed of the snapshots of a series whose predecessor was deleted."""
    predecessors = {info.number: previous.number for previous, info in pairwise(all_infos)}
    changes: dict[int, dict[Op, int]] = {}
    if remaining and remaining[0].number in predecessors:
        changes[remaining[0].number] = dict.fromkeys(OPS, 0)
    orphans = [
        (previous, info) for previous, info in pairwise(remaining) if predecessors[info.number] != previous.number
    ]
    numbers = [info.number for info in remaining]
    moves = {name: _moves(file, medium, remaining[0].series, numbers) for name, medium in MEDIA.items() if orphans}
    for previous, info in orphans:
        covered = [name for name in MEDIA if info.covers[name] is not None]
        before, after = ({name: moves[name][side].get(info.number, {}) for name in covered} for side in (0, 1))
        changes[info.number] = count_changes(previous, before, info, after)
    file.execute_many(
        "UPDATE snapshot SET added = ?, updated = ?, removed = ? WHERE id = ?",
        ((*(counts[op] for op in OPS), number) for number, counts in changes.items()),
    )


def _moves(
    file: File, medium: Medium, series: int, numbers: list[int]
) -> tuple[dict[int, TitleList], dict[int, TitleList]]:
    """The entries that differ from the snapshot before, by number in `numbers` (sorted) and id: as they were, as they became."""
    before: dict[int, TitleList] = {}
    after: dict[int, TitleList] = {}
    codec = CODECS[medium.name]
    for id, since, until, *row in file.rows(
        f"SELECT media_id, since, until, {', '.join(codec.columns)} FROM {medium.name}_version"
        " WHERE series = ? AND (until IS NOT NULL OR since > ?)",
        *(series, numbers[0]),
    ):
        first = bisect_left(numbers, since)
        past = len(numbers) if until is None else bisect_left(numbers, until)
        with file.decoding(f"{medium.name} {id}"):
            entry = codec.entry(id, "", tuple(row))
        if first:
            after.setdefault(numbers[first], {})[id] = entry
        if past < len(numbers):
            before.setdefault(numbers[past], {})[id] = entry
    return before, after
