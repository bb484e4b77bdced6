"""The forum's endpoints: boards, topics, and the posts of a topic. Nothing in it changes while the sandbox runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from malsync.sandbox.catalogue import fixture
from malsync.sandbox.errors import not_found
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.paging import Query, Window, choice, number, page_of, searched
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import encoded

Topic = Mapping[str, Any]
"""`id, board, title, locked, posts`, and `subboard` and `poll` if it has them. A post has `id, by, at, body`; `by` is a name."""

_FILTERS: Mapping[str, Callable[[Topic, str], bool]] = {
    "topic_user_name": lambda topic, name: topic["posts"][0]["by"].casefold() == name.casefold(),
    "user_name": lambda topic, name: any(post["by"].casefold() == name.casefold() for post in topic["posts"]),
}


@cache
def forum() -> Mapping[str, Any]:
    """Return `members`, `categories` and `topics`, the topic with the newest post first."""
    forum: dict[str, Any] = fixture("catalogue/forum")
    return forum


@cache
def members() -> Mapping[str, Mapping[str, Any]]:
    """Return the members of the forum by name: `id, name, avatar, signature`."""
    return {member["name"]: member for member in forum()["members"]}


class ForumReader:
    """Every method answers a call, or raises Refusal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def boards(self, _: Call) -> Answer:
        """GET /forum/boards: all boards by category."""
        return Answer.json({"categories": forum()["categories"]})

    def topics(self, call: Call) -> Answer:
        """GET /forum/topics: the topics that match every parameter, the one with the newest post first."""
        choice(call.query, "sort", ("recent",), "recent")
        window = self._window(call)
        topics = self._matching(call.query)
        data = [encoded(_row(topic)) for topic in topics[window.of_items(call.more)]]
        return Answer(body=page_of(data, window.paging(call.origin + call.path, call.query, len(topics))))

    def posts(self, call: Call) -> Answer:
        """GET /forum/topic/{topic_id}: an object with title, a page of the posts, and the poll if there is one."""
        window = self._window(call)
        topic = next((topic for topic in forum()["topics"] if topic["id"] == call.where["topic_id"]), None)
        if topic is None:
            raise not_found()
        posts = enumerate(topic["posts"][window.of_items(call.more)], window.offset + 1)
        data = {"title": topic["title"], "posts": [_post(number, post, call.origin) for number, post in posts]}
        if "poll" in topic:
            data["poll"] = topic["poll"]
        paging = window.paging(call.origin + call.path, call.query, len(topic["posts"]))
        return Answer.json({"data": data, "paging": paging})

    def _window(self, call: Call) -> Window:
        return Window.of(call.query, self._settings.catalogue_limit, call.most, self._settings)

    def _matching(self, query: Query) -> list[Topic]:
        topics: list[Topic] = forum()["topics"]
        for name, key in (("board_id", "board"), ("subboard_id", "subboard")):
            if name in query:
                board = number(query, name, 0)
                topics = [topic for topic in topics if topic.get(key) == board]
        for name, matches in _FILTERS.items():
            if name in query:
                topics = [topic for topic in topics if matches(topic, query[name])]
        words = (searched(query, self._settings) or "").casefold().split()
        return [topic for topic in topics if all(word in topic["title"].casefold() for word in words)]


def _row(topic: Topic) -> dict[str, Any]:
    """A topic in a list of topics; `number_of_posts` counts the replies (go-myanimelist testdata forumTopics.json)."""
    first, last = topic["posts"][0], topic["posts"][-1]
    return {
        "id": topic["id"],
        "title": topic["title"],
        "created_at": first["at"],
        "number_of_posts": len(topic["posts"]) - 1,
        "last_post_created_at": last["at"],
        "is_locked": topic["locked"],
        "created_by": {"id": members()[first["by"]]["id"], "name": first["by"]},
        "last_post_created_by": {"id": members()[last["by"]]["id"], "name": last["by"]},
    }


def _post(number: int, post: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """A post. `forum_avator` is MAL's spelling; it is left out if the author has no avatar."""
    author = members()[post["by"]]
    avatar = {"forum_avator": f"{origin}/images/users/{author['id']}.svg"} if author["avatar"] else {}
    return {
        "id": post["id"],
        "number": number,
        "created_at": post["at"],
        "created_by": {"id": author["id"], "name": author["name"], **avatar},
        "body": post["body"],
        "signature": author["signature"],
    }
