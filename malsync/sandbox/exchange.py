"""A request and its answer, without a web framework: handlers take and return them, faults change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from malsync.sandbox.account import Account
from malsync.sandbox.wire import JSON_TYPE, encoded

FORM_TYPE = "application/x-www-form-urlencoded"
HTML_TYPE = "text/html; charset=UTF-8"

EVERYTHING = ""
"""Stands for all members of a write in Call.lost."""


@dataclass
class Call:
    """A request. `origin` is the address of the sandbox (`http://127.0.0.1:PORT`), `where` has the parameters of the path,
    `headers` have lower-case names, and `most` is the highest `limit` of the endpoint: 0 if it does not answer in pages.
    `user` is the account of the access token.

    Faults set `more`, the number of entries that a page has too many; `lags`, to show a list without the latest writes; and
    `lost`, the members of a write that are not stored, by the names of GET or EVERYTHING, each with whether the answer shows
    them.
    """

    method: str
    path: str
    origin: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    where: Mapping[str, Any] = field(default_factory=dict)
    most: int = 0
    user: Account | None = None
    more: int = 0
    lags: bool = False
    lost: dict[str, bool] = field(default_factory=dict)

    @cached_property
    def form(self) -> dict[str, str]:
        """The body as a form; empty for another content type."""
        if not self.headers.get("content-type", "").lower().startswith(FORM_TYPE):
            return {}
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def me(self) -> Account:
        """The user, at an endpoint that requires one."""
        if self.user is None:
            raise RuntimeError("this call was let in without a user")
        return self.user

    @property
    def kind(self) -> str:
        """The part of the sandbox that was called: `api`, `oauth` or `other`."""
        return {"v2": "api", "v1": "oauth"}.get(self.path.split("/")[1], "other")

    @property
    def is_api(self) -> bool:
        return self.kind == "api"


@dataclass(frozen=True)
class Answer:
    """A response. `cut` breaks the connection: `before` its first byte, or in the `middle` of its body. `held` is the
    seconds for which it is held back, or None."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: str = ""
    held: float | None = None

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        return cls(status, encoded(value), headers=headers or {})

    @classmethod
    def html(cls, text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        return cls(status, text.encode(), HTML_TYPE, headers or {})

    @classmethod
    def redirect(cls, to: str) -> Answer:
        return cls(302, b"", HTML_TYPE, {"Location": to})


NOT_DONE = Answer()
"""The answer to a request that was not carried out, until a fault replaces it."""

BLOCKED = Answer.html(
    "<!DOCTYPE HTML><html><head><title>ERROR: The request could not be satisfied</title></head>"
    "<body><h1>403 ERROR</h1><h2>The request could not be satisfied.</h2><hr>Request blocked.</body></html>",
    403,
)
"""The page of a firewall, which MALSync recognizes by its last two words. Servers in front of MAL answer in HTML, not JSON
(nstratos/go-myanimelist)."""

TOO_MANY = (429, "Too Many Requests")


def nginx(status: int, reason: str, retry_after: str = "") -> Answer:
    """Return an error page as nginx writes it, with the header Retry-After unless that is empty."""
    head = f"<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>"
    page = f"{head}\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    return Answer.html(page, status, {"Retry-After": retry_after} if retry_after else {})
