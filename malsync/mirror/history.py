"""One entry through every snapshot."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from malsync.mirror.database import File
from malsync.mirror.rows import RowCodec
from malsync.model.medium import ListStatus, Medium
from malsync.model.plain_text import plain_status

if TYPE_CHECKING:
    from malsync.mirror.snapshots import SnapshotInfo

_Span = tuple[int, int | None, ListStatus]  # the snapshots since and until which it was valid, and what it was


@dataclass(frozen=True, slots=True)
class Version:
    """One entry as it stood from a snapshot on, with plain text; None from the one on that it was missing in."""

    snapshot: int
    taken_at: datetime
    list_status: ListStatus | None


def through(file: File, infos: "Iterable[SnapshotInfo]", medium: Medium, id: int) -> list[Version]:
    """One entry through `infos`, which are in order and cover `medium`: a version wherever it changed, came or went."""
    codec = RowCodec(medium)
    rows = file.rows(
        f"SELECT series, since, until, {', '.join(codec.columns)} FROM {medium.name}_version"
        " WHERE media_id = ? AND series IN (SELECT DISTINCT series FROM snapshot) ORDER BY since",
        id,
    )
    spans: dict[int, list[_Span]] = {}
    with file.understood(f"the history of {medium.name} {id}"):
        for series, since, until, *row in rows:
            spans.setdefault(series, []).append((since, until, codec.decode(tuple(row))))
        versions: list[Version] = []
        before: ListStatus | None = None
        for info in infos:
            now = _valid_at(spans.get(info.series, []), info.number)
            if now == before:
                continue  # the same bytes are the same text, whatever became of the rest of the list
            before = now
            plain = None if now is None else plain_status(now, info.encoded.get(medium.name, ()))
            if plain != (versions[-1].list_status if versions else None):
                versions.append(Version(info.number, info.taken_at, plain))
    return versions


def _valid_at(spans: list[_Span], number: int) -> ListStatus | None:
    """What was valid at the snapshot of that number. Looked up, not looked for: an entry may have changed a thousand times."""
    at = bisect_right(spans, number, key=itemgetter(0)) - 1
    if at < 0:
        return None
    _, until, list_status = spans[at]
    return list_status if until is None or until > number else None
