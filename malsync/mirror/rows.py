"""A `list_status` as a row of `anime_version` or `manga_version`, and back, losing nothing."""

from typing import Any

import orjson

from malsync.medium import Json, Kind, ListStatus, Medium

Row = tuple[Any, ...]

_PYTHON_TYPES: dict[Kind, type] = {Kind.NUMBER: int, Kind.FLAG: bool, Kind.TAGS: list}
_INTEGERS = range(-(2**63), 2**63)
_ABSENT = object()


class RowCodec:
    """The columns of one medium's versions: a column for each field, and `extra` for whatever fits in none.

    A column is NULL when the member was absent. A member that is unknown, null, or of another type than its column goes to
    `extra` as JSON, so that the original rebuilds exactly.
    """

    def __init__(self, medium: Medium) -> None:
        self.medium = medium
        self.columns = (*medium.names, "extra")
        self._types = tuple((field.name, _PYTHON_TYPES.get(field.kind, str)) for field in medium.fields)
        self._to_bool = frozenset(field.name for field in medium.fields if field.kind is Kind.FLAG)
        self._to_list = frozenset(field.name for field in medium.fields if field.kind is Kind.TAGS)

    def encode(self, list_status: ListStatus) -> Row:
        """The row's values, in the order of `columns`."""
        values: list[Any] = []
        misfits: dict[str, Json] = {}
        for name, wanted in self._types:
            item = list_status.get(name, _ABSENT)
            if item is _ABSENT:
                values.append(None)
            elif type(item) is not wanted or not _fits(item):
                misfits[name] = item  # type: ignore[assignment]
                values.append(None)
            elif wanted is list:
                values.append(orjson.dumps(item).decode())
            else:
                values.append(int(item) if wanted is bool else item)  # type: ignore[call-overload]
        if not self.medium.by_name.keys() >= list_status.keys():
            misfits |= {name: item for name, item in list_status.items() if name not in self.medium.by_name}
        values.append(orjson.dumps(misfits, option=orjson.OPT_SORT_KEYS).decode() if misfits else None)
        return tuple(values)

    def decode(self, row: Row) -> ListStatus:
        """The `list_status` that `encode` was given."""
        list_status: ListStatus = {name: item for name, item in zip(self.columns, row, strict=True) if item is not None}
        for name in self._to_bool & list_status.keys():
            list_status[name] = bool(list_status[name])
        for name in self._to_list & list_status.keys():
            list_status[name] = orjson.loads(str(list_status[name]))
        extra = list_status.pop("extra", None)
        return list_status | orjson.loads(str(extra)) if extra is not None else list_status


def _fits(item: object) -> bool:
    if type(item) is int:
        return item in _INTEGERS
    if type(item) is list:
        return all(type(part) is str for part in item)
    return True
