"""Check planned writes against a newer read of the lists: which may be sent, and which are still to be done. Pure."""

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
    """The decision on a planned write: `send` its `fields`, or not because it is `already` done or `skipped`, and why."""

    state: Literal["send", "already", "skipped"]
    fields: FieldChanges
    why: str = ""


def judge(call: PlannedWrite, now: ListStatus | None, *, force: bool = False) -> Verdict:
    """Decide whether `call` may be sent. `now` is its entry in the live list, with plain text (None: absent).

    A change that was made since it was planned is not overwritten, unless `force`.
    """
    return _JUDGES[call.op](call, now, force)


def _judge_add(call: PlannedWrite, now: ListStatus | None, force: bool) -> Verdict:
    if now is None:
        return Verdict("send", call.fields)
    missing = _unlike(call, now)
    if not missing:
        return Verdict("already", {})
    # The title was added meanwhile, with other data.
    return Verdict("send", missing) if force else Verdict("skipped", {}, "moved: it is on the list again")


def _judge_update(call: PlannedWrite, now: ListStatus | None, force: bool) -> Verdict:
    if now is None:
        # Sending only these fields would create an entry without the others.
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
    """Return the fields of `call` that do not have the wanted value, each with its current and its wanted value."""
    fields = call.medium.by_name
    pairs = {name: (value(fields[name], now), to) for name, (_, to) in call.fields.items()}
    return {name: pair for name, pair in pairs.items() if not same_value(fields[name], *pair)}


def _whole(call: PlannedWrite) -> dict[str, Json]:
    """Return the whole entry after an update: the old values and the changes, without values that no request can set."""
    expect = call.expect or {}
    whole = {field.name: value(field, expect) for field in call.medium.writable}
    whole |= {name: to for name, (_, to) in call.fields.items()}
    return {
        name: to
        for name, to in whole.items()
        if not same(to, call.medium.by_name[name].kind.blank) and why_not_writable(call.medium, name, to) is None
    }


def to_send(calls: Iterable[PlannedWrite], live: Snapshot, *, force: bool = False) -> Plan:
    """Return the `calls` that may be sent to change `live`, each with the fields that it sends."""
    live = live.plain
    verdicts = [(call, judge(call, live.list_status(call.medium, call.id), force=force)) for call in calls]
    return Plan(tuple(replace(call, fields=verdict.fields) for call, verdict in verdicts if verdict.state == "send"))


def remaining(calls: Iterable[PlannedWrite], live: Snapshot) -> Plan:
    """Return what `calls` were to write and `live` does not show."""
    live = live.plain
    missing: list[PlannedWrite] = []
    for call in calls:
        now = live.list_status(call.medium, call.id)
        if call.op == "remove":
            if now is not None:
                missing.append(replace(call, expect=now))
        elif now is None:
            missing.append(replace(call, op="add", expect=None))
        elif fields := _unlike(call, now):
            missing.append(replace(call, op="update", fields=fields, expect=now))
    return Plan(tuple(missing))


def foreseen(calls: Iterable[PlannedWrite], live: Snapshot, *, force: bool) -> tuple[list[PlannedWrite], list[Left]]:
    """Split `calls` into those that would be sent and those that would be skipped, with the reason."""
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
    """Split `calls` into those that may still be sent and those that MAL carried out with other values.

    Each is paired with whether it was sent before. Whether MAL carried that out is unknown.
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
    """Return `calls`, with their dates rounded if the request says so."""
    if not request.round_dates:
        return list(calls)
    return [part for call in calls for part in sendable(call, round_dates=True)[0]]


def why_kept(kept: Mapping[str, tuple[Json, Json]]) -> str:
    """Return the reason for a write that MAL stored with other values. `kept`: by field, the wanted and the stored value."""
    return "; ".join(f"{name}: wanted {wanted!r}, MAL keeps {got!r}" for name, (wanted, got) in kept.items())
