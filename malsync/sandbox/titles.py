"""Reading the catalogue: a title, a search, rankings, seasons, suggestions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR
from typing import Any

from malsync.sandbox.catalogue import Catalogue
from malsync.sandbox.errors import bad_request, not_found
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.facts import COMING, CURRENT, SEASONS, Facts
from malsync.sandbox.fields import Teller
from malsync.sandbox.library import Library
from malsync.sandbox.lists import told
from malsync.sandbox.media import MEDIA, Medium, number
from malsync.sandbox.paging import Window, choice, flag, page_of, searched
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import Fields, encoded, parsed_fields

LIKED_ENTRIES = 200
"""So many of a user's entries, the best first, have a say in the suggestions."""


@dataclass(frozen=True)
class Ranking:
    """A row of the table of rankings: which titles are in it, and in which order. Those that it gives no place are not."""

    order: Callable[[Library, Medium], Mapping[int, int]] = Library.rank
    types: tuple[str, ...] = ()
    state: str = ""

    def has(self, title: Facts) -> bool:
        return (not self.types or title.media_type in self.types) and self.state in ("", title.run.state)


_OF_BOTH = {"bypopularity": Ranking(Library.popularity), "favorite": Ranking(Library.favorites)}
RANKINGS: Mapping[str, Mapping[str, Ranking]] = {
    "anime": {
        "all": Ranking(),
        "airing": Ranking(state=CURRENT),
        "upcoming": Ranking(Library.popularity, state=COMING),
        "tv": Ranking(types=("tv",)),
        "ova": Ranking(types=("ova",)),
        "movie": Ranking(types=("movie",)),
        "special": Ranking(types=("special", "tv_special")),
        **_OF_BOTH,
    },
    "manga": {
        "all": Ranking(),
        "manga": Ranking(types=("manga",)),
        "novels": Ranking(types=("light_novel", "novel")),
        "oneshots": Ranking(types=("one_shot",)),
        "doujin": Ranking(types=("doujinshi",)),
        "manhwa": Ranking(types=("manhwa",)),
        "manhua": Ranking(types=("manhua",)),
        **_OF_BOTH,
    },
}
SEASON_SORTS = ("anime_num_list_users", "anime_score")


class TitleReader:
    """The catalogue's endpoints. Every method answers a call, or raises Refusal."""

    def __init__(self, catalogue: Catalogue, teller: Teller, settings: Settings) -> None:
        self._catalogue = catalogue
        self._teller = teller
        self._library = teller.library
        self._settings = settings

    def details(self, call: Call) -> Answer:
        """One title. Gray and black ones are told without being asked for."""
        medium, id = MEDIA[call.where["medium"]], call.where["id"]
        if (title := self._catalogue.get(medium.name, id)) is None:
            raise not_found()
        fields = parsed_fields(call.query.get("fields", ""))
        mine = self._mine(call, medium, id, fields, whole=True)
        return Answer.json(self._teller.node(medium, title, fields, call.origin, beside=mine, whole=True))

    def search(self, call: Call) -> Answer:
        """The titles of a name. Those that wait for approval are found too (mihon, MyAnimeListApi.kt)."""
        medium = MEDIA[call.where["medium"]]
        q = searched(call.query, self._settings)
        if q is None and self._settings.q_missing == "refuse":
            raise bad_request("invalid q")
        return self._page(call, medium, self._library.found(medium, q or ""))

    def ranking(self, call: Call) -> Answer:
        """The titles of a ranking, each with its place in it beside the node, whose `rank` may be another one."""
        medium = MEDIA[call.where["medium"]]
        rankings = RANKINGS[medium.name]
        ranking = rankings[choice(call.query, "ranking_type", rankings)]
        places = ranking.order(self._library, medium)
        shown = [one for one in self._library.all(medium) if one.id in places and ranking.has(one)]
        return self._page(call, medium, sorted(shown, key=lambda one: places[one.id]), ranked=True)

    def season(self, call: Call) -> Answer:
        """The anime that began in a season, and the series that went on into it (Katsute/Mal4J, faq)."""
        medium, year, season = MEDIA["anime"], call.where["year"], call.where["season"]
        if season not in SEASONS or not MINYEAR <= year <= MAXYEAR:
            raise bad_request("invalid season" if season not in SEASONS else "invalid year")
        sort = choice(call.query, "sort", SEASON_SORTS, SEASON_SORTS[0])
        shown = [one for one in self._library.all(medium) if one.is_on_in(year, season)]
        shown.sort(key=lambda one: (-one.users, one.id))
        if sort == "anime_score":
            shown.sort(key=lambda one: -(one.mean or 0))
        return self._page(call, medium, shown, beside={"season": {"year": year, "season": season}})

    def suggestions(self, call: Call) -> Answer:
        """What is recommended to those who like what the user likes; nothing to a newcomer."""
        medium = MEDIA["anime"]
        entries = call.me.kept(medium.name)
        liked = sorted(entries, key=lambda id: (-number(entries[id], "score"), id))[:LIKED_ENTRIES]
        found = self._library.suggestions(medium, liked, entries)
        return self._page(call, medium, [self._library.known(medium, id) for id in found])

    def _page(
        self,
        call: Call,
        medium: Medium,
        titles: Iterable[Facts],
        *,
        ranked: bool = False,
        beside: Mapping[str, Any] | None = None,
    ) -> Answer:
        """The page of these titles that the call asks for."""
        window = Window.of(call.query, self._settings.catalogue_limit, call.most, self._settings)
        shown: Sequence[Facts] = (
            list(titles) if flag(call.query, "nsfw") else [one for one in titles if one.nsfw == "white"]
        )
        fields = parsed_fields(call.query.get("fields", ""))
        data = []
        for place, one in enumerate(shown[window.of_items(call.more)], window.offset + 1):
            mine = self._mine(call, medium, one.id, fields)
            entry: dict[str, Any] = {"node": self._teller.node(medium, one.title, fields, call.origin, beside=mine)}
            if ranked:
                entry["ranking"] = {"rank": place} | self._previous(one, place)
            data.append(encoded(entry))
        return Answer(body=page_of(data, window.paging(call.origin + call.path, call.query, len(shown)), beside))

    def _previous(self, title: Facts, place: int) -> dict[str, int]:
        if self._settings.previous_rank == "off":
            return {}
        return {"previous_rank": max(1, place + title.chance.number("previous rank", -3, 3))}

    def _mine(self, call: Call, medium: Medium, id: int, fields: Fields, *, whole: bool = False) -> dict[str, Any]:
        """The reader's own entry of a title, if `fields` asks for it: with every member where the title is told as a whole
        (go-myanimelist, Katsute/Mal4J issue 9), else with those that its braces add."""
        if call.user is None or (asked := fields.get("my_list_status")) is None:
            return {}
        if (status := call.user.kept(medium.name).get(id)) is None:
            return {}
        columns = medium.all_columns if whole else medium.columns(asked)
        return {"my_list_status": told(medium, status, columns, self._settings)}
