"""Plan a revert: undo only what changed from a good list to a bad one, and keep later changes. Pure.

A three-way comparison, entry by entry and field by field; `updated_at` never counts. Where the live list has
a third value, that is a conflict: it is left alone and reported with all three values, unless `force`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from malsync.model.diff import FieldChanges, Op, comparable, differing, known_to
from malsync.model.entry import Entry, Key, value
from malsync.model.medium import MEDIA, Field, ListStatus, Medium
from malsync.model.snapshot import Snapshot, plain_together
from malsync.planning.restore_plan import EVERYTHING, Filters, Left, Plan, PlannedWrite, in_order, sendable, updated_at


@dataclass(frozen=True, slots=True)
class Window:
    """The period in which an entry of the bad list must have been updated: from `since` on, before `until`. None: no limit.

    An entry that the bad list lacks is always in the period.
    """

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, bad: ListStatus) -> bool:
        """Return whether the entry was last updated in the window. Without a valid time, it was only if there is no limit."""
        if self.since is None and self.until is None:
            return True
        moment = updated_at(bad)
        return (
            moment is not None
            and (self.since is None or self.since <= moment)
            and (self.until is None or moment < self.until)
        )


ALWAYS = Window()
Written = Mapping[Key, PlannedWrite]
"""What a run wrote, by entry. Its undo is limited to that."""


def revert(
    good: Snapshot,
    bad: Snapshot,
    live: Snapshot,
    *,
    filters: Filters = EVERYTHING,
    window: Window = ALWAYS,
    written: Written | None = None,
    force: bool = False,
    round_dates: bool = False,
) -> Plan:
    """Return the writes that undo, in `live`, what changed from `good` to `bad`.

    With `written`, only what those calls wrote is undone: their entries, and of an update its fields. With `force` a
    conflict becomes what `good` says. What a list that has the entry does not cover is left as it is.
    """
    good, bad, live = plain_together(good, bad, live)
    calls: list[PlannedWrite] = []
    left: list[Left] = []
    already = 0
    for medium in MEDIA.values():
        if any(snapshot.lists.get(medium.name) is None for snapshot in (good, bad, live)):
            continue
        # An entry that was added or removed is in two of the lists, so only those two must cover its fields.
        known: dict[Op, tuple[Field, ...]] = {
            "add": comparable(medium, bad, live),
            "remove": comparable(medium, good, live),
            "update": comparable(medium, good, bad, live),
        }
        whole = () if filters.fields else known["remove"]
        versions = [snapshot.entries(medium) for snapshot in (good, bad, live)]
        for id in sorted(versions[0].keys() | versions[1].keys()):
            was, became, is_now = (titles.get(id) for titles in versions)
            op: Op = "add" if was is None else "remove" if became is None else "update"
            fields = known_to(_selected(known[op], filters, written, (medium.name, id)), was, became, is_now)
            three = _Three(medium, id, was, became, is_now, op, fields, known_to(whole, was, is_now), force)
            if not three.fields or not three.is_selected(filters, window, written):
                continue
            outcome = three.outcome()
            already += outcome.already
            left += outcome.left
            for call in outcome.calls:
                sent, rest = sendable(call, round_dates=round_dates)
                calls += sent
                left += rest
    return Plan(in_order(calls, good), tuple(left), already)


def _selected(fields: tuple[Field, ...], filters: Filters, written: Written | None, key: Key) -> tuple[Field, ...]:
    if filters.fields:
        fields = tuple(field for field in fields if field.name in filters.fields)
    if written is not None and key in written and written[key].op == "update":
        fields = tuple(field for field in fields if field.name in written[key].fields)
    return fields


@dataclass(frozen=True, slots=True)
class _Outcome:
    calls: list[PlannedWrite] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    already: int = 0


_ALREADY = _Outcome(already=1)


@dataclass(frozen=True, slots=True)
class _Three:
    """A title in the good, the bad and the live list. Each method is a part of the table in docs/restoring.md."""

    medium: Medium
    id: int
    good: Entry | None
    bad: Entry | None
    live: Entry | None
    op: Op
    """What happened to the entry from good to bad."""
    fields: tuple[Field, ...]
    """The fields to compare."""
    whole: tuple[Field, ...]
    """The fields to set in an entry that is added again; empty if none may be added."""
    force: bool

    def is_selected(self, filters: Filters, window: Window, written: Written | None) -> bool:
        """Return whether the filters, the window and `written` select this entry."""
        if written is not None and ((call := written.get((self.medium.name, self.id))) is None or call.op != self.op):
            return False
        if filters.fields and self.op != "update":
            return False
        if self.bad is not None and not window.holds(self.bad.list_status):
            return False
        wanted, live = (None if one is None else one.list_status for one in (self.good, self.live))
        return filters.takes(self.medium, self.id, wanted, live)

    def outcome(self) -> _Outcome:
        undo: Mapping[Op, Callable[[], _Outcome]] = {
            "add": self._added,
            "remove": self._removed,
            "update": self._edited,
        }
        return undo[self.op]()

    def _added(self) -> _Outcome:
        if self.live is None:
            return _ALREADY  # it was added, and removed since
        if self.force or not self._differ(self.bad, self.live):
            lost: FieldChanges = {name: (is_now, None) for name, (is_now, _) in self._differ(self.live, None).items()}
            return self._call("remove", lost)
        return self._conflict("added, and edited since")

    def _removed(self) -> _Outcome:
        if self.live is None:
            return self._put_back()
        back = self._differ(self.live, self.good)
        if not back:
            return _ALREADY  # it was removed, and added again as it was
        return self._call("update", back) if self.force else self._conflict("removed, and added again since")

    def _edited(self) -> _Outcome:
        changed = self._differ(self.good, self.bad)
        if not changed:
            return _Outcome()
        if self.live is None:
            return self._put_back() if self.force and self.whole else self._conflict("edited, and removed since")
        back: FieldChanges = {}
        clashes: set[str] = set()
        to_good, from_bad = self._differ(self.live, self.good), self._differ(self.bad, self.live)
        for name in changed:
            if name not in to_good:
                continue  # it has the good value already
            if name in from_bad and not self.force:
                clashes.add(name)
            else:
                back[name] = to_good[name]
        if not back and not clashes:
            return _ALREADY
        call = self._call("update", back) if back else _Outcome()
        conflict = self._conflict("edited, and edited again since", clashes) if clashes else _Outcome()
        return _Outcome(call.calls, conflict.left)

    def _put_back(self) -> _Outcome:
        back = differing(self.whole, {}, {} if self.good is None else self.good.list_status)
        return self._call("add", {name: (None, to) for name, (_, to) in back.items()})

    def _differ(self, a: Entry | None, b: Entry | None) -> FieldChanges:
        return differing(self.fields, *({} if one is None else one.list_status for one in (a, b)))

    def _call(self, op: Op, fields: FieldChanges) -> _Outcome:
        expect = None if self.live is None else self.live.list_status
        return _Outcome([PlannedWrite(op, self.medium, self.id, self._title, fields, expect)])

    def _conflict(self, why: str, names: set[str] | None = None) -> _Outcome:
        """Report the fields concerned, those that differ among the three lists, with all three values."""
        if names is None:
            names = {*self._differ(self.good, self.bad), *self._differ(self.bad, self.live)}
        sides = {"good": self.good, "bad": self.bad, "live": self.live}
        values = {
            name: {
                side: None if one is None else value(self.medium.by_name[name], one.list_status)
                for side, one in sides.items()
            }
            for name in self.medium.ordered(names)
        }
        return _Outcome(left=[Left(self.medium, self.id, self._title, f"conflict: {why}", values)])

    @property
    def _title(self) -> str:
        return next((one.title for one in (self.live, self.good, self.bad) if one is not None and one.title), "")
