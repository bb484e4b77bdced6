"""Pages of a user's list: order, filters, entries."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from malsync.sandbox.account import Account
from malsync.sandbox.catalogue import Catalogue, Title, is_white, members
from malsync.sandbox.errors import bad_request
from malsync.sandbox.exchange import Call
from malsync.sandbox.fields import Teller
from malsync.sandbox.library import start_date
from malsync.sandbox.media import Columns, Medium, Status, number
from malsync.sandbox.paging import Query, Window, flag, page_of
from malsync.sandbox.settings import Settings
from malsync.sandbox.wire import encoded, parsed_fields

MOST_FIELDS = 16
"""Encoded entries are kept for this many different `fields`."""


class _Order(NamedTuple):
    """The order and the filters of a list."""

    sort: str
    status: str | None
    nsfw: bool


class _Encoded(NamedTuple):
    """An encoded entry, and the objects from which it was made."""

    title: Title
    status: Status | None
    my_status: Status | None
    text: bytes


class ListReader:
    """Pages of lists, in bytes.

    Two things are cached, so that a page needs neither a sort nor a thousand encodings: the order of a list until the list
    changes, and an entry with its `fields` until the entry or its title is another object.
    """

    def __init__(self, catalogue: Catalogue, teller: Teller, settings: Settings) -> None:
        self._catalogue = catalogue
        self._teller = teller
        self._settings = settings
        self._orders: WeakKeyDictionary[Account, dict[tuple[str, _Order], tuple[int, list[int]]]] = WeakKeyDictionary()
        self._encoded: dict[tuple[str, str, str, int], dict[int, _Encoded]] = {}

    def page(self, owner: Account, medium: Medium, call: Call, url: str) -> bytes:
        """Return the page of `owner`'s list that `call` asks for: `data` and `paging`.

        `url` is the address of the list without its query. Raises Refusal 400 for an invalid parameter.
        """
        window = Window.of(call.query, self._settings.default_limit, call.most, self._settings)
        ids = self._ids(owner, medium, _order(medium, call.query))
        data = self._entries(medium, ids[window.of_items(call.more)], owner, call)
        return page_of(data, window.paging(url, call.query, len(ids)))

    def _ids(self, account: Account, medium: Medium, order: _Order) -> Sequence[int]:
        orders = self._orders.setdefault(account, {})
        version, ids = orders.get((medium.name, order), (-1, []))
        if version != account.version(medium.name):
            ids = self._sorted(account, medium, order)
            orders[medium.name, order] = account.version(medium.name), ids
        return ids

    def _sorted(self, account: Account, medium: Medium, order: _Order) -> list[int]:
        entries, known = account.kept(medium.name), self._catalogue.known
        ids = [
            id
            for id, entry in entries.items()
            if order.status in (None, medium.filed_under(entry)) and (order.nsfw or is_white(known(medium.name, id)))
        ]
        ids.sort(key=lambda id: self._catalogue.key(medium.name, id))
        if order.sort.endswith("_start_date"):
            ids.sort(key=lambda id: start_date(members(medium.name, known(medium.name, id))), reverse=True)
        elif order.sort == "list_score":
            ids.sort(key=lambda id: number(entries[id], "score"), reverse=True)
        elif order.sort == "list_updated_at":
            ids.sort(key=lambda id: entries[id]["updated_at"], reverse=True)
        return ids

    def _entries(self, medium: Medium, ids: Sequence[int], owner: Account, call: Call) -> Iterator[bytes]:
        """Yield each entry encoded: `node`, and `list_status` if `fields` names it. my_list_status is that of the reader."""
        fields = parsed_fields(call.query.get("fields", ""))
        theirs = owner.kept(medium.name) if "list_status" in fields else {}
        mine = call.user.kept(medium.name) if call.user and "my_list_status" in fields else {}
        columns = {name: medium.columns(fields.get(name, ())) for name in ("list_status", "my_list_status")}
        cache = self._cache(medium, call)
        for id in ids:
            title, status, my_status = self._catalogue.known(medium.name, id), theirs.get(id), mine.get(id)
            held = cache.get(id)
            if held is None or held.title is not title or held.status is not status or held.my_status is not my_status:
                beside = {}
                if my_status is not None:
                    beside["my_list_status"] = shown_status(
                        medium, my_status, columns["my_list_status"], self._settings
                    )
                entry = {"node": self._teller.node(medium, title, fields, call.origin, beside=beside)}
                if status is not None:
                    entry["list_status"] = shown_status(medium, status, columns["list_status"], self._settings)
                held = cache[id] = _Encoded(title, status, my_status, encoded(entry))
            yield held.text

    def _cache(self, medium: Medium, call: Call) -> dict[int, _Encoded]:
        if len(self._encoded) > MOST_FIELDS:
            self._encoded.clear()
        key = medium.name, call.query.get("fields", ""), call.origin, self._catalogue.version
        return self._encoded.setdefault(key, {})


def shown_status(medium: Medium, status: Status, columns: Columns, settings: Settings) -> Status:
    """Return a list status as every response shows it, with comments and tags as HTML if the settings say so."""
    out = medium.shown(status, columns)
    if settings.comment_entities == "encoded" and isinstance(out.get("comments"), str):
        out["comments"] = as_html(out["comments"])
    if settings.tag_entities == "encoded" and isinstance(out.get("tags"), list):
        out["tags"] = [as_html(tag) if isinstance(tag, str) else tag for tag in out["tags"]]
    return out


def as_html(text: str) -> str:
    """PHP's `nl2br(htmlspecialchars(text))`, as MAL shows comments (axiel7/MoeList#372, anibridge/anibridge#264)."""
    return re.sub(r"\r\n|\n\r|\n|\r", r"<br />\g<0>", html.escape(text).replace("&#x27;", "&#039;"))


def _order(medium: Medium, query: Query) -> _Order:
    """Return order and filters of a query. Raises Refusal 400.

    Sorting by id is documented but answers 400 (ModerNews/MAL-API-Client-Upgraded, "Sorting by ID"); without `sort` the
    recorded pages are in order of title.
    """
    by_title, by_date = f"{medium.name}_title", f"{medium.name}_start_date"
    sort = query.get("sort", by_title)
    if sort not in (by_title, by_date, "list_score", "list_updated_at"):
        raise bad_request("invalid sort")
    status = query.get("status")
    if status is not None and status not in medium.statuses:
        raise bad_request("invalid status")
    return _Order(sort, status, flag(query, "nsfw"))
