"""Big lists from a seed, for what a backup, a mirror and a browser must withstand.

The shares are about those of real exports: an eighth of the entries has a comment, a quarter has tags, most finished titles
have dates, and a few entries are odd.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from random import Random
from typing import Any

from malsync.sandbox.catalogue import Catalogue, Title, fixture
from malsync.sandbox.errors import SandboxError
from malsync.sandbox.media import MEDIA, Kind, Medium, Status

MOST = 1_000_000
FIRST_INVENTED_ID = 1_000_001
"""MAL's ids are far below."""

_FIRST_DAY = date(2012, 1, 1).toordinal()
_LAST_DAY = date(2026, 10, 31).toordinal()
_SCORES = (10, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7, 7, 6, 6, 6, 5, 5, 4, 3, 2, 1)


def generated_lists(
    catalogue: Catalogue, entries: int, seed: int
) -> tuple[dict[str, list[Title]], dict[str, dict[int, Status]]]:
    """Return invented titles and list statuses, each by medium; `entries` list statuses in all. Raises SandboxError."""
    if not 1 <= entries <= MOST:
        raise SandboxError(f"lists cannot have {entries} entries; use 1 to {MOST}")
    manga = round(entries * 900 / 10_900)
    titles: dict[str, list[Title]] = {}
    lists: dict[str, dict[int, Status]] = {}
    for medium, size in ((MEDIA["anime"], entries - manga), (MEDIA["manga"], manga)):
        random = Random(f"{seed} {medium.name}")  # noqa: S311 the same seed must give the same lists
        real = [title for title in catalogue.titles(medium.name) if not title.get("pending")]
        titles[medium.name] = [_copy(real, number) for number in range(size - len(real))]
        all_titles = [*real[:size], *titles[medium.name]]
        lists[medium.name] = {title["id"]: _status(medium, title, random) for title in all_titles}
    return titles, lists


def _copy(titles: list[Title], number: int) -> Title:
    """Return an invented title: one of `titles` in turn, under a new id and a name with a number."""
    original = titles[number % len(titles)]
    name = f"{original['title']} ({number // len(titles) + 2})"
    return {**original, "id": FIRST_INVENTED_ID + number, "title": name}


@cache
def _remarks() -> Mapping[str, Any]:
    remarks: dict[str, Any] = fixture("catalogue/remarks")
    return remarks


def _status(medium: Medium, title: Title, random: Random) -> Status:
    """Return a list status, mostly an ordinary one."""
    chance, remarks = random.random, _remarks()
    name = random.choices(medium.statuses, (6, 55, 7, 7, 25))[0]
    day = random.randint(_FIRST_DAY, _LAST_DAY)
    status: Status = {"status": name}
    if name == medium.planned:
        if chance() < 0.1:
            status["priority"] = random.randint(1, 2)
    else:
        status |= _progress(medium, title, name, random)
        if chance() < (0.85 if name == "completed" else 0.4):
            status["score"] = random.choice(_SCORES)
        status |= _dates(name, day, random)
        if name == "completed" and chance() < 0.1:
            status |= _again(medium, random)
    if chance() < 0.12:
        status["comments"] = random.choice(remarks["comments"])
    if chance() < 0.25:
        status["tags"] = (
            [remarks["sync_tag"]] if chance() < 0.1 else random.sample(remarks["tags"], random.choice((1, 1, 2, 2, 3)))
        )
    clock = f"{random.randrange(24):02}:{random.randrange(60):02}:{random.randrange(60):02}"
    return {**status, "updated_at": f"{_day(day)}T{clock}+00:00"}


def _progress(medium: Medium, title: Title, name: str, random: Random) -> Status:
    """Return all episodes or chapters of a completed title (in 2 % too few or too many), else a part of them."""
    share = random.choice((0, 0.5, 1.1)) if random.random() < 0.02 else 1
    status: Status = {}
    for member in medium.members:
        if member.total:
            total = int(title.get(member.total, 0))
            status[member.read] = int(total * share) if name == "completed" else random.randint(0, total or 30)
    return status


def _dates(name: str, day: int, random: Random) -> Status:
    """Return both dates, the first alone, or none; in 3 % the first is a year or a month only."""
    chance = random.random()
    if chance > 0.6:
        return {}
    start = _day(day - random.randrange(200))
    if chance < 0.03:
        start = start[: random.choice((4, 7))]
    return {"start_date": start} | ({"finish_date": _day(day)} if name == "completed" and chance < 0.55 else {})


def _again(medium: Medium, random: Random) -> Status:
    _, times, value = (member.read for member in medium.members if member.asked and member.kind is Kind.NUMBER)
    return {times: random.randint(1, 4), value: random.randint(0, 5), medium.again: random.random() < 0.1}


def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()
