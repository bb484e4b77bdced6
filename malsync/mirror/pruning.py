"""Taking snapshots out of the mirror: their rows, then every version that no other one sees. No interval is ever edited."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from malsync.mirror.database import File
from malsync.mirror.rows import RowCodec
from malsync.model.diff import OPS, Op, count, diff
from malsync.model.entry import TitleList
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import Snapshot

if TYPE_CHECKING:
    from malsync.mirror.snapshots import SnapshotInfo

# A snapshot sees a version of its series that is valid at its number, if it knows that list at all. The plus keeps SQLite
# from looking through all of the series for each version: by their numbers, it begins with the first that may see it.
_UNSEEN = """
    DELETE FROM {0}_version WHERE NOT EXISTS (
        SELECT * FROM snapshot WHERE +snapshot.series = {0}_version.series AND snapshot.{0} IS NOT NULL
            AND snapshot.id >= since AND (until IS NULL OR snapshot.id < until)
    )
"""
_CHECKPOINT_WAIT = 1000  # milliseconds

Lists = Mapping[str, TitleList]


def remove(file: File, infos: "Iterable[SnapshotInfo]", numbers: Collection[int]) -> None:
    """Delete the snapshots of those numbers, of `infos`, which are all that there are. For within a transaction.

    What changed since the one before is counted anew where that one went. A run that has lost a list around it says so by NULL.
    """
    file.change_many("DELETE FROM snapshot WHERE id = ?", ((number,) for number in sorted(numbers)))
    for name in MEDIA:
        file.change(_UNSEEN.format(name))
    file.change("DELETE FROM series WHERE id NOT IN (SELECT series FROM snapshot)")
    by_series: dict[int, list[SnapshotInfo]] = {}
    for info in sorted(infos, key=lambda info: info.number):
        by_series.setdefault(info.series, []).append(info)
    for theirs in by_series.values():
        _count_anew(file, theirs, [info for info in theirs if info.number not in numbers])


def compact(file: File, removed: int) -> tuple[int, bool]:
    """Give the disk back what no row needs. Returns how many bytes smaller the database is, and whether its file is already:
    while somebody reads, the file shrinks when they have done. Where nothing was `removed` and no page is free, there is
    nothing to do.

    Raises MirrorError where there is no room for it, Busy where somebody holds the file; all that is stored is whole then.
    """
    if not removed and not file.rows("PRAGMA freelist_count")[0][0]:
        return 0, True
    size = _size(file)
    file.change("VACUUM")
    saved = size - _size(file)
    file.rows(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT}")
    is_held = bool(file.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0])
    return saved, not is_held


def _size(file: File) -> int:
    return int(file.rows("PRAGMA page_count")[0][0]) * int(file.rows("PRAGMA page_size")[0][0])


def counted(one: "SnapshotInfo", was: Lists, other: "SnapshotInfo | Snapshot", now: Lists) -> dict[Op, int]:
    """What changed from `one` to `other`, of which only the entries that may differ are given, by medium.

    A list that the first did not cover was kept from an earlier one: it can neither come nor go.
    """
    known = {name: titles for name, titles in was.items() if one.covers[name] is not None}
    return count(
        diff(
            Snapshot(one.user, one.taken_at, one.source, one.covers, known, encoded_as=one.encoded),
            Snapshot(other.user, other.taken_at, other.source, other.covers, now, encoded_as=other.encoded),
        )
    )


def _count_anew(file: File, before: "list[SnapshotInfo]", after: "list[SnapshotInfo]") -> None:
    """Say of each snapshot of a series what changed since the one before, where that is another one than it was."""
    had = {info.number: one.number for one, info in pairwise(before)}
    changes: dict[int, dict[Op, int]] = {}
    if after and after[0].number in had:
        changes[after[0].number] = dict.fromkeys(OPS, 0)
    orphans = [(one, info) for one, info in pairwise(after) if had[info.number] != one.number]
    numbers = [info.number for info in after]
    moves = {name: _moves(file, medium, after[0].series, numbers) for name, medium in MEDIA.items() if orphans}
    for one, info in orphans:
        known = [name for name in MEDIA if info.covers[name] is not None]
        was, now = ({name: moves[name][side].get(info.number, {}) for name in known} for side in (0, 1))
        changes[info.number] = counted(one, was, info, now)
    file.change_many(
        "UPDATE snapshot SET added = ?, updated = ?, removed = ? WHERE id = ?",
        ((*(found[op] for op in OPS), number) for number, found in changes.items()),
    )


def _moves(
    file: File, medium: Medium, series: int, numbers: list[int]
) -> tuple[dict[int, TitleList], dict[int, TitleList]]:
    """By snapshot of `numbers`, which are in order: the entries that changed or went since the one before, as they had been;
    and those that changed or came, as they were then."""
    codec = RowCodec(medium)
    was: dict[int, TitleList] = {}
    now: dict[int, TitleList] = {}
    for id, since, until, *row in file.rows(
        f"SELECT media_id, since, until, {', '.join(codec.columns)} FROM {medium.name}_version"
        " WHERE series = ? AND (until IS NOT NULL OR since > ?)",
        *(series, numbers[0]),
    ):
        first = bisect_left(numbers, since)
        past = len(numbers) if until is None else bisect_left(numbers, until)
        with file.understood(f"{medium.name} {id}"):
            entry = codec.entry(id, "", tuple(row))
        if first:
            now.setdefault(numbers[first], {})[id] = entry
        if past < len(numbers):
            was.setdefault(numbers[past], {})[id] = entry
    return was, now
