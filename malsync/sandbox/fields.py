"""The members of a title that `fields` can name, as a table, and the teller that puts a title together from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from malsync.sandbox import covers
from malsync.sandbox.catalogue import Title, words
from malsync.sandbox.facts import COMING, STANDS_AT, Facts
from malsync.sandbox.library import Library
from malsync.sandbox.media import Medium
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import Fields

OWN = frozenset({"picture", "pending", "withdrawn", "main_picture"})
"""Members of a title in the catalogue that are the sandbox's own, or told in another way."""

_BOTH = ("anime", "manga")
_ANIME = ("anime",)
_MANGA = ("manga",)


@dataclass(frozen=True)
class Subject:
    """What a member is told of: a title, with what stands in the member's braces, and where the sandbox is."""

    facts: Facts
    asked: Fields
    origin: str
    teller: Teller

    @property
    def medium(self) -> Medium:
        return self.facts.medium

    def node(self, id: int) -> dict[str, Any]:
        """Another title of the same medium, with the members that stand in the braces."""
        other = self.teller.library.known(self.medium, id)
        return self.teller.node(self.medium, other.title, self.asked, self.origin)


@dataclass(frozen=True)
class Field:
    """A row of the table.

    `tell` gives the value, None where there is none: it is then left out. `whole` says that the member comes only with a
    title's own page, never in a list (the reference: "You cannot contain this field in a list").
    """

    name: str
    tell: Callable[[Subject], Any]
    media: tuple[str, ...] = _BOTH
    whole: bool = False


class Teller:
    """Titles as the API tells them."""

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
        """id, title and main_picture always, then what `fields` names and the title has, in that order.

        A name that means nothing is passed over (MALSync asks both media for both counts). `beside` holds members that
        are told from elsewhere, such as my_list_status; `whole` is for a title's own page.
        """
        out: dict[str, Any] = {"id": title["id"], "title": title["title"]}
        if (picture := covers.main_picture(medium, title, origin)) is not None:
            out["main_picture"] = picture
        for name, asked in fields.items():
            if beside and name in beside:
                out[name] = beside[name]
            elif name in title:
                if name not in OWN:
                    out[name] = title[name]
            elif (field := FIELDS.get(name)) and medium.name in field.media and (whole or not field.whole):
                subject = Subject(self.library.facts(medium, title), asked, origin, self)
                if (value := field.tell(subject)) is not None:
                    out[name] = value
        return out


# What is told of numbers and dates.


def _mean(on: Subject) -> float | None:
    """PHP writes 8.0 as 8."""
    mean = on.facts.mean
    return int(mean) if mean is not None and mean.is_integer() else mean


def _rank(on: Subject) -> int | None:
    return on.teller.library.rank(on.medium).get(on.facts.id)


def _popularity(on: Subject) -> int | None:
    return on.teller.library.popularity(on.medium).get(on.facts.id)


def _created_at(on: Subject) -> str:
    """Of manga it is the beginning of time (PolyMeilex/node-myanimelist, recorded search)."""
    return "1970-01-01T00:00:00+00:00" if on.medium.name == "manga" else _stamp(on, "created", _announced(on.facts))


def _updated_at(on: Subject) -> str:
    since = _announced(on.facts)
    return _stamp(on, "updated", since + (STANDS_AT - since) * on.facts.chance.share("updated"))


def _announced(facts: Facts) -> date:
    """The day on which somebody added it to the database."""
    return min(facts.run.first or STANDS_AT, STANDS_AT) - timedelta(days=facts.chance.number("announced", 30, 400))


def _stamp(on: Subject, name: str, day: date) -> str:
    hour, minute, second = (
        on.facts.chance.number(f"{name} {unit}", 0, most) for unit, most in (("h", 23), ("m", 59), ("s", 59))
    )
    return f"{day.isoformat()}T{hour:02}:{minute:02}:{second:02}+00:00"


def _unknown_total(_: Subject) -> int:
    """The catalogue has the totals that are known."""
    return 0


def _start_season(on: Subject) -> dict[str, Any] | None:
    season = on.facts.run.season
    return season and {"year": season[0], "season": season[1]}


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _broadcast(on: Subject) -> dict[str, str] | None:
    """The weekday of the first episode, and an hour that not every title has."""
    first, chance = on.facts.run.first, on.facts.chance
    if first is None or on.facts.media_type != "tv":
        return None
    told = {"day_of_the_week": "other" if chance.share("broadcast") < 0.04 else _DAYS[first.weekday()]}
    if chance.share("start time") < 0.9:
        told["start_time"] = f"{chance.number('hour', 0, 23):02}:{5 * chance.number('minute', 0, 11):02}"
    return told


_SECONDS = {"tv": (1380, 1500), "ona": (300, 1440), "ova": (1500, 2700), "movie": (3600, 8400), "music": (180, 420)}


