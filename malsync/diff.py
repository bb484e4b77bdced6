"""What changed from one list to another. Pure: values in, values out."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from malsync.entry import Entry, same, unknown, value
from malsync.medium import MEDIA, Field, Json, ListStatus, Medium
from malsync.snapshot import Covers, Snapshot

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
    """What happened from `a` to `b`: by medium, then by id.

    A list or a field that either side does not cover is not compared. `media` and `fields` narrow it down (empty: all); with
    `fields`, an entry counts as added or removed all the same, and shows those fields. `unknowns`: whether members that
    malsync does not know count; they are compared as JSON, and only between lists that were read whole.
    """
    return [
        change
        for medium in MEDIA.values()
        if not media or medium.name in media
        for change in _list_changes(medium, a, b, fields, unknowns)
    ]


def count(changes: Collection[Change]) -> dict[Op, int]:
    """How many entries were added, updated and removed."""
    return {op: sum(change.op == op for change in changes) for op in OPS}


def entry_changes(medium: Medium, a: ListStatus, b: ListStatus) -> FieldChanges:
    """What differs between two versions of one entry, both read whole."""
    everything: Covers = {medium.name: medium.names}
    return _Compared(medium, everything, everything, (), unknowns=True).changes(a, b)


def _list_changes(medium: Medium, a: Snapshot, b: Snapshot, only: Collection[str], unknowns: bool) -> Iterator[Change]:
    if a.lists.get(medium.name) is None or b.lists.get(medium.name) is None:
        return
    compared = _Compared(medium, a.covers, b.covers, only, unknowns)
    before, after = a.entries(medium), b.entries(medium)
    for id in sorted(before.keys() | after.keys()):
        change = _change(compared, before.get(id), after.get(id))
        if change is not None:
            yield change


class _Compared:
    """The fields of one medium that two lists can be compared by."""

    def __init__(self, medium: Medium, a: Covers, b: Covers, only: Collection[str], unknowns: bool) -> None:
        both = set(a[medium.name] or ()) & set(b[medium.name] or ())
        self.medium = medium
        self.only = only
        self.fields: tuple[Field, ...] = tuple(
            field for field in medium.writable if field.name in both and (not only or field.name in only)
        )
        self.unknowns = unknowns and both.issuperset(medium.names)

    def changes(self, a: ListStatus, b: ListStatus) -> FieldChanges:
        found: FieldChanges = {}
        for field in self.fields:
            pair = value(field, a), value(field, b)
            if pair[0] != pair[1]:
                found[field.name] = pair
        if self.unknowns and not self.medium.by_name.keys() >= a.keys() | b.keys():
            names = sorted({*unknown(self.medium, a), *unknown(self.medium, b)})
            for name in names:
                if (not self.only or name in self.only) and not same(a.get(name), b.get(name)):
                    found[name] = a.get(name), b.get(name)
        return found


def _change(compared: _Compared, a: Entry | None, b: Entry | None) -> Change | None:
    if a is None and b is not None:
        # It came onto the list: everything that is set came with it, out of nothing.
        fresh: FieldChanges = {name: (None, to) for name, (_, to) in compared.changes({}, b.list_status).items()}
        return Change("add", compared.medium, b.id, b.title, fresh)
    if a is not None and b is None:
        # It went from the list, and took everything that was set with it.
        lost: FieldChanges = {name: (was, None) for name, (was, _) in compared.changes(a.list_status, {}).items()}
        return Change("remove", compared.medium, a.id, a.title, lost)
    if a is None or b is None or _is_untouched(compared.medium, a.list_status, b.list_status):
        return None
    fields = compared.changes(a.list_status, b.list_status)
    return Change("update", compared.medium, b.id, b.title or a.title, fields) if fields else None


def _is_untouched(medium: Medium, a: ListStatus, b: ListStatus) -> bool:
    # Nearly every entry, nearly always: settled in C. By type too, for true is 1 to Python and is not to JSON.
    return a == b and list(map(type, a.values())) == list(map(type, b.values())) and medium.by_name.keys() >= a.keys()
