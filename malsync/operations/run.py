"""Carrying out a plan, write by write, so that a run can be cut off at any moment and finished, or taken back, later.

Each write is in the journal as `sent`, on disk, before it leaves; what MAL answers is compared with what was wanted; what
others did meanwhile is not overwritten; and at the end both lists are read again, for an answer is no proof.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from malsync.clock import Clock
from malsync.errors import (
    ApiError,
    AuthError,
    Interrupted,
    MalsyncError,
    MirrorError,
    NotFound,
    Refused,
    Rejected,
    RetryAfterTooLong,
    UsageError,
)
from malsync.model.snapshot import Snapshot, Source
from malsync.model.timestamps import is_future
from malsync.operations.backup import Shelf, suspicion_reasons, with_encodings
from malsync.operations.reconcile import reconcile
from malsync.operations.write_entry import Stale, WriteAttempt, is_gone
from malsync.planning.guards import guard_deletes
from malsync.planning.journal_entry import OUTCOMES
from malsync.planning.known_titles import Known, by_key
from malsync.planning.preconditions import judge, to_send, why_kept
from malsync.planning.request import RequestKind
from malsync.planning.restore_plan import Left, Plan, PlannedWrite, sendable

if TYPE_CHECKING:
    from malsync.mal.client import Client
    from malsync.mirror import Journal, JournalEntry, Mirror, Run, SnapshotInfo
    from malsync.operations.restore import PreparedRun

DEAD_CALLS = 3
"""After this many writes in a row that fail after all their tries, the API is taken to be down."""
STALE = timedelta(minutes=5)
"""A reading older than this is no ground to write on."""
READINGS_PER_WRITE = 3
"""The run stops after this many readings in a row that are too old by the time a write could be sent."""
Planner = Callable[[Snapshot], Plan]
"""What is still to be done, beside a reading of the live lists."""


Progress = Callable[["JournalEntry", int], object]
"""Called after each write with its entry of the journal, and how many are settled by then."""


def ignore_progress(entry: "JournalEntry", number: int) -> None:
    """Default progress callback: do nothing."""


@dataclass(frozen=True)
class RunContext:
    """What a run needs besides its plan.

    `read` reads both live lists. `on_write` is called after each write. `uninterruptible` is entered around each write, so
    that Ctrl-C can be held off until it has ended.
    """

    client: "Client"
    mirror: "Mirror"
    shelf: Shelf
    clock: Clock
    read: Callable[[], Snapshot]
    on_write: Progress = ignore_progress
    uninterruptible: Callable[[], AbstractContextManager[object]] = nullcontext
    force: bool = False
    round_dates: bool = False
    max_deletes: int | None = None

    def guard(self, calls: Iterable[PlannedWrite], live: Snapshot, result: str = "Nothing was sent.") -> None:
        """Raise Refused where carrying out `calls` beside `live` would delete more than was allowed."""
        sent = to_send(map(self.rounded, calls), live, force=self.force)
        guard_deletes(sent, live, self.max_deletes, result)

    def read_live(self) -> Snapshot:
        """Both live lists, judged with what malsync wrote into them before."""
        return with_encodings(self.mirror, self.read())

    def rounded(self, call: PlannedWrite) -> PlannedWrite:
        """Return the write with its dates rounded if that was first asked for when the run was resumed."""
        rounded = sendable(call, round_dates=True)[0] if self.round_dates else []
        return rounded[0] if rounded else call


_NO_WRITES = Plan(())


@dataclass(frozen=True)
class Result:
    """The outcome of a run. `left` is what the last reading of the lists, stored as snapshot `after`, does not show.

    `plan` is what it was to write. Without anything to write there is no run: `run`, `before` and `after` are None.
    """

    run: int | None
    outcomes: dict[str, int]
    left: tuple[Left, ...]
    before: int | None
    after: int | None
    remarks: tuple[str, ...]
    suspicion: tuple[str, ...] = ()
    """Reasons why the lists after the run look suspicious beside the last good ones."""
    plan: Plan = _NO_WRITES

    @property
    def equal(self) -> bool:
        """Whether the lists match the plan, within its filters."""
        return not self.left


def execute(
    prepared: "PreparedRun",
    on_write: Progress | None = None,
    uninterruptible: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Result:
    """See `PreparedRun.execute`."""
    account, request = prepared.account, prepared.request
    if prepared.refusals:
        raise prepared.refusals[0]
    if (
        not prepared.plan.calls
        and prepared.resumes is None
        and (prepared.undoes is None or not prepared.undoes.is_open)
    ):
        return Result(None, _outcomes(prepared.plan), prepared.plan.left, None, None, (), plan=prepared.plan)
    home = account.home
    with home.locked(None), home.mirror(write=True) as mirror:
        home.bind(account.name, account.user)
        context = RunContext(
            account.client,
            mirror,
            home.latest_copies,
            home.world.clock,
            account.read,
            on_write or ignore_progress,
            uninterruptible,
            request.force,
            request.round_dates,
            request.max_deletes,
        )
        if prepared.resumes is not None:
            return _resume(context, prepared, prepared.resumes)
        if prepared.undoes is not None:
            _check_undone(mirror, prepared, prepared.undoes)
            _keep_after(context, prepared, prepared.undoes)
            if not prepared.plan.calls:
                mirror.journal.ended(prepared.undoes.number, "undone", now=home.world.clock.now())
                return Result(None, _outcomes(prepared.plan), prepared.plan.left, None, None, (), plan=prepared.plan)
        run, live = begin(
            context,
            prepared.plan,
            prepared.live,
            account=account.name,
            kind=request.kind,
            head=prepared.head(),
            undoes=prepared.undoes_number,
        )
        return replace(carry_out(context, run, live, prepared.planner), plan=prepared.plan)


def _outcomes(plan: Plan) -> dict[str, int]:
    return {**dict.fromkeys(OUTCOMES, 0), "already": plan.already}


def _resume(context: RunContext, prepared: "PreparedRun", run: "Run") -> Result:
    journal = context.mirror.journal
    if not journal.run(run.number).is_open:
        raise UsageError(f"Another malsync has ended run {run.number}.", advice="look at the runs")
    live = refresh_if_stale(context, prepared.live)
    context.guard(prepared.open_calls, live)
    result = carry_out(context, run, live, prepared.planner)
    calls = tuple(entry.call for entry in journal.lines(run.number))
    return replace(result, plan=Plan(calls, tuple(result.left)))


def _check_undone(mirror: "Mirror", prepared: "PreparedRun", run: "Run") -> None:
    """Raise UsageError where the run that is to be undone has gone on since that was planned."""
    if mirror.journal.run(run.number).state != run.state or tuple(mirror.journal.lines(run.number)) != prepared.undone:
        raise UsageError(
            f"Another malsync has gone on with run {run.number} meanwhile. Nothing was sent.",
            advice="undo again",
            run=run.number,
        )


def _keep_after(context: RunContext, prepared: "PreparedRun", run: "Run") -> None:
    """Store the lists as they are after an unfinished run that is to be undone: no last reading of it was stored."""
    if run.state != "finished":
        after = store_reading(context.mirror, context.shelf, prepared.live, "after-run").number
        context.mirror.journal.set_after(run.number, after)


def store_reading(mirror: "Mirror", shelf: Shelf, live: Snapshot, source: Source) -> "SnapshotInfo":
    """Store a reading of the live lists context a run.

    It is checked like any backup: an emptied list must not become `good` by being read.
    """
    snapshot = replace(with_encodings(mirror, live).with_source(source), suspicious=())
    return mirror.add(replace(snapshot, suspicious=tuple(suspicion_reasons(mirror, shelf, snapshot))))


def begin(
    context: RunContext,
    plan: Plan,
    live: Snapshot,
    *,
    account: str,
    kind: RequestKind,
    head: dict[str, Any],
    undoes: int | None = None,
) -> "tuple[Run, Snapshot]":
    """Store the live lists, then the plan: from here on the run can be resumed and undone. Returns it and that reading.

    Raises Refused when the user has an unfinished run, and where the lists have changed so that too much would be deleted.
    """
    live = refresh_if_stale(context, live)
    context.guard(plan.calls, live)
    before = store_reading(context.mirror, context.shelf, live, "before-run").number
    now = context.clock.now()
    journal = context.mirror.journal
    try:
        run = journal.begin(live.user, account, kind, head, plan.calls, before=before, now=now, undoes=undoes)
    except KeyboardInterrupt as stop:
        begun = journal.unfinished(live.user)
        if begun is None or begun.number == undoes:
            raise
        raise _broken_off(Interrupted("Interrupted"), journal, begun) from stop
    return run, live


def refresh_if_stale(context: RunContext, live: Snapshot) -> Snapshot:
    """Return `live`, or read the lists again if that is too old or another malsync process has read them since."""
    latest = live.taken_at + STALE
    newer = any(
        info.taken_at > live.taken_at and not is_future(info.taken_at, latest)
        for info in context.mirror.infos(live.user)
    )
    return context.read_live().judged_like(live) if newer or is_stale(live, context.clock) else live


def is_stale(live: Snapshot, clock: Clock) -> bool:
    """Whether a reading is too old to write on; or, by this clock, from a time that is yet to come.

    By the wall clock: others stand still while a machine is suspended.
    """
    return not timedelta(0) <= age_of(live, clock) <= STALE


def age_of(live: Snapshot, clock: Clock) -> timedelta:
    """How long ago a reading began, by this machine's time of day; negative where that was set back since."""
    return clock.now() - (live.read_at or live.taken_at)


