"""Planning again: a run by what the journal knows of it, a plan file's calls by what the lists are now."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from malsync.cli.job import Job
from malsync.errors import MirrorError, UsageError
from malsync.model.snapshot import Snapshot

if TYPE_CHECKING:
    from malsync.mirror import JournalEntry, Run
    from malsync.operations.run import Planner
    from malsync.operations.undo import RunTrace
    from malsync.planning.known_titles import Known
    from malsync.planning.request import WriteRequest
    from malsync.planning.restore_plan import Left, Plan, PlannedWrite


def what_remains(calls: "Sequence[PlannedWrite]", left: "Sequence[Left]") -> "Planner":
    """A planner that knows these calls alone: what of them the lists do not show yet."""
    from malsync.planning.preconditions import remaining

    return lambda now: replace(remaining(calls, now), left=tuple(left))


def planner_again(job: Job, run: "Run", intent: "WriteRequest") -> "Planner":
    """How `run` was planned. Where its lists are gone, what is left of its calls says what remains."""
    from malsync.planning.request import left_of

    lines = job.mirror.journal.lines(run.number)
    if run.undoes is not None:
        trace = trace_of(job, job.mirror.journal.run(run.undoes))
        ours = frozenset(line.call.key for line in lines)
        return lambda now: trace.undo(intent, now, ours)
    lists = {role: found_again(job, run.head["lists"].get(role, {})) for role in intent.needs}
    known = {role: found for role, found in lists.items() if found is not None}
    if intent.kind == "apply" or len(known) < len(lists):
        calls = rounded([line.call for line in lines], intent)
        return what_remains(calls, [left_of(item) for item in run.head["left"]])
    return lambda now: intent.plan(known, now)


def rounded(calls: "Sequence[PlannedWrite]", intent: "WriteRequest") -> "list[PlannedWrite]":
    """`calls` as they are, or with their dates rounded where that is wanted."""
    from malsync.planning.restore_plan import sendable

    return (
        [part for call in calls for part in sendable(call, round_dates=True)[0]] if intent.round_dates else list(calls)
    )


def found_again(job: Job, described: dict[str, Any]) -> Snapshot | None:
    """The list that the journal or a plan file describes, if it is still what it was."""
    from malsync.operations.references import is_path

    try:
        if isinstance(described.get("snapshot"), int):
            found = job.mirror.load(described["snapshot"])
        elif is_path(str(described.get("reference"))):
            found = job.app.choose(described["reference"], job.mirror).snapshot
        else:
            return None
    except (KeyError, UsageError):
        return None
    return found if found.digest == described.get("digest") else None


def intent_of(run: "Run") -> "WriteRequest":
    """What `run` was asked for. Raises MirrorError where the journal does not say so in a way that is understood."""
    from malsync.planning.request import WriteRequest

    try:
        return WriteRequest.of(run.head["intent"])
    except (KeyError, TypeError, ValueError) as error:
        raise MirrorError(
            f"What run {run.number} was asked for cannot be read.",
            f"Give it up (malsync runs --abandon {run.number}) and restore again.",
        ) from error


def trace_of(job: Job, run: "Run") -> "RunTrace":
    """What `run` left behind. Raises UsageError where the lists around it have been pruned."""
    from malsync.operations.undo import RunTrace

    before = _stored(job, run, run.before)
    after = _stored(job, run, run.after) if run.state == "finished" else None
    journal = job.mirror.journal
    later = [one.number for one in journal.runs(run.user) if one.number > run.number]
    wrote = (line.call.key for number in later for line in journal.lines(number) if line.sent_at is not None)
    return RunTrace(before, after, tuple(journal.lines(run.number)), frozenset(wrote))


def _stored(job: Job, run: "Run", number: int | None) -> Snapshot:
    try:
        if number is not None:
            return job.mirror.load(number)
    except KeyError:
        pass
    raise nothing_to_undo_by(run)


def nothing_to_undo_by(run: "Run") -> UsageError:
    """The error for a run whose lists have been pruned."""
    return UsageError(
        f"Run {run.number} cannot be undone: the snapshots around it are gone.",
        "Restore an older list instead: malsync snapshots",
    )


def unanswered(
    lines: "Sequence[JournalEntry]", live: Snapshot, known: "Known"
) -> "tuple[list[PlannedWrite], list[Left]]":
    """The calls that may still go out, and what MAL did not store as it was sent of those that arrived without an answer."""
    from malsync.operations.write_entry import why_kept
    from malsync.planning.restore_plan import Left

    calls: list[PlannedWrite] = []
    left: list[Left] = []
    for call, state in ((line.call, line.state) for line in lines):
        kept = known.kept(call, live.plain.list_status(call.medium, call.id)) if state == "sent" else {}
        if kept:
            fields = {name: {"wanted": wanted, "live": is_now} for name, (wanted, is_now) in kept.items()}
            left.append(Left(call.medium, call.id, call.title, why_kept(kept), fields))
        else:
            calls.append(call)
    return calls, left


def foreseen(
    calls: "Sequence[PlannedWrite]", live: Snapshot, *, force: bool
) -> "tuple[list[PlannedWrite], list[Left]]":
    """Which of `calls` would go out now, and which would be skipped."""
    from malsync.planning.preconditions import judge
    from malsync.planning.restore_plan import Left, from_to

    sent: list[PlannedWrite] = []
    left: list[Left] = []
    for call in calls:
        verdict = judge(call, live.plain.list_status(call.medium, call.id), force=force)
        if verdict.state == "send":
            sent.append(replace(call, fields=verdict.fields))
        elif verdict.state == "skipped":
            fields = {name: from_to(pair) for name, pair in call.fields.items()}
            left.append(Left(call.medium, call.id, call.title, verdict.why, fields))
    return sent, left


def plan_of(calls: "Sequence[PlannedWrite]", left: "Sequence[Left]") -> "Plan":
    """A plan of these calls, in their order."""
    from malsync.planning.restore_plan import Plan

    return Plan(tuple(calls), tuple(left))
