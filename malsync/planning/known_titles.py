"""What is known of titles beside a list: what MAL calls them, and how long they are. Pure.

A plan shows MAL's titles, and says beforehand what MAL will not store as it is sent. A list whose titles are mostly others
than MAL's for the same ids was made for another site, whose ids it has.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from malsync.model.entry import Entry, Key, same_value, value
from malsync.model.medium import MEDIA, Json, ListStatus, Medium
from malsync.model.snapshot import Snapshot
from malsync.planning.restore_plan import EVERYTHING, Filters, Left, Plan, PlannedWrite, from_to

Names = Mapping[Key, tuple[str, ...]]
"""MAL's title for an id, then its alternative titles. Titles that only a file has given are not in it."""
Totals = Mapping[Key, Mapping[str, int]]
"""By progress field, the total that MAL gives for a title, where it is known."""
FEWEST_FOREIGN = 3
"""Fewer titles that differ prove nothing about a list."""
FOREIGN = "most titles are not MAL's for these ids"
"""What marks an import as a list of another site; how many follows."""


_T = TypeVar("_T", PlannedWrite, Left)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An id under which a list has another title than MAL."""

    medium: Medium
    id: int
    title: str
    mals: str


@dataclass(frozen=True)
class Titles:
    """A list's titles compared with MAL's: how many could be compared, and those that differ."""

    compared: int = 0
    different: tuple[Mismatch, ...] = ()

    @property
    def are_foreign(self) -> bool:
        """Whether most of them differ, and enough to mean something."""
        return len(self.different) >= FEWEST_FOREIGN and 2 * len(self.different) > self.compared

    @property
    def reason(self) -> str:
        """What the snapshot of such an import is marked with."""
        return f"{FOREIGN} ({len(self.different)} of {self.compared})"


@dataclass(frozen=True)
class Known:
    """What is known of the titles on some lists."""

    names: Names = field(default_factory=dict)
    totals: Totals = field(default_factory=dict)

    def applied(self, plan: Plan) -> Plan:
        """`plan` under MAL's titles, and with what MAL will not store named in `left`."""
        calls = tuple(self._titled(call) for call in plan.calls)
        left = [self._titled(one) for one in plan.left]
        told = {(one.key, name) for one in left for name in one.fields}
        left += (
            one for call in calls for one in self._beyond(call) if not told & {(one.key, name) for name in one.fields}
        )
        return replace(plan, calls=calls, left=tuple(left))

    def _titled(self, one: _T) -> _T:
        names = self.names.get(one.key)
        return replace(one, title=names[0]) if names else one

    def _beyond(self, call: PlannedWrite) -> Iterator[Left]:
        """Progress above the total: MAL stores the total instead (docs/mal.md#totals)."""
        totals = self.totals.get(call.key)
        if not totals or call.op == "remove":
            return
        for name, total in totals.items():
            to = call.fields.get(name, (None, None))[1]
            if _is_above(to, total):
                why = f"{name}: MAL will store {total}, the title's total"
                yield Left(call.medium, call.id, call.title, why, {name: from_to(call.fields[name])})

    def kept(self, call: PlannedWrite, now: ListStatus | None) -> dict[str, tuple[Json, Json]]:
        """What MAL keeps of `call` otherwise than it was sent: by field, what was wanted and what is there.

        Empty unless `now` is what MAL makes of this very write: everything as it was sent, but progress cut to the total.
        """
        totals, fields = self.totals.get(call.key, {}), call.medium.by_name
        pairs = {name: (to, value(fields[name], now or {})) for name, (_, to) in call.fields.items()}
        found = {name: pair for name, pair in pairs.items() if not same_value(fields[name], *pair)}
        is_cut = all(
            _is_above(to, totals.get(name, 0)) and is_now == totals[name] for name, (to, is_now) in found.items()
        )
        return found if now is not None and call.op != "remove" and is_cut else {}

    def compare(self, entries: Iterable[tuple[Medium, Entry]]) -> Titles:
        """The titles of these entries beside MAL's. One that either does not know is not compared."""
        compared, different = 0, []
        for medium, entry in entries:
            names = self.names.get((medium.name, entry.id))
            if not names or not entry.title.strip():
                continue
            compared += 1
            if entry.title not in names and folded(entry.title) not in map(folded, names):
                different.append(Mismatch(medium, entry.id, entry.title, names[0]))
        return Titles(compared, tuple(different))


def _is_above(to: Json, total: int) -> bool:
    return isinstance(to, int | float) and to > total > 0


def by_key(told: Callable[[Medium, Iterable[int]], Mapping[int, _V]], keys: Iterable[Key]) -> dict[Key, _V]:
    """What `told` says of the titles of each medium among `keys`."""
    ids: dict[str, set[int]] = {name: set() for name in MEDIA}
    for name, id in keys:
        ids[name].add(id)
    return {(name, id): found for name, some in ids.items() for id, found in told(MEDIA[name], some).items()}


def known_with(live: Snapshot, names: Names, totals: Totals) -> Known:
    """What the catalogue knows, under the titles of the live list where that has them."""
    found = dict(names)
    for medium in MEDIA.values():
        for entry in live.entries(medium).values():
            if entry.title:
                key = medium.name, entry.id
                found[key] = (entry.title, *found.get(key, ()))
    return Known(found, totals)


def selected_entries(wanted: Snapshot, live: Snapshot, filters: Filters = EVERYTHING) -> Iterator[tuple[Medium, Entry]]:
    """The entries of `wanted` that pass the filters."""
    for medium in MEDIA.values():
        for entry in wanted.entries(medium).values():
            if filters.takes(medium, entry.id, entry.list_status, live.list_status(medium, entry.id)):
                yield medium, entry


def folded(title: str) -> str:
    """`title` without what makes no difference: case, width and punctuation."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    letters = "".join(character for character in text if unicodedata.category(character)[0] in "LMN")
    return unicodedata.normalize("NFKC", letters) or "".join(text.split())
