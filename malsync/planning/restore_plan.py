"""The plan: the fewest writes that make a live list what is wanted. Pure: lists in, writes out, nothing is sent here.

One PATCH for each entry that is added or changed, with the fields that differ and no other; one DELETE for each that is
removed; none for an equal list. The same lists give the same plan.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

from malsync.model.diff import Change, FieldChanges, Op, count, diff
from malsync.model.entry import has_status, same, unknown
from malsync.model.medium import MEDIA, Field, Json, Kind, ListStatus, Medium, is_date
from malsync.model.snapshot import Snapshot, plain_together

Mode = Literal["merge", "exact", "missing"]
MODES: tuple[Mode, ...] = ("merge", "exact", "missing")
Prefer = Literal["source", "target", "newest", "progress"]
PREFERENCES: tuple[Prefer, ...] = ("source", "target", "newest", "progress")
Key = tuple[str, int]
"""What names an entry: its medium's name and MAL's id."""

LONGEST_TEXT = 2**20
"""No text that is longer can be a field's: nobody's is (the longest comment in public exports has 686 characters)."""

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_PARTIAL = re.compile(r"\d{4}(-\d{2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PlannedWrite(Change):
    """One write: a change of the live list, and `expect`: the entry as it stood there when it was planned (None: absent)."""

    expect: ListStatus | None

    @property
    def key(self) -> Key:
        """Which entry this writes."""
        return self.medium.name, self.id


@dataclass(frozen=True, slots=True)
class Left:
    """What stays undone of one entry, and why: of each field concerned, its values by what they are."""

    medium: Medium
    id: int
    title: str
    why: str
    fields: dict[str, dict[str, Json]]

    @property
    def key(self) -> Key:
        """Which entry this is about."""
        return self.medium.name, self.id


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes in the order in which they go out, what no write can mend, and how many entries are as wanted already."""

    calls: tuple[PlannedWrite, ...]
    left: tuple[Left, ...] = ()
    already: int = 0

    @property
    def counts(self) -> dict[Op, int]:
        """Entries to add, to update and to remove."""
        return count(self.calls)

    @property
    def deletes(self) -> int:
        """Entries that this takes off the lists."""
        return self.counts["remove"]


@dataclass(frozen=True)
class Filters:
    """Which part of the lists is meant; empty: all. They narrow a plan before any guard counts."""

    only: str | None = None
    ids: frozenset[Key] = frozenset()
    statuses: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()

    def takes(self, medium: Medium, id: int, *versions: ListStatus | None) -> bool:
        """Whether an entry passes; `versions` are those whose status counts, the wanted and the live one."""
        return (
            self.only in (None, medium.name)
            and (not self.ids or (medium.name, id) in self.ids)
            and (not self.statuses or any(one is not None and has_status(one, self.statuses) for one in versions))
        )


EVERYTHING = Filters()


def plan(
    wanted: Snapshot,
    live: Snapshot,
    mode: Mode = "merge",
    *,
    filters: Filters = EVERYTHING,
    prefer: Prefer = "source",
    round_dates: bool = False,
) -> Plan:
    """The writes that make `live` what `wanted` says.

    `merge` adds and updates, `exact` removes too what `wanted` lacks, `missing` only adds. What either list does not cover is
    left as it is, and so is a field that the wanted entry does not know. With `filters.fields`, those fields are updated and
    nothing is added or removed. `prefer` settles, whole entry by whole entry, the titles that both have. `round_dates`: a
    month or a year becomes its first day.
    """
    wanted, live = plain_together(wanted, live)
    wanted_ops = _OPS[mode] & {"update"} if filters.fields else _OPS[mode]
    calls: list[PlannedWrite] = []
    left: list[Left] = []
    for change in diff(live, wanted, fields=filters.fields, unknowns=False):
        source, target = (one.list_status(change.medium, change.id) for one in (wanted, live))
        if change.op not in wanted_ops or not filters.takes(change.medium, change.id, source, target):
            continue
        if source is not None and target is not None and not _PREFERRED[prefer](change.medium, source, target):
            continue
        call, rest = sendable(PlannedWrite(*_parts(change), target), round_dates=round_dates)
        calls += call
        left += rest
    return Plan(in_order(calls, wanted), tuple(left))


_OPS: dict[Mode, frozenset[Op]] = {
    "merge": frozenset({"add", "update"}),
    "exact": frozenset({"add", "update", "remove"}),
    "missing": frozenset({"add"}),
}


def _parts(change: Change) -> tuple[Op, Medium, int, str, FieldChanges]:
    return change.op, change.medium, change.id, change.title, change.fields


Unwritten = dict[str, dict[str, int] | None]
"""By medium, what no plan writes: each field or member with the number of entries; None for a list that is not known at all."""


def unwritten(wanted: Snapshot, filters: Filters = EVERYTHING) -> Unwritten:
    """What of the lists a plan for `wanted` leaves alone: fields that an entry does not know, and members that MAL has not."""
    found: Unwritten = {}
    for medium in MEDIA.values():
        if filters.only not in (None, medium.name):
            continue
        if wanted.lists.get(medium.name) is None:
            found[medium.name] = None
            continue
        covered = wanted.covers[medium.name] or ()
        missing = {field.name for field in medium.writable if field.name not in covered}
        counted = Counter(
            name
            for entry in wanted.entries(medium).values()
            if filters.takes(medium, entry.id, entry.list_status)
            for name in missing | entry.unknown | set(unknown(medium, entry.list_status))
            if not filters.fields or name in filters.fields
        )
        if counted:
            found[medium.name] = {name: counted[name] for name in medium.ordered(counted)}
    return found


# -- what a request can say


