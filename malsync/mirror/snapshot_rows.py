"""Snapshots as the mirror stores them: a header each, and the versions of entries that are valid at its number."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson

from malsync.mirror import users
from malsync.mirror.database import File, damaged
from malsync.mirror.rows import Row, RowCodec
from malsync.model.diff import Op
from malsync.model.medium import MEDIA, ListStatus, Medium
from malsync.model.plain_text import plain_status
from malsync.model.row_values import optional, typed
from malsync.model.snapshot import Covers, Encoded, Source, User
from malsync.model.timestamps import parse_timestamp

CODECS = {name: RowCodec(medium) for name, medium in MEDIA.items()}
HEADERS = (
    "SELECT snapshot.id, series, origin, mal_id, name, taken_at, source, digest, covers, anime, manga,"
    " added, updated, removed, suspicious, note, encoded"
    " FROM snapshot JOIN series ON series.id = snapshot.series JOIN mal_user ON mal_user.id = series.user"
)
"""The query for headers; `info_of` reads its rows."""


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot's header: what is known of it without rebuilding its lists."""

    number: int
    series: int
    """The snapshots of a series share versions of entries: one user's backups, imports or public lists in order of time."""
    user: User
    taken_at: datetime
    source: Source
    digest: str
    covers: Covers
    counts: dict[str, int | None]
    """The number of entries by medium; None for a list that it does not cover."""
    changes: dict[Op, int]
    """How many entries changed since the snapshot before it in its series."""
    suspicious: tuple[str, ...]
    note: str
    encoded: Encoded
    """The fields whose text is HTML-encoded, by medium."""


def infos(file: File, clause: str = "", *values: Any) -> list[SnapshotInfo]:
    """The headers that `clause` selects (WHERE, ORDER BY, LIMIT). Raises Damaged if one cannot be read."""
    return [info_of(file, row) for row in file.rows(f"{HEADERS} {clause}", *values)]


def info_of(file: File, row: Sequence[Any]) -> SnapshotInfo:
    """Read a row of `HEADERS`. Raises Damaged if malsync did not write it."""
    number, series, origin, mal_id, name, taken_at, source, digest, covers, *rest = row
    try:
        anime, manga, added, updated, removed, suspicious, note, encoded = rest
        covered = orjson.loads(covers)
        return SnapshotInfo(
            number=number,
            series=series,
            user=users.user_of(origin, mal_id, name),
            taken_at=parse_timestamp(taken_at),
            source=source,
            digest=typed(str, digest),
            covers={name: None if covered[name] is None else tuple(covered[name]) for name in MEDIA},
            counts={"anime": optional(int, anime), "manga": optional(int, manga)},
            changes={"add": typed(int, added), "update": typed(int, updated), "remove": typed(int, removed)},
            suspicious=tuple(typed(str, reason) for reason in orjson.loads(suspicious)),
            note=typed(str, note),
            encoded={name: tuple(fields) for name, fields in orjson.loads(encoded).items()},
        )
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise damaged(file.path, f"snapshot {number} has a header that cannot be read ({error})") from error


def rows_at(file: File, info: SnapshotInfo) -> dict[str, dict[int, Row] | None]:
    """The rows of each list at a snapshot, by medium and id, as `CODECS` encode them; None for a list not covered."""
    return {name: None if info.covers[name] is None else _rows(file, name, info) for name in MEDIA}


def _rows(file: File, medium: str, info: SnapshotInfo) -> dict[int, Row]:
    rows = file.rows(
        f"SELECT media_id, {', '.join(CODECS[medium].columns)} FROM {medium}_version"
        " WHERE series = :series AND since <= :number AND (until IS NULL OR until > :number)",
        {"series": info.series, "number": info.number},
    )
    return {row[0]: row[1:] for row in rows}


def titles(file: File, medium: Medium) -> dict[int, str]:
    """The title of every id that was ever on a list in the mirror."""
    # The catalogue has many more.
    on_a_list = f"SELECT media_id FROM {medium.name}_version"
    return dict(file.rows(f"SELECT id, title FROM {medium.name} WHERE id IN ({on_a_list})"))


# -- the history of one entry

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
