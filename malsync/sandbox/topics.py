"""What stands in the forum: members, topics and posts. All of it is invented; none of it changes while the sandbox runs."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from malsync.sandbox.catalogue import Title, fixtures_folder, shipped
from malsync.sandbox.chance import Chance
from malsync.sandbox.media import MEDIA

SERIES_BOARD = 19
FIRST_TOPIC, FIRST_SERIES_TOPIC, FIRST_POST = 2_000_000, 2_001_000, 70_000_000
POSTS_A_TOPIC = 1_000
"""The ids of two topics' first posts are so far apart."""


@dataclass(frozen=True)
class Discussed:
    """The titles of one medium that have a topic each: how many of the most common ones, where, and on which part."""

    titles: int
    subboard: int
    part: str
    total: str


_DISCUSSED: Mapping[str, Discussed] = {
    "anime": Discussed(180, 1, "Episode", "num_episodes"),
    "manga": Discussed(40, 4, "Chapter", "num_chapters"),
}


@dataclass(frozen=True)
class Member:
    """Somebody who writes in the forum."""

    id: int
    name: str
    avatar: bool
    signature: str


@dataclass(frozen=True)
class Post:
    """`body` is HTML."""

    id: int
    by: Member
    at: datetime
    body: str


@dataclass(frozen=True)
class Topic:
    """A topic with its posts, oldest first; the first one is by whoever began it."""

    id: int
    board: int
    subboard: int | None
    title: str
    locked: bool
    posts: tuple[Post, ...]
    poll: Mapping[str, Any] | None

    @property
    def first(self) -> Post:
        return self.posts[0]

    @property
    def last(self) -> Post:
        return self.posts[-1]


@cache
def book() -> Mapping[str, Any]:
    """The file that the forum is made from; read when somebody first asks for it."""
    found: dict[str, Any] = json.loads((fixtures_folder() / "catalogue" / "forum.json").read_text("utf-8"))
    return found


@cache
def members() -> Mapping[str, Member]:
    """Everybody in the forum, by name."""
    return {one["name"]: Member(**one) for one in book()["members"]}


@cache
def topics() -> Mapping[int, Topic]:
    """Every topic by its id: those of the file, a very long one, and one on each of the most common titles."""
    written = [_written(given) for given in book()["topics"]]
    series = [
        _discussion(medium, title, FIRST_SERIES_TOPIC + 1_000 * at + number)
        for at, medium in enumerate(MEDIA)
        for number, title in enumerate(shipped(medium)[: _DISCUSSED[medium].titles])
    ]
    return {topic.id: topic for topic in (*written, _long(book()["long"]), *series)}


def _written(given: Mapping[str, Any]) -> Topic:
    """A topic of the file: a reply an hour or so after the one before."""
    first, *replies = given["posts"]
    posts = [(given["by"], first), *replies]
    poll = given.get("poll")
    if poll:
        options = [{"id": id, "text": text, "votes": votes} for id, text, votes in poll["options"]]
        poll = {**poll, "options": options}
    return _topic(given, _posted(given["id"], given["at"], posts, minutes=(20, 190)), poll)


def _long(given: Mapping[str, Any]) -> Topic:
    """A topic of more posts than a page holds."""
    names = list(members())
    posts = [
        (names[number % len(names)] if number else given["by"], str(number + 1)) for number in range(given["posts"])
    ]
    return _topic(given, _posted(given["id"], given["at"], posts, minutes=(1, 90)), None)


def _discussion(medium: str, title: Title, id: int) -> Topic:
    """A topic on a part of a title, as every one that airs gets."""
    chance, about = Chance(medium, title["id"]), _DISCUSSED[medium]
    part = f"{about.part} {chance.number('part', 1, min(12, title.get(about.total) or 12))}"
    opening = f"Everything about {part.lower()} of {_as_html(title['title'])} goes here.<br />\n<br />\n<b>Mind the spoilers.</b>"
    names, remarks = list(members()), book()["remarks"]
    replies = [
        (chance.one(f"who {number}", names), chance.one(f"what {number}", remarks))
        for number in range(chance.number("replies", 0, 8))
    ]
    began = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.number("began", 0, 1_400_000))
    given = {
        "id": id,
        "board": SERIES_BOARD,
        "subboard": about.subboard,
        "title": f"{title['title']} {part} Discussion",
    }
    posts = [(chance.one("who", names), opening), *replies]
    return _topic(given, _posted(id, began.isoformat(), posts, minutes=(5, 2_000)), None)


def _topic(given: Mapping[str, Any], posts: Iterator[Post], poll: Mapping[str, Any] | None) -> Topic:
    locked = bool(given.get("locked"))
    return Topic(given["id"], given["board"], given.get("subboard"), given["title"], locked, tuple(posts), poll)


def _posted(topic: int, at: str, posts: Sequence[Sequence[str]], minutes: tuple[int, int]) -> Iterator[Post]:
    """These posts, one after the other, so many minutes apart."""
    chance, when = Chance("topics", topic), datetime.fromisoformat(at)
    for number, (name, body) in enumerate(posts):
        yield Post((topic - FIRST_TOPIC) * POSTS_A_TOPIC + FIRST_POST + number, members()[name], when, body)
        when += timedelta(
            minutes=chance.number(f"minutes {number}", *minutes), seconds=chance.number(f"s {number}", 0, 59)
        )


def _as_html(text: str) -> str:
    """Text as PHP's htmlspecialchars writes it (go-myanimelist forumTopicDetails.json has `&#039;`)."""
    return html.escape(text).replace("&#x27;", "&#039;")
