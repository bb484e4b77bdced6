"""ANIME and MANGA: a table of the fields of a `list_status`, and of all that differs between MAL's two lists.

No other module knows the name of a field. The request's `fields`, the mirror's columns, what a diff compares and what a
snapshot covers are all derived from here. Names and types are those of MAL's reference (GET animelist, GET mangalist, PATCH
my_list_status); `start_date` and `finish_date` are missing there and live (go-myanimelist, integration_test.go).

The table also has the members of a title that `fields` can name. They are MAL's data, not the user's, and not part of a snapshot.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cached_property

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
ListStatus = dict[str, Json]
"""One entry's data as the API gave it: absent stays absent, null stays null."""


class Kind(Enum):
    """The type of a field. The value is its name for users; `blank` is what MAL shows for a field that was never set."""

    WORD = "word"
    NUMBER = "number"
    FLAG = "yes or no"
    DATE = "date"
    TAGS = "tags"
    TEXT = "text"
    TIME = "time"

    @property
    def blank(self) -> Json:
        """The value that absent, null and `""` are equal to, a new object at each call; None if there is none."""
        return [] if self is Kind.TAGS else _BLANKS.get(self)


_BLANKS: dict[Kind, Json] = {Kind.NUMBER: 0, Kind.FLAG: False, Kind.TEXT: ""}
LARGEST_EXACT = 2**53 - 1
"""The largest integer that every JSON parser reads exactly (RFC 8259, section 6)."""
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One member of `list_status`: `name` as GET spells it, `write` as PATCH does (None: the server owns it).

    `most` is the largest number that MAL supports; the smallest is 0.
    """

    name: str
    kind: Kind
    write: str | None
    most: int = LARGEST_EXACT

    @property
    def server_owned(self) -> bool:
        """Whether no request can set it. Kept, never compared, never sent (the PATCH reference lists no `updated_at`)."""
        return self.write is None


def _field(name: str, kind: Kind, write: str | None = None, most: int = LARGEST_EXACT) -> Field:
    return Field(name, kind, write or name, most)


def is_date(text: str) -> bool:
    """Return whether MAL can store `text` as a date: a day, a month or a year, such as 2021-12-31, 2021-12 or 2021.

    Parts that are not known may be zeros, as in MAL's XML: 2021-12-00, 2021-00-00, 0000-00-00.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    year, month, day = (int(part) if part else 0 for part in match.groups())
    if not year or (day and not month):
        return text == "0000-00-00"
    try:
        date(year, month or 1, day or 1)
    except ValueError:
        return False
    # "2021-00" is neither the API's form of a year nor the XML's.
    return bool(month) or len(text) != len("2021-00")


@dataclass(frozen=True)
class Medium:
    """One of MAL's two lists: its name, its endpoints, and its fields in the order in which they are shown."""

    name: str
    statuses: tuple[str, ...]
    fields: tuple[Field, ...]
    progress: tuple[str, ...]
    """The fields that count episodes, or volumes and chapters."""
    times: str
    """The field that counts repeats."""
    listed: tuple[str, ...]
    """The members of a title that come in lists, rankings and the like, as `fields` names them."""
    detailed: tuple[str, ...]
    """Every member of a title: `listed`, and those that come with GET /{medium}/{id} only."""
    ranking_types: tuple[str, ...]
    """The ranking types of GET /{medium}/ranking in the reference; MAL may add some."""

    @property
    def list_endpoint(self) -> str:
        """The last part of `/users/{user}/...`."""
        return f"{self.name}list"

    @cached_property
    def totals(self) -> dict[str, str]:
        """By progress field, the member of a title that has its total: `num_episodes` for `num_episodes_watched`."""
        return {name: name.rpartition("_")[0] for name in self.progress}

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Every field by the name that GET uses."""
        return {field.name: field for field in self.fields}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all fields, which a whole read of this list covers."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def writable(self) -> tuple[Field, ...]:
        """The fields that a user can set. They are compared, planned and sent."""
        return tuple(field for field in self.fields if not field.server_owned)

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Sort `names` in the order of this table; unknown names come last, by name."""
        unsorted = set(names)
        return [name for name in self.names if name in unsorted] + sorted(unsorted - self.by_name.keys())

    def arranged(self, list_status: ListStatus) -> ListStatus:
        """Return `list_status` with its members in the order of this table."""
        known = {name: list_status[name] for name in self.names if name in list_status}
        if len(known) == len(list_status):
            return known
        return known | {name: list_status[name] for name in sorted(list_status.keys() - known.keys())}


