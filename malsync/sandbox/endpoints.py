"""The table of the endpoints under /v2, from which the routes, the access check and the faults for pages follow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from starlette.convertors import IntegerConvertor, register_url_convertor

from malsync.sandbox.api import Api
from malsync.sandbox.exchange import Answer, Call
from malsync.sandbox.media import MEDIA

CLIENT, USER = "client", "user"
"""The access that an endpoint needs: a client id or a token, or a token."""

_WHOLE_NUMBERS = ("id", "year", "topic_id")


class _WholeNumber(IntegerConvertor):
    """At most 18 digits in a path: more of them are a 404, like other text."""

    regex = "[0-9]{1,18}"


register_url_convertor("whole", _WholeNumber())


@dataclass(frozen=True)
class Endpoint:
    """A row of the table.

    `path` is what follows /v2; with `{medium}` in it the row is for anime and for manga. `handler` is a key of
    `Api.handlers`, `most` the highest limit of an endpoint that answers in pages, `parameters` are those of the query.
    """

    methods: tuple[str, ...]
    path: str
    handler: str
    access: str = CLIENT
    most: int = 0
    parameters: tuple[str, ...] = ()

    def routes(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield the paths in the form of the router, each with the values that it implies."""
        path = re.sub(rf"\{{({'|'.join(_WHOLE_NUMBERS)})\}}", r"{\1:whole}", f"/v2{self.path}")
        if "{medium}" not in path:
            yield path, {}
            return
        for medium in MEDIA:
            yield path.replace("{medium}", medium), {"medium": medium}

    def answer(self, api: Api, call: Call) -> Answer:
        """Answer a call whose credentials are valid. Raises Refusal if they are not enough."""
        if self.access == USER:
            api.needed_user(call)
        return api.handlers[self.handler](call)


_GET = ("GET",)
_PAGE = ("limit", "offset")
_FILTERS = ("board_id", "subboard_id", "q", "topic_user_name", "user_name", "sort")
_NODES = (*_PAGE, "fields", "nsfw")

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(_GET, "/users/@me", "me", USER, parameters=("fields",)),
    Endpoint(_GET, "/users/{user}/{medium}list", "user_list", most=1000, parameters=("status", "sort", *_NODES)),
    Endpoint(("PATCH", "PUT"), "/{medium}/{id}/my_list_status", "update", USER),
    Endpoint(("DELETE",), "/{medium}/{id}/my_list_status", "delete", USER),
    Endpoint(_GET, "/{medium}", "search", most=100, parameters=("q", *_NODES)),
    Endpoint(_GET, "/{medium}/{id}", "details", parameters=("fields",)),
    Endpoint(_GET, "/{medium}/ranking", "ranking", most=500, parameters=("ranking_type", *_NODES)),
    Endpoint(_GET, "/anime/season/{year}/{season}", "season", most=500, parameters=("sort", *_NODES)),
    Endpoint(_GET, "/anime/suggestions", "suggestions", USER, most=100, parameters=_NODES),
    Endpoint(_GET, "/forum/boards", "boards"),
    Endpoint(_GET, "/forum/topics", "topics", most=100, parameters=(*_FILTERS, *_PAGE)),
    Endpoint(_GET, "/forum/topic/{topic_id}", "posts", most=100, parameters=_PAGE),
)
"""In the order of `docs/sandbox.md`. `@me` in a list needs a token although its row says client."""
