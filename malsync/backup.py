"""The backup: read both lists, judge them beside the last good ones, store them whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from malsync.clock import Clock
from malsync.errors import UsageError
from malsync.medium import MEDIA
from malsync.reading import Progress, read_snapshot, untold
from malsync.snapshot import Snapshot, User
from malsync.suspicion import suspicious

if TYPE_CHECKING:
    from malsync.api import Client
    from malsync.mirror import Info, Mirror


class Shelf(Protocol):
    """Where the newest list of each user stands as a file, for the day on which the mirror is lost."""

    def put(self, snapshot: Snapshot, place: int, *, is_good: bool) -> object: ...


@dataclass(frozen=True)
class Backup:
    """What a backup came to: what the mirror says of it, the lists, and what a person should know."""

    info: "Info"
    snapshot: Snapshot
    warnings: Sequence[str]


def read(
    client: "Client",
    user: User,
    *,
    public: bool,
    note: str,
    clock: Clock,
    progress: Progress = untold,
    meanwhile: Callable[[], object] = bool,
) -> Snapshot:
    """The lists as `store` takes them. Nothing is stored until the last answer is in; `meanwhile` is done while MAL works."""
    snapshot = read_snapshot(client, user, "public" if public else "backup", clock, progress, meanwhile)
    return replace(snapshot, note=note)


def store(mirror: "Mirror", shelf: Shelf, snapshot: Snapshot, *, accept: bool) -> Backup:
    """Store `snapshot` in one transaction, then beside the mirror. A suspicious one is stored and marked, unless accepted."""
    good = newest_good(mirror, snapshot.user)
    is_quiet = good is None or good.digest == snapshot.digest
    reasons = [] if accept or is_quiet or good is None else suspicious(mirror.load(good.number), snapshot)
    info = mirror.add(snapshot, suspicious=reasons)
    try:
        shelf.put(snapshot, place_of(mirror, snapshot.user), is_good=not reasons)
    except UsageError as error:
        raise UsageError(f"Snapshot {info.number} is stored in the mirror, but {error.message}", error.hint) from error
    private = [name for name in MEDIA if snapshot.lists.get(name) is None]
    return Backup(
        info, snapshot, [f"The {name} list of {snapshot.user.name} is private: left out." for name in private]
    )


def newest_good(mirror: "Mirror", user: User) -> "Info | None":
    """The newest snapshot of `user` that is not suspicious."""
    return next((info for info in reversed(mirror.infos(user)) if not info.suspicious), None)


def place_of(mirror: "Mirror", user: User) -> int:
    """Which of the mirror's users of that name `user` is, from 0: names need not be unique, files must."""
    namesakes = [one.key for one in mirror.users() if one.name.lower() == user.name.lower()]
    return namesakes.index(user.key)
