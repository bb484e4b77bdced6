"""A stand-in for AniList's GraphQL API over real HTTP, written from its documentation (docs.anilist.co).

It knows one query, MediaListCollection by a user's name: lists by status and custom lists, chunks of unique entries, the
user's own form of scores, errors in the body, 30 requests a minute. Without a Referer it answers as AniList does since 2026-09
(animego#170). It shares no code and no table with malsync.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.servers import FarSide, Heard, Reply

_GROUPS = {
    "CURRENT": ("Watching", "Reading"),
    "PLANNING": ("Planning", "Planning"),
    "COMPLETED": ("Completed", "Completed"),
    "DROPPED": ("Dropped", "Dropped"),
    "PAUSED": ("Paused", "Paused"),
    "REPEATING": ("Rewatching", "Rereading"),
}
_MOST_A_CHUNK = 500
DISABLED = "The AniList API has been temporarily disabled due to severe stability issues."


def said(data: Any, *, status: int = 200, errors: list[dict[str, Any]] | None = None, **headers: str) -> Reply:
    """An answer of the API."""
    document = {"data": data} if errors is None else {"data": data, "errors": errors}
    names = {"Content-Type": "application/json", "X-RateLimit-Limit": "90", **headers}
    return Reply(json.dumps(document), status, {name.replace("_", "-"): text for name, text in names.items()})


def refused(message: str, status: int, http: int | None = None, **headers: str) -> Reply:
    """An error as AniList answers it: in the body, and by HTTP's status unless that is another."""
    errors = [{"message": message, "status": status, "locations": [{"line": 2, "column": 3}]}]
    return said({"MediaListCollection": None}, status=http or status, errors=errors, **headers)


def too_many(**headers: str) -> Reply:
    """What comes of more requests than 30 a minute."""
    return said(None, status=429, errors=[{"message": "Too Many Requests.", "status": 429}], **headers)


def fuzzy(year: int | None = None, month: int | None = None, day: int | None = None) -> dict[str, int | None]:
    """A date of which anybody may leave out any part."""
    return {"year": year, "month": month, "day": day}


def entry(anilist: int, mal: int | None = None, **more: Any) -> dict[str, Any]:
    """An entry of AniList's title `anilist`, which MAL has as `mal`. It is in the lists of `custom`, and `hidden` in no other."""
    title = more.pop("title", f"Title {anilist}")
    return {
        "id": 900_000 + anilist,
        "mediaId": anilist,
        "status": "COMPLETED",
        "score": 0,
        "progress": 0,
        "progressVolumes": None,
        "repeat": 0,
        "notes": None,
        "startedAt": fuzzy(),
        "completedAt": fuzzy(),
        "updatedAt": 1_700_000_000 + anilist,
        "media": {"idMal": mal, "title": {"romaji": title, "english": None, "native": None}},
        "custom": (),
        "hidden": False,
        **more,
    }


@dataclass
class Member:
    """A user of AniList: their name as they write it, the form of their scores, and their lists."""

    name: str
    anime: list[dict[str, Any]] = field(default_factory=list)
    manga: list[dict[str, Any]] = field(default_factory=list)
    score_format: str = "POINT_10"
    private: bool = False


class AniListServer(FarSide):
    """AniList with these users. `instead` is asked first, with the number of the request, and may answer in its place."""

    def __init__(self, *members: Member, per_chunk: int = _MOST_A_CHUNK) -> None:
        super().__init__(self._answer)
        self.members = {member.name.lower(): member for member in members}
        self.instead: Callable[[int], Reply | None] = lambda number: None
        self._most = per_chunk

    @property
    def environment_of_it(self) -> dict[str, str | None]:
        """What makes malsync ask this server."""
        return {"MALSYNC_ANILIST_URL": self.origin}

    def _answer(self, heard: Heard) -> Reply:
        reply = self.instead(len(self.heard))
        if reply is not None:
            return reply
        if not heard.headers.get("referer"):
            return said(None, status=403, errors=[{"message": DISABLED, "status": 403}])
        if heard.method != "POST" or heard.headers.get("content-type") != "application/json":
            return refused("Must provide query string.", 400)
        asked = json.loads(heard.body)
        query, variables = asked["query"], asked["variables"]
        assert query.count("{") == query.count("}"), query
        member = self.members.get(variables["user"].lower())
        if member is None:
            return refused("User not found", 404)
        if member.private:
            return refused("Private User", 404)
        if variables["type"] not in ("ANIME", "MANGA"):
            return refused('Variable "$type" got invalid value.', 400)
        return said({"MediaListCollection": self._collection(member, variables, query)})

    def _collection(self, member: Member, variables: dict[str, Any], query: str) -> dict[str, Any]:
        everything = member.anime if variables["type"] == "ANIME" else member.manga
        size = min(variables["perChunk"], self._most)
        start = (variables["chunk"] - 1) * size
        entries = everything[start : start + size]
        members = re.search(r"entries \{ (.*) \} \}\n", query)
        assert members is not None, query
        return {
            "hasNextChunk": start + size < len(everything),
            "user": {"name": member.name, "mediaListOptions": {"scoreFormat": member.score_format}},
            "lists": _groups(entries, variables["type"], members[1]),
        }


def _groups(entries: list[dict[str, Any]], kind: str, asked: str) -> list[dict[str, Any]]:
    groups: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    names = re.sub(r"\{[^{}]*(\{[^{}]*\})?[^{}]*\}", "", asked).split()
    for one in entries:
        told = {name: one[name] for name in names}
        places = [(custom, True) for custom in one["custom"]]
        if not one["hidden"]:
            words = _GROUPS.get(one["status"], ("Other", "Other"))
            places.insert(0, (words[kind == "MANGA"], False))
        for place in places:
            groups.setdefault(place, []).append(told)
    return [{"name": name, "isCustomList": custom, "entries": found} for (name, custom), found in groups.items()]
