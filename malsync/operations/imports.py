"""Lists from files into the mirror."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from malsync.errors import UsageError
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot

if TYPE_CHECKING:
    from malsync.mirror import Mirror, SnapshotInfo


def as_one(snapshots: Sequence[Snapshot]) -> Snapshot:
    """One snapshot from files that complete each other: of one MAL user, no list in two of them.

    Raises UsageError for files that do not.
    """
    first, *others = snapshots
    together = first
    for other in others:
        if other.user.key != first.user.key:
            raise UsageError(
                f"These files are of two MAL users: {first.user.name} and {other.user.name}.", "Import them one by one."
            )
        twice = [name for name in MEDIA if together.covers[name] is not None and other.covers[name] is not None]
        if twice:
            raise UsageError(
                f"Two of these files hold the {twice[0]} list, and an import makes one snapshot.",
                "Import them one by one; malsync's own files may go together: malsync mirror rebuild FILES",
            )
        halves = [(one.covers, one.encoded) for one in (together, other)]
        together = replace(
            together,
            encoded_as={
                name: next((encoded.get(name, ()) for covers, encoded in halves if covers[name] is not None), ())
                for name in MEDIA
            },
            taken_at=max(together.taken_at, other.taken_at),
            covers={
                name: other.covers[name] if together.covers[name] is None else together.covers[name] for name in MEDIA
            },
            lists={name: other.lists[name] if together.lists[name] is None else together.lists[name] for name in MEDIA},
            note="; ".join(note for note in (together.note, other.note) if note),
        )
    return together


def take_in(mirror: "Mirror", snapshot: Snapshot) -> "SnapshotInfo":
    """Store a list that came from files. The same again: nothing happens."""
    return mirror.add(snapshot.with_source("import"))


def rebuild(mirror: "Mirror", sources: Iterable[tuple[datetime, Callable[[], Snapshot]]]) -> None:
    """Store snapshots in the order of their time, each as it is: source, time, covers, note, and why it was suspicious.

    `sources` are each one's time and what reads it, so that one is in memory at a time and not a year of them.
    """
    for _, read in sorted(sources, key=itemgetter(0)):
        mirror.add(read())
