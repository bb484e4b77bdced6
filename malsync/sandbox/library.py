"""What the titles of a catalogue are to each other: standings, families, recommendations, and who answers to a name."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import pairwise

from malsync.sandbox.catalogue import Catalogue, Title, places
from malsync.sandbox.facts import WEEKLY, Facts
from malsync.sandbox.media import MEDIA, Medium

RECOMMENDED_FROM = 300
"""So many of the catalogue's first titles are ever recommended."""

Relation = tuple[str, int]
"""What another title is to this one, and its id."""

_SIDES: Mapping[str, tuple[str, str]] = {
    "movie": ("side_story", "parent_story"),
    "ova": ("side_story", "parent_story"),
    "special": ("side_story", "parent_story"),
    "tv_special": ("summary", "full_story"),
    "one_shot": ("side_story", "parent_story"),
    "doujinshi": ("spin_off", "parent_story"),
    "music": ("character", "other"),
    "cm": ("other", "other"),
    "pv": ("other", "other"),
}
"""The types that stand beside a series: what one of them is to the series, and what the series is to it."""

_TAIL = re.compile(
    r"\s*([:!?(~☆△]|\b(movie|season|part|zoku|gaiden|specials?|extra|the animation)\b|\b\d+(st|nd|rd|th)\b"
    r"|\s(ii+|iv|vi*|\d+|s|r2)$).*"
)


class Library:
    """A catalogue read as a whole. Nothing is worked out before somebody asks, and all of it anew when a title moved."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._version = -1
        self._facts: dict[str, dict[int, Facts]] = {name: {} for name in MEDIA}
        self._standings: dict[tuple[str, str], dict[int, int]] = {}
        self._relations: dict[str, dict[int, list[Relation]]] = {}
        self._pools: dict[str, list[int]] = {}

    @property
    def version(self) -> int:
        """Moves whenever something here may have."""
        return self._catalogue.version

    def facts(self, medium: Medium, title: Title) -> Facts:
        known = self._facts[medium.name].get(title["id"])
        if known is None or known.title is not title:
            known = Facts(medium, title, places()[medium.name].get(title["id"]))
            self._facts[medium.name][title["id"]] = known
        return known

    def known(self, medium: Medium, id: int) -> Facts:
        """The facts of a title by its id, even of a withdrawn one."""
        return self.facts(medium, self._catalogue.known(medium.name, id))

    def all(self, medium: Medium) -> list[Facts]:
        """Every title that there is."""
        return [self.facts(medium, title) for title in self._catalogue.titles(medium.name)]

    def rank(self, medium: Medium) -> Mapping[int, int]:
        """The place of each title that has a mean, by that."""
        return self._places(medium, "rank", lambda: sorted(
            (one for one in self.all(medium) if one.mean is not None), key=lambda one: (-(one.mean or 0), -one.scorers, one.id)
        ))  # fmt: skip

    def popularity(self, medium: Medium) -> Mapping[int, int]:
        """The place of each title by its number of users."""
        return self._places(
            medium, "popularity", lambda: sorted(self.all(medium), key=lambda one: (-one.users, one.id))
        )

    def favorites(self, medium: Medium) -> Mapping[int, int]:
        """The place of each title that is somebody's favorite, by how many people's."""
        liked = (one for one in self.all(medium) if one.favorites)
        return self._places(medium, "favorites", lambda: sorted(liked, key=lambda one: (-one.favorites, one.id)))

    def relations(self, medium: Medium, id: int) -> list[Relation]:
        """What other titles of the same name are to this one. Told from the titles alone."""
        self._forget()
        if medium.name not in self._relations:
            families: dict[str, list[Facts]] = defaultdict(list)
            for one in self.all(medium):
                families[_family(str(one.title["title"]))].append(one)
            found: dict[int, list[Relation]] = defaultdict(list)
            for family in families.values():
                _relate(family, found)
            self._relations[medium.name] = found
        return self._relations[medium.name].get(id, [])

    def recommendations(self, medium: Medium, id: int) -> list[tuple[int, int]]:
        """Other titles with how often each was recommended to those who like this one, most often first."""
        self._forget()
        if medium.name not in self._pools:
            first_ones = self._catalogue.titles(medium.name)[:RECOMMENDED_FROM]
            self._pools[medium.name] = [one["id"] for one in first_ones if _may_be_suggested(one)]
        pool, chance = self._pools[medium.name], self.known(medium, id).chance
        count = chance.number("recommendations", 0, 7)
        first = chance.number("most recommendations", 7, 90)
        picked = [other for other in chance.some("recommended", pool, count + 1) if other != id][:count]
        return [(other, max(1, first // (1 + place))) for place, other in enumerate(picked)]

    def suggestions(self, medium: Medium, liked: Iterable[int], known: Iterable[int]) -> list[int]:
        """What is recommended most to those who like these, without what is `known`."""
        votes: Counter[int] = Counter()
        for id in liked:
            votes.update(dict(self.recommendations(medium, id)))
        popularity = self.popularity(medium)
        return sorted(votes.keys() - set(known), key=lambda id: (-votes[id], popularity[id]))

    def found(self, medium: Medium, q: str) -> list[Facts]:
        """The titles that have each word of `q` in one of their names: those called so first, then the popular ones."""
        wanted, popularity = q.casefold().strip(), self.popularity(medium)
        hits = [(nearness, popularity[one.id], one) for one in self.all(medium) if (nearness := _nearness(one, wanted))]
        return [one for *_, one in sorted(hits, key=lambda hit: hit[:2])]

    def _places(self, medium: Medium, name: str, ordered: Callable[[], list[Facts]]) -> Mapping[int, int]:
        self._forget()
        if (medium.name, name) not in self._standings:
            self._standings[medium.name, name] = {one.id: place for place, one in enumerate(ordered(), 1)}
        return self._standings[medium.name, name]

    def _forget(self) -> None:
        """Let go of what was worked out before a title moved."""
        if self._version != self.version:
            self._version = self.version
            self._standings.clear()
            self._relations.clear()
            self._pools.clear()


def _may_be_suggested(title: Title) -> bool:
    return title.get("nsfw", "white") == "white" and not title.get("pending")


def _nearness(facts: Facts, wanted: str) -> int:
    """How a title answers to a name: 1 is called so, 5 has its words in an alternative title, 0 does not at all."""
    title = str(facts.title["title"]).casefold()
    words = wanted.split()
    if title == wanted:
        return 1
    if title.startswith(wanted):
        return 2
    if all(word in title for word in words):
        return 3 if wanted in title else 4
    others = " ".join([*facts.names["synonyms"], facts.names["en"], facts.names["ja"]]).casefold()
    return 5 if all(word in others for word in words) else 0


def _family(title: str) -> str:
    """What is left of a title without the words that tell a sequel, a film or a special from its series."""
    folded = title.casefold()
    return _TAIL.sub("", folded) or folded


def _relate(family: list[Facts], found: dict[int, list[Relation]]) -> None:
    """Series follow each other, the rest belongs to the series before it."""
    family.sort(key=lambda one: (one.run.first or date.max, one.id))
    series = [one for one in family if one.media_type in WEEKLY or one.media_type not in _SIDES]
    for before, after in pairwise(series):
        found[before.id].append(("sequel", after.id))
        found[after.id].append(("prequel", before.id))
    for at, one in enumerate(family):
        if one in series or not series:
            continue
        parent = next((other for other in reversed(family[:at]) if other in series), series[0])
        to_series, to_side = _SIDES[one.media_type]
        found[parent.id].append((to_series, one.id))
        found[one.id].append((to_side, parent.id))
