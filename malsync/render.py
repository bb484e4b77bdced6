"""Lists and changes as text for people and as JSON documents for programs. Pure: it returns, and prints nothing."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from malsync.diff import Change, Op, count
from malsync.entry import Entry
from malsync.medium import Json, Kind, Medium
from malsync.moments import timestamp
from malsync.plan import Call, Left, Plan, from_to
from malsync.snapshot import Snapshot

SIGNS = {"add": "+", "update": "~", "remove": "-"}
DONE = {"add": "added", "update": "updated", "remove": "removed"}
"""What became of an entry, in a word."""
_LONGEST_VALUE = 100
# Harmless to a parser, able to rearrange what a person reads (Trojan Source, CVE-2021-42574).
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028\u2029\u061c")


def visible(text: str) -> str:
    """`text` with every control character written out, so that no list can move a terminal's cursor or colours."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in {"Cc", "Cs", "Cn"} and character not in _REORDERING:
        return character
    return character.encode("unicode_escape").decode()


def shown(item: Json) -> str:
    """A field's value on one line."""
    if item is None:
        return "none"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, str):
        return clipped(visible(item)) or "empty"
    if isinstance(item, list):
        if any(isinstance(part, str) and "," in part for part in item):
            return clipped(visible(_json(item)))  # joined by commas, one tag would look like two
        return clipped(visible(", ".join(part if isinstance(part, str) else _json(part) for part in item))) or "none"
    return clipped(visible(_json(item)))


def clipped(text: str, longest: int = _LONGEST_VALUE) -> str:
    """`text`, with an ellipsis where it is too long for its place, and how much is missing where there is room to say so."""
    if len(text) <= longest:
        return text
    kept = longest - 8
    return f"{text[:kept]}... (+{len(text) - kept})" if kept > _CELL else f"{text[: longest - 3]}..."


def quoted(item: Json) -> str:
    """A value that stands in a file as an error shows it."""
    return clipped(repr(item))


def _json(item: Json) -> str:
    return orjson.dumps(item).decode()


def change_lines(change: Change) -> Iterator[str]:
    """One change: what and which title, then a line a field. A removed entry's fields are told by what is lost."""
    yield f"{SIGNS[change.op]} {change.medium.name} {change.id}  {visible(change.title)}"
    width = max((len(name) for name in change.fields), default=0)
    for name in change.medium.ordered(change.fields):
        was, now = change.fields[name]
        label = f"    {visible(name):{width}}  "
        if change.op == "add":
            yield label + shown(now)
        elif change.op == "remove":
            yield label + shown(was)
        else:
            yield f"{label}{shown(was)} -> {shown(now)}"


def summary(counts: Mapping[Any, int]) -> str:
    """What changed, in one line."""
    return ", ".join(f"{counts[op]} {word}" for op, word in DONE.items())


def counted(counts: Mapping[str, int | None]) -> str:
    """How long both lists are, in one line."""
    return ", ".join(f"{name} unknown" if found is None else f"{found:,} {name}" for name, found in counts.items())


_UNITS = {"num_volumes_read": "vol", "num_chapters_read": "ch"}


def progress(medium: Medium, entry: Entry) -> str:
    """How far one is: episodes, or volumes and chapters, each with its unit where there are two."""
    counts = {name: str(entry.list_status.get(name) or 0) for name in medium.progress}
    if len(counts) == 1:
        return "".join(counts.values())
    return ", ".join(f"{count} {_UNITS[name]}" for name, count in counts.items())


def status_word(entry: Entry) -> str:
    """The status as a person says it."""
    return visible(str(entry.list_status.get("status") or "none").replace("_", " "))


def list_document(reference: str, number: int | None, snapshot: Snapshot) -> dict[str, Any]:
    """Which list a reference named."""
    return {
        "reference": reference,
        "snapshot": number,
        "user": snapshot.user.name,
        "taken_at": timestamp(snapshot.taken_at),
        "digest": snapshot.digest,
        "counts": snapshot.counts,
    }


def changes_document(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes, as `diff --json` and every other command that reports some has them."""
    return [
        {
            "op": change.op,
            "medium": change.medium.name,
            "id": change.id,
            "title": change.title,
            "fields": {name: from_to(change.fields[name]) for name in change.medium.ordered(change.fields)},
        }
        for change in changes
    ]


def diff_document(a: dict[str, Any], b: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
    """`diff --json`."""
    return {"from": a, "to": b, "counts": count(changes), "changes": changes_document(changes)}


def entry_document(medium: Medium, entry: Entry) -> dict[str, Any]:
    """One entry, as `show --json` has it."""
    return {
        "medium": medium.name,
        "id": entry.id,
        "title": entry.title,
        "list_status": medium.arranged(entry.list_status),
    }


def short(medium: Medium, list_status: Mapping[str, Json]) -> str:
    """An entry's data on one line: what is set, in the table's order."""
    parts = [
        shown(item) if field.kind is Kind.WORD else f"{field.name} {shown(item)}"
        for field in medium.writable
        if (item := list_status.get(field.name)) is not None and item not in (field.kind.blank, "")
    ]
    return ", ".join(parts)


# -- plans and what came of them

FOLD = 20
"""A plan shows so many titles of a kind, and how many more there are."""
_CELL = 14
_TO_DO: dict[Op, str] = {"add": "add", "update": "update", "remove": "delete"}


def plan_summary(plan: Plan) -> str:
    """What a plan does, in a few words with its numbers."""
    return ", ".join(f"{word} {plan.counts[op]:,}" for op, word in _TO_DO.items() if plan.counts[op]) or "nothing to do"


def duration(seconds: float) -> str:
    """A time to wait, as one says it."""
    if seconds < 2:
        return "a moment"
    if seconds < 100:
        return f"about {seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes < 100 else f"about {minutes // 60} h {minutes % 60:02} min"


def plan_rows(calls: Iterable[Call]) -> Iterator[tuple[str, str, str, str, str]]:
    """A row a title: sign, title, and a line for each field with its name, from and to. An add tells what comes, a removal
    what goes."""
    for call in calls:
        title = f"{clipped(visible(call.title)) or 'no title'} ({call.medium.name}:{call.id})"
        names = call.medium.ordered(call.fields)
        if call.op == "update":
            pairs = [call.fields[name] for name in names]
        else:
            names = [name for name in ("status", "score", *call.medium.progress) if name in call.fields]
            names = names or ["status"]
            pairs = [call.fields.get(name, (None, None)) for name in names]
        was, to = ("\n".join(clipped(shown(pair[side]), _CELL) for pair in pairs) for side in (0, 1))
        yield (SIGNS[call.op], title, "\n".join(map(visible, names)), was, to)


def left_lines(left: Left) -> Iterator[str]:
    """What is left of one entry: which and why, then the values concerned, a line a field."""
    yield f"! {left.medium.name} {left.id}  {visible(left.title)}: {visible(left.why)}"
    width = max((len(name) for name in left.fields), default=0)
    for name in left.medium.ordered(left.fields):
        sides = ", ".join(f"{side} {shown(item)}" for side, item in left.fields[name].items())
        yield f"    {visible(name):{width}}  {sides}"
