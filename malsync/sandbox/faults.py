"""Everything that can go wrong between a client and MAL, on demand.

A fault is written `KIND[:key=value,...]`; several are joined by `;`. The keys that all kinds share say which requests it
strikes, its row in KINDS says what it does: a new kind is a row.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

from malsync.sandbox.account import Account
from malsync.sandbox.errors import SandboxError
from malsync.sandbox.exchange import BLOCKED, EVERYTHING, NOT_DONE, TOO_MANY, Answer, Call, nginx
from malsync.sandbox.lists import as_html
from malsync.sandbox.media import MEDIA, Medium, Status
from malsync.sandbox.wire import encoded
from malsync.sandbox.world import World

TIMED_OUT = (504, "Gateway Time-out")
MAINTENANCE = Answer.html(
    "<!DOCTYPE html><html><head><title>Maintenance</title></head><body><p>We will be back soon.</p></body></html>"
)
"""A page in place of JSON, with the status of a success."""

Values = Mapping[str, str]
Bend = Callable[[Answer, Call, Values], Answer]
Before = Callable[[World, Call, Values], None]


@dataclass(frozen=True)
class Key:
    """A key of a spec: the pattern of its values, and a sentence for the documentation."""

    pattern: str
    says: str


SHARED_KEYS: Mapping[str, Key] = {
    "on": Key(".+", "only requests whose path contains this text; without it, all to the API's address"),
    "method": Key("[A-Za-z]+", "only requests of this method"),
    "nth": Key(
        r"[1-9]\d*(-[1-9]\d*)?", "of the requests that match only the n-th (`3`), or the n-th to the m-th (`2-4`)"
    ),
    "p": Key(r"0?\.\d+|[01]", "each request that matches with this probability (`0.05`)"),
    "seed": Key(r"\d+", "the seed of that probability (1)"),
    "times": Key(r"\d+", "at most so many times"),
    "done": Key("yes|no", "whether the request is carried out all the same"),
}
_MEMBERS = [member for medium in MEDIA.values() for member in medium.by_form_name.values()]
_WRITABLE = sorted({name for member in _MEMBERS for name in (member.read, member.form_name)})

OWN_KEYS: Mapping[str, Key] = {
    "at": Key("before|middle", "where the connection breaks: before the first byte, or in the middle of the body"),
    "field": Key(
        "|".join(["", *_WRITABLE]),
        "strikes only writes whose form has this member (its name there, or in GET), and all else is stored",
    ),
    "id": Key(r"\d*", "the title; without it, the first in order that will do"),
    "message": Key(".*", "the `message` of the error"),
    "retry_after": Key(r"\d*", "seconds in the header Retry-After, which is not sent without it"),
    "seconds": Key(r"\d+(\.\d+)?", "after which the answer comes all the same"),
    "shows": Key("wanted|kept", "the answer shows the entry as it would be, or as it is"),
    "to": Key(r"https?://\S+", "the address"),
    "what": Key(
        "score|comments|remove", "gets another score or other comments (one that was not there is added), or is removed"
    ),
}

ALL, PAGES, LISTS, WRITES = "all", "pages", "lists", "writes"
STRIKES: Mapping[str, Callable[[Call], bool]] = {
    ALL: lambda _call: True,
    PAGES: lambda call: call.method == "GET" and call.most > 0,
    LISTS: lambda call: call.method == "GET" and "user" in call.where,
    WRITES: lambda call: call.method in ("PATCH", "PUT", "DELETE") and "id" in call.where,
}


@dataclass(frozen=True)
class Kind:
    """A row of the table.

    `before` changes the world just before the request is answered, `bend` changes the answer. `done` is whether the request
    is carried out, unless the fault has its own `done`; `strikes` is one of STRIKES; `keys` are the OWN_KEYS of the kind with
    their defaults.
    """

    name: str
    says: str
    bend: Bend = lambda answer, _call, _values: answer
    before: Before = lambda _world, _call, _values: None
    done: bool = True
    strikes: str = ALL
    keys: Values = field(default_factory=dict)


# Changes of the answer.


def _error(status: int, reason: str) -> Bend:
    """Return a bend to an HTML error page."""
    return lambda _answer, _call, values: nginx(status, reason, values["retry_after"])


def _refusal(status: int, error: str, message: str = "") -> Bend:
    """Return a bend to an error of the API itself."""
    return lambda _answer, _call, values: Answer.json(
        {"message": values.get("message", message), "error": error}, status
    )


_unapproved = _refusal(400, "invalid_content", "Invalid content")


def _redirect(_answer: Answer, _call: Call, values: Values) -> Answer:
    return Answer.redirect(values["to"])


def _cut(answer: Answer, _call: Call, values: Values) -> Answer:
    return replace(answer, cut=values["at"])


def _truncated(answer: Answer, _call: Call, _values: Values) -> Answer:
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def _stall(answer: Answer, _call: Call, values: Values) -> Answer:
    return replace(nginx(*TIMED_OUT) if answer is NOT_DONE else answer, held=float(values["seconds"]))


def _in_json(change: Callable[[dict[str, Any], Call, Values], None]) -> Bend:
    """Return a bend of the JSON of a success; errors, and answers that another fault has broken, stay as they are."""

    def bend(answer: Answer, call: Call, values: Values) -> Answer:
        if answer.status != 200 or not answer.body.endswith(b"}"):
            return answer
        document = json.loads(answer.body)
        change(document, call, values)
        return replace(answer, body=encoded(document))

    return bend


def _foreign_next(page: dict[str, Any], call: Call, values: Values) -> None:
    here = urlsplit(page["paging"].get("next") or f"{call.origin}{call.path}?offset=1000")
    page["paging"]["next"] = f"{values['to'].rstrip('/')}{here.path}?{here.query}"


def _endless(page: dict[str, Any], call: Call, _values: Values) -> None:
    page["paging"]["next"] = f"{call.origin}{call.path}?{urlencode(call.query)}"


def _wrong_type(page: dict[str, Any], _call: Call, _values: Values) -> None:
    for entry in page["data"][:1]:
        if "score" in (status := entry.get("list_status", {})):
            status["score"] = str(status["score"])


def _recoded(document: dict[str, Any], _call: Call, _values: Values) -> None:
    """Show comments in the form in which the sandbox does not show them."""
    items = document.get("data", [])
    for status in (document, *(item.get("list_status", {}) for item in items if isinstance(item, dict))):
        if isinstance(text := status.get("comments"), str):
            plain = html.unescape(text.replace("<br />", ""))
            status["comments"] = plain if plain != text else as_html(text)


# Changes of the world between two pages.


def _edit(world: World, call: Call, values: Values) -> None:
    owner, medium = _list_of(world, call)
    if (id := _on_list(world, owner, medium, values)) is not None:
        owner.edit(medium.name, id, world.clock(), **_another_score(owner.kept(medium.name)[id]))


def _add(world: World, call: Call, values: Values) -> None:
    """Add the first title in order that is not on the list, so that the pages after it shift."""
    owner, medium = _list_of(world, call)
    absent = {title["id"] for title in world.catalogue.titles(medium.name)} - owner.kept(medium.name).keys()
    if candidates := absent & {int(values["id"])} if values["id"] else absent:
        first = min(candidates, key=lambda id: world.catalogue.key(medium.name, id))
        owner.edit(medium.name, first, world.clock(), status=medium.planned)


def _remove(world: World, call: Call, values: Values) -> None:
    owner, medium = _list_of(world, call)
    if (id := _on_list(world, owner, medium, values)) is not None:
        owner.delete(medium.name, id)


def _list_of(world: World, call: Call) -> tuple[Account, Medium]:
    """Return owner and medium of the list that the request reads."""
    owner = call.user if call.where["user"] == "@me" else world.account(call.where["user"])
    return owner or world.first, MEDIA[call.where["medium"]]


def _on_list(world: World, owner: Account, medium: Medium, values: Values) -> int | None:
    entries = owner.kept(medium.name)
    if values["id"]:
        return int(values["id"]) if int(values["id"]) in entries else None
    return min(entries, key=lambda id: world.catalogue.key(medium.name, id), default=None)


def _another_score(status: Status) -> Status:
    return {"score": status.get("score", 0) % 10 + 1}


def _expire(world: World, _call: Call, _values: Values) -> None:
    world.authority.expire_access()


def _in_call(name: str, value: object) -> Before:
    return lambda _world, call, _values: setattr(call, name, value)


# Writes.


def _meanwhile(world: World, call: Call, values: Values) -> None:
    """Change the entry that the write addresses, as another program would; a title that cannot be on a list stays."""
    medium, id, owner = call.where["medium"], call.where["id"], call.user
    title = world.catalogue.get(medium, id)
    if owner is None or title is None or title.get("pending"):
        return
    before = owner.kept(medium).get(id)
    if values["what"] == "score":
        owner.edit(medium, id, world.clock(), **_another_score(before or {}))
    elif values["what"] == "comments":
        owner.edit(medium, id, world.clock(), comments=f"{(before or {}).get('comments', '')} (meanwhile)".lstrip())
    elif before is not None:
        owner.delete(medium, id)


def _unstored(_world: World, call: Call, values: Values) -> None:
    member = MEDIA[call.where["medium"]].writable(values["field"])
    call.lost[member.read if member else EVERYTHING] = values["shows"] == "wanted"


_WAIT = {"retry_after": ""}
_MESSAGE = {"message": "invalid value"}
_LONG = {"seconds": "60"}
_TITLE = {"id": ""}
_LIE = {"field": "", "shows": "wanted"}
_OTHER = {"what": "score"}
_ELSEWHERE = {"to": "http://elsewhere.invalid"}

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("500", "an HTML error page", _error(500, "Internal Server Error"), done=False, keys=_WAIT),
        Kind("502", "an HTML error page", _error(502, "Bad Gateway"), done=False, keys=_WAIT),
        Kind("503", "an HTML error page", _error(503, "Service Temporarily Unavailable"), done=False, keys=_WAIT),
        Kind("504", "an HTML error page", _error(*TIMED_OUT), done=False, keys=_WAIT),
        Kind("429", "an HTML error page: too many requests", _error(*TOO_MANY), done=False, keys=_WAIT),
        Kind("403", "the block page of a firewall, in HTML", lambda *_: BLOCKED, done=False),
        Kind("bad_request", "a 400 in JSON", _refusal(400, "bad_request"), done=False, keys=_MESSAGE),
        Kind("invalid_content", "a 400 in JSON, as for a title that waits for approval", _unapproved, done=False),
        Kind("forbidden", "a 403 in JSON", _refusal(403, "forbidden"), done=False),
        Kind("gone", "a 404 in JSON, as for a title that is not there", _refusal(404, "not_found"), done=False),
        Kind("redirect", "a 302 to another host", _redirect, done=False, keys=_ELSEWHERE),
        Kind("cut", "the connection breaks", _cut, keys={"at": "middle"}),
        Kind("stall", "the answer is held back; a 504 comes where nothing was carried out", _stall, keys=_LONG),
        Kind("truncated", "the first half of the JSON, as if that were all", _truncated),
        Kind("empty", "the right status with an empty body", lambda answer, *_: replace(answer, body=b"")),
        Kind("html", "a 200 with a page of HTML", lambda *_: MAINTENANCE),
        Kind("wrong_type", "the score of the page's first entry is a text", _in_json(_wrong_type), strikes=LISTS),
        Kind(
            "overlap",
            "the page has limit+1 entries, and its last comes again",
            before=_in_call("more", 1),
            strikes=PAGES,
        ),
        Kind("endless", "`next` points at the same page again", _in_json(_endless), strikes=PAGES),
        Kind("foreign_next", "`next` points to another host", _in_json(_foreign_next), strikes=PAGES, keys=_ELSEWHERE),
        Kind("edit", "the score of an entry changes just before the answer", before=_edit, strikes=LISTS, keys=_TITLE),
        Kind("add", "a title is added to the list just before the answer", before=_add, strikes=LISTS, keys=_TITLE),
        Kind("remove", "an entry is removed just before the answer", before=_remove, strikes=LISTS, keys=_TITLE),
        Kind(
            "stale",
            "the list is as it was before the latest writes through the API",
            before=_in_call("lags", True),
            strikes=LISTS,
        ),
        Kind("recoded", "comments come in the other form: encoded, or as they were written", _in_json(_recoded)),
        Kind("expire", "all access tokens expire just before the answer", before=_expire),
        Kind("unstored", "the write is answered as if stored, and is not", before=_unstored, strikes=WRITES, keys=_LIE),
        Kind("meanwhile", "the entry changes just before the write", before=_meanwhile, strikes=WRITES, keys=_OTHER),
    )
}


@dataclass
class Fault:
    """A kind, the requests that it strikes, and counts of them."""

    kind: Kind
    values: Values
    on: str | None
    method: str | None
    nth: range | None
    p: float
    times: float
    done: bool
    chance: Random
    matched: int = 0
    struck: int = 0

    def strikes(self, call: Call) -> bool:
        """Return whether the fault strikes this request, and count it."""
        if not self._matches(call):
            return False
        self.matched += 1
        strikes = (
            (self.nth is None or self.matched in self.nth)
            and (self.p == 1 or self.chance.random() < self.p)
            and self.struck < self.times
        )
        self.struck += strikes
        return strikes

    def _matches(self, call: Call) -> bool:
        if not STRIKES[self.kind.strikes](call) or self.method not in (None, call.method):
            return False
        if (name := self.values.get("field")) and not _names(call, name):
            return False
        return call.is_api if self.on is None else self.on in call.path


def _names(call: Call, name: str) -> bool:
    """Return whether the form of a write has this member."""
    member = MEDIA[call.where["medium"]].writable(name)
    return member is not None and member.form_name in call.form


def parsed_faults(spec: str) -> list[Fault]:
    """Return the faults of a spec, in its order. Raises SandboxError, whose message lists what exists."""
    return [_fault(part.strip()) for part in spec.split(";") if part.strip()]


def _fault(part: str) -> Fault:
    name, _, rest = part.partition(":")
    if (kind := KINDS.get(name)) is None:
        raise SandboxError(f"there is no fault {name!r}; there are: {', '.join(KINDS)}")
    pairs = dict(_pair(kind, text) for text in rest.split(",") if text.strip())
    first, _, last = pairs.get("nth", "").partition("-")
    return Fault(
        kind,
        {key: pairs.get(key, default) for key, default in kind.keys.items()},
        on=pairs.get("on"),
        method=pairs["method"].upper() if "method" in pairs else None,
        nth=range(int(first), int(last or first) + 1) if first else None,
        p=float(pairs.get("p", 1)),
        times=float(pairs.get("times", "inf")),
        done=pairs["done"] == "yes" if "done" in pairs else kind.done,
        chance=Random(int(pairs.get("seed", 1))),  # noqa: S311 a test must be repeatable
    )


def _pair(kind: Kind, text: str) -> tuple[str, str]:
    key, _, value = (side.strip() for side in text.partition("="))
    known = {**SHARED_KEYS, **{own: OWN_KEYS[own] for own in kind.keys}}
    if key not in known:
        raise SandboxError(f"the fault {kind.name} has no key {key!r}; it has: {', '.join(known)}")
    if not re.fullmatch(known[key].pattern, value):
        raise SandboxError(f"{key} of the fault {kind.name} cannot be {value!r}: {known[key].says}")
    return key, value
