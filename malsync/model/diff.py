"""Compare two snapshots. Pure: values in, values out."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from malsync.model.entry import Entry, same, same_value, unknown, value
from malsync.model.medium import MEDIA, Field, Json, ListStatus, Medium
from malsync.model.snapshot import Snapshot, plain_together

Op = Literal["add", "update", "remove"]
OPS: tuple[Op, ...] = ("add", "update", "remove")
FieldChanges = dict[str, tuple[Json, Json]]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry added, updated or removed, with each field's value on both sides."""

    op: Op
    medium: Medium
    id: int
    title: str
    fields: FieldChanges


def diff(
    a: Snapshot, b: Snapshot, *, media: Collection[str] = (), fields: Collection[str] = (), unknowns: bool = True
) -> list[Change]:
    """Return the changes from `a` to `b`, sorted by medium and id.

    A list or a field that either side does not cover is not compared, and neither is a field that either entry does not know.
    `media` and `fields` limit the comparison (empty: all); with `fields`, an entry still counts as added or removed, and
    has only those fields. `unknowns`: whether to compare members that malsync does not know, too; they are compared as JSON,
    and only between lists that were read whole. Texts are compared decoded.
    """
    a, b = plain_together(a, b)
    return [
        change
        for medium in MEDIA.values()
        if not media or medium.name in media
        for change in _list_changes(medium, a, b, fields, unknowns)
    ]


def count(changes: Collection[Change]) -> dict[Op, int]:
    """Return how many entries were added, updated and removed."""
    return {op: sum(change.op == op for change in changes) for op in OPS}


def entry_changes(medium: Medium, a: ListStatus, b: ListStatus) -> FieldChanges:
    """Return what differs between two versions of an entry, both read whole and with plain text."""
    return _Compared(medium, medium.writable, (), unknowns=True).differences(medium.writable, a, b)


def comparable(medium: Medium, *lists: Snapshot) -> tuple[Field, ...]:
    """Return the writable fields of `medium` that all of `lists` cover; none if one of them does not cover the list."""
    known = set(medium.names).intersection(*(snapshot.covers[medium.name] or () for snapshot in lists))
    return tuple(field for field in medium.writable if field.name in known)


def differing(fields: Iterable[Field], a: ListStatus, b: ListStatus) -> FieldChanges:
    """Return those of `fields` whose values differ, with both values."""
    changes: FieldChanges = {}
    for field in fields:
        was, is_now = a.get(field.name), b.get(field.name)
        # Most values are the same object on both sides: None, a flag, a small number, an interned word.
        if was is is_now:
            continue
        pair = value(field, a), value(field, b)
        if not same_value(field, *pair):
            changes[field.name] = pair
    return changes


def known_to(fields: tuple[Field, ...], *entries: Entry | None) -> tuple[Field, ...]:
    """Return those of `fields` that each of `entries` knows. An absent entry (None) knows all of them."""
    unknown_fields = {name for entry in entries if entry is not None for name in entry.unknown}
    return tuple(field for field in fields if field.name not in unknown_fields) if unknown_fields else fields


def _list_changes(medium: Medium, a: Snapshot, b: Snapshot, only: Collection[str], unknowns: bool) -> Iterator[Change]:
    if a.lists.get(medium.name) is None or b.lists.get(medium.name) is None:
        return
    fields = tuple(field for field in comparable(medium, a, b) if not only or field.name in only)
    read_whole = all(set(medium.names) <= set(snapshot.covers[medium.name] or ()) for snapshot in (a, b))
    compared = _Compared(medium, fields, only, unknowns and read_whole)
    before, after = a.entries(medium), b.entries(medium)
    for id in sorted(before.keys() | after.keys()):
        change = _change(compared, before.get(id), after.get(id))
        if change is not None:
            yield change


@dataclass(frozen=True)
class _Compared:
    """Which fields and members of two lists of a medium are compared."""

    medium: Medium
    fields: tuple[Field, ...]
    only: Collection[str]
    unknowns: bool

    def changes(self, a: Entry | None, b: Entry | None) -> FieldChanges:
        was, became = ({} if entry is None else entry.list_status for entry in (a, b))
        return self.differences(known_to(self.fields, a, b), was, became)

    def differences(self, fields: tuple[Field, ...], a: ListStatus, b: ListStatus) -> FieldChanges:
        changes = differing(fields, a, b)
        if self.unknowns and not self.medium.by_name.keys() >= a.keys() | b.keys():
            names = sorted({*unknown(self.medium, a), *unknown(self.medium, b)})
            for name in names:
                if (not self.only or name in self.only) and not same(a.get(name), b.get(name)):
                    changes[name] = a.get(name), b.get(name)
        return changes


def _change(compared: _Compared, a: Entry | None, b: Entry | None) -> Change | None:
    if a is None and b is not None:
        # An added entry: every field that is set changes from None.
        fresh: FieldChanges = {name: (None, to) for name, (_, to) in compared.changes(None, b).items()}
        return Change("add", compared.medium, b.id, b.title, fresh)
    if a is not None and b is None:
        # A removed entry: every field that was set changes to None.
        lost: FieldChanges = {name: (was, None) for name, (was, _) in compared.changes(a, None).items()}
        return Change("remove", compared.medium, a.id, a.title, lost)
    if a is None or b is None or _is_untouched(compared.medium, a.list_status, b.list_status):
        return None
    fields = compared.changes(a, b)
    return Change("update", compared.medium, b.id, b.title or a.title, fields) if fields else None


def _is_untouched(medium: Medium, a: ListStatus, b: ListStatus) -> bool:
    # The fast path for most entries. Types are compared, too, because true equals 1 in Python and not in JSON.
    return a == b and list(map(type, a.values())) == list(map(type, b.values())) and medium.by_name.keys() >= a.keys()
