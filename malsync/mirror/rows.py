"""A `list_status` as a row of `anime_version` or `manga_version`, and back, losing nothing."""

from collections.abc import Iterator
from typing import Any

import orjson

from malsync.model.entry import Entry
from malsync.model.medium import Json, Kind, ListStatus, Medium
from malsync.model.row_values import typed

Row = tuple[Any, ...]

_PYTHON_TYPES: dict[Kind, type] = {Kind.NUMBER: int, Kind.FLAG: bool, Kind.TAGS: list}
_AS_THEY_ARE = frozenset({type(None), str, bool})
_LEAST, _MOST = -(2**63), 2**63 - 1
_NO_TAGS = "[]"


class RowCodec:
    """The columns of one medium's versions: one for each field, `extra` for whatever fits in none, `unknown` and `file_title`.

    A column is NULL when the member was absent. A member that malsync does not know, that is null, or of another type than
    its column goes to `extra` as JSON, so that the original rebuilds exactly. `unknown` holds the names of the fields that the
    entry does not know, as JSON; NULL where it knows all that its list covers. `file_title` is the title in a file that was
    imported:
    what MAL calls an id later says nothing of what the file meant.
    """

    def __init__(self, medium: Medium) -> None:
        self.medium = medium
        self.columns = (*medium.names, "extra", "unknown", "file_title")
        types = [_PYTHON_TYPES.get(field.kind, str) for field in medium.fields]
        self._kinds = tuple((_AS_THEY_ARE & {type(None), wanted}, wanted) for wanted in types)
        self._flags = tuple(field.name for field in medium.fields if field.kind is Kind.FLAG)
        self._tags = tuple(field.name for field in medium.fields if field.kind is Kind.TAGS)

    def encode(self, entry: Entry, *, titled: bool = False) -> Row:
        """The row's values, in the order of `columns`; with the title where it is to be `titled`."""
        list_status = entry.list_status
        rest = (
            orjson.dumps(sorted(entry.unknown)).decode() if entry.unknown else None,
            entry.title if titled else None,
        )
        found: Iterator[Any] = map(list_status.get, self.medium.names)
        # A list has a hundred thousand members, and nearly all go into their columns as they are: those take no call.
        values = [
            item
            if (kind := type(item)) in as_they_are or (kind is int is wanted and _LEAST <= item <= _MOST)
            else (_text_of(item) if wanted is list and type(item) is list else None)
            for item, (as_they_are, wanted) in zip(found, self._kinds, strict=True)
        ]
        if len(list_status) == len(values) - values.count(None):
            return (*values, None, *rest)
        kept = {name for name, column in zip(self.medium.names, values, strict=True) if column is not None}
        misfits = {name: item for name, item in list_status.items() if name not in kept}
        return (*values, orjson.dumps(misfits, option=orjson.OPT_SORT_KEYS).decode(), *rest)

    def decode(self, row: Row) -> ListStatus:
        """The `list_status` that `encode` was given. Raises ValueError or TypeError for a row that it did not make."""
        list_status: ListStatus = {
            name: item for name, item in zip(self.medium.names, row, strict=False) if item is not None
        }
        for name in self._flags:
            if name in list_status:
                list_status[name] = bool(list_status[name])
        for name in self._tags:
            if name in list_status:
                text = list_status[name]
                list_status[name] = [] if text == _NO_TAGS else orjson.loads(str(text))
        extra = row[-3]
        if extra is None:
            return list_status
        list_status.update(orjson.loads(str(extra)))
        return list_status

    def entry(self, id: int, title: str, row: Row) -> Entry:
        """The entry that `encode` was given, under its own title or else this one. Raises ValueError or TypeError for a row that
        it did not make."""
        unknown, own_title = row[-2:]
        names = typed(list, orjson.loads(unknown)) if unknown else []
        return Entry(id, own_title or title, self.decode(row), frozenset(typed(str, name) for name in names))


def _text_of(tags: list[Json]) -> str | None:
    """Tags as JSON; None where they are not all text."""
    if not all(type(tag) is str for tag in tags):
        return None
    return orjson.dumps(tags).decode() if tags else _NO_TAGS
