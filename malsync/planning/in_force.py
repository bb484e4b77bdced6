"""How many of the changes between two snapshots are still in force, and whether to recommend undoing them. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from malsync.model.diff import Change
from malsync.model.entry import Key, same_value, value
from malsync.model.medium import Field, Json, ListStatus
from malsync.model.plain_text import TEXTS, plain_value
from malsync.model.snapshot import Snapshot

BULK_TITLES = 10
"""A snapshot that brought fewer of the values that are undone is a day of ordinary use."""
BULK_SNAPSHOTS = 4
"""At most this many snapshots that `backup` did not mark can be what a repair undoes."""


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """How many changes there are between two snapshots, and how many of them are still in force."""

    changes: int
    in_force: int
    is_repair: bool

    @property
    def is_worth_undoing(self) -> bool:
        """Whether to recommend a command that undoes the changes."""
        return self.in_force > 0 and not self.is_repair

    def __str__(self) -> str:
        if not self.changes:
            return "nothing changed"
        if not self.in_force:
            return "since put right"
        if self.is_repair:
            return "looks like a repair"
        return f"{self.in_force:,} of {self.changes:,} still in force"


@dataclass(frozen=True, slots=True)
class TitleVersion:
    """An entry as it was from snapshot `since` until just before snapshot `until`, which is None while it is still so."""

    since: int
    until: int | None
    list_status: ListStatus


def by_title(changes: Iterable[Change]) -> dict[Key, Change]:
    """Return each change by its title."""
    return {(change.medium.name, change.id): change for change in changes}


def in_force(changes: Iterable[Change], since: Mapping[Key, Change], newest: Snapshot) -> int:
    """Return how many of `changes` are still in force in `newest`.

    `since` is what changed from the list after them to `newest`. An update is in force while one of its fields has kept its
    new value; an added entry while it is on the list, a removed one while it is not. What `newest` does not cover is unknown
    and does not count.
    """
    return sum(_is_in_force(change, since.get((change.medium.name, change.id)), newest) for change in changes)


def _is_in_force(change: Change, later: Change | None, newest: Snapshot) -> bool:
    covered = newest.covers[change.medium.name]
    if covered is None:
        return False
    if change.op == "add":
        return later is None or later.op != "remove"
    if change.op == "remove":
        return later is None or later.op != "add"
    if later is None:
        return any(name in covered for name in change.fields)
    return later.op == "update" and any(name in covered and name not in later.fields for name in change.fields)


def undone_snapshots(
    changes: Mapping[Key, Change], history: Mapping[Key, Sequence[TitleVersion]], incidents: Collection[int]
) -> dict[int, int]:
    """Return which earlier snapshots `changes` may be a repair of, with how many titles go back to before each.

    `history` has the versions of each title up to the snapshot before the changes, oldest first; `incidents` are the
    snapshots in which suspiciously much changed. Damage may also come in steps that are too small to be suspicious, so a few
    other snapshots count, too: those of which many titles are put back at once. There, a title that is only removed or
    blanked does not count, because that is what vandalism of a carefully kept list looks like.
    """
    counts: Counter[int] = Counter()
    for key, change in changes.items():
        snapshot = _undone_snapshot(change, history.get(key, ()))
        if snapshot is not None and (snapshot in incidents or any(new for _, new in change.fields.values())):
            counts[snapshot] += 1
    others = [
        (snapshot, titles)
        for snapshot, titles in counts.most_common()
        if snapshot not in incidents and titles >= BULK_TITLES
    ]
    return {snapshot: counts[snapshot] for snapshot in incidents if counts[snapshot]} | dict(others[:BULK_SNAPSHOTS])


def _undone_snapshot(change: Change, versions: Sequence[TitleVersion]) -> int | None:
    """Return the snapshot before which the entry was as `change` makes it again; None where it never was."""
    if not versions:
        return None
    if change.op == "add":
        return versions[-1].until
    if change.op == "remove":
        gaps = [b.since for a, b in pairwise(versions) if a.until != b.since]
        return gaps[-1] if gaps else versions[0].since
    fields = change.medium.by_name
    left = [_left_in(fields[name], new, versions) for name, (_, new) in change.fields.items()]
    back = [snapshot for snapshot in left if snapshot is not None]
    return max(back) if 2 * len(back) > len(left) else None


def _left_in(field: Field, new: Json, versions: Sequence[TitleVersion]) -> int | None:
    """Return the last snapshot in which a field lost the value `new`."""
    text = plain_value(new) if field.kind in TEXTS else new
    for version in reversed(versions):
        old = value(field, version.list_status)
        if same_value(field, plain_value(old) if field.kind in TEXTS else old, text):
            return version.until
    return None
