"""An entry of a list, and the comparison of field values."""

from collections.abc import Collection
from typing import NamedTuple

from malsync.model.medium import Field, Json, ListStatus, Medium
from malsync.model.plain_text import TEXTS, same_text


class Entry(NamedTuple):
    """An entry of a list: MAL's id, MAL's title, and the user's data as the API returned it.

    `unknown` names the fields that the list covers and this entry does not: a file's row may lack an element that others have.
    """

    id: int
    title: str
    list_status: ListStatus
    unknown: frozenset[str] = frozenset()


Key = tuple[str, int]
"""The name of an entry's medium, and MAL's id."""
TitleList = dict[int, Entry]
"""One user's list of one medium, by id."""


def value(field: Field, list_status: ListStatus) -> Json:
    """Return the value of `field`. Absent, null and `""` become the field's blank, since MAL leaves out what was never set."""
    item = list_status.get(field.name)
    return field.kind.blank if item is None or item == "" else item


def has_status(list_status: ListStatus, statuses: Collection[str]) -> bool:
    """Return whether the status is one of `statuses`. In a file it may be a list, which has no hash, so compare each."""
    return any(list_status.get("status") == status for status in statuses)


def unknown(medium: Medium, list_status: ListStatus) -> list[str]:
    """Return the names of the members that this version of malsync does not know, sorted."""
    return sorted(list_status.keys() - medium.by_name.keys())


def same_value(field: Field, a: Json, b: Json) -> bool:
    """Return whether two values of `field` are equal: as JSON, and texts apart from their line endings."""
    return same(a, b) or (field.kind in TEXTS and same_text(a, b))


def same(a: Json, b: Json) -> bool:
    """Return whether two values are equal in JSON, where true is not 1 as it is in Python."""
    if a is b:
        return True
    if isinstance(a, bool) or isinstance(b, bool):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(part, b[name]) for name, part in a.items())
    return a == b
