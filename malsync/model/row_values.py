"""What was written down, read again: whatever is not as it was written raises TypeError or ValueError."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from malsync.model.timestamps import parse_timestamp

_T = TypeVar("_T")


def one_of(words: Sequence[_T], found: object) -> _T:
    """The one of `words` that `found` is. Raises ValueError."""
    for word in words:
        if word == found:
            return word
    raise ValueError(f"{found!r:.40} is none of {', '.join(map(str, words))}")


def typed(kind: type[_T], found: object) -> _T:
    """`found`, which is of type `kind`: true is no number here. Raises TypeError."""
    if type(found) is not kind:
        raise TypeError(f"{found!r:.40} is not of type {kind.__name__}")
    return found


def maybe(kind: type[_T], found: object) -> _T | None:
    """`found`, which may be nothing. Raises TypeError."""
    return None if found is None else typed(kind, found)


def moment(text: object) -> datetime | None:
    """What `maybe_timestamp` wrote. Raises TypeError and ValueError."""
    return None if text is None else parse_timestamp(typed(str, text))
