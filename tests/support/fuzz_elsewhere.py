"""More readers of the fuzz: AniList, the mirror's file and its rows, the sandbox's state, what a machine says of itself.

Each is a function of bytes that may raise MalsyncError; anything else is a defect.
"""

import functools
import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from malsync.anilist.client import AniList
from malsync.doctor import remote
from malsync.doctor.machine import filesystem_of
from malsync.errors import MalsyncError, UsageError
from malsync.formats import left_out, snapshot_file
from malsync.formats.mal_xml.layout import LAYOUTS
from malsync.mal.token_store import KeyringStore
from malsync.mirror import FILE_NAME, Mirror
from malsync.mirror.database import connect_in_memory
from malsync.model import anilist
from malsync.model.medium import ANIME, MEDIA
from malsync.model.snapshot import Snapshot
from malsync.operations import config
from malsync.operations.imports import store_import
from malsync.operations.resume import request_of
from malsync.planning.request import WriteRequest
from malsync.planning.restore_plan import PlannedWrite
from malsync.sandbox import SandboxError, World
from malsync.sandbox.catalogue import Catalogue
from malsync.sandbox.statefile import StateFile
from malsync.schemas import find_problem
from malsync.urls import check_url, origin_of
from tests.support.fuzz_ground import API, TIME, Canned, Reader, file, folder, split
from tests.support.harness import ROOT
from tests.support.lists import MIKA, snapshot, watched

NOW = datetime(2026, 11, 1, tzinfo=UTC)


# -- AniList: the first byte is the status, then the body


def anilist_client(status: int, headers: dict[str, str], body: bytes) -> AniList:
    """A client to whom AniList answers this, whatever it asks."""
    client = AniList("http://127.0.0.1:9", clock=TIME.clock(), jitter=lambda: 0.0)
    client._local.session = Canned(status, headers, body)
    return client


@functools.cache
def _nobodys() -> Mirror:
    return Mirror(folder(), connect_in_memory())


def anilist_list(content: bytes) -> object:
    """A public list read, converted in both ways, stored, written down as a file and as a report; or nothing stored."""
    status, body = split(content)
    found = anilist_client(status, {"Content-Type": "application/json"}, body).lists("kim", lambda *_: None)
    origin = f"http://127.0.0.1:9/{found.user.lower()}"
    for as_tags in (False, True):
        taken = anilist.convert(found, origin=origin, taken_at=TIME.now(), custom_lists_as_tags=as_tags)
        assert find_problem("left-out-1", json.loads(left_out.report(taken))) is None
        _is_kept(taken.snapshot)
    if len(_nobodys().numbers()) > 50:
        assert _nobodys().verify().problems == []
        _nobodys.cache_clear()
    return found


def _is_kept(made: Snapshot) -> None:
    info = store_import(_nobodys(), made)
    assert _nobodys().load(info.number).digest == made.digest
    assert snapshot_file.decode(b"".join(snapshot_file.encode(made)), "list.json").digest == made.digest


def anilist_headers(content: bytes) -> object:
    """A refusal whose headers are foreign: when to come again, and what it is."""
    status, rest = split(content)
    text = rest.decode("latin-1").replace("\r", " ").replace("\n", " ")
    told = {"Retry-After": text, "X-RateLimit-Reset": text, "Content-Type": text}
    body = _NO_LISTS if status == 200 else b'{"data": null, "errors": [{}]}'
    return anilist_client(status, told, body).lists("kim", lambda *_: None)


def _anilist_answers() -> list[bytes]:
    from tests.support.anilist import entry, fuzzy

    entries = [
        entry(1, 1, status="CURRENT", score=8.5, progress=3, notes="a note", startedAt=fuzzy(2021, 3, 9)),
        entry(2, 1, status="REPEATING", score=10, repeat=2, progressVolumes=4, completedAt=fuzzy(2019, 2)),
        entry(3, None, status="PAUSED", updatedAt=0),
        entry(4, 4, status="DROPPED", updatedAt=None, media=None),
        entry(5, 5, status="PLANNING", startedAt=None),
    ]

    def answer(form: str, *, more: bool) -> bytes:
        lists = [
            {"name": "Watching", "isCustomList": False, "entries": entries},
            {"name": "With, commas", "isCustomList": True, "entries": entries[:1]},
        ]
        user = {"name": "Kim", "mediaListOptions": {"scoreFormat": form}}
        return (
            b"\0"
            + json.dumps(
                {"data": {"MediaListCollection": {"hasNextChunk": more, "user": user, "lists": lists}}}
            ).encode()
        )

    errors = json.dumps({"data": None, "errors": [{"message": "Private User", "status": 404}]}).encode()
    forms = ("POINT_100", "POINT_10_DECIMAL", "POINT_10", "POINT_5", "POINT_3")
    answers = [answer(form, more=more) for form, more in zip(forms, itertools.cycle((True, False)), strict=False)]
    return [*answers, b"\0" + errors, b"\x0c" + errors, b"\x0d{}", b"\0[]"]


