"""Check values that were read from a file or a database: a value that malsync did not write raises TypeError or ValueError."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from malsync.model.timestamps import parse_timestamp

_T = TypeVar("_T")


def one_of(choices: Sequence[_T], value: object) -> _T:
    """The member of `choices` that equals `value`. Raises ValueError if there is none."""
    for choice in choices:
        if choice == value:
            return choice
    raise ValueError(f"{value!r:.40} is none of {', '.join(map(str, choices))}")


def typed(kind: type[_T], value: object) -> _T:
    """`value`, whose type is exactly `kind`: a bool is not an int here. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} is not of type {kind.__name__}")
    return value


def optional(kind: type[_T], value: object) -> _T | None:
    """`value`, which is None or of type `kind`. Raises TypeError."""
    return None if value is None else typed(kind, value)


def optional_time(value: object) -> datetime | None:
    """The time that `maybe_timestamp` wrote; None for None. Raises TypeError and ValueError."""
    return None if value is None else parse_timestamp(typed(str, value))