def _average_episode_duration(on: Subject) -> int | None:
    if on.facts.run.state == COMING:
        return None
    return on.facts.chance.number("duration", *_SECONDS.get(on.facts.media_type, (30, 1500)))


def _statistics(on: Subject) -> dict[str, Any]:
    """Shares of the users that add up to all of them. Whether they are numbers or texts is a switch."""
    users, chance = on.facts.users, on.facts.chance
    counts = dict.fromkeys(on.medium.statuses, 0)
    if on.facts.run.state != COMING:
        counts |= {name: int(users * chance.share(name) * 0.12) for name in (on.medium.current, "on_hold", "dropped")}
        counts["completed"] = int((users - sum(counts.values())) * (0.6 + 0.35 * chance.share("completed")))
    counts[on.medium.planned] = users - sum(counts.values())
    as_told: Callable[[int], object] = str if on.teller.settings.statistics_type == "text" else int
    return {"status": {name: as_told(count) for name, count in counts.items()}, "num_list_users": users}


# What is told in words. All of it is invented.

_SOURCES = (
    ("manga",) * 8 + ("light_novel",) * 5 + ("original",) * 5 + ("visual_novel", "game", "novel", "web_manga", "web_novel")
    + ("4_koma_manga", "mixed_media", "other", "music", "picture_book", "card_game", "book", "digital_manga", "radio")
)  # fmt: skip
_RATINGS = ("pg_13",) * 6 + ("r", "r", "g", "pg", "r+")
_RATED = {"gray": "r+", "black": "rx"}


def _source(on: Subject) -> str | None:
    return on.facts.chance.one("source", _SOURCES) if on.facts.chance.share("source known") < 0.95 else None


def _rating(on: Subject) -> str | None:
    if on.facts.nsfw in _RATED:
        return _RATED[on.facts.nsfw]
    return on.facts.chance.one("rating", _RATINGS) if on.facts.run.state != COMING else None


def _genres(on: Subject) -> list[dict[str, Any]]:
    chance, book = on.facts.chance, words()
    found = chance.some("genres", book["genres"][on.medium.name], chance.number("number of genres", 1, 4))
    if on.facts.nsfw in book["nsfw"]:
        found.append(book["nsfw"][on.facts.nsfw])
    if chance.share("theme") < 0.5:
        found.append(chance.one("which theme", book["themes"]))
    if chance.share("demographic") < 0.5:
        found.append(chance.one("which demographic", book["demographics"][on.medium.name]))
    return [{"id": id, "name": name} for id, name in sorted(found, key=lambda genre: str(genre[1]))]


def _studios(on: Subject) -> list[dict[str, Any]]:
    count = 0 if on.facts.run.state == COMING else on.facts.chance.one("number of studios", (1, 1, 1, 1, 1, 2))
    return [{"id": id, "name": name} for id, name in on.facts.chance.some("studios", words()["studios"], count)]


def _authors(on: Subject) -> list[dict[str, Any]]:
    """A person has an id, and `first_name` and `last_name` where the braces ask for them; some have no first name."""
    novel = on.facts.media_type in ("light_novel", "novel")
    roles = ("Story", "Art") if novel or on.facts.chance.share("two authors") < 0.2 else ("Story & Art",)
    people = on.facts.chance.some("authors", words()["people"], len(roles))
    return [{"node": _person(on, *person), "role": role} for person, role in zip(people, roles, strict=True)]


def _person(on: Subject, id: int, first_name: str, last_name: str) -> dict[str, Any]:
    names = {"first_name": first_name, "last_name": last_name}
    return {"id": id, **{name: names[name] for name in on.asked if name in names}}


def _serialization(on: Subject) -> list[dict[str, Any]]:
    count = on.facts.chance.one("serialized", (1, 1, 1, 1, 0))
    magazines = on.facts.chance.some("magazine", words()["magazines"], count)
    return [{"node": {"id": id, "name": name}} for id, name in magazines]


_KINDS = {
    "tv": "A TV series", "movie": "A film", "ova": "An OVA", "ona": "A series for the web", "special": "A special",
    "tv_special": "A TV special", "music": "A music video", "cm": "A commercial", "pv": "A promotional video",
    "manga": "A manga", "light_novel": "A light novel", "novel": "A novel", "one_shot": "A one-shot", "manhwa": "A manhwa",
    "doujinshi": "A doujinshi",
}  # fmt: skip


def _synopsis(on: Subject) -> str:
    """What is known, then two sentences of the sandbox's own; nothing for some."""
    chance, book = on.facts.chance, words()
    if chance.share("synopsis") < 0.04:
        return ""
    plot = " ".join(chance.one(part, book[part]) for part in ("heroes", "deeds", "things"))
    return f"{_known(on.facts)} In the sandbox's telling: {plot}. {chance.one('end', book['ends'])}"


