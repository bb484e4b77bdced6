"""MAL's XML files as they are read."""

from datetime import UTC, datetime

from malsync.formats.mal_xml import reader
from malsync.formats.mal_xml.reader import ImportedList
from tests.support.lists import ORIGIN


def decode(content: bytes, *, repair: bool = False) -> ImportedList:
    """The list in `content`."""

    return reader.decode(content, "the file", origin=ORIGIN, written=datetime(2026, 11, 1, tzinfo=UTC), repair=repair)
