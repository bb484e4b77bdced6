"""What the sandbox makes up about a title and orders titles by: when it ran, and how many people like it how much.

Real are the ids, titles, types and totals. All else here follows from the id, so that it comes again, and from what is real
where that limits it: the ids of MAL grow with the years, 24 episodes take two seasons, a title of many lists has many users.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from malsync.sandbox.catalogue import Title
from malsync.sandbox.chance import Chance
from malsync.sandbox.kana import katakana
from malsync.sandbox.media import Medium

STANDS_AT = date(2026, 11, 1)
"""The day on which the catalogue stands still: what runs then is running."""

FIRST_INVENTED_ID = 1_000_001
"""Titles that are made up have ids from here on: MAL is far from it."""
SEASONS = ("winter", "spring", "summer", "fall")
WEEKLY = frozenset({"tv", "ona"})

FINISHED, CURRENT, COMING, HIATUS, DISCONTINUED = "finished", "current", "coming", "hiatus", "discontinued"
STATES: Mapping[str, Mapping[str, str]] = {
    "anime": {FINISHED: "finished_airing", CURRENT: "currently_airing", COMING: "not_yet_aired"},
    "manga": {
        FINISHED: "finished",
        CURRENT: "currently_publishing",
        COMING: "not_yet_published",
        HIATUS: "on_hiatus",
        DISCONTINUED: "discontinued",
    },
}
"""The states of a run as `status` spells them; `on_hiatus` and `discontinued` are not in the reference, but on the wire
(ModerNews/MAL-API-Client-Upgraded, "MangaStatus")."""

_YEARS: Mapping[str, tuple[tuple[int, float], ...]] = {
    "anime": (
        (0, 1998), (1_000, 2004), (5_000, 2009), (10_000, 2011), (20_000, 2013.5), (30_000, 2015.5), (35_000, 2017.5),
        (40_000, 2019.8), (50_000, 2022), (55_000, 2024), (60_000, 2025.2), (64_000, 2026.8), (999_000, 2028),
    ),
    "manga": (
        (0, 1996), (2_000, 2004), (10_000, 2008), (25_000, 2010.5), (50_000, 2012.8), (90_000, 2015.5), (110_000, 2018),
        (130_000, 2020.5), (150_000, 2022.5), (170_000, 2024.3), (185_000, 2026.5), (999_000, 2028),
    ),
}  # fmt: skip
"""Ids, and about when they were given out."""


@dataclass(frozen=True)
class Run:
    """When a title ran. `start` and `end` are dates as MAL writes them: a day, a month, a year, or None for not known."""

    state: str
    first: date | None
    last: date | None
    start: str | None
    end: str | None

    @property
    def season(self) -> tuple[int, str] | None:
        """The season that it began in; None where that is not known to the month."""
        return season_of(self.first) if self.first and self.start and len(self.start) >= 7 else None


class Facts:
    """One title's numbers. `place` is where the shipped catalogue, most common titles first, has it, else None."""

    def __init__(self, medium: Medium, title: Title, place: int | None) -> None:
        self.medium = medium
        self.title = title
        self.id = int(title["id"])
        self.chance = Chance(medium.name, self.id)
        self._place = place

    @cached_property
    def media_type(self) -> str:
        return str(self.title.get("media_type", "unknown"))

    @cached_property
    def nsfw(self) -> str:
        return str(self.title.get("nsfw", "white"))

    @cached_property
    def extent(self) -> int:
        """Its last total: episodes or chapters; 0 where they are not known."""
        return self.total(self.medium.totals[-1])

    def total(self, name: str) -> int:
        return self._given(name, int) or 0

    @cached_property
    def run(self) -> Run:
        if self.title.keys() & {"status", "start_date", "end_date"}:
            return self._given_run()
        state, first, last = self._days()
        month, year = (1.0, 0.4) if state == COMING else (0.05, 0.02)
        unsure = self.chance.share("how sure the dates are")
        length = 4 if unsure < year else 7 if unsure < month else 10
        start, end = (day.isoformat()[:length] if day else None for day in (first, last))
        return Run(state, first, last, start, end)

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """Its alternative titles: initials, often itself in English, and its syllables in katakana."""
        title = str(self.title["title"])
        initials = "".join(word[0] for word in title.replace(":", " ").split() if word[0].isalnum())
        return {
            "synonyms": [initials.upper()] if len(initials) > 2 else [],
            "en": title if self.chance.share("english") < 0.6 else "",
            "ja": katakana(title),
        }

    @cached_property
    def status(self) -> str:
        return STATES[self.medium.name][self.run.state]

    @cached_property
    def users(self) -> int:
        """How many have it on their lists."""
        if (given := self._given("num_list_users", int)) is not None:
            return int(given)
        if self._place is not None:
            return int(2_900_000 / (1 + self._place / 20) ** 1.1 * (0.85 + 0.3 * self.chance.share("users")))
        return int(10 ** (1 + 3.7 * self.chance.share("users") ** 1.5))

    @cached_property
    def scorers(self) -> int:
        """How many gave it a score."""
        if (given := self._given("num_scoring_users", int)) is not None:
            return int(given)
        return 0 if self.run.state == COMING else int(self.users * (0.25 + 0.4 * self.chance.share("scorers")))

    @cached_property
    def mean(self) -> float | None:
        """The mean of the scores; too few of them have none."""
        if (given := self._given("mean", (int, float))) is not None:
            return float(given)
        if self.scorers < 20:
            return None
        liked = self.chance.share("mean") + self.chance.share("mean again") + len(str(self.users)) / 7
        return round(5.35 + liked * 1.25, 2)

    @cached_property
    def favorites(self) -> int:
        """How many count it among the few that they like best."""
        given = self._given("num_favorites", int)
        return int(given if given is not None else self.users * 0.04 * self.chance.share("favorites") ** 2)

    def is_on_in(self, year: int, season: str) -> bool:
        """Whether it began in that season, or began earlier and went on into it."""
        if self.run.first is None or self.run.season is None:
            return False
        begins = date(year, 1 + 3 * SEASONS.index(season), 1)
        if self.run.season == (year, season):
            return True
        until = STANDS_AT if self.run.state == CURRENT else self.run.last
        return self.media_type in WEEKLY and until is not None and self.run.first < begins <= until

    def _given(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """What a state says of the title itself, which goes before what is made up; None where it says nothing."""
        value = self.title.get(name)
        return value if isinstance(value, kind) else None

    def _given_run(self) -> Run:
        start, end = self._given("start_date", str), self._given("end_date", str)
        states = {told: state for state, told in STATES[self.medium.name].items()}
        first, last = _first_of(start), _first_of(end)
        state = states.get(self.title.get("status", ""))
        if state is None:
            state = COMING if first is None or first > STANDS_AT else FINISHED if last else CURRENT
        return Run(state, first, last, start, end)

    def _days(self) -> tuple[str, date | None, date | None]:
        """Its state, its first day and its last."""
        if self.media_type == "unknown":
            return COMING, None, None
        first = self._first_day()
        if first > STANDS_AT:
            return COMING, first, None
        last = first + timedelta(days=self._length())
        if self.extent == 0 or last > STANDS_AT:
            return self._unfinished(first)
        stopped = self.medium.name == "manga" and self.chance.share("stopped") < 0.05
        return DISCONTINUED if stopped else FINISHED, first, last

    def _unfinished(self, first: date) -> tuple[str, date, None]:
        chance = self.chance.share("state")
        if self.medium.name == "manga":
            return HIATUS if chance < 0.15 else CURRENT, first, None
        if self.extent == 0 and chance < 0.5 and first.year >= 2021:
            return COMING, date(STANDS_AT.year + 1, 1 + int(chance * 24), 1), None
        return CURRENT, first, None

    def _first_day(self) -> date:
        if self.id < FIRST_INVENTED_ID:
            return _day_of(self.medium.name, self.id) + timedelta(days=self.chance.number("first day", -100, 100))
        if self.extent == 0:
            return STANDS_AT - timedelta(days=self.chance.number("first day", 0, 300))
        return date(1998, 1, 1) + timedelta(days=self.chance.number("first day", 0, 10_700))

    def _length(self) -> int:
        """Days from the first to the last: an episode or a chapter a week, others every other month."""
        each = 7 if self.medium.name == "manga" or self.media_type in WEEKLY else 60
        return each * max(0, self.extent - 1)


def _first_of(text: str | None) -> date | None:
    """The first day of a date as MAL writes it; None for what is none."""
    with suppress(ValueError):
        return date.fromisoformat(f"{text}-01-01"[:10])
    return None


def season_of(day: date) -> tuple[int, str]:
    return day.year, SEASONS[(day.month - 1) // 3]


def _day_of(medium: str, id: int) -> date:
    """About when MAL gave out this id."""
    years = _YEARS[medium]
    at = min(bisect_right(years, id, key=lambda row: row[0]), len(years) - 1)
    (low, since), (high, until) = years[at - 1 : at + 1]
    year = since + (until - since) * min(1.0, (id - low) / (high - low))
    return date(int(year), 1, 1) + timedelta(days=int(365 * (year % 1)))
