"""Reading a user's list: order, filters, pages."""

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
"""So many different `fields` are remembered at once: their fragments take room."""

_Order = tuple[str, str | None, bool]


class ListReader:
    """Pages of lists, in bytes.

    Two things are remembered, so that a page costs neither a sort nor a thousand encodings: the order of a list until
    the list changes, and what an entry looked like with these `fields` until the entry or its title is another object.
    """

    def __init__(self, catalogue: Catalogue, teller: Teller, settings: Settings) -> None:
        self._catalogue = catalogue
        self._teller = teller
        self._settings = settings
        self._orders: WeakKeyDictionary[Account, dict[tuple[str, _Order], tuple[int, list[int]]]] = WeakKeyDictionary()
        self._fragments: dict[tuple[str, str, str, int], dict[int, _Fragment]] = {}

    def page(self, owner: Account, medium: Medium, call: Call, url: str) -> bytes:
        """The page of `owner`'s list that `call` asks for, as MAL answers it: `data` and `paging`.

        `url` is the address of the list without its query. Raises Refusal 400 for a parameter that is not right.
        """
        window = Window.of(call.query, self._settings.default_limit, call.most, self._settings)
        ids = self._ids(owner, medium, _order(medium, call.query))
        data = self._entries(medium, ids[window.of_items(call.more)], owner, call)
        return page_of(data, window.paging(url, call.query, len(ids)))

    def _ids(self, account: Account, medium: Medium, order: _Order) -> Sequence[int]:
        known = self._orders.setdefault(account, {})
        version, ids = known.get((medium.name, order), (-1, []))
        if version != account.version(medium.name):
            ids = self._sorted(account, medium, *order)
            known[medium.name, order] = account.version(medium.name), ids
        return ids

    def _sorted(self, account: Account, medium: Medium, sort: str, status: str | None, nsfw: bool) -> list[int]:
        entries, known = account.kept(medium.name), self._catalogue.known
        ids = [
            id
            for id, entry in entries.items()
            if (status is None or medium.filed_under(entry) == status) and (nsfw or is_white(known(medium.name, id)))
        ]
        ids.sort(key=lambda id: self._catalogue.key(medium.name, id))
        if sort.endswith("_start_date"):
            ids.sort(key=lambda id: start_date(members(medium.name, known(medium.name, id))), reverse=True)
        elif sort == "list_score":
            ids.sort(key=lambda id: number(entries[id], "score"), reverse=True)
        elif sort == "list_updated_at":
            ids.sort(key=lambda id: entries[id]["updated_at"], reverse=True)
        return ids

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
                beside = {}
                if my_status is not None:
                    beside["my_list_status"] = told(medium, my_status, columns["my_list_status"], self._settings)
                entry = {"node": self._teller.node(medium, title, fields, call.origin, beside=beside)}
                if status is not None:
                    entry["list_status"] = told(medium, status, columns["list_status"], self._settings)
                held = known[id] = _Fragment(title, status, my_status, encoded(entry))
            yield held.text

    def _known_fragments(self, medium: Medium, call: Call) -> dict[int, _Fragment]:
        if len(self._fragments) > MOST_FIELDS:
            self._fragments.clear()
        key = medium.name, call.query.get("fields", ""), call.origin, self._teller.library.version
        return self._fragments.setdefault(key, {})


class _Fragment(NamedTuple):
    """An encoded entry, and the objects that it was made from."""

    title: Title
    status: Status | None
    my_status: Status | None
    text: bytes


def told(medium: Medium, status: Status, columns: Columns, settings: Settings) -> Status:
    """A list status as every response shows it, entities and all."""
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
    """Sort, status and nsfw of the query, checked. Sorting by id is documented but answers 400
    (ModerNews/MAL-API-Client-Upgraded, "Sorting by ID"); without `sort` the recorded pages are in order of title."""
    by_title, by_date = f"{medium.name}_title", f"{medium.name}_start_date"
    sort = query.get("sort", by_title)
    if sort not in (by_title, by_date, "list_score", "list_updated_at"):
        raise bad_request("invalid sort")
    status = query.get("status")
    if status is not None and status not in medium.statuses:
        raise bad_request("invalid status")
    return sort, status, flag(query, "nsfw")
