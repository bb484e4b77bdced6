"""The end of a run: what of it is left undone, by the last reading of the lists, for an answer is no proof."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from malsync.model.diff import FieldChanges, differing
from malsync.model.entry import Key, same_value, value
from malsync.model.medium import Json, ListStatus
from malsync.model.plain_text import plain_answer
from malsync.model.snapshot import Encoded, Snapshot
from malsync.planning.preconditions import remaining
from malsync.planning.request import left_of
from malsync.planning.restore_plan import Left, Plan, PlannedWrite

if TYPE_CHECKING:
    from malsync.mirror import Journal, JournalEntry, Run


def reconcile(
    journal: "Journal",
    run: "Run",
    open_plan: Plan,
    final: Snapshot,
    *,
    rounded: Callable[[PlannedWrite], PlannedWrite],
    now: datetime,
) -> tuple[Left, ...]:
    """Compare the journal with the final read: correct each entry's state, and return what is not as planned.

    `open_plan` is the plan made anew beside `final`.

    `rounded` is a call as it was to be carried out.

    A line is judged by what it was to write, for the plan made anew may be content with less: `missing` keeps what is there,
    `newest` what was touched last, and to a revert what MAL made of our own write looks like somebody else's.
    """
    lines = [_with_plain_answer(line, final.encoded) for line in journal.lines(run.number)]
    final = final.plain
    unlike = {call.key: call for call in remaining([rounded(line.call) for line in lines], final).calls}
    still: dict[Key, PlannedWrite] = {call.key: call for call in open_plan.calls}
    conflicts = {one.key for one in _unsettled(open_plan.left, final, lines)}
    left: list[Left] = []
    ours: dict[Key, FieldChanges] = {}
    for line in lines:
        key = line.call.key
        if key not in unlike:
            if line.state in _MENDED:
                journal.answered(run.number, line.seq, _MENDED[line.state], now=now, tries=0, why=_SHOWN)
            continue
        call = still.pop(key, None)
        if call is None and key in conflicts and line.state != "not_restorable":
            continue  # a conflict, which is told as one
        if call is None and line.state in ("skipped", "already"):
            # Somebody else has settled it, in a way that will do.
            journal.answered(run.number, line.seq, "already", now=now, tries=0, why=_SHOWN)
            continue
        call = call or unlike[key]
        why = line.why
        if line.state not in _MENDED:
            why = _NOT_SHOWN
            journal.answered(run.number, line.seq, "failed", now=now, tries=0, why=why)
        left.append(_left(call, why))
        ours[key] = call.fields
    left += [_left(call, _MEANWHILE) for call in still.values()]
    left += _without(_unsettled(open_plan.left, final, lines), ours)
    if run.undoes is not None:
        # It knows only what it was to undo, so it would not miss what MAL changes along with it.
        left += _along([line.call for line in lines if line.sent_at is not None], final, {one.key for one in left})
    return (*left, *_unmended(run, final, {(one.key, name) for one in left for name in one.fields}))


def _unmended(run: "Run", final: Snapshot, reported: Container[tuple[Key, str]]) -> Iterator[Left]:
    """What the first plan called unwritable and is still so. A plan that is made anew may accept what is there."""
    for one in map(left_of, run.head.get("left", ())):
        now = final.list_status(one.medium, one.id) or {}
        for name, sides in one.fields.items():
            field = one.medium.by_name.get(name)
            if field is None or "to" not in sides or (one.key, name) in reported:
                continue
            if not same_value(field, value(field, now), sides["to"]):
                yield replace(one, fields={name: sides})


def _along(calls: Iterable[PlannedWrite], final: Snapshot, reported: Container[Key]) -> Iterator[Left]:
    """The fields of written entries that were not sent, and are not what they were when the run was planned."""
    for call in calls:
        now = final.list_status(call.medium, call.id)
        if call.op == "remove" or now is None or call.key in reported:
            continue
        others = [field for field in call.medium.writable if field.name not in call.fields]
        if changed := differing(others, now, call.expect or {}):
            yield _left(replace(call, fields=changed), _MEANWHILE)


def _with_plain_answer(line: "JournalEntry", encoded: Encoded) -> "JournalEntry":
    """The entry with plain text in MAL's answer. `encoded` are the fields that the final read shows encoded."""
    if line.answer is None:
        return line
    sent = {**(line.call.expect or {}), **{name: to for name, (_, to) in line.call.fields.items()}}
    answer = plain_answer(line.call.medium, line.answer, sent, encoded.get(line.call.medium.name, ()))
    return replace(line, answer=answer)


def _unsettled(left: Iterable[Left], final: Snapshot, lines: Iterable["JournalEntry"]) -> Iterator[Left]:
    """`left` without the fields that `final` shows as planned, and without conflicts with the run's own writes."""
    sent = {line.call.key: line for line in lines if line.sent_at is not None}
    for one in left:
        now, line = final.list_status(one.medium, one.id), sent.get(one.key)
        fields = {
            name: sides
            for name, sides in one.fields.items()
            if not _is_wanted(one, name, sides, now) and not (line is not None and now and _is_ours(line, name, now))
        }
        if fields or not one.fields:
            yield replace(one, fields=fields)


def _is_wanted(one: Left, name: str, sides: Mapping[str, Json], now: ListStatus | None) -> bool:
    field = one.medium.by_name.get(name)
    return field is not None and "to" in sides and now is not None and same_value(field, value(field, now), sides["to"])


def _is_ours(line: "JournalEntry", name: str, now: ListStatus) -> bool:
    """Whether the field is what the line wrote: as it was sent, or as MAL answered."""
    call, field = line.call, line.call.medium.by_name.get(name)
    if field is None or call.op == "remove" or (call.op == "update" and name not in call.fields):
        return False
    item = value(field, now)
    sent = call.fields[name][1] if name in call.fields else field.kind.blank
    # In a field that was not sent, the answer may show what somebody else did.
    options = [sent, value(field, line.answer)] if line.answer and name in call.fields else [sent]
    return any(same_value(field, item, option) for option in options)


def _without(left: Iterable[Left], ours: Mapping[Key, FieldChanges]) -> Iterator[Left]:
    """`left` without the fields that are reported already as outcomes of a write."""
    for one in left:
        fields = {name: sides for name, sides in one.fields.items() if name not in ours.get(one.key, {})}
        if fields or not one.fields:
            yield replace(one, fields=fields)


_MENDED: dict[str, Any] = {"failed": "done", "skipped": "already", "not_restorable": "done"}
_SHOWN = "the last reading shows it as wanted"
_MEANWHILE = "changed while the run was under way"
_NOT_SHOWN = "the last reading does not show it as wanted"


def _left(call: PlannedWrite, why: str) -> Left:
    fields = {name: {"wanted": to, "live": is_now} for name, (is_now, to) in call.fields.items()}
    return Left(call.medium, call.id, call.title, why, fields)
