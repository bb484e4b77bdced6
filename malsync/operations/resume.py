"""Runs that were begun before: planning what is left of one, and what undoes one, from the journal."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from malsync.errors import MirrorError, UsageError
from malsync.model.snapshot import Snapshot
from malsync.operations.account import Account
from malsync.operations.references import list_document
from malsync.operations.restore import Planner, PreparedRun, find_again, remaining_planner, with_guards
from malsync.planning.preconditions import foreseen, rounded, unanswered
from malsync.planning.request import WriteRequest, left_of
from malsync.planning.restore_plan import Plan
from malsync.planning.undo_plan import RunTrace

if TYPE_CHECKING:
    from malsync.mirror import Mirror, Run
    from malsync.operations.home import Home

WHAT_A_RUN_IS = "A run is what restoring, reverting, migrating, applying a plan and undoing make."


def named_run(home: "Home", mirror: "Mirror", number: int | None) -> "Run":
    """The run of that number; None: the newest of the account that `home` was opened for, or of all. Raises UsageError."""
    if number is not None:
        try:
            return mirror.journal.run(number)
        except KeyError as error:
            raise UsageError(f"There is no run {number}.", advice="list runs") from error
    runs = mirror.journal.runs(home.named_user(mirror))
    if not runs:
        raise UsageError("There is no run yet.", WHAT_A_RUN_IS)
    return runs[-1]


def unfinished_run(home: "Home", mirror: "Mirror", number: int | None) -> "Run":
    """The unfinished run of that number; None: the only one. Raises UsageError."""
    if number is not None:
        run = named_run(home, mirror, number)
        if not run.is_open:
            raise UsageError(f"Run {number} is {run.state}: there is nothing to resume.", advice="list runs")
        return run
    runs = [run for run in mirror.journal.runs(home.named_user(mirror)) if run.is_open]
    if len(runs) == 1:
        return runs[0]
    if not runs:
        raise UsageError("There is no unfinished run: nothing to resume.", advice="list runs")
    raise UsageError(
        f"Several runs are unfinished: {', '.join(f'{run.number} ({run.account})' for run in runs)}.",
        advice="name the run",
    )


def prepare_resume(account: Account, mirror: "Mirror", run: "Run", flags: WriteRequest) -> PreparedRun:
    """Plan what is left of `run`. Of `flags`, force, round_dates and max_deletes add to those that the run began with.

    Raises AuthError for a run of another MAL user, MirrorError where the journal cannot be read.
    """
    account.refuse_run_of_another(run)
    request = request_of(run)
    request = replace(
        request,
        force=request.force or flags.force,
        round_dates=request.round_dates or flags.round_dates,
        max_deletes=request.max_deletes if flags.max_deletes is None else flags.max_deletes,
    )
    again, entries = _planner_of(account, mirror, run, request), mirror.journal.lines(run.number)
    live = account.live(mirror)
    known = account.known(mirror, live, {entry.call.key for entry in entries})
    calls, kept = unanswered([(entry.call, entry.state == "sent") for entry in entries if entry.is_open], live, known)
    sent, left = foreseen(calls, live, force=request.force)
    plan = known.applied(Plan(tuple(sent), (*kept, *left)))
    return with_guards(
        PreparedRun(
            account,
            request,
            plan,
            live,
            lambda now: known.applied(again(now)),
            {},
            known,
            resumes=run,
            open_calls=tuple(calls),
            entries=tuple(entries),
        )
    )


def prepare_undo(account: Account, mirror: "Mirror", run: "Run", request: WriteRequest) -> PreparedRun:
    """Plan the writes that take back what `run` wrote: by the lists around it, and by what MAL answered.

    Raises AuthError for a run of another MAL user, UsageError where the snapshots around it have been pruned.
    """
    if run.state in ("undone", "abandoned") and run.before is None:
        raise _pruned(run)
    account.refuse_run_of_another(run)
    trace = _trace_of(
        mirror, run
    )  # before the lists: a write that comes later shows in the journal, and stops the undo
    live = account.live(mirror)
    known = account.known(mirror, live, trace.sent)
    plan = known.applied(trace.undo(request, live))
    ours = frozenset(call.key for call in plan.calls)
    lists = {"good": list_document(f"before run {run.number}", run.before, trace.before)}
    if trace.after is not None:
        lists["bad"] = list_document(f"after run {run.number}", run.after, trace.after)
    return with_guards(
        PreparedRun(
            account,
            request,
            plan,
            live,
            lambda now: known.applied(trace.undo(request, now, ours)),
            lists,
            known,
            undoes=run,
            undone=trace.lines,
        )
    )


def _planner_of(account: Account, mirror: "Mirror", run: "Run", request: WriteRequest) -> Planner:
    """How `run` was planned. Where its lists are gone, what is left of its writes says what remains."""
    entries = mirror.journal.lines(run.number)
    if run.undoes is not None:
        trace = _trace_of(mirror, mirror.journal.run(run.undoes))
        ours = frozenset(entry.call.key for entry in entries)
        return lambda now: trace.undo(request, now, ours)
    described: Mapping[str, Any] = run.head["lists"]
    lists = {role: find_again(account, mirror, described.get(role, {})) for role in request.needs}
    known = {role: snapshot for role, snapshot in lists.items() if snapshot is not None}
    if request.kind == "apply" or len(known) < len(lists):
        calls = rounded([entry.call for entry in entries], request)
        return remaining_planner(Plan(tuple(calls), tuple(left_of(item) for item in run.head["left"])))
    return lambda now: request.plan(known, now)


def request_of(run: "Run") -> WriteRequest:
    """What `run` was asked for. Raises MirrorError where the journal does not say so in a way that is understood."""
    try:
        return WriteRequest.of(run.head["intent"])
    except (KeyError, TypeError, ValueError) as error:
        raise MirrorError(
            f"What run {run.number} was asked for cannot be read.", advice="abandon the run", run=run.number
        ) from error


def _trace_of(mirror: "Mirror", run: "Run") -> RunTrace:
    """What `run` left behind. Raises UsageError where the lists around it have been pruned."""
    before = _stored(mirror, run, run.before)
    after = _stored(mirror, run, run.after) if run.state == "finished" else None
    journal = mirror.journal
    later = [other.number for other in journal.runs(run.user) if other.number > run.number]
    wrote = (entry.call.key for number in later for entry in journal.lines(number) if entry.sent_at is not None)
    return RunTrace(before, after, tuple(journal.lines(run.number)), frozenset(wrote))


def _stored(mirror: "Mirror", run: "Run", number: int | None) -> Snapshot:
    try:
        if number is not None:
            return mirror.load(number)
    except KeyError:
        pass
    raise _pruned(run)


def _pruned(run: "Run") -> UsageError:
    return UsageError(
        f"Run {run.number} cannot be undone: the snapshots around it are gone.", advice="restore an older list"
    )