_LISTED = (
    "alternative_titles",
    "start_date",
    "end_date",
    "synopsis",
    "mean",
    "rank",
    "popularity",
    "num_list_users",
    "num_scoring_users",
    "num_favorites",  # not in the reference, nor are songs and videos (MAL-API-Client-Upgraded, Inconsistencies.rst)
    "nsfw",
    "created_at",
    "updated_at",
    "media_type",
    "status",
    "genres",
)
_DETAILED = ("pictures", "background", "related_anime", "related_manga", "recommendations")
SEASONS = ("winter", "spring", "summer", "fall")
"""The seasons of a year of anime, from January (reference, GET /anime/season)."""


def _medium(
    name: str,
    *,
    doing: str,
    planned: str,
    progress: tuple[Field, ...],
    again: str,
    times: str,
    listed: tuple[str, ...],
    detailed: tuple[str, ...],
    rankings: tuple[str, ...],
) -> Medium:
    listed = (*_LISTED, *listed)
    return Medium(
        name=name,
        statuses=(doing, "completed", "on_hold", "dropped", planned),
        progress=tuple(field.name for field in progress),
        times=times,
        listed=listed,
        detailed=(*listed, *_DETAILED, *detailed),
        ranking_types=("all", *rankings, "bypopularity", "favorite"),
        # The ranges are those of the reference for PATCH (PATCH my_list_status).
        fields=(
            _field("status", Kind.WORD),
            _field("score", Kind.NUMBER, most=10),
            *progress,
            _field(f"is_{again}ing", Kind.FLAG),
            _field("start_date", Kind.DATE),
            _field("finish_date", Kind.DATE),
            _field("priority", Kind.NUMBER, most=2),
            _field(times, Kind.NUMBER),
            _field(f"{again}_value", Kind.NUMBER, most=5),
            _field("tags", Kind.TAGS),
            _field("comments", Kind.TEXT),
            Field("updated_at", Kind.TIME, None),
        ),
    )


ANIME = _medium(
    "anime",
    doing="watching",
    planned="plan_to_watch",
    # The one field that PATCH spells differently; its read name is answered with 400 (myanimelist-api-specification#1).
    progress=(_field("num_episodes_watched", Kind.NUMBER, write="num_watched_episodes"),),
    again="rewatch",
    times="num_times_rewatched",
    listed=(
        "num_episodes",
        "start_season",
        "broadcast",
        "source",
        "average_episode_duration",
        "rating",
        "studios",
    ),
    detailed=("statistics", "opening_themes", "ending_themes", "videos"),
    rankings=("airing", "upcoming", "tv", "ova", "movie", "special"),
)
MANGA = _medium(
    "manga",
    doing="reading",
    planned="plan_to_read",
    progress=(_field("num_volumes_read", Kind.NUMBER), _field("num_chapters_read", Kind.NUMBER)),
    again="reread",
    times="num_times_reread",
    # A person's names come only where they are asked for (go-myanimelist, mangaDetails.json).
    listed=("num_volumes", "num_chapters", "authors{first_name,last_name}"),
    detailed=("serialization",),
    rankings=("manga", "novels", "oneshots", "doujin", "manhwa", "manhua"),
)
MEDIA: dict[str, Medium] = {medium.name: medium for medium in (ANIME, MANGA)}
"""Both media by name, in the order in which they are shown."""
STATUSES = tuple(dict.fromkeys(word for pair in zip(ANIME.statuses, MANGA.statuses, strict=True) for word in pair))
"""Every status of either list; each of anime comes before its counterpart of manga."""
