"""Convert a list of AniList to a snapshot with MAL's ids and fields, and name the entries that MAL cannot hold.

What only AniList has is kept in the `list_status` under names that begin with `anilist_`. The rest of malsync treats these
like any unknown member: kept and shown, never planned or sent.
"""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from malsync.errors import ApiError
from malsync.model.entry import Entry, TitleList
from malsync.model.medium import LARGEST_EXACT, MEDIA, Kind, ListStatus, Medium
from malsync.model.snapshot import PLAIN, Covers, Snapshot, User
from malsync.model.timestamps import to_the_millisecond

MAX_ENTRIES = 11_000
"""AniList returns no more entries of a list than these; it leaves out those whose update is oldest."""
PREFIX = "anilist_"
"""The prefix of members that only AniList has."""
_STATUSES = ("CURRENT", "COMPLETED", "PAUSED", "DROPPED", "PLANNING")  # in the order of `Medium.statuses`
_REPEATING = "REPEATING"
_COVERED = {"status", "score", "start_date", "finish_date", "comments", "updated_at"}

# The best score of each of AniList's score formats; smileys have MAL's ten points by number: AniList itself converts them to
# 35, 60 and 85 of a hundred. Five stars are ten points.
_BEST_SCORE = {"POINT_100": 100, "POINT_10_DECIMAL": 10, "POINT_10": 10, "POINT_5": 5, "POINT_3": 3}
_SMILEYS = {1: 3.5, 2: 6.0, 3: 8.5}


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry as AniList sends it, and the names of the custom lists that it is in."""

    entry: dict[str, Any]
    custom_lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """A user's name as AniList spells it, their score format, and their entries by medium, each once."""

    user: str
    score_format: str
    entries: dict[str, list[Listed]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that MAL cannot hold: which one, why, and its converted data."""

    medium: Medium
    anilist_id: int
    title: str
    why: str
    list_status: ListStatus


@dataclass(frozen=True)
class Taken:
    """A converted list: the snapshot, the entries that were left out, and remarks for the user."""

    snapshot: Snapshot
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]
    anilist_user: str = ""


def convert(source: Lists, *, origin: str, taken_at: datetime, custom_lists_as_tags: bool = False) -> Taken:
    """Convert lists to a snapshot without a MAL user that covers the fields AniList has.

    AniList has no priority and no rewatch value, and no tags unless `custom_lists_as_tags`. Where MAL has one title for two
    of AniList's, the entry that was updated last is taken. Raises ApiError for a score format that AniList's documentation
    does not name.
    """
    if source.score_format not in _BEST_SCORE:
        raise ApiError(
            f"AniList counts this user's scores as {source.score_format}, which malsync does not know.",
            "Install the newest malsync in the way this one was installed (a clone: git pull, then install it again).",
        )
    lists: dict[str, TitleList | None] = {}
    covers: Covers = {}
    left_out: list[LeftOut] = []
    for medium in MEDIA.values():
        converter = _Converter(medium, source.score_format, as_tags=custom_lists_as_tags)
        lists[medium.name] = converter.titles(source.entries[medium.name])
        covers[medium.name] = converter.covers
        left_out += converter.left_out
    note = f"{source.user} on AniList"
    snapshot = Snapshot(
        User(origin, None, ""), to_the_millisecond(taken_at), "import", covers, lists, note, encoded_as=PLAIN
    )
    remarks = [
        f"AniList tells at most {MAX_ENTRIES:,} entries of a list, those updated last: older {name} may be missing."
        for name, entries in source.entries.items()
        if len(entries) >= MAX_ENTRIES
    ]
    return Taken(snapshot, tuple(left_out), tuple(remarks), source.user)


class _Converter:
    """Converts one list."""

    def __init__(self, medium: Medium, score_format: str, *, as_tags: bool) -> None:
        self.left_out: list[LeftOut] = []
        self._medium = medium
        self._format = score_format
        self._as_tags = as_tags
        self._repeats = next(field.name for field in medium.fields if field.kind is Kind.FLAG)
        self._statuses = dict(zip(_STATUSES, medium.statuses, strict=True)) | {_REPEATING: "completed"}
        *self._volumes, self._progress = medium.progress
        known = _COVERED | {*medium.progress, medium.times, self._repeats} | ({"tags"} if as_tags else set())
        self.covers = tuple(name for name in medium.names if name in known)

    def titles(self, entries: Sequence[Listed]) -> TitleList:
        """Convert the entries that MAL can hold, by MAL's id; the others are added to `left_out`."""
        titles: TitleList = {}
        for listed in sorted(entries, key=_updated_last_first):
            entry, status = listed.entry, self._list_status(listed)
            media = entry["media"] or {}
            id, title = media.get("idMal"), _title(entry)
            if entry["status"] not in self._statuses:
                self._leave_out(
                    entry, title, f"AniList calls its status {entry['status']}, which MAL does not have", status
                )
            elif not id or not 0 < id <= LARGEST_EXACT:
                self._leave_out(entry, title, "AniList knows no MAL id of it", status)
            elif id in titles:
                why = f"MAL has one title ({id}) for it and {titles[id].title}, which was updated later"
                self._leave_out(entry, title, why, status)
            else:
                titles[id] = Entry(id, title, status)
        return titles

    def _leave_out(self, entry: Mapping[str, Any], title: str, why: str, status: ListStatus) -> None:
        self.left_out.append(LeftOut(self._medium, entry["mediaId"], title, why, status))

    def _list_status(self, listed: Listed) -> ListStatus:
        entry, medium = listed.entry, self._medium
        score = entry["score"] or 0
        points = _score(score, self._format)
        status: ListStatus = {
            "status": self._statuses.get(entry["status"]) or str(entry["status"]),
            "score": points,
            self._progress: entry["progress"] or 0,
            self._repeats: entry["status"] == _REPEATING,
            medium.times: entry["repeat"] or 0,
            "comments": entry["notes"] or "",
            **dict.fromkeys(self._volumes, entry["progressVolumes"] or 0),
            **_date("start_date", entry["startedAt"]),
            **_date("finish_date", entry["completedAt"]),
        }
        if score > 0 and self._format != "POINT_10" and score * 10 != points * _BEST_SCORE[self._format]:
            status[f"{PREFIX}score"] = f"{score:g}/{_BEST_SCORE[self._format]}"
        if self._as_tags:
            status["tags"] = list(_tags(listed.custom_lists))
        if listed.custom_lists and status.get("tags") != list(listed.custom_lists):
            status[f"{PREFIX}custom_lists"] = list(listed.custom_lists)
        if (updated := entry["updatedAt"] or 0) > 0:
            status["updated_at"] = datetime.fromtimestamp(updated, UTC).isoformat()
        return medium.arranged(status)


def _updated_last_first(listed: Listed) -> tuple[int, int]:
    return -(listed.entry["updatedAt"] or 0), listed.entry["id"]


def _title(entry: Mapping[str, Any]) -> str:
    """Return the title as MAL spells titles: in Latin letters where AniList has them."""
    title = (entry["media"] or {}).get("title") or {}
    name = title.get("romaji") or title.get("english") or title.get("native")
    return str(name or f"AniList {entry['mediaId']}")


def _score(score: float, score_format: str) -> int:
    """Convert a score to MAL's ten points, halves rounded up. Any score becomes 1 at least, since 0 is no score on MAL."""
    if score <= 0:
        return 0
    points = _SMILEYS.get(round(score), 0.0) if score_format == "POINT_3" else score * 10 / _BEST_SCORE[score_format]
    return min(10, max(1, int(points + 0.5)))


def _date(name: str, date: Mapping[str, Any] | None) -> dict[str, str]:
    """Convert as much of a date as MAL can express; where that is not all, AniList's date is kept beside it."""
    year, month, day = ((date or {}).get(part) or 0 for part in ("year", "month", "day"))
    if not (year or month or day):
        return {}
    parts = []
    if 1 <= year <= 9999:
        parts.append(f"{year:04}")
        if 1 <= month <= 12:
            parts.append(f"{month:02}")
            if 1 <= day <= calendar.monthrange(year, month)[1]:
                parts.append(f"{day:02}")
    converted = {name: "-".join(parts)} if parts else {}
    is_complete = len(parts) == 1 + bool(month) + bool(day)
    return converted if parts and is_complete else converted | {f"{PREFIX}{name}": f"{year:04}-{month:02}-{day:02}"}


def _tags(names: Sequence[str]) -> list[str]:
    """Convert names of custom lists to tags. MAL splits tags at commas and strips them."""
    tags = (" ".join(name.replace(",", " ").split()) for name in names)
    return [tag for tag in dict.fromkeys(tags) if tag]
