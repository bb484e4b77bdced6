"""The endpoints of the catalogue: a title, search, rankings, seasons, suggestions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR
from typing import Any

from malsync.sandbox.catalogue import Catalogue, Title, is_white
from malsync.sandbox.errors import bad_request, not_found
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.fields import Teller
from malsync.sandbox.library import SEASONS, is_on_in, mean, users
from malsync.sandbox.lists import shown_status
from malsync.sandbox.media import MEDIA, Medium, number
from malsync.sandbox.paging import Window, choice, flag, page_of, searched
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import Fields, encoded, parsed_fields

LIKED_ENTRIES = 200
"""The suggestions depend on this many of a user's entries, the highest scores first."""


@dataclass(frozen=True)
class Ranking:
    """A row of the table of rankings: the order, and which titles are in it. Titles without a place are left out."""

    order: str = "rank"
    types: tuple[str, ...] = ()
    status: str = ""

    def has(self, title: Title) -> bool:
        return (not self.types or title["media_type"] in self.types) and self.status in ("", title.get("status"))


_OF_BOTH = {"bypopularity": Ranking("popularity"), "favorite": Ranking("favorites")}
RANKINGS: Mapping[str, Mapping[str, Ranking]] = {
    "anime": {
        "all": Ranking(),
        "airing": Ranking(status="currently_airing"),
        "upcoming": Ranking("popularity", status="not_yet_aired"),
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
    """Every public method answers a call, or raises Refusal."""

    def __init__(self, catalogue: Catalogue, teller: Teller, settings: Settings) -> None:
        self._catalogue = catalogue
        self._teller = teller
        self._library = teller.library
        self._settings = settings

    def details(self, call: Call) -> Answer:
        """Return one title. Gray and black titles need no `nsfw=true` here."""
        medium, id = MEDIA[call.where["medium"]], call.where["id"]
        if (title := self._catalogue.get(medium.name, id)) is None:
            raise not_found()
        fields = parsed_fields(call.query.get("fields", ""))
        mine = self._mine(call, medium, id, fields, whole=True)
        return Answer.json(self._teller.node(medium, title, fields, call.origin, beside=mine, whole=True))

    def search(self, call: Call) -> Answer:
        """Return the titles of a name, also those that wait for approval (mihon, MyAnimeListApi.kt)."""
        medium = MEDIA[call.where["medium"]]
        q = searched(call.query, self._settings)
        if q is None and self._settings.q_missing == "refuse":
            raise bad_request("invalid q")
        return self._page(call, medium, self._library.search(medium, q or ""))

    def ranking(self, call: Call) -> Answer:
        """Return the titles of a ranking, each with its place in it beside the node, whose `rank` may differ."""
        medium = MEDIA[call.where["medium"]]
        rankings = RANKINGS[medium.name]
        ranking = rankings[choice(call.query, "ranking_type", rankings)]
        ids = {title["id"] for title in self._library.all(medium) if ranking.has(title)}
        places = self._library.places(medium, ranking.order)
        return self._page(call, medium, [id for id in places if id in ids], ranked=True)

    def season(self, call: Call) -> Answer:
        """Return the anime that began in a season, and the series that went on into it (Katsute/Mal4J, faq)."""
        medium, year, season = MEDIA["anime"], call.where["year"], call.where["season"]
        if season not in SEASONS or not MINYEAR <= year <= MAXYEAR:
            raise bad_request("invalid season" if season not in SEASONS else "invalid year")
        sort = choice(call.query, "sort", SEASON_SORTS, SEASON_SORTS[0])
        titles = [title for title in self._library.all(medium) if is_on_in(title, year, season)]
        titles.sort(key=lambda title: (-mean(title) if sort == "anime_score" else 0, -users(title), title["id"]))
        ids = [title["id"] for title in titles]
        return self._page(call, medium, ids, beside={"season": {"year": year, "season": season}})

    def suggestions(self, call: Call) -> Answer:
        """Return what is recommended to those who like what the user likes; nothing for an empty list."""
        medium = MEDIA["anime"]
        entries = call.me.kept(medium.name)
        liked = sorted(entries, key=lambda id: (-number(entries[id], "score"), id))[:LIKED_ENTRIES]
        return self._page(call, medium, self._library.suggestions(medium, liked, entries))

    def _page(
        self,
        call: Call,
        medium: Medium,
        ids: Sequence[int],
        *,
        ranked: bool = False,
        beside: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Return the page of these titles that the call asks for."""
        window = Window.of(call.query, self._settings.catalogue_limit, call.most, self._settings)
        titles = [self._catalogue.known(medium.name, id) for id in ids]
        if not flag(call.query, "nsfw"):
            titles = [title for title in titles if is_white(title)]
        fields = parsed_fields(call.query.get("fields", ""))
        data = []
        for place, title in enumerate(titles[window.of_items(call.more)], window.offset + 1):
            mine = self._mine(call, medium, title["id"], fields)
            entry: dict[str, Any] = {"node": self._teller.node(medium, title, fields, call.origin, beside=mine)}
            if ranked:
                entry["ranking"] = {"rank": place}
            if ranked and self._settings.previous_rank == "on":
                entry["ranking"]["previous_rank"] = max(1, place + title["id"] % 7 - 3)
            data.append(encoded(entry))
        return Answer(body=page_of(data, window.paging(call.origin + call.path, call.query, len(titles)), beside))

    def _mine(self, call: Call, medium: Medium, id: int, fields: Fields, *, whole: bool = False) -> dict[str, Any]:
        """Return the user's own entry of a title, if `fields` asks for it.

        It has every member on a title's own page (go-myanimelist, Katsute/Mal4J issue 9), else those that its braces add.
        """
        if call.user is None or (asked := fields.get("my_list_status")) is None:
            return {}
        if (status := call.user.kept(medium.name).get(id)) is None:
            return {}
        columns = medium.all_columns if whole else medium.columns(asked)
        return {"my_list_status": shown_status(medium, status, columns, self._settings)}