def carry_out(context: RunContext, run: "Run", live: Snapshot, planner: Planner) -> Result:
    """Send what the journal has of `run` as planned or sent; then read both lists again, store and compare them.

    `live` is a reading to begin with. Raises Interrupted, ApiError or AuthError where the run could not be ended, its
    journal in order: it can be resumed.
    """
    writer, journal = _RunWriter(context, run, live), context.mirror.journal
    try:
        final = writer.work_and_read()
        after = store_reading(context.mirror, context.shelf, final, "after-run")
        left = reconcile(journal, run, planner(final), final, rounded=context.rounded, now=context.clock.now())
        journal.ended(run.number, "finished", now=context.clock.now(), after=after.number)
    except KeyboardInterrupt as stop:
        raise _broken_off(Interrupted("Interrupted"), journal, run) from stop
    except MalsyncError as error:
        if not isinstance(error, AuthError | MirrorError | Refused):
            error.hint = error.advice = ""
        raise _broken_off(error, journal, run) from error.__cause__
    outcomes = context.mirror.journal.outcomes(run.number)
    return Result(run.number, outcomes, left, run.before, after.number, tuple(writer.remarks), after.suspicious)


def _broken_off(error: MalsyncError, journal: "Journal", run: "Run") -> MalsyncError:
    """`error` with how far the run came, and whether it can be resumed."""
    entries = journal.lines(run.number)
    settled = sum(not entry.is_open for entry in entries)
    error.message = f"{error.message.rstrip('.')}. Run {run.number}: {settled} of {len(entries)} writes are settled."
    error.args = (error.message,)
    error.then = "resume the run" if journal.run(run.number).is_open else "look at the ended run"
    error.facts["run"] = run.number
    return error


