"""The JSON snapshot: the file that outlives the mirror, this program and MAL's API."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from malsync import files
from malsync.clock import has_local_time
from malsync.errors import UsageError
from malsync.formats.header import FileFormat
from malsync.model.entry import Entry, TitleList
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Covers, Encoded, Snapshot, User
from malsync.model.timestamps import parse_timestamp, timestamp

SUSPICIOUS = ".suspicious.json.gz"
"""What the name of a file in `latest/` ends in when its list looked suspicious."""
_HEAD = 2**20
_ANOTHER_COPY = "Use another copy of the file."
FORMAT = FileFormat("snapshot", version=1, advice="name a snapshot", hint=_ANOTHER_COPY)


def write(path: Path, snapshot: Snapshot) -> None:
    """Write `snapshot` to `path`, gzipped when that ends in .gz. Raises UsageError, with `path` as it was."""
    files.write(path, files.compress_if_gz(path, encode(snapshot)))


def encode(snapshot: Snapshot) -> Iterator[bytes]:
    """The JSON snapshot, in pieces: entries by id, members by name, one entry a line: `git diff` of two of them reads well."""
    head = {
        "format": FORMAT.name,
        "version": FORMAT.version,
        "user": {"id": snapshot.user.id, "name": snapshot.user.name},
        "origin": snapshot.user.origin,
        "taken_at": timestamp(snapshot.taken_at),
        "source": snapshot.source,
        "covers": snapshot.covers,
        "digest": snapshot.digest,
        "note": snapshot.note,
    }
    if snapshot.suspicious:
        head["suspicious"] = snapshot.suspicious
    if _set_fields(snapshot.encoded) != _set_fields(replace(snapshot, encoded_as=None, written={}).encoded):
        head["encoded"] = _set_fields(snapshot.encoded)
    yield b"{\n"
    for name, item in head.items():
        yield b'"%b": %b,\n' % (name.encode(), orjson.dumps(item))
    for place, medium in enumerate(MEDIA.values()):
        yield b'"%b": ' % medium.name.encode()
        yield from _encode_list(snapshot.lists.get(medium.name))
        yield b",\n" if place + 1 < len(MEDIA) else b"\n"
    yield b"}\n"


def _set_fields(encoded: Encoded) -> dict[str, list[str]]:
    return {name: sorted(encoded.get(name, ())) for name in MEDIA}


def _encode_list(titles: TitleList | None) -> Iterator[bytes]:
    if titles is None:
        yield b"null"
        return
    yield b"["
    between = b"\n"
    for entry in sorted(titles.values(), key=_by_id):
        node = orjson.dumps({"id": entry.id, "title": entry.title})
        data = orjson.dumps(entry.list_status, option=orjson.OPT_SORT_KEYS)
        unknown = b',"unknown":%b' % orjson.dumps(sorted(entry.unknown)) if entry.unknown else b""
        yield b'%b{"node":%b,"list_status":%b%b}' % (between, node, data, unknown)
        between = b",\n"
    yield b"\n]" if titles else b"]"


def _by_id(entry: Entry) -> int:
    return entry.id


def read(path: Path) -> Snapshot:
    """The snapshot at `path`, its form and its digest checked.

    Raises UsageError for a file that is missing, cut short, edited, of a newer version, too large, or no snapshot.
    """
    return decode(files.read_input(path), str(path))


def head(path: Path) -> dict[str, Any]:
    """What a file that malsync wrote says before its lists, unproven; empty for any other file. Cheap: it reads no list."""
    try:
        files.refuse_irregular(path)
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            lines = file.read(_HEAD).split(b"\n")
        end = next(place for place, line in enumerate(lines) if line.startswith(b'"anime": '))
        found = orjson.loads(b"\n".join(lines[:end]).rstrip(b",") + b"}")
    except (OSError, EOFError, zlib.error, StopIteration, orjson.JSONDecodeError, UsageError):
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
    document = FORMAT.parse(content, name)
    snapshot = Snapshot(
        user=User(document["origin"], document["user"]["id"], document["user"]["name"]),
        taken_at=_moment(document["taken_at"], name),
        source=document["source"],
        covers=_covers(document, name),
        lists={medium: _titles(document[medium], medium, name) for medium in MEDIA},
        note=document["note"],
        suspicious=tuple(document.get("suspicious") or _by_name(name)),
        encoded_as=document.get("encoded"),
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


def _moment(text: str, name: str) -> datetime:
    try:
        moment = parse_timestamp(text)
    except ValueError as error:
        raise UsageError(f"{name} is not a whole snapshot: taken_at: {error}.", _ANOTHER_COPY) from error
    if not has_local_time(moment):
        raise UsageError(f"{name} is not a whole snapshot: taken_at: nobody was there in {moment.year}.", _ANOTHER_COPY)
    return moment


def _titles(items: list[dict[str, Any]] | None, medium: str, name: str) -> TitleList | None:
    if items is None:
        return None
    titles = {
        item["node"]["id"]: Entry(
            item["node"]["id"], item["node"]["title"], item["list_status"], frozenset(item.get("unknown", ()))
        )
        for item in items
    }
    if len(titles) != len(items):
        raise UsageError(f"{name} is not a whole snapshot: an id stands in its {medium} list twice.", _ANOTHER_COPY)
    return titles
