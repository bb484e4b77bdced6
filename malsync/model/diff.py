"""What changed from one list to another. Pure: values in, values out."""

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
    """What happened from `a` to `b`: by medium, then by id.

    A list or a field that either side does not cover is not compared, and neither is a field that either entry does not know.
    `media` and `fields` narrow it down (empty: all); with `fields`, an entry counts as added or removed all the same, and
    shows those fields. `unknowns`: whether members that malsync does not know count; they are compared as JSON, and only
    between lists that were read whole. Texts are compared as their user wrote them.
    """
    a, b = plain_together(a, b)
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
    """What differs between two versions of one entry, both read whole and with plain text."""
    return _Compared(medium, medium.writable, (), unknowns=True).differences(medium.writable, a, b)


def comparable(medium: Medium, *lists: Snapshot) -> tuple[Field, ...]:
    """The writable fields of `medium` that every one of `lists` knows; none where one does not know the list at all."""
    known = set(medium.names).intersection(*(one.covers[medium.name] or () for one in lists))
    return tuple(field for field in medium.writable if field.name in known)


def differing(fields: Iterable[Field], a: ListStatus, b: ListStatus) -> FieldChanges:
    """Those of `fields` whose values are not one value, with both."""
    found: FieldChanges = {}
    for field in fields:
        was, is_now = a.get(field.name), b.get(field.name)
        # Nearly all are the very same object: absent on both sides, a flag, a small number, a word.
        if was is is_now:
            continue
        pair = value(field, a), value(field, b)
        if not same_value(field, *pair):
            found[field.name] = pair
    return found


def known_to(fields: tuple[Field, ...], *entries: Entry | None) -> tuple[Field, ...]:
    """Those of `fields` that each of `entries` knows; an absent entry has nothing that it does not know."""
    unknown_fields = {name for entry in entries if entry is not None for name in entry.unknown}
    return tuple(field for field in fields if field.name not in unknown_fields) if unknown_fields else fields


def _list_changes(medium: Medium, a: Snapshot, b: Snapshot, only: Collection[str], unknowns: bool) -> Iterator[Change]:
    if a.lists.get(medium.name) is None or b.lists.get(medium.name) is None:
        return
    fields = tuple(field for field in comparable(medium, a, b) if not only or field.name in only)
    read_whole = all(set(medium.names) <= set(one.covers[medium.name] or ()) for one in (a, b))
    compared = _Compared(medium, fields, only, unknowns and read_whole)
    before, after = a.entries(medium), b.entries(medium)
    for id in sorted(before.keys() | after.keys()):
        change = _change(compared, before.get(id), after.get(id))
        if change is not None:
            yield change


@dataclass(frozen=True)
class _Compared:
    """What two lists of one medium can be compared by."""

    medium: Medium
    fields: tuple[Field, ...]
    only: Collection[str]
    unknowns: bool

    def changes(self, a: Entry | None, b: Entry | None) -> FieldChanges:
        was, became = ({} if one is None else one.list_status for one in (a, b))
        return self.differences(known_to(self.fields, a, b), was, became)

    def differences(self, fields: tuple[Field, ...], a: ListStatus, b: ListStatus) -> FieldChanges:
        found = differing(fields, a, b)
        if self.unknowns and not self.medium.by_name.keys() >= a.keys() | b.keys():
            names = sorted({*unknown(self.medium, a), *unknown(self.medium, b)})
            for name in names:
                if (not self.only or name in self.only) and not same(a.get(name), b.get(name)):
                    found[name] = a.get(name), b.get(name)
        return found


def _change(compared: _Compared, a: Entry | None, b: Entry | None) -> Change | None:
    if a is None and b is not None:
        # It came onto the list: everything that is set came with it, out of nothing.
        fresh: FieldChanges = {name: (None, to) for name, (_, to) in compared.changes(None, b).items()}
        return Change("add", compared.medium, b.id, b.title, fresh)
    if a is not None and b is None:
        # It went from the list, and took everything that was set with it.
        lost: FieldChanges = {name: (was, None) for name, (was, _) in compared.changes(a, None).items()}
        return Change("remove", compared.medium, a.id, a.title, lost)
    if a is None or b is None or _is_untouched(compared.medium, a.list_status, b.list_status):
        return None
    fields = compared.changes(a, b)
    return Change("update", compared.medium, b.id, b.title or a.title, fields) if fields else None


def _is_untouched(medium: Medium, a: ListStatus, b: ListStatus) -> bool:
    # Nearly every entry, nearly always: settled in C. By type too, for true is 1 to Python and is not to JSON.
    return a == b and list(map(type, a.values())) == list(map(type, b.values())) and medium.by_name.keys() >= a.keys()
