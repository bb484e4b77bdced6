"""Runs in a journal, begun without an account."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from malsync.mirror import Journal, Mirror, Run
from malsync.model.medium import ANIME, MANGA
from malsync.model.snapshot import User
from malsync.planning.request import RequestKind
from malsync.planning.restore_plan import PlannedWrite
from tests.support.lists import MIKA, THEO, moment, snapshot, watched

BEFORE, AFTER, THEIRS = 1, 2, 3
"""The snapshots in `path`: two of Mika's and one of Theo's."""


def at(second: int) -> datetime:
    """A moment of the evening of these tests."""
    return moment(f"2026-11-05T20:00:{second:02}Z")


def fill(path: Path) -> Path:
    """A mirror of two users' lists."""
    with Mirror.open(path, write=True) as mirror:
        mirror.add(snapshot({1: watched(1)}, {2: {}}, at="2026-11-01T12:00:00Z"))
        mirror.add(snapshot({1: watched(2)}, {}, at="2026-11-02T12:00:00Z"))
        mirror.add(snapshot({7: watched(2)}, {}, at="2026-11-03T12:00:00Z", user=THEO))
    return path


@contextmanager
def another_reader(path: Path) -> Iterator[Journal]:
    """The journal as another process sees it: what has not been committed is not there."""
    with Mirror.open(path) as mirror:
        yield mirror.journal


ADD = PlannedWrite("add", ANIME, 20, "Naruto", {"status": (None, "completed"), "tags": (None, ["a", "b,c"])}, None)
UPDATE = PlannedWrite(
    "update", ANIME, 1, "Title 1", {"score": (7, 8), "finish_date": ("2021", None)}, watched(3, score=7)
)
REMOVE = PlannedWrite("remove", MANGA, 2, "Berserk", {"status": ("reading", None)}, {"status": "reading", "odd": 1.5})
CALLS = (ADD, UPDATE, REMOVE)


def begin(
    journal: Journal,
    calls: tuple[PlannedWrite, ...] = CALLS,
    *,
    kind: RequestKind = "restore",
    user: User = MIKA,
    before: int = BEFORE,
    second: int = 0,
    undoes: int | None = None,
) -> Run:
    return journal.begin(user, "default", kind, {"wanted": 1}, calls, before=before, now=at(second), undoes=undoes)


def states(journal: Journal, number: int) -> list[str]:
    return [line.state for line in journal.lines(number)]
