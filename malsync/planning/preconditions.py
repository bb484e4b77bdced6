"""A plan against a later reading of the lists: what may still go out, and what is still to be done. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from malsync.model.diff import FieldChanges
from malsync.model.entry import same, same_value, value
from malsync.model.medium import Json, ListStatus
from malsync.model.plain_text import plain_status, text_fields
from malsync.model.snapshot import Snapshot
from malsync.planning.known_titles import Known
from malsync.planning.request import WriteRequest
from malsync.planning.restore_plan import Left, Plan, PlannedWrite, from_to, sendable
from malsync.planning.writable import why_not_writable


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call against a later reading: `send` its `fields`, or else it is `already` or `skipped`, and why."""

    state: Literal["send", "already", "skipped"]
    fields: FieldChanges
    why: str = ""


def judge(call: PlannedWrite, now: ListStatus | None, *, force: bool = False) -> Verdict:
    """Whether `call` may still go out, its entry being `now` in the live list, with plain text (None: absent).

    What others did since it was planned is not overwritten, unless `force`.
    """
    return _JUDGES[call.op](call, now, force)


def _judge_add(call: PlannedWrite, now: ListStatus | None, force: bool) -> Verdict:
    if now is None:
        return Verdict("send", call.fields)
    missing = _unlike(call, now)
    if not missing:
        return Verdict("already", {})
    # The title came onto the list meanwhile, with other data.
    return Verdict("send", missing) if force else Verdict("skipped", {}, "moved: it is on the list again")


def _judge_update(call: PlannedWrite, now: ListStatus | None, force: bool) -> Verdict:
    if now is None:
        # Sending a few fields would make an entry of them alone.
        whole: FieldChanges = {name: (None, to) for name, to in _whole(call).items()}
        return Verdict("send", whole) if force else Verdict("skipped", {}, "moved: it is no longer on the list")
    missing = _unlike(call, now)
    if not missing:
        return Verdict("already", {})
    fields = call.medium.by_name
    moved = [
        name for name, (is_now, _) in missing.items() if not same_value(fields[name], is_now, call.fields[name][0])
    ]
    if moved and not force:
        return Verdict("skipped", {}, f"moved: somebody changed {', '.join(call.medium.ordered(moved))}")
    return Verdict("send", missing)


def _judge_remove(call: PlannedWrite, now: ListStatus | None, force: bool) -> Verdict:
    if now is None:
        return Verdict("already", {})
    # Plans and journals of older versions hold the entry as MAL returned it.
    expected = (call.expect, plain_status(call.expect or {}, [field.name for field in text_fields(call.medium)]))
    if now in expected or force:
        return Verdict("send", call.fields)
    return Verdict("skipped", {}, "moved: somebody changed it")


_JUDGES = {"add": _judge_add, "update": _judge_update, "remove": _judge_remove}


def _unlike(call: PlannedWrite, now: ListStatus) -> FieldChanges:
    """The fields of `call` that are not as it wants them, each from what it is now."""
    fields = call.medium.by_name
    pairs = {name: (value(fields[name], now), to) for name, (_, to) in call.fields.items()}
    return {name: pair for name, pair in pairs.items() if not same_value(fields[name], *pair)}


def _whole(call: PlannedWrite) -> dict[str, Json]:
    """The entry that an update was to make: what it was, with the changes, without values that no request can set."""
    expect = call.expect or {}
    whole = {field.name: value(field, expect) for field in call.medium.writable}
    whole |= {name: to for name, (_, to) in call.fields.items()}
    return {
        name: to
        for name, to in whole.items()
        if not same(to, call.medium.by_name[name].kind.blank) and why_not_writable(call.medium, name, to) is None
    }


def to_send(calls: Iterable[PlannedWrite], live: Snapshot, *, force: bool = False) -> Plan:
    """Those of `calls` that may go out beside `live`, each with what it would send."""
    live = live.plain
    verdicts = [(call, judge(call, live.list_status(call.medium, call.id), force=force)) for call in calls]
    return Plan(tuple(replace(call, fields=found.fields) for call, found in verdicts if found.state == "send"))


def remaining(calls: Iterable[PlannedWrite], live: Snapshot) -> Plan:
    """What `calls` wanted and `live` does not show."""
    live = live.plain
    found = []
    for call in calls:
        now = live.list_status(call.medium, call.id)
        if call.op == "remove":
            if now is not None:
                found.append(replace(call, expect=now))
        elif now is None:
            found.append(replace(call, op="add", expect=None))
        elif missing := _unlike(call, now):
            found.append(replace(call, op="update", fields=missing, expect=now))
    return Plan(tuple(found))


def foreseen(calls: Iterable[PlannedWrite], live: Snapshot, *, force: bool) -> tuple[list[PlannedWrite], list[Left]]:
    """Those of `calls` that would go out beside `live`, and those that would be skipped, with the reason."""
    sent: list[PlannedWrite] = []
    skipped: list[Left] = []
    for call in calls:
        verdict = judge(call, live.plain.list_status(call.medium, call.id), force=force)
        if verdict.state == "send":
            sent.append(replace(call, fields=verdict.fields))
        elif verdict.state == "skipped":
            fields = {name: from_to(pair) for name, pair in call.fields.items()}
            skipped.append(Left(call.medium, call.id, call.title, verdict.why, fields))
    return sent, skipped


def unanswered(
    calls: Iterable[tuple[PlannedWrite, bool]], live: Snapshot, known: Known
) -> tuple[list[PlannedWrite], list[Left]]:
    """Those of `calls` that may still go out, and what MAL did not store as it was sent of those that arrived.

    With each goes whether it was sent: then nobody knows whether it arrived.
    """
    open_calls: list[PlannedWrite] = []
    left: list[Left] = []
    for call, was_sent in calls:
        kept = known.kept(call, live.plain.list_status(call.medium, call.id)) if was_sent else {}
        if kept:
            fields = {name: {"wanted": wanted, "live": is_now} for name, (wanted, is_now) in kept.items()}
            left.append(Left(call.medium, call.id, call.title, why_kept(kept), fields))
        else:
            open_calls.append(call)
    return open_calls, left


def rounded(calls: Iterable[PlannedWrite], request: WriteRequest) -> list[PlannedWrite]:
    """`calls` as they are; with their dates rounded where the request says so."""
    if not request.round_dates:
        return list(calls)
    return [part for call in calls for part in sendable(call, round_dates=True)[0]]


def why_kept(kept: Mapping[str, tuple[Json, Json]]) -> str:
    """Why a write is not restorable whose fields MAL keeps otherwise: by field, what was wanted and what is kept."""
    return "; ".join(f"{name}: wanted {wanted!r}, MAL keeps {got!r}" for name, (wanted, got) in kept.items())
