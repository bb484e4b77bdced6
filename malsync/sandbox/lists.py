"""Reading a user's list: order, filters, pages."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from malsync.sandbox.account import Account
from malsync.sandbox.catalogue import Catalogue, Title
from malsync.sandbox.errors import bad_request
from malsync.sandbox.exchange import Call
from malsync.sandbox.media import Columns, Medium, Status
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import encoded, node, parsed_fields

MAX_LIMIT = 1000
MOST_FIELDS = 16
"""So many different `fields` are remembered at once: their fragments take room."""

Query = Mapping[str, str]
_Order = tuple[str, str | None, bool]


class ListReader:
    """Pages of lists, in bytes.

    Two things are remembered, so that a page costs neither a sort nor a thousand encodings: the order of a list until
    the list changes, and what an entry looked like with these `fields` until the entry or its title is another object.
    """

    def __init__(self, catalogue: Catalogue, settings: Settings) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._orders: WeakKeyDictionary[Account, dict[tuple[str, _Order], tuple[int, list[int]]]] = WeakKeyDictionary()
        self._fragments: dict[tuple[str, str], dict[int, _Fragment]] = {}

    def page(self, owner: Account, medium: Medium, call: Call, url: str) -> bytes:
        """The page of `owner`'s list that `call` asks for, as MAL answers it: `data` and `paging`.

        `url` is the address of the list without its query. `paging` is always there, empty where all is on one page;
        `previous` comes from the second page on (go-myanimelist testdata). Raises Refusal 400 for a parameter that is
        not right.
        """
        query = call.query
        limit, offset = _limit(query, self._settings), _number(query, "offset", 0)
        ids = self._ids(owner, medium, _order(medium, query))
        paging = {}
        if offset > 0:
            paging["previous"] = _page_url(url, query, max(0, offset - limit))
        if offset + limit < len(ids):
            paging["next"] = _page_url(url, query, offset + limit)
        data = self._entries(medium, ids[offset : offset + limit + call.more], owner, call)
        return b'{"data":[%b],"paging":%b}' % (b",".join(data), encoded(paging))

    def _ids(self, account: Account, medium: Medium, order: _Order) -> Sequence[int]:
        known = self._orders.setdefault(account, {})
        version, ids = known.get((medium.name, order), (-1, []))
        if version != account.version(medium.name):
            ids = self._sorted(account, medium, *order)
            known[medium.name, order] = account.version(medium.name), ids
        return ids

    def _sorted(self, account: Account, medium: Medium, sort: str, status: str | None, nsfw: bool) -> list[int]:
        entries = account.kept(medium.name)
        ids = [
            id
            for id, entry in entries.items()
            if (status is None or medium.filed_under(entry) == status) and (nsfw or self._is_white(medium.name, id))
        ]
        ids.sort(key=lambda id: self._catalogue.key(medium.name, id))
        if descending := _DESCENDING.get(sort):
            ids.sort(key=lambda id: descending(entries[id], self._catalogue.known(medium.name, id)), reverse=True)
        return ids

    def _is_white(self, medium: str, id: int) -> bool:
        return bool(self._catalogue.known(medium, id).get("nsfw", "white") == "white")

    def _entries(self, medium: Medium, ids: Sequence[int], owner: Account, call: Call) -> Iterator[bytes]:
        """Each entry encoded: `node`, and `list_status` where `fields` names it. my_list_status is the reader's own."""
        fields = parsed_fields(call.query.get("fields", ""))
        theirs = owner.kept(medium.name) if "list_status" in fields else {}
        mine = call.user.kept(medium.name) if call.user and "my_list_status" in fields else {}
        columns = {name: medium.columns(fields.get(name, ())) for name in ("list_status", "my_list_status")}
        known = self._known_fragments(medium, call)
        for id in ids:
            title, status, my_status = self._catalogue.known(medium.name, id), theirs.get(id), mine.get(id)
            held = known.get(id)
            if held is None or held.title is not title or held.status is not status or held.my_status is not my_status:
                entry = {"node": node(medium, title, fields)}
                if my_status is not None:
                    entry["node"]["my_list_status"] = told(medium, my_status, columns["my_list_status"], self._settings)
                if status is not None:
                    entry["list_status"] = told(medium, status, columns["list_status"], self._settings)
                held = known[id] = _Fragment(title, status, my_status, encoded(entry))
            yield held.text

    def _known_fragments(self, medium: Medium, call: Call) -> dict[int, _Fragment]:
        if len(self._fragments) > MOST_FIELDS:
            self._fragments.clear()
        return self._fragments.setdefault((medium.name, call.query.get("fields", "")), {})


class _Fragment(NamedTuple):
    """An encoded entry, and the objects that it was made from."""

    title: Title
    status: Status | None
    my_status: Status | None
    text: bytes


def told(medium: Medium, status: Status, columns: Columns, settings: Settings) -> Status:
    """A list status as a GET tells it, entities and all."""
    out = medium.shown(status, columns)
    if settings.comment_entities == "encoded" and "comments" in out:
        out["comments"] = html.escape(str(out["comments"]))
    return out


_DESCENDING: dict[str, Callable[[Status, Mapping[str, Any]], Any]] = {
    "list_score": lambda status, _: status.get("score", 0),
    "list_updated_at": lambda status, _: status["updated_at"],
    "anime_start_date": lambda _, title: title.get("start_date", ""),
    "manga_start_date": lambda _, title: title.get("start_date", ""),
}


def _order(medium: Medium, query: Query) -> _Order:
    """Sort, status and nsfw of the query, checked. Sorting by id is documented but answers 400
    (ModerNews/MAL-API-Client-Upgraded, "Sorting by ID"); without `sort` the recorded pages are in order of title."""
    by_title, by_date = f"{medium.name}_title", f"{medium.name}_start_date"
    sort = query.get("sort", by_title)
    if sort not in (by_title, by_date, "list_score", "list_updated_at"):
        raise bad_request("invalid sort")
    status = query.get("status")
    if status is not None and status not in medium.statuses:
        raise bad_request("invalid status")
    return sort, status, query.get("nsfw", "").lower() in ("true", "1")


def _limit(query: Query, settings: Settings) -> int:
    limit = _number(query, "limit", settings.default_limit)
    if limit > MAX_LIMIT and settings.over_limit == "clamp":
        return MAX_LIMIT
    if not 1 <= limit <= MAX_LIMIT:
        raise bad_request("invalid limit")
    return limit


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise bad_request(f"invalid {name}")
    return int(text)


def _page_url(url: str, query: Query, offset: int) -> str:
    """The address of another page: offset first, then what the request held, in alphabetical order
    (go-myanimelist testdata animeRanking.json)."""
    rest = sorted((name, value) for name, value in query.items() if name != "offset")
    return f"{url}?{urlencode([('offset', str(offset)), *rest])}"
