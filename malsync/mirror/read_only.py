"""The mirror as it is, looked at and not touched: what older versions of it hold is brought up to date in memory alone."""

from dataclasses import dataclass
from pathlib import Path

from malsync.mirror.database import BUSY_SECONDS, in_memory, look
from malsync.mirror.snapshots import Mirror


@dataclass(frozen=True)
class Look:
    """A mirror that is looked at, and the version that its file has; 0 where there is no file yet."""

    mirror: Mirror
    version: int


def looked_at(path: Path, *, wait: float = BUSY_SECONDS) -> Look:
    """The mirror at `path` to read, without a change to its file. Raises MirrorError and Busy where the file fails it."""
    if not path.exists() or not path.stat().st_size:
        return Look(Mirror(path, in_memory()), 0)
    connection, version = look(path, wait=wait)
    return Look(Mirror(path, connection), version)


def copied(path: Path) -> Mirror:
    """The mirror at `path`, copied into memory: what is added to it is stored nowhere. Raises MirrorError and Busy."""
    if not path.exists() or not path.stat().st_size:
        return Mirror(path, in_memory())
    return Mirror(path, look(path, copied=True)[0])
