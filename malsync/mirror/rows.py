"""Encode a `list_status` as a row of `anime_version` or `manga_version` and decode it, without loss."""

from collections.abc import Iterator
from typing import Any

import orjson

from malsync.model.entry import Entry
from malsync.model.medium import Json, Kind, ListStatus, Medium
from malsync.model.row_values import typed

Row = tuple[Any, ...]

_PYTHON_TYPES: dict[Kind, type] = {Kind.NUMBER: int, Kind.FLAG: bool, Kind.TAGS: list}
_STORED_AS_THEY_ARE = frozenset({type(None), str, bool})
_LEAST, _MOST = -(2**63), 2**63 - 1  # SQLite's integers
_NO_TAGS = "[]"


class RowCodec:
    """The columns of one medium's versions: one for each field, then `extra`, `unknown` and `file_title`.

    A column is NULL if the member was absent. `extra` is a JSON object with every member that malsync does not know, that is
    null, or of another type than its column, so that the original rebuilds exactly. `unknown` is a JSON list of the fields
    that the entry does not know; NULL if it knows all that its list covers. `file_title` is the title in an imported file:
    MAL's own title, which may change, does not say what the file meant.
    """

    def __init__(self, medium: Medium) -> None:
        self.medium = medium
        self.columns = (*medium.names, "extra", "unknown", "file_title")
        types = [_PYTHON_TYPES.get(field.kind, str) for field in medium.fields]
        self._types = tuple((_STORED_AS_THEY_ARE & {type(None), expected}, expected) for expected in types)
        self._flags = tuple(field.name for field in medium.fields if field.kind is Kind.FLAG)
        self._tags = tuple(field.name for field in medium.fields if field.kind is Kind.TAGS)

    def encode(self, entry: Entry, *, with_title: bool = False) -> Row:
        """The row's values in the order of `columns`. `with_title`: store the entry's title as `file_title`."""
        list_status = entry.list_status
        rest = (
            orjson.dumps(sorted(entry.unknown)).decode() if entry.unknown else None,
            entry.title if with_title else None,
        )
        # A long list has a hundred thousand members. Nearly all are stored as they are, without a function call each.
        members: Iterator[Any] = map(list_status.get, self.medium.names)
        values = [
            item
            if (kind := type(item)) in as_they_are or (kind is int is expected and _LEAST <= item <= _MOST)
            else (_json_of(item) if expected is list and type(item) is list else None)
            for item, (as_they_are, expected) in zip(members, self._types, strict=True)
        ]
        if len(list_status) == len(values) - values.count(None):
            return (*values, None, *rest)
        stored = {name for name, column in zip(self.medium.names, values, strict=True) if column is not None}
        extra = {name: item for name, item in list_status.items() if name not in stored}
        return (*values, orjson.dumps(extra, option=orjson.OPT_SORT_KEYS).decode(), *rest)

    def decode(self, row: Row) -> ListStatus:
        """The `list_status` in a row. Raises ValueError or TypeError for a row that `encode` did not make."""
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
        """The entry in a row, called `title` unless the row has a title of its own. Raises like `decode`."""
        unknown, file_title = row[-2:]
        names = typed(list, orjson.loads(unknown)) if unknown else []
        return Entry(id, file_title or title, self.decode(row), frozenset(typed(str, name) for name in names))


def _json_of(tags: list[Json]) -> str | None:
    """Tags as JSON; None if they are not all texts."""
    if not all(type(tag) is str for tag in tags):
        return None
    return orjson.dumps(tags).decode() if tags else _NO_TAGS
