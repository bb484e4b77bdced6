"""Plan an undo: find out from the journal what a run did to the lists, and which of its writes cannot be checked. Pure.

The lists before and after a run are not enough. MAL may serve a list from before the writes for a while, may change other fields
along with a write, and may put an entry under another id where two titles became one (erengy/taiga issues 859 and 627). The
journal has what was sent and what MAL answered.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from malsync.model.diff import FieldChanges, differing
from malsync.model.entry import Entry, Key, same_value, value
from malsync.model.medium import MEDIA, Field, Json, ListStatus
from malsync.model.plain_text import plain_answer
from malsync.model.snapshot import PLAIN, Encoded, Snapshot, plain_together
from malsync.planning.journal_entry import JournalEntry
from malsync.planning.request import WriteRequest
from malsync.planning.restore_plan import Left, Plan, PlannedWrite, updated_at

LAG = timedelta(minutes=15)
"""MAL may serve a list from before a write for this long after it."""

_ALONG = "changed along with the run's write, by MAL or by somebody else; it is undone only with force"
_OLDER = "the list that MAL shows is older than the run's write, so it was left alone; try again in a few minutes"
_UNSEEN = "MAL accepted the write, but its list does not show the entry; try again in a few minutes"
_STAYS = "MAL accepted the deletion, but still lists the entry; try again in a few minutes"
_ELSEWHERE = "MAL accepted the write, but the title is not on the list: {} may be where it went; undo it there by hand"


@dataclass(frozen=True)
class RunTrace:
    """The traces of a run: the lists before it, those after it (None if it did not end), and its journal.

    `later` are the entries that later runs wrote. What the lists show of them says nothing about this run.
    """

    before: Snapshot
    after: Snapshot | None
    lines: tuple[JournalEntry, ...]
    later: frozenset[Key] = frozenset()

    @cached_property
    def sent(self) -> dict[Key, JournalEntry]:
        """The journal entries that were sent, by key; the others changed nothing."""
        return {line.call.key: line for line in self.lines if line.sent_at is not None}

    def undo(self, intent: WriteRequest, live: Snapshot, settled: Collection[Key] = ()) -> Plan:
        """Return the writes that undo the run in `live`. What cannot be undone or checked is in `left`.

        `settled`: entries that this undo has written itself, so that `live` may differ from what the run left.
        """
        before, live, *after = plain_together(self.before, live, *([] if self.after is None else [self.after]))
        lines = tuple(replace(line, answer=_plain(line, before, self.before.encoded)) for line in self.lines)
        return RunTrace(before, after[0] if after else None, lines, self.later)._undo(intent, live, settled)

    def _undo(self, intent: WriteRequest, live: Snapshot, settled: Collection[Key]) -> Plan:
        """Do what `undo` does, with plain text everywhere."""
        explained = {*settled, *self.later}
        doubts = {key: why for key, why in self._doubts(live) if key not in explained}
        lists = {name: None if titles is None else dict(titles) for name, titles in self.before.lists.items()}
        written: dict[Key, PlannedWrite] = {}
        left = [_left(self.sent[key].call, why) for key, why in doubts.items()]
        for key, line in self.sent.items():
            call, titles = line.call, lists.get(line.call.medium.name)
            if titles is None or key in doubts:
                continue
            was, became = titles.pop(call.id, None), self._became(line, live)
            if became is not None:
                titles[call.id] = became
            along = _along(line, was, became)
            written[key] = replace(
                call,
                op="add" if was is None else "remove" if became is None else "update",
                fields={**call.fields, **(along if intent.force else {})},
            )
            if not intent.force:
                left += _named(call, along, live)
        bad = replace(self.before, lists=lists, encoded_as=PLAIN, written={})
        plan = intent.plan({"good": self.before, "bad": bad}, live, written)
        return replace(plan, left=(*plan.left, *left))

    # -- what the run made of an entry

    def _became(self, line: JournalEntry, live: Snapshot) -> Entry | None:
        """Return the entry as the run left it. Where its answer and the list after it differ, take the one that is there now."""
        call = line.call
        was, seen, is_now = (_entry(one, call) for one in (self.before, self.after, live))
        arrived = line.tries > 1 and is_now is not None and _shows(is_now.list_status, call)
        if _is_refused(line) and not arrived:
            return was
        if call.op == "remove":
            is_gone = is_now is None or (self.after is not None and seen is None)
            return None if line.http == 200 or is_gone else was
        blank: ListStatus = {} if was is None else was.list_status
        sent = Entry(call.id, call.title, {**blank, **{name: to for name, (_, to) in call.fields.items()}})
        if line.answer is None:
            # The list after the run says whether it was carried out; a write may still have arrived after that.
            is_there = self.after is None or (is_now is not None and _shows(is_now.list_status, call))
            return sent if is_there else seen
        status = dict(line.answer)
        for field in call.medium.writable:
            options = _options(field, line.answer, sent, seen)
            # Where none of them is there now, it was changed again since: from whichever of them shows a change.
            options.sort(key=lambda option: same_value(field, option, value(field, blank)))
            now = None if is_now is None else value(field, is_now.list_status)
            status[field.name] = next((option for option in options if same_value(field, option, now)), options[0])
        return Entry(call.id, call.title, status)

    # -- what cannot be checked

    def _doubts(self, live: Snapshot) -> Iterator[tuple[Key, str]]:
        """Yield the entries for which `live` does not show the result of an answered write, each with the reason."""
        strangers = [*self._strangers(live)]
        for key, line in self.sent.items():
            was, is_now = (one.list_status(*_place(line)) for one in (self.before, live))
            seen = _entry(self.after, line.call)
            is_recent = line.answered_at is None or live.taken_at - line.answered_at < LAG
            if line.call.op == "remove":
                stands = is_now is not None and is_now == was
                if line.http == 200 and stands and (is_recent or (self.after is not None and seen is None)):
                    yield key, _STAYS if seen is not None or self.after is None else _OLDER
            elif line.answer is None:
                continue
            elif is_now is not None:
                is_doubtful = is_recent or (seen is not None and seen.list_status != was)
                if is_doubtful and _differ(line, is_now) and (is_now == was or _is_older(is_now, line.answer)):
                    yield key, _OLDER
            elif seen is None and (stranger := next((one for one in strangers if _may_be(*one, line)), None)):
                medium, entry = stranger
                yield key, _ELSEWHERE.format(f"{medium} {entry.id} {entry.title}")
            elif was is None and is_recent:
                yield key, _UNSEEN

    def _strangers(self, live: Snapshot) -> Iterator[tuple[str, Entry]]:
        """Yield entries of `live` that were added or changed since the run began, and that it did not write."""
        for name, medium in MEDIA.items():
            before = self.before.entries(medium)
            for id, entry in live.entries(medium).items():
                was = before.get(id)
                if (name, id) not in self.sent and (was is None or was.list_status != entry.list_status):
                    yield name, entry


def _plain(line: JournalEntry, before: Snapshot, encoded: Encoded) -> ListStatus | None:
    """What MAL answered with plain text, by the lists before the run, whose `encoded` fields these are."""
    call = line.call
    if line.answer is None:
        return None
    sent = {name: to for name, (_, to) in call.fields.items()}
    expected = {**(before.list_status(call.medium, call.id) or {}), **sent}
    return plain_answer(call.medium, line.answer, expected, encoded.get(call.medium.name, ()))


def _place(line: JournalEntry) -> tuple[Any, int]:
    return line.call.medium, line.call.id


def _entry(lists: Snapshot | None, call: PlannedWrite) -> Entry | None:
    return None if lists is None else lists.entries(call.medium).get(call.id)


def _is_refused(line: JournalEntry) -> bool:
    """Whether MAL refused the write, as far as its last answer says: one that was lost before may have been another."""
    return line.answer is None and line.http is not None and 400 <= line.http < 500 and line.state != "done"


def _options(field: Field, answer: ListStatus, sent: Entry, seen: Entry | None) -> list[Json]:
    """The values that an answered write may have left in a field: what MAL answered, and what the list after the run shows
    if it is of the same moment, or as it was sent."""
    said = value(field, answer)
    if seen is None:
        return [said]
    shown = value(field, seen.list_status)
    is_as_sent = same_value(field, shown, value(field, sent.list_status))
    is_its_own = updated_at(seen.list_status) == updated_at(answer) or is_as_sent
    return [said, shown] if is_its_own else [said]


def _shows(status: ListStatus, call: PlannedWrite) -> bool:
    """Return whether an entry has every value that was sent."""
    by_name = call.medium.by_name
    return all(same_value(by_name[name], value(by_name[name], status), to) for name, (_, to) in call.fields.items())


def _may_be(medium: str, entry: Entry, line: JournalEntry) -> bool:
    """Return whether an entry may be the result of a write, under another id."""
    if medium != line.call.medium.name:
        return False
    return updated_at(entry.list_status) == updated_at(line.answer) or _shows(entry.list_status, line.call)


def _differ(line: JournalEntry, status: ListStatus) -> bool:
    """Return whether an entry differs from what MAL answered."""
    fields = line.call.medium.writable
    return bool(differing(fields, status, line.answer or {}))


def _is_older(status: ListStatus, answer: ListStatus) -> bool:
    then, now = updated_at(status), updated_at(answer)
    return then is not None and now is not None and then < now


def _along(line: JournalEntry, was: Entry | None, became: Entry | None) -> FieldChanges:
    """Return the fields of an entry that were not sent and yet differ in MAL's answer."""
    if was is None or became is None or line.answer is None:
        return {}
    others = [field for field in line.call.medium.writable if field.name not in line.call.fields]
    return differing(others, was.list_status, line.answer)


def _named(call: PlannedWrite, along: FieldChanges, live: Snapshot) -> Iterator[Left]:
    """Yield the fields of `along` that still differ from what they were before the run."""
    is_now = live.list_status(call.medium, call.id)
    if is_now is None:
        return
    sides = {
        name: {"good": was, "bad": became, "live": value(call.medium.by_name[name], is_now)}
        for name, (was, became) in along.items()
    }
    fields = call.medium.by_name
    if changed := {
        name: values for name, values in sides.items() if not same_value(fields[name], values["good"], values["live"])
    }:
        yield Left(call.medium, call.id, call.title, _ALONG, changed)


def _left(call: PlannedWrite, why: str) -> Left:
    return Left(call.medium, call.id, call.title, why, {})