def sendable(call: PlannedWrite, *, round_dates: bool) -> tuple[list[PlannedWrite], list[Left]]:
    """The part of `call` that a request can say, and the rest with the reason."""
    if call.op == "remove":
        return [call], []
    fields = _rounded(call) if round_dates else call.fields
    cannot = {name: why for name, (_, to) in fields.items() if (why := unsayable(call.medium, name, to))}
    if call.op == "add" and "status" not in fields:
        cannot["status"] = "what is wanted does not say its status, and MAL takes no entry without one"
    left = [
        Left(
            call.medium,
            call.id,
            call.title,
            f"{name}: {why}",
            {name: from_to(call.fields[name]) if name in call.fields else {}},
        )
        for name, why in cannot.items()
    ]
    if call.op == "add" and "status" in cannot:
        return [], left
    if cannot or round_dates:
        fields = {name: pair for name, pair in fields.items() if name not in cannot}
        call = replace(call, fields=fields)
    return ([call] if fields else []), left


def from_to(pair: tuple[Json, Json]) -> dict[str, Json]:
    """A field's two values, as every document that tells of a change has them."""
    return {"from": pair[0], "to": pair[1]}


def unsayable(medium: Medium, name: str, to: Json) -> str | None:
    """Why no request can set the field `name` to `to`; None where one can.

    MAL takes tags as one text, cut at its commas (Mal4J, TestAnimeListStatus), so a tag with a comma would come back as two;
    and it refuses the whole request for one word or number that it does not know.
    """
    field = medium.by_name[name]
    kind = field.kind
    if to is None:
        return None if kind is Kind.DATE else "there is no value to set"
    if kind is Kind.NUMBER:
        if isinstance(to, bool) or not isinstance(to, int | float) or to != int(to):
            return "it is no whole number"
        return None if 0 <= to <= field.most else f"it is not between 0 and {field.most}"
    if kind is Kind.FLAG:
        return None if isinstance(to, bool) else "it is neither true nor false"
    if kind is Kind.TAGS:
        return _untaggable(to)
    if not isinstance(to, str):
        return "it is no text"
    if kind is Kind.WORD and to not in medium.statuses:
        return f"a status is one of {', '.join(medium.statuses)}"
    if kind is Kind.DATE and not is_date(to):
        return "it is not a date such as 2021-12-31, 2021-12 or 2021"
    return None if len(to) <= LONGEST_TEXT else "it is too long"


def _untaggable(to: Json) -> str | None:
    if not isinstance(to, list) or not all(isinstance(tag, str) for tag in to):
        return "they are no list of tags"
    if any("," in str(tag) for tag in to):
        return "MAL cuts tags at commas, so none can hold one"
    if to and not any(to):
        return "MAL has no empty tag"
    return None if sum(len(str(tag)) + 1 for tag in to) <= LONGEST_TEXT else "they are too long"


def is_partial(field: Field, to: Json) -> bool:
    """Whether `to` is a date without a day, such as `2021-12`. Whether MAL takes one is unknown: docs/mal.md#partial-dates."""
    if field.kind is not Kind.DATE or not isinstance(to, str):
        return False
    try:
        date.fromisoformat(to)
    except ValueError:
        return True
    return len(to) != len("2021-12-31")


def _rounded(call: PlannedWrite) -> FieldChanges:
    """The fields with a month or a year as its first day, and without those that are so already."""
    by_name = call.medium.by_name
    fields = {name: (was, _first_day(by_name[name], to)) for name, (was, to) in call.fields.items()}
    return {name: (was, to) for name, (was, to) in fields.items() if not same(was, to)}


def _first_day(field: Field, to: Json) -> Json:
    if field.kind is Kind.DATE and isinstance(to, str) and _PARTIAL.fullmatch(to):
        return f"{to}-01-01"[:10]
    return to


# -- order


def in_order(calls: Iterable[PlannedWrite], wanted: Snapshot) -> tuple[PlannedWrite, ...]:
    """Adds and updates by when the wanted entry was last updated, oldest first, so that MAL's own order comes back; then
    the removals, by medium and id."""
    places = {name: place for place, name in enumerate(MEDIA)}

    def place(call: PlannedWrite) -> tuple[bool, datetime, int, int]:
        removes = call.op == "remove"
        when = _EARLIEST if removes else updated_at(wanted.list_status(call.medium, call.id)) or _EARLIEST
        return removes, when, places[call.medium.name], call.id

    return tuple(sorted(calls, key=place))


def updated_at(list_status: ListStatus | None) -> datetime | None:
    """When MAL says that an entry was last updated; None where it does not say so."""
    text = (list_status or {}).get("updated_at")
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    # Without an offset it names no moment; MAL's own always have one.
    return moment if moment is not None and moment.tzinfo is not None else None


# -- which entry wins, where both lists have the title


def _newer(_: Medium, source: ListStatus, target: ListStatus) -> bool:
    return (updated_at(source) or _EARLIEST) > (updated_at(target) or _EARLIEST)


def _further(medium: Medium, source: ListStatus, target: ListStatus) -> bool:
    return _how_far(medium, source) > _how_far(medium, target)


def _how_far(medium: Medium, list_status: ListStatus) -> list[float]:
    """Completed beats everything, for MAL counts no episodes by itself; then the times seen, then the counters."""
    counters = [list_status.get(name) for name in (medium.times, *reversed(medium.progress))]
    return [
        float(list_status.get("status") == "completed"),
        *(float(found) if isinstance(found, int | float) else 0.0 for found in counters),
    ]


_PREFERRED = {
    "source": lambda _medium, _source, _target: True,
    "target": lambda _medium, _source, _target: False,
    "newest": _newer,
    "progress": _further,
}


# -- guards
