"""The table of the endpoints under /v2: what the router, the check of who may ask, and the faults for pages go by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from starlette.convertors import IntegerConvertor, register_url_convertor

from malsync.sandbox.api import Api
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.media import MEDIA

CLIENT, USER = "client", "user"
"""Who may ask: whoever has a client id or a token, or only whoever has a token."""

_WHOLE_NUMBERS = ("id", "year", "topic_id")


class _WholeNumber(IntegerConvertor):
    """Digits in a path, not so many that they are no number of anything: those are a 404, as other text is."""

    regex = "[0-9]{1,18}"


register_url_convertor("whole", _WholeNumber())


@dataclass(frozen=True)
class Endpoint:
    """A row of the table.

    `path` is what follows /v2; with `{medium}` in it the row stands for anime and for manga. `most` is the greatest limit
    of an endpoint that answers in pages, `parameters` are those of the query.
    """

    methods: tuple[str, ...]
    path: str
    answer: Callable[[Api, Call], Answer]
    access: str = CLIENT
    most: int = 0
    parameters: tuple[str, ...] = ()

    def routes(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """The paths as the router takes them, each with what it says by itself."""
        path = re.sub(rf"\{{({'|'.join(_WHOLE_NUMBERS)})\}}", r"{\1:whole}", f"/v2{self.path}")
        if "{medium}" not in path:
            yield path, {}
            return
        for medium in MEDIA:
            yield path.replace("{medium}", medium), {"medium": medium}

    def answered_by(self, api: Api) -> Callable[[Call], Answer]:
        """The endpoint as a function of a call that was let in."""

        def answer(call: Call) -> Answer:
            if self.access == USER:
                api.needed_user(call)
            return self.answer(api, call)

        return answer


_GET = ("GET",)
_PAGE = ("limit", "offset")
_CHOICES = ("board_id", "subboard_id", "q", "topic_user_name", "user_name", "sort")
_NODES = (*_PAGE, "fields", "nsfw")

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(_GET, "/users/@me", Api.me, USER, parameters=("fields",)),
    Endpoint(_GET, "/users/{user}/{medium}list", Api.user_list, most=1000, parameters=("status", "sort", *_NODES)),
    Endpoint(("PATCH", "PUT"), "/{medium}/{id}/my_list_status", Api.update, USER),
    Endpoint(("DELETE",), "/{medium}/{id}/my_list_status", Api.delete, USER),
    Endpoint(_GET, "/{medium}", lambda api, call: api.titles.search(call), most=100, parameters=("q", *_NODES)),
    Endpoint(_GET, "/{medium}/{id}", lambda api, call: api.titles.details(call), parameters=("fields",)),
    Endpoint(
        _GET,
        "/{medium}/ranking",
        lambda api, call: api.titles.ranking(call),
        most=500,
        parameters=("ranking_type", *_NODES),
    ),
    Endpoint(
        _GET,
        "/anime/season/{year}/{season}",
        lambda api, call: api.titles.season(call),
        most=500,
        parameters=("sort", *_NODES),
    ),
    Endpoint(
        _GET, "/anime/suggestions", lambda api, call: api.titles.suggestions(call), USER, most=100, parameters=_NODES
    ),
    Endpoint(_GET, "/forum/boards", lambda api, call: api.forum.boards(call)),
    Endpoint(_GET, "/forum/topics", lambda api, call: api.forum.topics(call), most=100, parameters=(*_CHOICES, *_PAGE)),
    Endpoint(_GET, "/forum/topic/{topic_id}", lambda api, call: api.forum.posts(call), most=100, parameters=_PAGE),
)
"""In the order of `docs/sandbox.md`. `@me` in a list needs a token although its row says client."""
