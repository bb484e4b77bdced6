"""The JSON snapshot: the file that outlives the mirror, this program and MAL's API."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import orjson

from malsync import files
from malsync.entry import Entry, TitleList
from malsync.errors import UsageError
from malsync.interchange.form import Form
from malsync.medium import MEDIA
from malsync.snapshot import Covers, Snapshot, User, encode, parse_timestamp

SUSPICIOUS = ".suspicious.json.gz"
"""What the name of a file in `latest/` ends in when its list looked suspicious."""
_HEAD = 2**20
_ANOTHER_COPY = "Use another copy of the file."
FORM = Form("snapshot", version=1, written_by="`malsync export`", remedy=_ANOTHER_COPY)


def write(path: Path, snapshot: Snapshot) -> None:
    """Write `snapshot` to `path`, gzipped when that ends in .gz. Raises UsageError, with `path` as it was."""
    pieces = encode(snapshot)
    files.write(path, [files.packed(pieces)] if path.suffix == ".gz" else pieces)


def read(path: Path) -> Snapshot:
    """The snapshot at `path`, its form and its digest checked.

    Raises UsageError for a file that is missing, cut short, edited, of a newer version, too large, or no snapshot.
    """
    return decode(files.read(path), str(path))


def head(path: Path) -> dict[str, Any]:
    """What a file that malsync wrote says before its lists, unproven; empty for any other file. Cheap: it reads no list."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            lines = file.read(_HEAD).split(b"\n")
        end = next(place for place, line in enumerate(lines) if line.startswith(b'"anime": '))
        found = orjson.loads(b"\n".join(lines[:end]).rstrip(b",") + b"}")
    except (OSError, EOFError, zlib.error, StopIteration, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def owner(path: Path) -> tuple[str, int | str] | None:
    """The key of the MAL user whose lists the file at `path` says it holds."""
    try:
        said = head(path)
        return User(said["origin"], said["user"]["id"], said["user"]["name"]).key
    except (KeyError, TypeError, AttributeError):
        return None


def decode(content: bytes, name: str) -> Snapshot:
    """The snapshot in `content`; `name` is what an error calls it."""
    document = FORM.parse(content, name)
    snapshot = Snapshot(
        user=User(document["origin"], document["user"]["id"], document["user"]["name"]),
        taken_at=_moment(document["taken_at"], name),
        source=document["source"],
        covers=_covers(document, name),
        lists={medium: _titles(document[medium], medium, name) for medium in MEDIA},
        note=document["note"],
        suspicious=tuple(document.get("suspicious") or _by_name(name)),
    )
    try:
        its_digest = snapshot.digest
    except ValueError as error:
        raise UsageError(f"{name} is not a whole snapshot: {error}.", _ANOTHER_COPY) from error
    if its_digest != document["digest"]:
        raise UsageError(
            f"{name} was edited or damaged: its digest does not fit what it holds.",
            f"{_ANOTHER_COPY} malsync takes no list that it cannot prove to be whole.",
        )
    return snapshot


def _by_name(name: str) -> tuple[str, ...]:
    """Why a list is suspicious whose file does not say so: the first malsync said it by the file's name alone."""
    return ("it was suspicious when it was stored",) if name.endswith(SUSPICIOUS) else ()


def _covers(document: dict[str, Any], name: str) -> Covers:
    covers: Covers = {}
    for medium in MEDIA:
        names = document["covers"][medium]
        if (names is None) != (document[medium] is None):
            raise UsageError(f"{name} contradicts itself: it says otherwise of {medium} in covers.", _ANOTHER_COPY)
        covers[medium] = None if names is None else tuple(names)
    return covers


def _moment(text: str, name: str) -> Any:
    try:
        moment = parse_timestamp(text)
    except ValueError as error:
        raise UsageError(f"{name} is not a whole snapshot: taken_at: {error}.", _ANOTHER_COPY) from error
    if not 1970 <= moment.year < 9000:
        # Beyond that, no local time can be made of it.
        raise UsageError(f"{name} is not a whole snapshot: taken_at: nobody was there in {moment.year}.", _ANOTHER_COPY)
    return moment


def _titles(items: list[dict[str, Any]] | None, medium: str, name: str) -> TitleList | None:
    if items is None:
        return None
    titles = {
        item["node"]["id"]: Entry(item["node"]["id"], item["node"]["title"], item["list_status"]) for item in items
    }
    if len(titles) != len(items):
        raise UsageError(f"{name} is not a whole snapshot: an id stands in its {medium} list twice.", _ANOTHER_COPY)
    return titles
