"""Plan the fewest writes that turn the live lists into the wanted ones. Pure: lists in, writes out; nothing is sent here.

One PATCH for each entry that is added or changed, with the fields that differ and no other; one DELETE for each that is
removed; none for an equal list. The same lists give the same plan.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from malsync.errors import UsageError
from malsync.model.diff import Change, FieldChanges, Op, count, diff
from malsync.model.entry import Key, has_status, same, unknown
from malsync.model.medium import MEDIA, Json, ListStatus, Medium
from malsync.model.snapshot import Snapshot, plain_together
from malsync.planning.writable import first_day, why_not_writable

Mode = Literal["merge", "exact", "missing"]
MODES: tuple[Mode, ...] = ("merge", "exact", "missing")
Prefer = Literal["source", "target", "newest", "progress"]
PREFERENCES: tuple[Prefer, ...] = ("source", "target", "newest", "progress")
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PlannedWrite(Change):
    """One write: a change of the live list, and `expect`: the entry as it stood there when it was planned (None: absent)."""

    expect: ListStatus | None

    @property
    def key(self) -> Key:
        """The entry that this writes."""
        return self.medium.name, self.id


@dataclass(frozen=True, slots=True)
class Left:
    """A part of an entry that no write can restore, and why. `fields` has the values of each field concerned, by role."""

    medium: Medium
    id: int
    title: str
    why: str
    fields: dict[str, dict[str, Json]]

    @property
    def key(self) -> Key:
        """The entry that this is about."""
        return self.medium.name, self.id


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes in the order in which they are sent, what they leave undone, and how many entries need no write."""

    calls: tuple[PlannedWrite, ...]
    left: tuple[Left, ...] = ()
    already: int = 0

    @property
    def counts(self) -> dict[Op, int]:
        """The numbers of entries to add, to update and to remove."""
        return count(self.calls)

    @property
    def deletes(self) -> int:
        """The number of entries to remove."""
        return self.counts["remove"]


@dataclass(frozen=True)
class Filters:
    """The part of the lists that a plan is limited to; an empty filter takes all. Guards count what passes the filters."""

    only: str | None = None
    ids: frozenset[Key] = frozenset()
    statuses: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Take any collections; raise UsageError for a medium that there is not, and for an id without its medium."""
        for name in ("ids", "statuses", "fields"):
            object.__setattr__(self, name, frozenset(getattr(self, name)))
        ids: frozenset[Any] = self.ids  # of callers that no type checker has seen, too
        media = {self.only} - {None} | {id[0] if isinstance(id, tuple) and len(id) == 2 else id for id in ids}
        if unknown := media - MEDIA.keys():
            raise UsageError(
                f"There is no medium {min(map(str, unknown))!r}.",
                f"Media: {', '.join(MEDIA)}. An id is given with its medium: ('anime', 5114).",
            )

    def takes(self, medium: Medium, id: int, *versions: ListStatus | None) -> bool:
        """Return whether an entry passes. It has a wanted status if any of its `versions` has, the wanted or the live one."""
        return (
            self.only in (None, medium.name)
            and (not self.ids or (medium.name, id) in self.ids)
            and (
                not self.statuses
                or any(version is not None and has_status(version, self.statuses) for version in versions)
            )
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
    """Return the writes that turn `live` into `wanted`.

    `merge` adds and updates, `exact` also removes what `wanted` lacks, `missing` only adds. What either list does not cover is
    left as it is, and so is a field that the wanted entry does not know. With `filters.fields`, those fields are updated and
    nothing is added or removed. `prefer` chooses which entry wins, as a whole, where both lists have the title. `round_dates`: a
    month or a year becomes its first day.
    """
    wanted, live = plain_together(wanted, live)
    wanted_ops = _OPS[mode] & {"update"} if filters.fields else _OPS[mode]
    calls: list[PlannedWrite] = []
    left: list[Left] = []
    for change in diff(live, wanted, fields=filters.fields, unknowns=False):
        source, target = (lists.list_status(change.medium, change.id) for lists in (wanted, live))
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
"""By medium, the number of entries whose field or member no plan writes; None for a list that is not covered."""


def unwritten(wanted: Snapshot, filters: Filters = EVERYTHING) -> Unwritten:
    """Count what a plan for `wanted` does not write: fields that an entry does not know, and members that malsync does not."""
    result: Unwritten = {}
    for medium in MEDIA.values():
        if filters.only not in (None, medium.name):
            continue
        if wanted.lists.get(medium.name) is None:
            result[medium.name] = None
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
            result[medium.name] = {name: counted[name] for name in medium.ordered(counted)}
    return result


# -- what a request can set


def sendable(call: PlannedWrite, *, round_dates: bool) -> tuple[list[PlannedWrite], list[Left]]:
    """Split `call` into the part that a request can set and the rest, with the reason."""
    if call.op == "remove":
        return [call], []
    fields = _rounded(call) if round_dates else call.fields
    cannot = {name: why for name, (_, to) in fields.items() if (why := why_not_writable(call.medium, name, to))}
    if call.op == "add" and "status" not in fields:
        cannot["status"] = "the list does not give its status, and MAL accepts no entry without one"
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
    """Return the two values of a change as every JSON document has them."""
    return {"from": pair[0], "to": pair[1]}


def _rounded(call: PlannedWrite) -> FieldChanges:
    """Return the fields with each month or year as its first day, without those that then change nothing."""
    by_name = call.medium.by_name
    fields = {name: (was, first_day(by_name[name], to)) for name, (was, to) in call.fields.items()}
    return {name: (was, to) for name, (was, to) in fields.items() if not same(was, to)}


# -- order


def in_order(calls: Iterable[PlannedWrite], wanted: Snapshot) -> tuple[PlannedWrite, ...]:
    """Sort writes: adds and updates by `updated_at` of the wanted entry, oldest first, which restores MAL's own order; then
    removals, by medium and id."""
    places = {name: place for place, name in enumerate(MEDIA)}

    def place(call: PlannedWrite) -> tuple[bool, datetime, int, int]:
        removes = call.op == "remove"
        when = _EARLIEST if removes else updated_at(wanted.list_status(call.medium, call.id)) or _EARLIEST
        return removes, when, places[call.medium.name], call.id

    return tuple(sorted(calls, key=place))


def updated_at(list_status: ListStatus | None) -> datetime | None:
    """Return when an entry was last updated on MAL, or None if the entry does not have a valid time."""
    text = (list_status or {}).get("updated_at")
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    # A time without an offset is ambiguous. MAL's own times always have one.
    return moment if moment is not None and moment.tzinfo is not None else None


# -- which entry wins where both lists have the title


def _newer(_: Medium, source: ListStatus, target: ListStatus) -> bool:
    return (updated_at(source) or _EARLIEST) > (updated_at(target) or _EARLIEST)


def _further(medium: Medium, source: ListStatus, target: ListStatus) -> bool:
    return _how_far(medium, source) > _how_far(medium, target)


def _how_far(medium: Medium, list_status: ListStatus) -> list[float]:
    """Return a sort key: completed first, since MAL does not count episodes by itself; then the repeats, then the counters."""
    counters = [list_status.get(name) for name in (medium.times, *reversed(medium.progress))]
    return [
        float(list_status.get("status") == "completed"),
        *(float(counter) if isinstance(counter, int | float) else 0.0 for counter in counters),
    ]


_PREFERRED = {
    "source": lambda _medium, _source, _target: True,
    "target": lambda _medium, _source, _target: False,
    "newest": _newer,
    "progress": _further,
}
