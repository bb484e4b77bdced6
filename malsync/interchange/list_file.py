"""A list in a file, whichever form it has: a malsync snapshot or MAL's XML export."""

from datetime import UTC, datetime
from pathlib import Path

from malsync import files
from malsync.errors import UsageError
from malsync.interchange import mal_reader
from malsync.interchange.mal_reader import Reading

_SQLITE = b"SQLite format 3\x00"
_MIRROR = (slice(68, 72), b"mals")  # the application id in SQLite's header (mirror/database.py)


def read(path: Path, *, origin: str, repair: bool = False) -> Reading:
    """The list at `path`. MAL's XML names a user and no API: that is the one at `origin`. `repair` mends XML that is not
    well-formed.

    Raises UsageError for a file that is missing, too large, cut short, or neither form.
    """
    content = files.read(path)
    if not is_xml(path, content):
        refuse_mirror(path, content)
        if is_database(content) or (".csv" in _endings(path) and not content.startswith(b"{")):
            raise UsageError(
                f"{path} is neither a malsync snapshot nor MAL's XML; nothing comes back from CSV and SQLite.",
                "Name a file that `malsync export --format json` or MAL's own export wrote.",
            )
        from malsync.interchange import snapshot_file  # with the schemas, which XML has no use for

        return Reading(snapshot_file.decode(content, str(path)))
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return mal_reader.decode(content, str(path), origin=origin, written=written, repair=repair)


def refuse_mirror(path: Path, content: bytes) -> None:
    """Raise UsageError for a mirror, which holds many lists, and is put where a mirror stands rather than read in."""
    place, mark = _MIRROR
    if is_database(content) and content[place] == mark:
        raise UsageError(
            f"{path} is itself a mirror, and no file with one list.",
            "To use it, copy it into an empty folder as mirror.db: `malsync --home FOLDER snapshots` lists what it holds, "
            "`malsync --home FOLDER export` writes that to files.",
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
