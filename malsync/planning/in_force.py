"""How much of what changed between two snapshots is still so, and whether undoing it would do good. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from malsync.model.diff import Change
from malsync.model.entry import same
from malsync.model.snapshot import Snapshot

Key = tuple[str, int]
"""A title: the name of its medium, and its id."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of the changes between two snapshots: how many there were, and how many are still in force."""

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


def by_title(changes: Iterable[Change]) -> dict[Key, Change]:
    """Each change by its title."""
    return {(change.medium.name, change.id): change for change in changes}


def in_force(changes: Iterable[Change], since: Mapping[Key, Change], newest: Snapshot) -> int:
    """How many of `changes` are still in force in `newest`.

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


def distance(changes: Iterable[Change]) -> int:
    """How far apart two lists are: a step for each field that differs."""
    return sum(_weight(change) for change in changes)


def undoes(changes: Collection[Change], earlier: Mapping[Key, Change]) -> bool:
    """Whether `changes` do little else than put back what `earlier` ones had changed."""
    back = sum(_put_back(change, earlier.get((change.medium.name, change.id))) for change in changes)
    return 2 * back > distance(changes)


def _weight(change: Change) -> int:
    return max(1, len(change.fields))


def _put_back(change: Change, earlier: Change | None) -> int:
    """How many fields of `change` have again the value that they had before `earlier`."""
    if earlier is None:
        return 0
    if {change.op, earlier.op} == {"add", "remove"}:
        return _weight(change)
    if change.op != "update" or earlier.op != "update":
        return 0
    pairs = ((change.fields[name], earlier.fields[name]) for name in change.fields if name in earlier.fields)
    return sum(same(now[0], then[1]) and same(now[1], then[0]) for now, then in pairs)
