"""The backup: read both lists, judge them beside the last good ones, store them whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from malsync.clock import Clock
from malsync.errors import UsageError
from malsync.medium import MEDIA
from malsync.reading import Progress, read_snapshot, untold
from malsync.snapshot import Snapshot, User
from malsync.suspicion import doubt

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
    reasons = [] if accept else doubts(mirror, snapshot, mirror.infos(snapshot.user))
    info = mirror.add(snapshot, suspicious=reasons)
    try:
        shelf.put(snapshot, place_of(mirror, snapshot.user), is_good=not reasons)
    except UsageError as error:
        raise UsageError(f"Snapshot {info.number} is stored in the mirror, but {error.message}", error.hint) from error
    private = [name for name in MEDIA if snapshot.lists.get(name) is None]
    return Backup(
        info, snapshot, [f"The {name} list of {snapshot.user.name} is private: left out." for name in private]
    )


def doubts(mirror: "Mirror", snapshot: Snapshot, before: "Sequence[Info]") -> list[str]:
    """Why `snapshot` is not to be trusted: each list beside the newest good one of `before` (oldest first) that holds it.

    List by list, because the newest good snapshot may hold one alone: an import, or a public half.
    """
    load = cache(mirror.load)
    reasons = []
    for medium in MEDIA.values():
        good = [info for info in before if not info.suspicious and info.counts[medium.name] is not None]
        if good and good[-1].digest != snapshot.digest:
            reasons.append(doubt(medium, load(good[-1].number), snapshot))
    return [reason for reason in reasons if reason is not None]


def place_of(mirror: "Mirror", user: User) -> int:
    """Which of the mirror's users of that name `user` is, from 0: names need not be unique, files must."""
    namesakes = [one.key for one in mirror.users() if one.name.lower() == user.name.lower()]
    return namesakes.index(user.key)
