"""Lists and changes as text for people and as JSON documents for programs. Pure: it returns, and prints nothing."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from malsync.diff import Change, count
from malsync.entry import Entry
from malsync.medium import Json, Kind, Medium
from malsync.snapshot import Snapshot, timestamp

SIGNS = {"add": "+", "update": "~", "remove": "-"}
_DONE = {"add": "added", "update": "updated", "remove": "removed"}
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
        return clipped(visible(", ".join(part if isinstance(part, str) else _json(part) for part in item))) or "none"
    return clipped(visible(_json(item)))


def clipped(text: str, longest: int = _LONGEST_VALUE) -> str:
    """`text`, with an ellipsis and what is missing where it is too long for a line."""
    return text if len(text) <= longest else f"{text[: longest - 8]}... (+{len(text) - longest + 8})"


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
    return ", ".join(f"{counts[op]} {word}" for op, word in _DONE.items())


def counted(counts: Mapping[str, int | None]) -> str:
    """How long both lists are, in one line."""
    return ", ".join(f"{name} unknown" if found is None else f"{found:,} {name}" for name, found in counts.items())


def progress(medium: Medium, entry: Entry) -> str:
    """How far one is: episodes, or volumes and chapters."""
    return " / ".join(str(entry.list_status.get(name) or 0) for name in medium.progress)


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
            "fields": {
                name: {"from": change.fields[name][0], "to": change.fields[name][1]}
                for name in change.medium.ordered(change.fields)
            },
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