def _known(facts: Facts) -> str:
    counts = [(total.removeprefix("num_"), facts.total(total)) for total in facts.medium.totals]
    parts = " and ".join(f"{count} {name if count != 1 else name[:-1]}" for name, count in counts if count)
    return f"{_KINDS.get(facts.media_type, 'A title of no known type')}{f' of {parts}' if parts else ', of unknown length'}."


def _background(on: Subject) -> str:
    return str(on.facts.chance.one("background", ("", "", "", *words()["backgrounds"])))


def _themes(first_id: int, on: Subject) -> list[dict[str, Any]] | None:
    """Songs, as ModerNews/MAL-API-Client-Upgraded recorded them ("OP and ED Themes"); None where there are none."""
    count = on.facts.chance.number(f"songs {first_id}", 0, 2) if on.facts.media_type == "tv" else 0
    songs = on.facts.chance.some(f"song {first_id}", words()["songs"], count)
    artist = on.facts.chance.one(f"artist {first_id}", words()["artists"])
    base = first_id + 10 * on.facts.id
    return [
        {"id": base + at, "anime_id": on.facts.id, "text": f'"{song}" by {artist}'} for at, song in enumerate(songs)
    ] or None


def _videos(on: Subject) -> list[dict[str, Any]]:
    """Promotional videos, which lead nowhere."""
    return [
        {
            "id": 10 * on.facts.id + at,
            "title": f"PV {at}",
            "url": f"https://example.org/videos/{on.facts.id}-{at}",
            "created_at": _stamp(on, f"video {at}", STANDS_AT - timedelta(days=400 + at)),
            "updated_at": _stamp(on, f"video {at}", STANDS_AT - timedelta(days=200 + at)),
            "thumbnail": f"{on.origin}/images/{on.medium.name}/{on.facts.id}.svg",
        }
        for at in range(1, 1 + on.facts.chance.one("videos", (0, 0, 1, 2)))
    ]


# Other pictures and other titles.


def _pictures(on: Subject) -> list[dict[str, str]]:
    count = on.facts.chance.number("pictures", 1, 4)
    found = (covers.sizes(on.medium, on.facts.title, on.origin, at) for at in range(1, count + 1))
    return [picture for picture in found if picture]


def _related(medium: str, on: Subject) -> list[dict[str, Any]]:
    """Titles of the other medium are documented and never come (ModerNews/MAL-API-Client-Upgraded, "Broken Relations")."""
    relations = on.teller.library.relations(on.medium, on.facts.id) if medium == on.medium.name else ()
    return [
        {"node": on.node(id), "relation_type": kind, "relation_type_formatted": kind.replace("_", " ").capitalize()}
        for kind, id in relations
    ]


def _recommendations(on: Subject) -> list[dict[str, Any]]:
    found = on.teller.library.recommendations(on.medium, on.facts.id)
    return [{"node": on.node(id), "num_recommendations": count} for id, count in found]


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("alternative_titles", lambda on: on.facts.names),
        Field("start_date", lambda on: on.facts.run.start),
        Field("end_date", lambda on: on.facts.run.end),
        Field("synopsis", _synopsis),
        Field("mean", _mean),
        Field("rank", _rank),
        Field("popularity", _popularity),
        Field("num_list_users", lambda on: on.facts.users),
        Field("num_scoring_users", lambda on: on.facts.scorers),
        Field("nsfw", lambda on: on.facts.nsfw),
        Field("created_at", _created_at),
        Field("updated_at", _updated_at),
        Field("media_type", lambda on: on.facts.media_type),
        Field("status", lambda on: on.facts.status),
        Field("genres", _genres),
        Field("num_episodes", _unknown_total, _ANIME),
        Field("start_season", _start_season, _ANIME),
        Field("broadcast", _broadcast, _ANIME),
        Field("source", _source, _ANIME),
        Field("average_episode_duration", _average_episode_duration, _ANIME),
        Field("rating", _rating, _ANIME),
        Field("studios", _studios, _ANIME),
        Field("num_volumes", _unknown_total, _MANGA),
        Field("num_chapters", _unknown_total, _MANGA),
        Field("authors", _authors, _MANGA),
        Field("pictures", _pictures, whole=True),
        Field("background", _background, whole=True),
        Field("related_anime", partial(_related, "anime"), whole=True),
        Field("related_manga", partial(_related, "manga"), whole=True),
        Field("recommendations", _recommendations, whole=True),
        Field("statistics", _statistics, _ANIME, whole=True),
        Field("serialization", _serialization, _MANGA, whole=True),
        Field("num_favorites", lambda on: on.facts.favorites),
        Field("opening_themes", partial(_themes, 1), _ANIME, whole=True),
        Field("ending_themes", partial(_themes, 5), _ANIME, whole=True),
        Field("videos", _videos, _ANIME, whole=True),
    )
}
"""In the order of the reference; the members that it does not know come last."""