_NO_LISTS = (
    b'{"data": {"MediaListCollection": {"hasNextChunk": false, "lists": [],'
    b' "user": {"name": "Kim", "mediaListOptions": {"scoreFormat": "POINT_5"}}}}}'
)


def _anilist_refusals() -> list[bytes]:
    return [
        b"\0application/json",
        b"\x0d20",
        b"\x0d1793520000",
        b"\x0dapplication/json",
        b"\x0dWed, 21 Oct 2026 07:28:00 GMT",
    ]


# -- the mirror, as somebody or something may have left it


def everything_in(mirror: Mirror) -> None:
    """Read all that a mirror says. What one part of it fails in must not keep the next from being read."""
    for look in (_lists, _runs, _rest):
        with suppress(MalsyncError):
            look(mirror)
    mirror.verify()


def _lists(mirror: Mirror) -> None:
    for info in mirror.infos():
        mirror.load(info.number)
        mirror.history(info.user, ANIME, 1)


def _runs(mirror: Mirror) -> None:
    for run in mirror.journal.runs():
        mirror.journal.lines(run.number)
        mirror.journal.pending(run.number)
        request_of(run)


def _rest(mirror: Mirror) -> None:
    mirror.users()
    for medium in MEDIA.values():
        mirror.titles(medium)
        mirror.catalogue.facts(medium, list(LAYOUTS[medium.name].facts.values()))


def mirror_file(content: bytes) -> object:
    """The mirror's file with any bytes: looked at, opened, read."""
    path = file(FILE_NAME, content)
    for ending in ("-wal", "-shm", "-journal"):
        path.with_name(f"{FILE_NAME}{ending}").unlink(missing_ok=True)
    with Mirror.open_unchanged(path) as mirror:
        everything_in(mirror)
    with Mirror.open(path) as mirror:
        everything_in(mirror)
    return None


@functools.cache
def _filled() -> sqlite3.Connection:
    """A mirror in memory with a list and a run, which no reading changes."""
    connection = connect_in_memory()
    _fill(Mirror(folder(), connection))
    return connection


def _fill(mirror: Mirror) -> None:
    stored = snapshot({1: watched(3, tags=["a"], new={"n": 1.5})}, {2: {}})
    mirror.add(stored)
    call = PlannedWrite("update", ANIME, 1, "Title 1", {"score": (0, 7)}, watched(3))
    asked = WriteRequest("restore", "merge").document()
    run = mirror.journal.begin(
        MIKA, "default", "restore", {"intent": asked, "lists": {}, "left": []}, [call], before=1, now=NOW
    )
    mirror.journal.sent(run.number, 1, NOW)


_READ_BACK = ("mal_user", "series", "snapshot", "anime_version", "manga_version", "run", "run_call")


def mirror_rows(content: bytes) -> object:
    """Rows with any values in them, by table and column: what no database finds wrong, and malsync did not write."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        raise UsageError("This is no JSON.") from None
    connection = _filled()
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN")
    try:
        for table, column, item in _values(said):
            with suppress(sqlite3.Error, UnicodeEncodeError, OverflowError):
                connection.execute(f"UPDATE {table} SET {column} = ?", [item])
        everything_in(Mirror(folder(), connection))
    finally:
        connection.execute("ROLLBACK")
    return None


def _values(said: Any) -> Iterator[tuple[str, str, object]]:
    for table in _READ_BACK:
        known = {row[1] for row in _filled().execute(f"PRAGMA table_info({table})")}
        row = said.get(table) if isinstance(said, dict) else None
        members = row if isinstance(row, dict) else {}
        for column in sorted(known & members.keys()):
            item = members[column]
            if isinstance(item, dict) and item.keys() == {"blob"}:
                yield table, column, str(item["blob"]).encode("utf-8", "surrogatepass")
            else:
                yield table, column, json.dumps(item) if isinstance(item, dict | list) else item


def _rows() -> list[bytes]:
    connection = connect_in_memory()
    connection.row_factory = sqlite3.Row
    _fill(Mirror(folder(), connection))
    found: dict[str, dict[str, Any]] = {}
    for table in _READ_BACK:
        row: Mapping[str, Any] = dict(connection.execute(f"SELECT * FROM {table}").fetchone())
        found[table] = {name: _parsed(item) for name, item in row.items()}
    blobs = {table: {name: {"blob": item} for name, item in row.items()} for table, row in found.items()}
    each = ({table: row} for table, row in found.items())
    return [json.dumps(document).encode() for document in (found, blobs, *each)]


def _parsed(item: Any) -> Any:
    """A value as it may be jumbled: JSON as what it says."""
    if isinstance(item, bytes):
        item = item.decode()
    if isinstance(item, str) and item[:1] in ("{", "["):
        return json.loads(item)
    return item


def _small(source: Path) -> bytes:
    """A mirror in pages of 512 bytes, which is small enough to be jumbled."""
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        copy = folder() / "small.db"
        copy.unlink(missing_ok=True)
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM INTO ?", [str(copy)])
        return copy.read_bytes()


def _mirrors() -> list[bytes]:
    new = folder() / "new.db"
    with Mirror.open(new, write=True) as mirror:
        if not mirror.numbers():
            _fill(mirror)
    older = sorted((ROOT / "fixtures" / "mirrors").glob("version-[12].db"))
    # Most of them need not be brought up to date.
    return [*[_small(new)] * 4, *map(_small, older), b""]


# -- what a machine, its keyring and its environment say, and what a sandbox kept


def environment(content: bytes) -> object:
    """Settings out of the environment, which holds any text, and the addresses among them."""
    names = (*config.FROM_ENVIRONMENT.values(), "MALSYNC_ACCESS_TOKEN")
    texts = content.split(b"\0")  # the one byte that no variable holds
    found = config.load(folder() / "nowhere", dict(zip(names, map(os.fsdecode, texts), strict=False)))
    for key in ("api_url", "auth_url", "anilist_url"):
        with suppress(UsageError):
            origin_of(check_url(getattr(found, key), key))
    return found


def keyring_item(content: bytes) -> object:
    """What the keyring holds for an account."""
    store = KeyringStore(folder())
    with patch.object(store, "_call", lambda *_: content.decode("utf-8", "surrogateescape")):
        return store.load("default")


def state(content: bytes) -> object:
    """A sandbox's state: what it takes, it writes so that it takes it again."""
    path = file("state.json", content)
    try:
        kept = StateFile(path, _world())
    except SandboxError as error:
        raise UsageError(f"The sandbox cannot start: {error}.") from error  # as cli/sandbox.py does
    kept.save()
    StateFile(path, _world())
    return kept


