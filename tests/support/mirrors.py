"""Mirrors made for a test, and what is asked of them."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from malsync.mirror import FILE_NAME, Mirror, SnapshotInfo
from malsync.model.snapshot import Snapshot
from tests.support.strategies import exact


def made(path: Path, snapshots: Iterable[Snapshot]) -> Path:
    """A mirror of these."""
    with Mirror.open(path, write=True) as mirror:
        for one in snapshots:
            mirror.add(one)
    return path


def at(day: int) -> str:
    return f"2026-11-{day:02}T12:00:00Z"


@contextmanager
def fresh() -> Iterator[Mirror]:
    """A mirror of its own, for one example of many."""
    with tempfile.TemporaryDirectory() as folder, Mirror.open(Path(folder) / FILE_NAME, write=True) as mirror:
        yield mirror


def store(path: Path, *made: Snapshot) -> list[SnapshotInfo]:
    """Put snapshots into the mirror at `path`, one opening each, as commands do."""
    infos = []
    for one in made:
        with Mirror.open(path, write=True) as mirror:
            infos.append(mirror.add(one))
    return infos


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a program that knows nothing of malsync reads in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def total(path: Path) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(path)) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: opened.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


def data(made: Snapshot) -> dict[str, dict[int, bytes] | None]:
    """The user's data of a snapshot, such that 8 is not 8.0 and true is not 1."""
    return {
        name: None if found is None else {id: exact(entry.list_status) for id, entry in found.items()}
        for name, found in made.lists.items()
    }


def assert_holds(mirror: Mirror, info: SnapshotInfo, made: Snapshot) -> None:
    """That the snapshot of that number is `made`, in every value and in everything that is said about it."""
    found = mirror.load(info.number)
    assert data(found) == data(made)
    assert found.digest == made.digest == info.digest
    assert (found.taken_at, found.source, found.covers, found.note) == (
        made.taken_at,
        made.source,
        made.covers,
        made.note,
    )
    assert found.user.key == made.user.key
    assert (info.counts, info.covers, info.note) == (made.counts, made.covers, made.note)


def assert_whole(mirror: Mirror) -> None:
    """That `verify` finds every snapshot and the database whole."""
    report = mirror.verify()
    assert report.snapshots == {info.number: None for info in mirror.infos()}
    assert report.database == "ok"
