"""The parameters of a query, and pages: the window that a request names, and the links to the pages around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from malsync.sandbox.errors import bad_request
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import encoded

LONGEST_Q = 64
"""Characters of a search; more are a 400 (FuzzyGrim/Yamtrack and mihon cut there)."""

Query = Mapping[str, str]


class Window(NamedTuple):
    """The part of a sequence that a page shows."""

    offset: int
    limit: int

    @classmethod
    def of(cls, query: Query, default: int, most: int, settings: Settings) -> Window:
        """Return the window of `limit` and `offset`. Raises Refusal 400; whether a limit above `most` does is a setting."""
        limit = number(query, "limit", default)
        if limit > most and settings.over_limit == "clamp":
            limit = most
        if not 1 <= limit <= most:
            raise bad_request("invalid limit")
        return cls(number(query, "offset", 0), limit)

    def of_items(self, more: int = 0) -> slice:
        """Return the slice of the items, with `more` items too many for a fault."""
        return slice(self.offset, self.offset + self.limit + more)

    def paging(self, url: str, query: Query, total: int) -> dict[str, str]:
        """Return `previous` from the second page on, and `next` before the last page (go-myanimelist testdata)."""
        around = {}
        if self.offset > 0:
            around["previous"] = _page_url(url, query, max(0, self.offset - self.limit))
        if self.offset + self.limit < total:
            around["next"] = _page_url(url, query, self.offset + self.limit)
        return around


def page_of(entries: Iterable[bytes], paging: Mapping[str, str], beside: Mapping[str, object] | None = None) -> bytes:
    """Return a page as MAL writes it: `data`, then `paging`, empty for the only page, then the members `beside`."""
    rest = encoded(dict(beside))[1:-1] if beside else b""
    return b'{"data":[%b],"paging":%b%b}' % (b",".join(entries), encoded(paging), rest and b"," + rest)


def number(query: Query, name: str, default: int) -> int:
    """Return a parameter that is a whole number. Raises Refusal 400."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise bad_request(f"invalid {name}")
    return int(text)


def choice(query: Query, name: str, allowed: Iterable[str], default: str | None = None) -> str:
    """Return a parameter that is one of `allowed`. Raises Refusal 400, also if it is missing and has no default."""
    if (text := query.get(name, default)) is None or text not in allowed:
        raise bad_request(f"invalid {name}")
    return text


def searched(query: Query, settings: Settings) -> str | None:
    """Return `q`; None if it is missing. Raises Refusal 400 if it is too short or too long."""
    if (q := query.get("q")) is None:
        return None
    if not settings.q_minimum <= len(q.strip()) <= LONGEST_Q:
        raise bad_request("invalid q")
    return q


def flag(query: Query, name: str) -> bool:
    """Return whether a parameter is true."""
    return query.get(name, "").lower() in ("true", "1")


def _page_url(url: str, query: Query, offset: int) -> str:
    """Return the address of another page: offset first, then the other parameters in alphabetical order
    (go-myanimelist testdata animeRanking.json)."""
    rest = sorted((name, value) for name, value in query.items() if name != "offset")
    return f"{url}?{urlencode([('offset', str(offset)), *rest])}"
