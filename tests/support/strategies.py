"""Hypothesis strategies for lists: as MAL gives them, and as nobody would wish them on a database.

What `list_statuses` makes is valid by the list statuses of schemas/openapi.json, so the client would let it in; with
`misfits=True` known members hold anything at all. Whole numbers stay within 64 bits, because the parser makes everything
beyond a double, and no text holds a lone surrogate, because the parser refuses it.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson
from hypothesis import strategies as st

from malsync.model.entry import Entry, TitleList
from malsync.model.medium import MEDIA, Field, Json, Kind, ListStatus, Medium
from malsync.model.snapshot import Covers, Snapshot, Source, User

SAFE = 2**53 - 1
HOSTILE_TEXTS = (
    " ",
    "0",
    "null",
    "a,b",
    ",leading",
    "trailing,  ",
    "NUL\0in the middle",
    "\x1b[2J\x1b]0;title\x07",
    "\r\n\t\x7f\x80",
    "עברית \u202ereversed\u202c",
    "進撃の巨人 — 🎌👩‍👩‍👧 𝔘𝔫𝔦",
    "e\u0301 is not \u00e9",
    "\ufeff\ufffe\uffff\U0010ffff",
    "'; DROP TABLE snapshot; --",
    '"quoted" \\ <b>&amp;</b> ]]>',
    "malSync::eyJ1IjoiaHR0cHM6Ly8ifQ==::",
    "x" * 200,
)
DATES = ("2017", "2017-10", "2017-10-23", "2026-11-01", "1917-00-00")
UNKNOWN_NAMES = (
    "notes",
    "extra",
    "unknown",
    "file_title",
    "since",
    "media_id",
    "éclair",
    "\u20ac",
    "\ufb33",
    "\U0001f600",
    "",
    "A",
    "a\0b",
    "\r",
)
IDS = (1, 2, 9, 10, 11, 100, 5114, 2**31, SAFE)


def is_plain(text: str) -> bool:
    """Whether `text` alone cannot be taken for what MAL encoded: the laws about that are in test_plain_text and its like."""
    return re.search(r"&#?\w+;|<br />", text) is None


texts = st.sampled_from(HOSTILE_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(is_plain)
ids = st.sampled_from(IDS) | st.integers(1, SAFE)
whole_numbers = st.integers(-(2**63), 2**64 - 1) | st.sampled_from([SAFE, SAFE + 1, SAFE + 2, -SAFE - 2, 2**63, 0, 1])
decimals = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([8.0, -0.0, 1e21, 1e-7, 0.1, 5e-324])
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | whole_numbers | decimals | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
moments = st.datetimes(datetime(2006, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)


def _values(field: Field, medium: Medium) -> st.SearchStrategy[Any]:
    """What the schema allows in a field: what MAL says, and what only a hostile MAL would."""
    by_kind: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.WORD: st.sampled_from(medium.statuses) | st.sampled_from(["", "paused"]) | texts,
        Kind.NUMBER: st.integers(0, 10) | st.just(0) | st.sampled_from([8.0, -1, 1000.0]) | whole_numbers,
        Kind.FLAG: st.booleans(),
        Kind.DATE: st.sampled_from(DATES) | st.just("") | texts,
        Kind.TAGS: st.lists(st.sampled_from(["rewatch", " a ", "", "A", "a"]) | texts, max_size=4),
        Kind.TEXT: st.just("") | texts,
        Kind.TIME: moments.map(lambda moment: moment.isoformat(timespec="seconds")) | texts,
    }
    return by_kind[field.kind] | st.none()


@cache
def list_statuses(medium: Medium, *, misfits: bool = False, unknowns: bool = True) -> st.SearchStrategy[ListStatus]:
    """An entry's data: any of its members absent, null or blank, and some that malsync does not know."""
    known = {field.name: _values(field, medium) | (json_values if misfits else st.nothing()) for field in medium.fields}
    status = known.pop("status")
    realistic = st.fixed_dictionaries({"status": st.sampled_from(medium.statuses)}, optional=known)
    hostile = st.fixed_dictionaries({}, optional={"status": status, **known})
    if not unknowns:
        return realistic | hostile
    names = st.sampled_from(UNKNOWN_NAMES) | texts.filter(lambda name: name not in medium.by_name)
    more: st.SearchStrategy[ListStatus] = st.just({}) | st.dictionaries(names, json_values, max_size=3)
    return st.tuples(realistic | hostile, more).map(lambda parts: {**parts[0], **parts[1]})


