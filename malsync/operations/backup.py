"""The backup: lists that were read, judged beside the last good ones and stored whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from malsync.errors import UsageError
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import AROUND_RUNS, BACKUPS, Snapshot, User
from malsync.planning.guards import doubt

if TYPE_CHECKING:
    from malsync.mirror import Mirror, SnapshotInfo


class Shelf(Protocol):
    """Where the newest list of each user stands as a file, for the day on which the mirror is lost."""

    def last(self, user: User) -> Snapshot | None: ...
    def put(self, snapshot: Snapshot) -> object: ...


@dataclass(frozen=True)
class Backup:
    """What a backup came to: what the mirror says of it, the lists, and what a person should know."""

    info: "SnapshotInfo"
    snapshot: Snapshot
    warnings: Sequence[str]


def store(mirror: "Mirror", shelf: Shelf, snapshot: Snapshot, *, accept: bool) -> Backup:
    """Store `snapshot` in one transaction, then beside the mirror. A suspicious one is stored and marked, unless accepted.

    It may have been found suspicious when it was read; here it is judged beside the last good one.
    """
    snapshot = judged(mirror, snapshot)
    reasons = () if accept else (*snapshot.suspicious, *doubts(mirror, shelf, snapshot))
    snapshot = replace(snapshot, suspicious=reasons)
    info = mirror.add(snapshot)
    try:
        shelf.put(snapshot)
    except UsageError as error:
        raise stored_all_the_same(info, error) from error
    private = [name for name in MEDIA if snapshot.lists.get(name) is None]
    return Backup(
        info, snapshot, [f"The {name} list of {snapshot.user.name} is private: left out." for name in private]
    )


def stored_all_the_same(info: "SnapshotInfo", error: UsageError) -> UsageError:
    """The error for a file beside the mirror that could not be written."""
    return UsageError(
        f"Snapshot {info.number} is stored in the mirror, but {error.message}",
        error.hint,
        advice=error.advice,
        **error.facts,
    )


def judged(mirror: "Mirror", live: Snapshot) -> Snapshot:
    """`live`, which was read from MAL, with its texts judged by what malsync wrote into it and like the newest stored list."""
    live = mirror.journal.with_written_texts(live)
    if any(live.encoded.values()):
        stored = [info for info in mirror.infos(live.user) if info.source != "import"]
        newest = max(stored, key=lambda info: info.number, default=None)
        if newest and any(set(fields) - set(newest.encoded.get(name, ())) for name, fields in live.encoded.items()):
            return live.judged_like(mirror.load(newest.number))
    return live


def doubts(mirror: "Mirror", shelf: Shelf, snapshot: Snapshot) -> list[str]:
    """Why `snapshot` is not to be trusted: each list beside the newest good one that knows all of it.

    List by list, because the newest good snapshot may hold one alone: an import, or a public half. Where the mirror knows
    none, since it was lost, the file on the shelf is the measure.
    """
    load, infos = cache(mirror.load), mirror.infos(snapshot.user)
    reasons = []
    for medium in MEDIA.values():
        good = measure(medium, infos)
        if good is None:
            last = shelf.last(snapshot.user)
            reasons.append(None if last is None else doubt(medium, last, snapshot))
        elif good.digest != snapshot.digest:
            reasons.append(doubt(medium, load(good.number), snapshot))
    return [reason for reason in reasons if reason is not None]


def is_good(info: "SnapshotInfo") -> bool:
    """Whether the reference `good` may name this snapshot: a backup that is not suspicious.

    Imports are not: nobody read them from MAL. Nor are the lists around a run: those before it are what one wanted to be rid
    of, and those after it may be half restored.
    """
    return not info.suspicious and info.source in BACKUPS


def measure(medium: Medium, infos: "Sequence[SnapshotInfo]") -> "SnapshotInfo | None":
    """The snapshot that a new list of `medium` is judged by: the newest good one that knows every field of it.

    The newest is the one stored last, not the one with the latest time: a clock that was wrong once must not freeze it.
    Lists from files are taken only where nothing was ever read from MAL, and those around a run never: what it was to mend
    must not be the measure. `infos` are oldest first.
    """
    whole = [
        info
        for info in infos
        if not info.suspicious
        and info.source not in AROUND_RUNS
        and set(info.covers[medium.name] or ()) >= set(medium.names)
    ]
    read = [info for info in whole if info.source != "import"]
    if read:
        return max(read, key=lambda info: info.number)
    return whole[-1] if whole else None
