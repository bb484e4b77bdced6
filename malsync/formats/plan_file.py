"""The plan file: a plan that a person can read, edit, keep, and `apply`. It is believed no more than any stranger's file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from malsync import files
from malsync.errors import UsageError
from malsync.formats.header import FileFormat
from malsync.model.diff import FieldChanges
from malsync.model.entry import Key, same_value, value
from malsync.model.medium import MEDIA, Json, ListStatus, Medium
from malsync.model.snapshot import User
from malsync.planning.request import left_document, left_of
from malsync.planning.restore_plan import Plan, PlannedWrite, from_to
from malsync.planning.writable import LONGEST_TEXT, why_not_writable
from malsync.text import short_repr

_DEEPEST = 120  # an entry may be nested 100 deep (snapshot.py), and stands somewhat deeper here
FORMAT = FileFormat("plan", version=1, advice="name a plan", repair="make another plan")


@dataclass(frozen=True)
class PlanFile:
    """A plan, whose lists it changes, and where it came from: `wanted` and `live` describe the lists, `mode` how it was made."""

    account: str
    user: User
    mode: str
    wanted: dict[str, Any]
    live: dict[str, Any]
    plan: Plan


def write(path: Path, made: PlanFile) -> None:
    """Write it to `path`, its owner's alone. Raises UsageError, with `path` as it was."""
    files.write(path, _encoded(made))


def _encoded(made: PlanFile) -> Iterator[bytes]:
    head = {
        "format": FORMAT.name,
        "version": FORMAT.version,
        "account": made.account,
        "user": {"id": made.user.id, "name": made.user.name},
        "origin": made.user.origin,
        "mode": made.mode,
        "wanted": made.wanted,
        "live": made.live,
    }
    yield b"{\n"
    for name, item in head.items():
        yield b'"%b": %b,\n' % (name.encode(), orjson.dumps(item))
    yield b'"calls": ['
    for place, call in enumerate(made.plan.calls):
        yield b"%b\n%b" % (b"," if place else b"", _call(call))
    yield b'\n],\n"left": ['
    for place, left in enumerate(made.plan.left):
        yield b"%b\n%b" % (b"," if place else b"", orjson.dumps(left_document(left)))
    yield b"\n]\n}\n"


def _call(call: PlannedWrite) -> bytes:
    """One call in three lines: what, the fields to look at, and the whole entry as it was."""
    what = {"op": call.op, "medium": call.medium.name, "id": call.id, "title": call.title}
    fields = {name: from_to(call.fields[name]) for name in call.medium.ordered(call.fields)}
    expect = None if call.expect is None else call.medium.arranged(call.expect)
    return b'%b,\n "fields":%b,\n "expect":%b}' % (orjson.dumps(what)[:-1], orjson.dumps(fields), orjson.dumps(expect))


def read(path: Path) -> PlanFile:
    """The plan at `path`, every call of it checked.

    Raises UsageError for a file that is missing, no plan, of a newer version, or that says what no plan can say.
    """
    return decode(files.read_input(path), str(path))


def decode(content: bytes, name: str) -> PlanFile:
    """The plan in `content`; `name` is what an error calls it."""
    document = FORMAT.parse(content, name)
    _check_size(document, name)
    calls = tuple(_checked(item, f"{name}: call {number}") for number, item in enumerate(document["calls"], start=1))
    seen: set[Key] = set()
    for call in calls:
        if call.key in seen:
            raise UsageError(f"{name} writes {call.medium.name} {call.id} twice.", advice="make another plan")
        seen.add(call.key)
    return PlanFile(
        account=document["account"],
        user=User(document["origin"], document["user"]["id"], document["user"]["name"]),
        mode=document["mode"],
        wanted=document["wanted"],
        live=document["live"],
        plan=Plan(calls, tuple(left_of(item) for item in document.get("left", ()))),
    )


def _check_size(document: Json, name: str) -> None:
    """Raise UsageError for what no list holds, and what could not be written down again: texts and nesting without end."""
    waiting: list[tuple[Json, int]] = [(document, 0)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str) and len(item) > LONGEST_TEXT:
            raise UsageError(
                f"{name} holds a text of {len(item):,} characters; no list does.", advice="make another plan"
            )
        if isinstance(item, dict | list):
            if depth == _DEEPEST:
                raise UsageError(f"{name} is nested more than {_DEEPEST} deep; no list is.", advice="make another plan")
            parts = item if isinstance(item, list) else [*item, *item.values()]
            waiting += [(part, depth + 1) for part in parts]


def _checked(item: dict[str, Any], where: str) -> PlannedWrite:
    """One call, if it is one that a plan can hold: what it would send is known, sayable, and fits what it expects."""
    medium: Medium = MEDIA[item["medium"]]
    where = f"{where} ({medium.name} {item['id']})"
    expect: ListStatus | None = item["expect"]
    fields: FieldChanges = {field: (pair["from"], pair["to"]) for field, pair in item["fields"].items()}
    if (expect is None) != (item["op"] == "add"):
        raise UsageError(f"{where}: an add expects null, and every other call an entry.", advice="make another plan")
    for name, (was, to) in fields.items():
        field = medium.by_name.get(name)
        if field is None or field.server_owned:
            raise UsageError(f"{where}: {short_repr(name)} is not a writable field.", advice="make another plan")
        if item["op"] == "remove":
            continue
        why = why_not_writable(medium, name, to)
        if why is not None:
            raise UsageError(f"{where}: {name} cannot become {short_repr(to)}: {why}.", advice="make another plan")
        expected = None if expect is None else value(field, expect)
        if not same_value(field, was, expected):
            raise UsageError(
                f"{where}: {name} says from {short_repr(was)}, and expects {short_repr(expected)}.",
                advice="make another plan",
            )
    if item["op"] == "add" and "status" not in fields:
        raise UsageError(f"{where}: an add needs a status.", advice="make another plan")
    if item["op"] == "update" and not fields:
        raise UsageError(f"{where}: an update needs a field.", advice="make another plan")
    return PlannedWrite(item["op"], medium, int(item["id"]), item["title"], fields, expect)
