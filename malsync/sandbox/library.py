"""The catalogue as a whole: rankings by one number, seasons, suggestions and search."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from malsync.sandbox.catalogue import Catalogue, Title, details, members
from malsync.sandbox.media import Medium, number

SEASONS = ("winter", "spring", "summer", "fall")
STANDS_AT = "2026-11-01"
"""The catalogue describes this day: what is airing then is on until then."""

_WEEKLY = ("tv", "ona")


class Library:
    """Answers questions about all titles of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._version = -1
        self._places: dict[tuple[str, str], dict[int, int]] = {}

    def all(self, medium: Medium) -> list[Title]:
        """Return every title with all its members."""
        return [members(medium.name, title) for title in self.catalogue.titles(medium.name)]

    def places(self, medium: Medium, order: str) -> Mapping[int, int]:
        """Return the place of each title in an order of ORDERS, in that order; kept until a title changes."""
        if self._version != self.catalogue.version:
            self._version = self.catalogue.version
            self._places.clear()
        if (medium.name, order) not in self._places:
            rows = [(ORDERS[order](title), int(title["id"])) for title in self.all(medium)]
            rows = sorted(([-value for value in values], id) for values, id in rows if values[0])
            self._places[medium.name, order] = {id: place for place, (_, id) in enumerate(rows, 1)}
        return self._places[medium.name, order]

    def suggestions(self, medium: Medium, liked: Iterable[int], known: Iterable[int]) -> list[int]:
        """Return what is recommended most to those who like these titles, without the titles that are `known`."""
        votes: Counter[int] = Counter()
        for id in liked:
            for link in details(medium.name, id)["recommendations"]:
                votes[link["id"]] += link["num_recommendations"]
        popularity = self.places(medium, "popularity")
        return sorted((votes.keys() & popularity.keys()) - set(known), key=lambda id: (-votes[id], popularity[id]))

    def search(self, medium: Medium, q: str) -> list[int]:
        """Return the titles that have each word of `q` in one of their names: exact names first, then the popular titles."""
        words, popularity = q.casefold().strip(), self.places(medium, "popularity")
        hits = [
            (nearness, popularity[title["id"]], int(title["id"]))
            for title in self.catalogue.titles(medium.name)
            if (nearness := _nearness(medium.name, title, words))
        ]
        return [id for *_, id in sorted(hits)]


def users(title: Title) -> int:
    """Return how many users have the title on their lists."""
    return number(title, "num_list_users")


def mean(title: Title) -> float:
    """Return the mean score; 0 for a title that has none."""
    value = title.get("mean")
    return value if isinstance(value, int | float) else 0


ORDERS: Mapping[str, Callable[[Title], list[float]]] = {
    "rank": lambda title: [mean(title), number(title, "num_scoring_users")],
    "popularity": lambda title: [1, users(title)],
    "favorites": lambda title: [number(title, "num_favorites")],
}
"""The numbers by which titles are ordered, the greatest first, then by id. A title whose first number is 0 has no place."""


def start_date(title: Title) -> str:
    """Return the first day as MAL writes it, which may be a month or a year; empty if it is not known."""
    return _text(title, "start_date")


def season_of(title: Title) -> tuple[int, str] | None:
    """Return year and season in which the title began; None if that is not known to the month."""
    day = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])(-\d\d)?", start_date(title), re.ASCII)
    return day and (int(day[1]), SEASONS[(int(day[2]) - 1) // 3])


def is_on_in(title: Title, year: int, season: str) -> bool:
    """Return whether the title began in that season, or is a series that began earlier and went on into it."""
    began = season_of(title)
    if began is None or began == (year, season):
        return began is not None
    first_day = f"{year:04}-{1 + 3 * SEASONS.index(season):02}-01"
    end = STANDS_AT if title.get("status") == "currently_airing" else _text(title, "end_date")
    goes_on = bool(end) and first_day[: len(end)] <= end
    return title["media_type"] in _WEEKLY and start_date(title) < first_day and goes_on


def _text(title: Mapping[str, Any], name: str) -> str:
    value = title.get(name)
    return value if isinstance(value, str) else ""


def _nearness(medium: str, title: Title, words: str) -> int:
    """How near a title is to the words of a search: 1 for its name, 5 for words of its other names, 0 for no match."""
    name = str(title["title"]).casefold()
    if name == words:
        return 1
    if name.startswith(words):
        return 2
    if all(word in name for word in words.split()):
        return 3 if words in name else 4
    names = details(medium, title["id"])["alternative_titles"]
    others = " ".join([*names["synonyms"], names["en"], names["ja"]]).casefold()
    return 5 if all(word in others for word in words.split()) else 0
