"""A list in a file, whichever form it has: a malsync snapshot or MAL's XML export."""

import re
from datetime import UTC, datetime
from pathlib import Path

from malsync import files
from malsync.errors import UsageError
from malsync.formats.mal_xml import reader
from malsync.formats.mal_xml.reader import ImportedList
from malsync.model.entry import same, value
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot
from malsync.planning.writable import why_not_writable
from malsync.text import short_repr, shorten

_SQLITE = b"SQLite format 3\x00"
_LIST = re.compile(rb'"(anime|manga)": \[')
_ENTRY = re.compile(rb'\{"node":\{"id":(\d{1,16}),')
_MIRROR = (slice(68, 72), b"mals")  # the application id in SQLite's header (mirror/database.py)


def read(path: Path, *, origin: str, repair: bool = False) -> ImportedList:
    """The list at `path`. MAL's XML names a user and no API: that is the one at `origin`. `repair` mends XML that is not
    well-formed.

    Raises UsageError for a file that is missing, too large, cut short, or neither form.
    """
    content = files.read_input(path)
    if not is_xml(path, content):
        refuse_mirror(path, content)
        if is_database(content) or (".csv" in _endings(path) and not content.startswith(b"{")):
            raise UsageError(
                f"{path} is neither a malsync snapshot nor MAL's XML; nothing comes back from CSV and SQLite.",
                advice="name a list file",
            )
        from malsync.formats import snapshot_file  # with the schemas, which XML has no use for

        return ImportedList(snapshot_file.decode(content, str(path)))
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return reader.decode(content, str(path), origin=origin, written=written, repair=repair)


def unsupported(path: Path, snapshot: Snapshot) -> list[str]:
    """The values of the malsync snapshot at `path` that no request can set, a sentence each, with line and title.

    MAL gave them, so they are kept as they are.
    """
    found = [
        (medium.name, entry, f"{field.name} is {short_repr(item)}; {why}")
        for medium in MEDIA.values()
        for entry in snapshot.entries(medium).values()
        for field in medium.writable
        if not same(item := value(field, entry.list_status), field.kind.blank)
        if (why := why_not_writable(medium, field.name, item)) is not None
    ]
    lines = _lines(files.read_input(path)) if found else {}
    return [
        f"{path}{f', line {lines[name, entry.id]}' if (name, entry.id) in lines else ''}: {what}: "
        f"{name} {entry.id} ({shorten(entry.title) or 'no title'})"
        for name, entry, what in found
    ]


def _lines(content: bytes) -> dict[tuple[str, int], int]:
    """The line of each entry, by medium and id, in a file as malsync writes it: an entry a line."""
    found: dict[tuple[str, int], int] = {}
    medium = ""
    for number, line in enumerate(content.split(b"\n"), start=1):
        if head := _LIST.match(line):
            medium = head[1].decode()
        elif entry := _ENTRY.match(line):
            found[medium, int(entry[1])] = number
    return found


def refuse_mirror(path: Path, content: bytes) -> None:
    """Raise UsageError for a mirror, which holds many lists, and is put where a mirror stands rather than read in."""
    place, mark = _MIRROR
    if is_database(content) and content[place] == mark:
        raise UsageError(
            f"{path} is a mirror, not a file with one list.",
            advice="use the mirror",
        )


def is_database(content: bytes) -> bool:
    """Whether this is an SQLite file."""
    return content.startswith(_SQLITE)


def is_xml(path: Path, content: bytes) -> bool:
    """Whether this is XML: by the name, and where that says nothing by what it begins with."""
    if content.startswith(b"{"):
        return False  # JSON, whatever it is called: no XML begins so
    endings = _endings(path)
    if ".xml" in endings or ".json" in endings:
        return ".xml" in endings
    return content.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<")


def _endings(path: Path) -> set[str]:
    return {ending.lower() for ending in path.suffixes}
