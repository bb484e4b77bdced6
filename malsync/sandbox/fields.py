"""The members of a title that `fields` can name, and how the API shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from malsync.sandbox.catalogue import Title, details, members
from malsync.sandbox.library import Library, season_of
from malsync.sandbox.media import Medium
from malsync.sandbox.pictures import main_picture, picture
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import Fields

HIDDEN = frozenset({"picture", "picture_count", "pending", "withdrawn", "main_picture"})
"""Members of a title that are the sandbox's own, or shown in another way."""

_BOTH = ("anime", "manga")
_ANIME = ("anime",)
_MANGA = ("manga",)


@dataclass(frozen=True)
class View:
    """One member of a title in one request. `title` has all members, `asked` is what the member's braces name."""

    medium: Medium
    title: Title
    asked: Fields
    origin: str
    teller: Teller

    @property
    def id(self) -> int:
        return int(self.title["id"])

    def linked(self, name: str) -> list[tuple[dict[str, Any], Title]]:
        """Return the links of a member to titles that exist, each with the node of its title.

        A node has the members that the braces name.
        """
        teller, medium = self.teller, self.medium
        links = [(link, teller.library.catalogue.get(medium.name, link["id"])) for link in self.fixture(name)]
        return [(teller.node(medium, title, self.asked, self.origin), link) for link, title in links if title]

    def fixture(self, name: str) -> Any:
        """Return the member from the fixtures, whose form is known."""
        return details(self.medium.name, self.id).get(name, ())


@dataclass(frozen=True)
class Field:
    """A row of the table.

    `show` gives the value, None to leave the member out; without it the value is shown as it is kept. `whole` members come
    only with a title's own page, never in a list (the reference: "You cannot contain this field in a list").
    """

    name: str
    media: tuple[str, ...] = _BOTH
    show: Callable[[View], Any] | None = None
    whole: bool = False


class Teller:
    """Shows titles as the API does."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self.settings = settings

    def node(
        self,
        medium: Medium,
        title: Title,
        fields: Fields,
        origin: str,
        *,
        beside: Mapping[str, Any] | None = None,
        whole: bool = False,
    ) -> dict[str, Any]:
        """Return id, title and main_picture, then the members that `fields` names and the title has, in that order.

        Unknown names are ignored (MALSync asks both media for both counts). `beside` holds members from elsewhere, such as
        my_list_status; `whole` is for a title's own page.
        """
        out: dict[str, Any] = {"id": title["id"], "title": title["title"]}
        if (pictures := main_picture(medium, title, origin)) is not None:
            out["main_picture"] = pictures
        every = members(medium.name, title)
        for name, asked in fields.items():
            if beside and name in beside:
                out[name] = beside[name]
            elif name in title:
                if name not in HIDDEN:
                    out[name] = title[name]
            elif (field := FIELDS.get(name)) and medium.name in field.media and (whole or not field.whole):
                view = View(medium, every, asked, origin, self)
                value = field.show(view) if field.show else every.get(name)
                if value is not None:
                    out[name] = value
        return out


def _place(order: str, view: View) -> int | None:
    return view.teller.library.places(view.medium, order).get(view.id)


def _start_season(view: View) -> dict[str, Any] | None:
    season = season_of(view.title)
    return season and {"year": season[0], "season": season[1]}


def _authors(view: View) -> list[dict[str, Any]]:
    """A person has an id, and `first_name` and `last_name` if the braces name them, in that order."""

    def person(node: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": node["id"], **{name: node[name] for name in view.asked if name in node}}

    return [{**author, "node": person(author["node"])} for author in view.fixture("authors")]


def _pictures(view: View) -> list[dict[str, str]]:
    count = view.fixture("picture_count")
    shown = (picture(view.medium, view.title, view.origin, number) for number in range(1, count + 1))
    return [sizes for sizes in shown if sizes]


def _videos(view: View) -> list[dict[str, Any]]:
    return [{**video, "thumbnail": view.origin + video["thumbnail"]} for video in view.fixture("videos")]


def _related(name: str, view: View) -> list[dict[str, Any]]:
    """The fixtures have none of the other medium: they never come (ModerNews/MAL-API-Client-Upgraded, "Broken Relations")."""
    return [
        {
            "node": node,
            "relation_type": link["relation_type"],
            "relation_type_formatted": link["relation_type"].replace("_", " ").capitalize(),
        }
        for node, link in view.linked(name)
    ]


def _recommendations(view: View) -> list[dict[str, Any]]:
    return [
        {"node": node, "num_recommendations": link["num_recommendations"]}
        for node, link in view.linked("recommendations")
    ]


def _statistics(view: View) -> dict[str, Any]:
    """How many users have each status; whether the counts are numbers or texts is a setting."""
    statistics: dict[str, Any] = view.fixture("statistics")
    if view.teller.settings.statistics_type == "number":
        return statistics
    return {**statistics, "status": {name: str(count) for name, count in statistics["status"].items()}}


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("alternative_titles"),
        Field("start_date"),
        Field("end_date"),
        Field("synopsis"),
        Field("mean"),
        Field("rank", show=partial(_place, "rank")),
        Field("popularity", show=partial(_place, "popularity")),
        Field("num_list_users"),
        Field("num_scoring_users"),
        Field("nsfw"),
        Field("created_at"),
        Field("updated_at"),
        Field("media_type"),
        Field("status"),
        Field("genres"),
        Field("num_episodes", _ANIME),
        Field("start_season", _ANIME, _start_season),
        Field("broadcast", _ANIME),
        Field("source", _ANIME),
        Field("average_episode_duration", _ANIME),
        Field("rating", _ANIME),
        Field("studios", _ANIME),
        Field("num_volumes", _MANGA),
        Field("num_chapters", _MANGA),
        Field("authors", _MANGA, _authors),
        Field("pictures", show=_pictures, whole=True),
        Field("background", whole=True),
        Field("related_anime", show=partial(_related, "related_anime"), whole=True),
        Field("related_manga", show=partial(_related, "related_manga"), whole=True),
        Field("recommendations", show=_recommendations, whole=True),
        Field("statistics", _ANIME, _statistics, whole=True),
        Field("serialization", _MANGA, whole=True),
        Field("num_favorites"),
        Field("opening_themes", _ANIME, whole=True),
        Field("ending_themes", _ANIME, whole=True),
        Field("videos", _ANIME, _videos, whole=True),
    )
}