def _never_fresh(call: PlannedWrite) -> RetryAfterTooLong:
    return RetryAfterTooLong(
        f"{call.medium.name} {call.id} {call.title}: the lists were read {READINGS_PER_WRITE} times, and each reading was too "
        "old before the write could be sent.",
        "Check this machine's clock and the network.",
    )


class _RunWriter:
    """One run's writes, in order."""

    def __init__(self, context: RunContext, run: "Run", live: Snapshot) -> None:
        self.remarks: list[str] = []
        self._context = context
        self._client = context.client
        self._journal = context.mirror.journal
        self._number = run.number
        self._live = live
        self._dead: list[JournalEntry] = []
        self._begun: WriteAttempt | None = None
        """What of the line in hand was sent and answered, and is not all of it."""

    def work_and_read(self) -> Snapshot:
        """Send the open writes, then read both lists. Whatever ends the run earlier is raised; the writes that failed last are
        open again then, since it is unknown whether MAL carried them out."""
        try:
            self._send_all()
            return self._context.read_live().judged_like(self._live)
        except BaseException:
            for dead in self._dead:
                self._settled(dead, "sent", tries=0, why=dead.why)
            raise

    def _send_all(self) -> None:
        lines = self._journal.lines(self._number)
        open_lines = [line for line in lines if line.is_open]
        for settled, line in enumerate(open_lines, start=len(lines) - len(open_lines) + 1):
            self._carry_out(line, settled)

    def _carry_out(self, line: "JournalEntry", settled: int) -> None:
        """Settle one line, however often it moves while its write waits."""
        self._begun = None
        for _ in range(READINGS_PER_WRITE):
            self._make_fresh(line)
            with self._context.uninterruptible(), suppress(Stale):
                self._context.on_write(self._one(line), settled)
                return
        raise _never_fresh(line.call)

    def _make_fresh(self, line: "JournalEntry", attempt: WriteAttempt | None = None) -> None:
        """Read the lists again if the last reading is too old to write `line` on. Raises Later where every reading is.

        Raises Stale if its entry is not as `attempt` goes by.
        """
        for readings in range(READINGS_PER_WRITE + 1):
            age = age_of(self._live, self._context.clock)
            # Of a reading made just now, a negative age says that the clock was set back meanwhile: it is as new as can be.
            if timedelta(0) <= age <= STALE or (readings and age < timedelta(0)):
                return
            if readings == READINGS_PER_WRITE:
                break
            self._live = self._context.read_live().judged_like(self._live)
            rest = [one.call for one in self._journal.lines(self._number) if one.is_open]
            self._context.guard(rest, self._live, "The rest was not sent.")
            if attempt is not None and attempt.moved(self._live.plain.list_status(line.call.medium, line.call.id)):
                raise Stale
        raise _never_fresh(line.call)

    def _one(self, line: "JournalEntry") -> "JournalEntry":
        """Judge one line by the last reading, and write it. Raises Stale where a later reading shows that it has moved."""
        now = self._live.plain.list_status(line.call.medium, line.call.id)
        if self._begun is not None:
            attempt = self._begun
            moved = attempt.moved(now)
            if moved and not self._context.force:
                return self._settled(line, "skipped", tries=0, http=200, answer=attempt.answer, why=moved)
        else:
            call = self._context.rounded(line.call)
            verdict = judge(call, now, force=self._context.force)
            if verdict.state == "skipped" and line.state == "sent" and (kept := self._known(call).kept(call, now)):
                # It arrived before the run was interrupted, and is no edit of somebody else's.
                return self._settled(line, "not_restorable", tries=0, why=why_kept(kept))
            if verdict.state != "send":
                return self._settled(line, verdict.state, tries=0, why=verdict.why)
            attempt = WriteAttempt(self._client, line.call, verdict.fields, self._live)
            attempt.before = partial(self._make_fresh, line, attempt)
        self._journal.sent(self._number, line.seq, now=self._context.clock.now())
        try:
            settled = self._written(line, attempt)
        except (RetryAfterTooLong, AuthError):
            raise
        except ApiError as error:
            settled = self._failed(line, error, attempt)
        else:
            self._dead.clear()
        return settled

    def _known(self, call: PlannedWrite) -> Known:
        return Known(totals=by_key(self._context.mirror.catalogue.totals, [call.key]))

    def _written(self, line: "JournalEntry", attempt: WriteAttempt) -> "JournalEntry":
        try:
            attempt.send()
        except (Stale, Refused, RetryAfterTooLong) as error:
            if isinstance(error, Stale) or not attempt.tries:
                self._put_back(line, attempt)
            raise
        except (NotFound, Rejected) as error:
            state = "not_restorable" if is_gone(error) else "failed"
            why = "MAL has no such title now" if is_gone(error) else error.message
            self._dead.clear()
            # Where MAL took a part of it first, that stands.
            return self._settled(line, state, tries=attempt.tries, http=error.status, answer=attempt.answer, why=why)
        if attempt.meanwhile:
            self.remarks.append(f"{line.call.medium.name} {line.call.id} {line.call.title}: {attempt.meanwhile}")
        state = "not_restorable" if attempt.why else "done"
        why = attempt.why or attempt.meanwhile
        return self._settled(line, state, tries=attempt.tries, http=200, answer=attempt.answer, why=why)

    def _put_back(self, line: "JournalEntry", attempt: WriteAttempt) -> None:
        """Reopen a write whose entry changed while it waited. What was sent stays in the journal: MAL may have carried it out."""
        self._begun = attempt if attempt.answer is not None else None
        if attempt.tries or line.sent_at is not None:
            http = None if attempt.answer is None else 200
            self._settled(line, "sent", tries=attempt.tries, http=http, answer=attempt.answer, why="")
        else:
            self._journal.unsent(self._number, line.seq)

    def _failed(self, line: "JournalEntry", error: ApiError, attempt: WriteAttempt) -> "JournalEntry":
        """Record a write that failed after all its tries. Only the last reading shows whether MAL carried it out."""
        settled = self._settled(
            line, "failed", tries=attempt.tries, http=error.status, answer=attempt.answer, why=error.message
        )
        self._dead.append(settled)
        if len(self._dead) == DEAD_CALLS:
            raise error
        return settled

    def _settled(self, line: "JournalEntry", state: Any, *, tries: int, why: str, **answer: Any) -> "JournalEntry":
        now = self._context.clock.now()
        self._journal.answered(self._number, line.seq, state, now=now, tries=tries, why=why, **answer)
        return replace(line, state=state, why=why)
