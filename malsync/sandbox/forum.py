"""Reading the forum: boards, topics, and the posts of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from malsync.sandbox import covers
from malsync.sandbox.account import stamp
from malsync.sandbox.errors import not_found
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.paging import Query, Window, choice, number, page_of, searched
from malsync.sandbox.settings import Settings
from malsync.sandbox.topics import Member, Post, Topic, book, topics
from malsync.sandbox.wire import encoded

_NUMBERS: Mapping[str, Callable[[Topic], int | None]] = {
    "board_id": lambda topic: topic.board,
    "subboard_id": lambda topic: topic.subboard,
}
_NAMES: Mapping[str, Callable[[Topic], set[str]]] = {
    "topic_user_name": lambda topic: {topic.first.by.name.casefold()},
    "user_name": lambda topic: {post.by.name.casefold() for post in topic.posts},
}
"""Parameters that choose topics, and what of a topic must be what they say; every one that is given must hold."""


class ForumReader:
    """The forum's endpoints. Every method answers a call, or raises Refusal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def boards(self) -> Answer:
        """All boards, in their categories."""
        return Answer.json({"categories": book()["categories"]})

    def topics(self, call: Call) -> Answer:
        """The topics that were asked for, the one with the newest post first. Without any choice, all of them."""
        choice(call.query, "sort", ("recent",), "recent")
        window = self._window(call)
        found = self._chosen(call.query)
        data = [encoded(_row(topic)) for topic in found[window.of_items(call.more)]]
        return Answer(body=page_of(data, window.paging(call.origin + call.path, call.query, len(found))))

    def posts(self, call: Call) -> Answer:
        """A topic: `data` is an object, and its posts are what comes in pages; the poll is there if there is one."""
        window = self._window(call)
        if (topic := topics().get(call.where["topic_id"])) is None:
            raise not_found()
        shown = enumerate(topic.posts[window.of_items(call.more)], window.offset + 1)
        data: dict[str, Any] = {"title": topic.title, "posts": [_post(at, post, call.origin) for at, post in shown]}
        if topic.poll:
            data["poll"] = topic.poll
        return Answer.json(
            {"data": data, "paging": window.paging(call.origin + call.path, call.query, len(topic.posts))}
        )

    def _window(self, call: Call) -> Window:
        return Window.of(call.query, self._settings.catalogue_limit, call.most, self._settings)

    def _chosen(self, query: Query) -> list[Topic]:
        found = sorted(topics().values(), key=lambda topic: (topic.last.at, topic.id), reverse=True)
        for name, of_topic in _NUMBERS.items():
            if name in query:
                wanted = number(query, name, 0)
                found = [topic for topic in found if of_topic(topic) == wanted]
        for name, names_in in _NAMES.items():
            if name in query:
                found = [topic for topic in found if query[name].casefold() in names_in(topic)]
        words = (searched(query, self._settings) or "").casefold().split()
        return [topic for topic in found if all(word in topic.title.casefold() for word in words)]


def _row(topic: Topic) -> dict[str, Any]:
    """A topic in a list of them; `number_of_posts` counts the replies (go-myanimelist testdata forumTopics.json)."""
    return {
        "id": topic.id,
        "title": topic.title,
        "created_at": stamp(topic.first.at),
        "number_of_posts": len(topic.posts) - 1,
        "last_post_created_at": stamp(topic.last.at),
        "is_locked": topic.locked,
        "created_by": {"id": topic.first.by.id, "name": topic.first.by.name},
        "last_post_created_by": {"id": topic.last.by.id, "name": topic.last.by.name},
    }


def _post(number: int, post: Post, origin: str) -> dict[str, Any]:
    return {
        "id": post.id,
        "number": number,
        "created_at": stamp(post.at),
        "created_by": _author(post.by, origin),
        "body": post.body,
        "signature": post.by.signature,
    }


def _author(member: Member, origin: str) -> dict[str, Any]:
    """Whoever wrote a post. `forum_avator` is how MAL spells it; it is left out where there is none, as other pictures."""
    known: dict[str, Any] = {"id": member.id, "name": member.name}
    return {**known, "forum_avator": covers.avatar(member.id, origin)} if member.avatar else known
