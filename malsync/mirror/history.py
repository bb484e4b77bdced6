"""The history of one entry through all snapshots."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from malsync.mirror.database import File
from malsync.mirror.snapshot_rows import CODECS, SnapshotInfo
from malsync.model.medium import ListStatus, Medium
from malsync.model.plain_text import plain_status

_Interval = tuple[int, int | None, ListStatus]
"""A stored version: the snapshots from which and until which it is valid (None: still valid), and its value."""


@dataclass(frozen=True, slots=True)
class Version:
    """An entry from a snapshot on until the next version, with plain texts. `list_status` None: it was not on the list."""

    snapshot: int
    taken_at: datetime
    list_status: ListStatus | None


def history(file: File, infos: Iterable[SnapshotInfo], medium: Medium, id: int) -> list[Version]:
    """One entry through `infos`, which are in order of time and cover `medium`: a version for each change."""
    codec = CODECS[medium.name]
    rows = file.rows(
        f"SELECT series, since, until, {', '.join(codec.columns)} FROM {medium.name}_version"
        " WHERE media_id = ? AND series IN (SELECT DISTINCT series FROM snapshot) ORDER BY since",
        id,
    )
    intervals: dict[int, list[_Interval]] = {}
    with file.decoding(f"the history of {medium.name} {id}"):
        for series, since, until, *row in rows:
            intervals.setdefault(series, []).append((since, until, codec.decode(tuple(row))))
        versions: list[Version] = []
        previous: ListStatus | None = None
        for info in infos:
            current = _valid_at(intervals.get(info.series, []), info.number)
            if current == previous:
                continue  # equal bytes are equal texts, even if a change elsewhere in the list made them count as encoded
            previous = current
            plain = None if current is None else plain_status(current, info.encoded.get(medium.name, ()))
            if plain != (versions[-1].list_status if versions else None):
                versions.append(Version(info.number, info.taken_at, plain))
    return versions


def _valid_at(intervals: list[_Interval], number: int) -> ListStatus | None:
    """The version that is valid at a snapshot. Found by bisection, because an entry may have a thousand versions."""
    index = bisect_right(intervals, number, key=itemgetter(0)) - 1
    if index < 0:
        return None
    _, until, list_status = intervals[index]
    return list_status if until is None or until > number else None