@cache
def entries(medium: Medium, *, complete: bool = True, **options: bool) -> st.SearchStrategy[Entry]:
    """A title on a list. Not `complete`: it may not know some of its fields, as a row of a file that lacks elements."""
    gaps = st.just(frozenset[str]()) | st.frozensets(st.sampled_from(medium.names), max_size=3)
    return st.builds(
        Entry, ids, texts, list_statuses(medium, **options), st.just(frozenset[str]()) if complete else gaps
    )


@cache
def title_lists(medium: Medium, **options: bool) -> st.SearchStrategy[TitleList]:
    """A list of a few titles."""
    return st.lists(entries(medium, **options), max_size=4, unique_by=lambda entry: entry.id).map(
        lambda found: {entry.id: entry for entry in found}
    )


users = st.builds(
    User,
    st.sampled_from(["https://api.myanimelist.net", "http://127.0.0.1:8000"]),
    st.none() | st.integers(1, SAFE),
    st.sampled_from(["mika", "Mika", "ÉLAN", "straße"]) | texts.filter(bool),
)
sources: st.SearchStrategy[Source] = st.sampled_from(["backup", "before-run", "after-run", "import", "public"])


@st.composite
def snapshots(
    draw: st.DrawFn, /, *, whole: bool = False, user: st.SearchStrategy[User] = users, **options: bool
) -> Snapshot:
    """A snapshot. Unless it is to be `whole`, a list, or some of a list's fields, may be unknown to it."""
    covers: Covers = {}
    lists: dict[str, TitleList | None] = {}
    for name, medium in MEDIA.items():
        parts: st.SearchStrategy[tuple[str, ...] | None] = st.just(medium.names)
        if not whole:
            parts = st.none() | parts | st.sets(st.sampled_from(medium.names)).map(sorted).map(tuple)
        covers[name] = draw(parts)
        lists[name] = None if covers[name] is None else draw(title_lists(medium, **options))
    return Snapshot(draw(user), draw(moments), draw(sources), covers, lists, draw(texts))


@st.composite
def evolved(draw: st.DrawFn, /, before: Snapshot, **options: bool) -> Snapshot:
    """What a list may have become a while later: mostly the same, with a few entries edited, added, lost."""
    lists: dict[str, TitleList | None] = {}
    covers: Covers = {}
    for name, medium in MEDIA.items():
        now = dict(before.lists[name] or {})
        kind = draw(
            st.sampled_from(
                ["same", "same", "edit", "edit", "drop", "add", "touch", "clear", "lose sight", "know less"]
            )
        )
        if kind == "clear":
            now.clear()
        elif kind == "add":
            fresh = draw(entries(medium, **options))
            now[fresh.id] = fresh
        elif now and kind in {"edit", "drop", "touch"}:
            old = now.pop(draw(st.sampled_from(sorted(now))))
            if kind == "edit":
                now[old.id] = old._replace(list_status=draw(list_statuses(medium, **options)))
            elif kind == "touch":
                now[old.id] = old._replace(list_status=old.list_status | {"updated_at": draw(texts)})
        some = st.sets(st.sampled_from(medium.names), min_size=1).map(medium.ordered).map(tuple)
        covers[name] = None if kind == "lose sight" else draw(some) if kind == "know less" else medium.names
        lists[name] = None if kind == "lose sight" else now
    later = before.taken_at + timedelta(milliseconds=draw(st.integers(1, 10**8)))
    return Snapshot(before.user, later, before.source, covers, lists, draw(texts))


@st.composite
def histories(draw: st.DrawFn, /, *, longest: int = 5, **options: Any) -> list[Snapshot]:
    """One list through time: snapshots of one user and source, oldest first, each evolved from the one before."""
    found = [draw(snapshots(whole=True, **options))]
    for _ in range(draw(st.integers(0, longest - 1))):
        found.append(draw(evolved(found[-1], **options)))
    return found


def exact(item: Json) -> bytes:
    """A value as JSON, where 8 is not 8.0 and true is not 1; the order of members is free."""
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)


def means(item: Json, *, doubles: bool = False) -> object:
    """What two values have in common when they are one value in JSON: 8 is 8.0, true is not 1, order in an object is free.

    With `doubles`, whole numbers that are one double are one number, as RFC 8785 has it.
    """
    if isinstance(item, bool) or item is None:
        return str(item)
    if isinstance(item, int | float):
        return "number", float(item) if doubles else item
    if isinstance(item, list):
        return "list", tuple(means(part, doubles=doubles) for part in item)
    if isinstance(item, dict):
        return "object", frozenset((name, means(part, doubles=doubles)) for name, part in item.items())
    return "text", item
