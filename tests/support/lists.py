"""Lists written by hand: the shortest way to say what a test is about."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from malsync.formats import snapshot_file
from malsync.formats.snapshot_file import encode
from malsync.model.entry import Entry, TitleList
from malsync.model.snapshot import Covers, Snapshot, Source, User, whole

ORIGIN = "https://api.example.org"
MIKA = User(ORIGIN, 11, "mika")
THEO = User(ORIGIN, 12, "theo")
FIRST_DAY = "2026-11-01T12:00:00Z"


def moment(text: str) -> datetime:
    """The moment that an ISO 8601 text names."""
    return datetime.fromisoformat(text).astimezone(UTC)


def titles(entries: Mapping[int, Mapping[str, Any]] | None) -> TitleList | None:
    """A list from what stands in it by id. A member `title` is the title's own, all else is the user's."""
    if entries is None:
        return None
    return {
        id: Entry(id, str(data.get("title", f"Title {id}")), {name: data[name] for name in data if name != "title"})
        for id, data in entries.items()
    }


def snapshot(
    anime: Mapping[int, Mapping[str, Any]] | None = None,
    manga: Mapping[int, Mapping[str, Any]] | None = None,
    *,
    at: str = FIRST_DAY,
    user: User = MIKA,
    source: Source = "backup",
    covers: Covers | None = None,
    note: str = "",
) -> Snapshot:
    """A snapshot of these lists; None is a list that it does not cover."""
    lists = {"anime": titles(anime), "manga": titles(manga)}
    return Snapshot(user, moment(at), source, covers or whole(lists), lists, note)


def watched(episodes: int = 0, **more: Any) -> dict[str, Any]:
    """An anime's list status."""
    return {"status": "watching", "num_episodes_watched": episodes, **more}


def many(number: int, **more: Any) -> dict[int, dict[str, Any]]:
    """That many anime, with ids from 1."""
    return {id: watched(id % 12, **more) for id in range(1, number + 1)}


def write(path: Path, made: Snapshot) -> Path:
    """The file of a snapshot."""
    snapshot_file.write(path, made)
    return path


def written(made: Snapshot) -> bytes:
    return b"".join(encode(made))
