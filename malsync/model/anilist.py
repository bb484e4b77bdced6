"""An AniList list as a snapshot in MAL's words: by MAL's ids, nobody's list, and what has no place in it named.

What MAL can say is converted; what only AniList has is kept in the `list_status` under names that begin with `anilist_`. To
the rest of malsync these are members like any that it does not know: kept, shown, never planned, never sent.
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

MOST = 11_000
"""The most entries of a list that AniList tells, those that were updated last."""
KEPT = "anilist_"
"""What the name of a member begins with that only AniList has."""
_STATUSES = ("CURRENT", "COMPLETED", "PAUSED", "DROPPED", "PLANNING")  # in the order of `Medium.statuses`
_AGAIN = "REPEATING"
_COVERED = {"status", "score", "start_date", "finish_date", "comments", "updated_at"}

# What the best score of each of AniList's forms is, and the score in MAL's ten points for one of them. A smiley has the
# number that AniList gives it among a hundred (35, 60, 85); five stars are ten.
_BEST = {"POINT_100": 100, "POINT_10_DECIMAL": 10, "POINT_10": 10, "POINT_5": 5, "POINT_3": 3}
_SMILEYS = {1: 3.5, 2: 6.0, 3: 8.5}


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry as AniList tells it, and the names of the custom lists that it is in."""

    entry: dict[str, Any]
    custom_lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """A user's name as AniList writes it, the form of their scores, and their entries by medium, each once."""

    user: str
    score_format: str
    entries: dict[str, list[Listed]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that could not be taken over: which, why, and what it says."""

    medium: Medium
    anilist_id: int
    title: str
    why: str
    list_status: ListStatus


@dataclass(frozen=True)
class Taken:
    """A list from AniList: what MAL can hold of it, what was left out, and what one should know."""

    snapshot: Snapshot
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]
    anilist_user: str = ""


def convert(found: Lists, *, origin: str, taken_at: datetime, custom_lists_as_tags: bool = False) -> Taken:
    """`found` as a snapshot that is nobody's, of what AniList at `origin` knows.

    Priority and the worth of watching again are unknown to AniList, and so are tags unless `custom_lists_as_tags`. Where MAL
    has one title for two of AniList's, the entry that was updated last stands for it. Raises ApiError for a form of scores
    that AniList's documentation does not name.
    """
    if found.score_format not in _BEST:
        raise ApiError(
            f"AniList counts this user's scores as {found.score_format}, which malsync does not know.",
            "Install the newest malsync in the way this one was installed (a clone: git pull, then install it again).",
        )
    lists: dict[str, TitleList | None] = {}
    covers: Covers = {}
    left_out: list[LeftOut] = []
    for medium in MEDIA.values():
        making = _Making(medium, found.score_format, as_tags=custom_lists_as_tags)
        lists[medium.name] = making.titles(found.entries[medium.name])
        covers[medium.name] = making.covers
        left_out += making.left_out
    note = f"{found.user} on AniList"
    snapshot = Snapshot(
        User(origin, None, ""), to_the_millisecond(taken_at), "import", covers, lists, note, encoded_as=PLAIN
    )
    remarks = [
        f"AniList tells at most {MOST:,} entries of a list, those updated last: older {name} may be missing."
        for name, entries in found.entries.items()
        if len(entries) >= MOST
    ]
    return Taken(snapshot, tuple(left_out), tuple(remarks), found.user)


class _Making:
    """Makes one list."""

    def __init__(self, medium: Medium, score_format: str, *, as_tags: bool) -> None:
        self.left_out: list[LeftOut] = []
        self._medium = medium
        self._format = score_format
        self._as_tags = as_tags
        self._again = next(field.name for field in medium.fields if field.kind is Kind.FLAG)
        self._statuses = dict(zip(_STATUSES, medium.statuses, strict=True)) | {_AGAIN: "completed"}
        *self._volumes, self._progress = medium.progress
        known = _COVERED | {*medium.progress, medium.times, self._again} | ({"tags"} if as_tags else set())
        self.covers = tuple(name for name in medium.names if name in known)

    def titles(self, entries: Sequence[Listed]) -> TitleList:
        """The entries that MAL can hold, by MAL's id; the others are in `left_out` then."""
        titles: TitleList = {}
        for listed in sorted(entries, key=_updated_last_first):
            entry, status = listed.entry, self._list_status(listed)
            media = entry["media"] or {}
            id, title = media.get("idMal"), _title(entry)
            if entry["status"] not in self._statuses:
                self._leave(
                    entry, title, f"AniList calls its status {entry['status']}, which MAL does not have", status
                )
            elif not id or not 0 < id <= LARGEST_EXACT:
                self._leave(entry, title, "AniList knows no MAL id of it", status)
            elif id in titles:
                why = f"MAL has one title ({id}) for it and {titles[id].title}, which was updated later"
                self._leave(entry, title, why, status)
            else:
                titles[id] = Entry(id, title, status)
        return titles

    def _leave(self, entry: Mapping[str, Any], title: str, why: str, status: ListStatus) -> None:
        self.left_out.append(LeftOut(self._medium, entry["mediaId"], title, why, status))

    def _list_status(self, listed: Listed) -> ListStatus:
        entry, medium = listed.entry, self._medium
        score = entry["score"] or 0
        points = _score(score, self._format)
        status: ListStatus = {
            "status": self._statuses.get(entry["status"]) or str(entry["status"]),
            "score": points,
            self._progress: entry["progress"] or 0,
            self._again: entry["status"] == _AGAIN,
            medium.times: entry["repeat"] or 0,
            "comments": entry["notes"] or "",
            **dict.fromkeys(self._volumes, entry["progressVolumes"] or 0),
            **_date("start_date", entry["startedAt"]),
            **_date("finish_date", entry["completedAt"]),
        }
        if score > 0 and self._format != "POINT_10" and score * 10 != points * _BEST[self._format]:
            status[f"{KEPT}score"] = f"{score:g}/{_BEST[self._format]}"
        if self._as_tags:
            status["tags"] = list(_tags(listed.custom_lists))
        if listed.custom_lists and status.get("tags") != list(listed.custom_lists):
            status[f"{KEPT}custom_lists"] = list(listed.custom_lists)
        if (updated := entry["updatedAt"] or 0) > 0:
            status["updated_at"] = datetime.fromtimestamp(updated, UTC).isoformat()
        return medium.arranged(status)


def _updated_last_first(listed: Listed) -> tuple[int, int]:
    return -(listed.entry["updatedAt"] or 0), listed.entry["id"]


def _title(entry: Mapping[str, Any]) -> str:
    """As MAL writes titles: in Latin letters where AniList has them."""
    title = (entry["media"] or {}).get("title") or {}
    found = title.get("romaji") or title.get("english") or title.get("native")
    return str(found or f"AniList {entry['mediaId']}")


def _score(score: float, score_format: str) -> int:
    """In MAL's ten points, halves rounded up; the lowest score that somebody gave is 1, since MAL's 0 is none."""
    if score <= 0:
        return 0
    points = _SMILEYS.get(round(score), 0.0) if score_format == "POINT_3" else score * 10 / _BEST[score_format]
    return min(10, max(1, int(points + 0.5)))


def _date(name: str, said: Mapping[str, Any] | None) -> dict[str, str]:
    """As much of the date as MAL can say; where that is not all, what AniList said is kept beside it."""
    year, month, day = ((said or {}).get(part) or 0 for part in ("year", "month", "day"))
    if not (year or month or day):
        return {}
    parts = []
    if 1 <= year <= 9999:
        parts.append(f"{year:04}")
        if 1 <= month <= 12:
            parts.append(f"{month:02}")
            if 1 <= day <= calendar.monthrange(year, month)[1]:
                parts.append(f"{day:02}")
    told = {name: "-".join(parts)} if parts else {}
    is_all = len(parts) == 1 + bool(month) + bool(day)
    return told if parts and is_all else told | {f"{KEPT}{name}": f"{year:04}-{month:02}-{day:02}"}


def _tags(names: Sequence[str]) -> list[str]:
    """Custom lists as tags. MAL parts tags at commas and takes the blanks around them away."""
    tags = (" ".join(name.replace(",", " ").split()) for name in names)
    return [tag for tag in dict.fromkeys(tags) if tag]