def _world() -> World:
    return World(Catalogue.shipped(), TIME.now)


def _states() -> list[bytes]:
    status = {"status": "watching", "score": 8, "tags": ["a"], "updated_at": "2026-11-01T00:00:00+00:00"}
    entry = {"node": {"id": 1_000_001, "title": "Invented"}, "list_status": status}
    account = {"id": 4711, "profile": {"location": "x"}, "private": ["manga"], "anime": [entry], "manga": []}
    grant = {
        **dict.fromkeys(("user", "client_id", "access_token", "refresh_token"), "invented"),
        **dict.fromkeys(("access_until", "refresh_until"), 1_800_000_000.0),
    }
    whole = {
        "format": "malsync-sandbox-state",
        "version": 1,
        "accounts": {"invented": account},
        "titles": {"anime": [{"id": 1_000_001, "title": "Invented", "withdrawn": True}], "manga": []},
        "tokens": [grant],
    }
    return [json.dumps(whole).encode(), b"{}"]


def asked_by_doctor(content: bytes) -> object:
    """The one question of `doctor`: the first byte is the status, a line with the date follows, then the body."""
    status, rest = split(content)
    date, _, body = rest.partition(b"\n")
    packed = {"Content-Encoding": "gzip"} if date.endswith(b"z") else {}
    session = _Session(status, {"Date": date.decode("latin-1"), **packed}, body)
    with patch.object(remote, "session_for", lambda *_: session):
        return remote.request_user(API, {}, "malsync", TIME.now)


class _Session(Canned):
    """As the library's own: a context, in which one asks."""

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get(self, *_: Any, **__: Any) -> Any:
        answer = self.request()
        answer.close = lambda: None  # type: ignore[method-assign]
        return answer


def mounts(content: bytes) -> object:
    """What the system says of its disks."""
    return filesystem_of(folder(), file("mounts", content))


_MOUNTS = b"server:/x /mnt/a\\040b nfs4 rw,noatime 0 0\n/dev/sda / ext4 rw 0 0\n"
_ENVIRONMENT = [
    b"http://127.0.0.1:9/v2\0https://example.org/oauth2\0https://example.org\0client\0secret\0http://localhost:8765/x\0a",
    b"http://[::1]:x/\0https://a:99999",
]
_ITEM = b'{"access_token":"a","refresh_token":"r","issued_at":0,"expires_at":1.5,"client_id":"c","origin":"o"}'
_DATE = b"\0Wed, 21 Oct 2026 07:28:00 GMT\n"


def _one(*seeds: bytes) -> Callable[[], list[bytes]]:
    return lambda: list(seeds)


READERS: tuple[Reader, ...] = (
    Reader("AniList: lists", anilist_list, _anilist_answers),
    Reader("AniList: headers", anilist_headers, _anilist_refusals),
    Reader("mirror: file", mirror_file, _mirrors),
    Reader("mirror: rows", mirror_rows, _rows),
    Reader("environment", environment, _one(*_ENVIRONMENT)),
    Reader("keyring", keyring_item, _one(_ITEM)),
    Reader("sandbox state", state, _states),
    Reader("doctor: API", asked_by_doctor, _one(_DATE + b'{"id":1,"name":"mika"}', b"\x0b\n{}", b"\0z\n\x1f\x8b")),
    Reader("doctor: disks", mounts, _one(_MOUNTS)),
)
"""The readers of this module."""
