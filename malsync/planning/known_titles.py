"""What the catalogue knows about the titles on a list: MAL's names for them, and their totals. Pure.

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
"""A list is foreign only if at least this many titles differ."""
FOREIGN = "most titles are not MAL's for these ids"
"""The mark on an import whose ids belong to another site; the numbers follow it."""


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
        """Whether most of them differ, and at least `FEWEST_FOREIGN`."""
        return len(self.different) >= FEWEST_FOREIGN and 2 * len(self.different) > self.compared

    @property
    def reason(self) -> str:
        """The reason that is stored with the snapshot of such an import."""
        return f"{FOREIGN} ({len(self.different)} of {self.compared})"


@dataclass(frozen=True)
class Known:
    """MAL's names and totals of the titles on some lists."""

    names: Names = field(default_factory=dict)
    totals: Totals = field(default_factory=dict)

    def applied(self, plan: Plan) -> Plan:
        """Return `plan` with MAL's titles, and with progress that MAL will cut named in `left`."""
        calls = tuple(self._titled(call) for call in plan.calls)
        left = [self._titled(item) for item in plan.left]
        named = {(item.key, name) for item in left for name in item.fields}
        left += (
            cut for call in calls for cut in self._beyond(call) if not named & {(cut.key, name) for name in cut.fields}
        )
        return replace(plan, calls=calls, left=tuple(left))

    def _titled(self, item: _T) -> _T:
        names = self.names.get(item.key)
        return replace(item, title=names[0]) if names else item

    def _beyond(self, call: PlannedWrite) -> Iterator[Left]:
        """Yield progress above the total. MAL stores the total instead (docs/mal.md#totals)."""
        totals = self.totals.get(call.key)
        if not totals or call.op == "remove":
            return
        for name, total in totals.items():
            to = call.fields.get(name, (None, None))[1]
            if _is_above(to, total):
                why = f"{name}: MAL will store {total}, the title's total"
                yield Left(call.medium, call.id, call.title, why, {name: from_to(call.fields[name])})

    def kept(self, call: PlannedWrite, now: ListStatus | None) -> dict[str, tuple[Json, Json]]:
        """Return the fields that MAL stored with another value than `call` sent: by field, the wanted and the stored value.

        Empty unless `now` is what MAL makes of this very write: everything as it was sent, but progress cut to the total.
        """
        totals, fields = self.totals.get(call.key, {}), call.medium.by_name
        pairs = {name: (to, value(fields[name], now or {})) for name, (_, to) in call.fields.items()}
        differing = {name: pair for name, pair in pairs.items() if not same_value(fields[name], *pair)}
        is_cut = all(
            _is_above(to, totals.get(name, 0)) and is_now == totals[name] for name, (to, is_now) in differing.items()
        )
        return differing if now is not None and call.op != "remove" and is_cut else {}

    def compare(self, entries: Iterable[tuple[Medium, Entry]]) -> Titles:
        """Compare the titles of these entries with MAL's. An entry without a title on either side is skipped."""
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


def by_key(lookup: Callable[[Medium, Iterable[int]], Mapping[int, _V]], keys: Iterable[Key]) -> dict[Key, _V]:
    """Return what `lookup` returns for the ids of each medium among `keys`, by key."""
    ids: dict[str, set[int]] = {name: set() for name in MEDIA}
    for name, id in keys:
        ids[name].add(id)
    return {(name, id): item for name, some in ids.items() for id, item in lookup(MEDIA[name], some).items()}


def known_with(live: Snapshot, names: Names, totals: Totals) -> Known:
    """Return what the catalogue knows. Titles of the live list come before those of the catalogue."""
    result = dict(names)
    for medium in MEDIA.values():
        for entry in live.entries(medium).values():
            if entry.title:
                key = medium.name, entry.id
                result[key] = (entry.title, *result.get(key, ()))
    return Known(result, totals)


def selected_entries(wanted: Snapshot, live: Snapshot, filters: Filters = EVERYTHING) -> Iterator[tuple[Medium, Entry]]:
    """Yield the entries of `wanted` that pass the filters."""
    for medium in MEDIA.values():
        for entry in wanted.entries(medium).values():
            if filters.takes(medium, entry.id, entry.list_status, live.list_status(medium, entry.id)):
                yield medium, entry


def folded(title: str) -> str:
    """Return `title` without differences in case, width and punctuation."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", title).casefold())
    letters = "".join(character for character in text if unicodedata.category(character)[0] in "LMN")
    return unicodedata.normalize("NFKC", letters) or "".join(text.split())
