"""What a list means to a person: the model that `diff` is compared with."""

from typing import Any

import pytest

from malsync.model.diff import Change
from malsync.model.medium import MEDIA, Kind
from malsync.model.snapshot import Snapshot
from tests.support.lists import snapshot

both = pytest.mark.parametrize("medium", MEDIA.values(), ids=MEDIA)
# What a field is when nothing was ever entered, said again.
BLANKS: dict[Kind, Any] = {
    Kind.WORD: None,
    Kind.NUMBER: 0,
    Kind.FLAG: False,
    Kind.DATE: None,
    Kind.TAGS: [],
    Kind.TEXT: "",
}


def one(list_status: dict[str, Any], **options: Any) -> Snapshot:
    """A snapshot of one anime."""
    return snapshot({1: list_status}, {}, **options)


def fields_of(changes: list[Change]) -> dict[str, tuple[Any, Any]]:
    """The fields of the only change."""
    (change,) = changes
    return change.fields
