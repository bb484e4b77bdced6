"""How every writing command goes: read the live lists, plan, show, ask, write, read again, say what came of it."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import click

from malsync.cli.app import App, local_time
from malsync.cli.interruption import Interruption
from malsync.cli.telling import progress, report, show
from malsync.errors import AuthError, MirrorError, Refused, UsageError
from malsync.snapshot import Snapshot, User

if TYPE_CHECKING:
    from malsync.api import Client
    from malsync.intent import Intent, Kind
    from malsync.interchange.plan_file import PlanFile
    from malsync.mirror import Line, Mirror, Run
    from malsync.plan import Call, Left, Plan
    from malsync.refs import Chosen
    from malsync.restore import Planner, Surroundings


@dataclass(frozen=True)
class Flags:
    """What every writing command takes."""

    dry_run: bool
    yes: bool
    max_deletes: int | None
    force: bool
    round_dates: bool
    plan_file: str | None
    rehearse: bool

    @property
    def writes(self) -> bool:
        """Whether anything is to be sent but GET."""
        return not (self.dry_run or self.plan_file or self.rehearse)

    def intent(self, kind: "Kind", **more: Any) -> "Intent":
        """What the command was asked for, these flags with it."""
        from malsync.intent import Intent

        return Intent(kind, force=self.force, round_dates=self.round_dates, max_deletes=self.max_deletes, **more)


class Job:
    """One writing command: who is signed in, the lists that it was given, and the mirror, open for reading."""

    mirror: "Mirror"
    client: "Client"
    user: User
    account: str

    def __init__(self, app: App, flags: Flags) -> None:
        self.app = app
        self.flags = flags
        self.lists: dict[str, Chosen] = {}
        self.interruption = Interruption(app.world.clock)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._open()
        return self

    def _open(self) -> None:
        self.mirror = self._stack.enter_context(self.app.mirror())

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def choose(self, role: str, reference: str) -> "Chosen":
        """The list that `reference` names, kept for planning."""
        self.lists[role] = self.app.choose(reference, self.mirror)
        return self.lists[role]

    def sign_in(self, account: str | None) -> None:
        """As `account`, or as the one that is meant when that is None.

        Raises AuthError where it is not signed in, or its token is another user's.
        """
        from malsync.accounts import check
        from malsync.auth import FixedToken

        credentials = self.app.credentials(account)
        self.client = self.app.client(credentials, self.interruption.clock)
        self.user = self.client.me()
        if account is None:
            self.account = self.app.account_for(self.user)
            return
        bound = self.app.accounts.user(account)
        check(account, bound, self.user)
        if bound is None and isinstance(credentials, FixedToken) and self.app.account_for(self.user) != account:
            raise AuthError(
                f"The account {account!r} is not signed in. Nothing was sent.",
                f"Sign in to it: malsync --account {account} login",
            )
        self.account = account

    def sign_in_as(self, run: "Run") -> None:
        """As the MAL user whose lists `run` wrote."""
        account = self.app.named_account or run.account
        self.sign_in(None if account == self.app.account else account)
        if self.user.key != run.user.key:
            raise AuthError(
                f"Run {run.number} wrote the lists of {run.user.name} ({run.user.origin}), and you are signed in as "
                f"{self.user.name} ({self.user.origin}). Nothing was sent.",
                f"Sign in to that account: malsync --account {run.account} login",
            )

    def read(self) -> Snapshot:
        """Both live lists, read now."""
        from malsync.reading import read_snapshot

        with self.app.output.reading() as progress:
            return read_snapshot(self.client, self.user, "backup", self.app.world.clock, progress)

    @contextmanager
    def writing(self, told: Callable[["Line", int], object], *, force: bool) -> "Iterator[Surroundings]":
        """The right to write here, and what a run needs; then the mirror is open for reading again."""
        from malsync.interchange.shelf import Latest
        from malsync.restore import Surroundings

        self._stack.close()
        with self.app.at_work(None), self.interruption, self.app.mirror(write=True) as mirror:
            self.app.bind(self.account, self.user)
            yield Surroundings(
                self.client,
                mirror,
                Latest(self.app.home / "latest"),
                self.app.world.clock,
                self.read,
                told,
                self.interruption.shield,
                force,
                self.flags.round_dates,
            )
        self._open()


@dataclass(frozen=True)
class Task:
    """A plan beside the live lists that it was made from, and how to plan again beside later ones."""

    intent: "Intent"
    plan: "Plan"
    live: Snapshot
    planner: "Planner"
    lists: Mapping[str, Any]
    undoes: int | None = None

    def head(self) -> dict[str, Any]:
        """What the journal keeps of this, so that another process can go on with it."""
        from malsync.intent import left_document

        return {
            "intent": self.intent.document(),
            "lists": dict(self.lists),
            "live": _described("live", None, self.live),
            "left": [left_document(left) for left in self.plan.left],
        }


# -- what each command does


def carry(job: Job, intent: "Intent") -> int:
    """Plan by the lists that were chosen, then all the rest."""
    live = job.read()
    chosen = {role: job.lists[role].snapshot for role in intent.needs}
    _check_ids(intent, [*chosen.values(), live])
    described = {role: _described(one.reference, one.number, one.snapshot) for role, one in job.lists.items()}

    def planner(now: Snapshot) -> "Plan":
        return intent.plan(chosen, now)

    return _go(job, Task(intent, planner(live), live, planner, described), lambda: _guard_wanted(job, intent, live))


def carry_plan(job: Job, intent: "Intent", file: "PlanFile") -> int:
    """Carry out the plan that was read from a file. What is to be skipped is told before anything is sent."""
    live = job.read()
    calls, left = _rounded(file.plan.calls, intent), file.plan.left
    lists = {"wanted": file.wanted, "planned beside": file.live}
    task = Task(intent, _plan_of(calls, left), live, _what_remains(calls, left), lists)
    if job.flags.writes:
        return _go(job, task, lambda: None, ask=False)
    sent, skipped = _foreseen(calls, live, force=intent.force)
    return _go(job, replace(task, plan=_plan_of(sent, [*skipped, *left])), lambda: None)


def go_on(job: Job, run: "Run") -> int:
    """Finish an interrupted run."""
    from malsync.restore import carry_out, fresh

    flags, intent = job.flags, _intent_of(run)
    intent = replace(intent, force=intent.force or flags.force, round_dates=intent.round_dates or flags.round_dates)
    planner = _planner_again(job, run, intent)
    calls = [line.call for line in job.mirror.journal.lines(run.number) if line.state in ("planned", "sent")]
    live = job.read()
    sent, left = _foreseen(calls, live, force=intent.force)
    task = Task(intent, _plan_of(sent, left), live, planner, {})
    job.app.output.note(
        f"Run {run.number} ({run.kind}, begun {local_time(run.started_at)}): {len(calls)} writes have no outcome yet."
    )
    if flags.dry_run:
        return _go(job, task, lambda: None)
    show(job, task.plan)
    total = len(job.mirror.journal.lines(run.number))
    with progress(job, total) as told, job.writing(told, force=intent.force) as around:
        if around.mirror.journal.run(run.number).state != "unfinished":
            raise UsageError(f"Another malsync has ended run {run.number}.", "Look at it: malsync runs")
        result = carry_out(around, run, fresh(around, live), planner)
        plan = _plan_of([line.call for line in around.mirror.journal.lines(run.number)], result.left)
    return report(job, plan, result)


def take_back(job: Job, run: "Run") -> int:
    """Take back what a run wrote: by the lists before and after it, and no more than it wrote."""
    from malsync.restore import keep

    live = job.read()
    after = run.after if _is_complete(job, run) else None
    if after is None and run.state != "finished" and job.flags.writes:
        # An interrupted run: nobody has read since what it left.
        with job.writing(lambda _line, _number: None, force=False) as around:
            after = keep(around.mirror, around.shelf, live, "after-run").number
            around.mirror.journal.set_after(run.number, after)
    good = _stored(job, run, run.before)
    bad = live if after is None and run.state != "finished" else _stored(job, run, after)
    written = _written(job, run)
    flags = job.flags
    intent = flags.intent("undo")

    def planner(now: Snapshot) -> "Plan":
        return intent.plan({"good": good, "bad": bad}, now, written)

    lists = {
        "good": _described(f"before run {run.number}", run.before, good),
        "bad": _described(f"after run {run.number}", after, bad),
    }
    task = Task(intent, planner(live), live, planner, lists, run.number)
    code = _go(job, task, lambda: None)
    if flags.writes and not task.plan.calls and run.state == "unfinished":
        with job.app.at_work(None), job.app.mirror(write=True) as mirror:
            mirror.journal.ended(run.number, "undone", now=job.app.world.clock.now())
    return code


# -- the way that all of them go


def _go(job: Job, task: Task, guard: Callable[[], object], *, ask: bool = True) -> int:
    """Show, guard, and then whatever the flags say: write the plan down, rehearse it, or carry it out."""
    flags = job.flags
    if flags.writes and task.plan.calls:
        job.mirror.journal.refuse_unfinished(job.user, task.undoes)
    show(job, task.plan)
    _guarded(job, task, guard)
    file = _write_plan(job, task) if flags.plan_file else None
    if flags.rehearse:
        from malsync.cli.rehearsal import rehearse

        rehearsed = rehearse(job, task)
        return report(job, task.plan, rehearsed.result, rehearsal=rehearsed.requests, file=file)
    if not flags.writes:
        return report(job, task.plan, None, file=file)
    if not task.plan.calls:
        return report(job, task.plan, None)
    if ask and not flags.yes:
        _ask(job, task.plan)
    return _write(job, task)


def _write(job: Job, task: Task) -> int:
    from malsync.restore import begin, carry_out

    with (
        progress(job, len(task.plan.calls)) as told,
        job.writing(told, force=task.intent.force) as around,
    ):
        run, live = begin(
            around,
            task.plan,
            task.live,
            account=job.account,
            kind=task.intent.kind,
            head=task.head(),
            undoes=task.undoes,
        )
        result = carry_out(around, run, live, task.planner)
    return report(job, task.plan, result)


def _guarded(job: Job, task: Task, guard: Callable[[], object]) -> None:
    """Raise what the guards raise; where nothing would be sent anyway, say it."""
    from malsync.plan import guard_deletes

    try:
        guard()
        guard_deletes(task.plan, task.live, task.intent.max_deletes)
    except Refused as refusal:
        if job.flags.writes:
            raise
        job.app.output.warn(f"This would be refused: {refusal.message}")
        job.app.output.warn(refusal.hint)


def _guard_wanted(job: Job, intent: "Intent", live: Snapshot) -> None:
    from malsync.medium import MEDIA
    from malsync.plan import guard_wanted

    if "wanted" not in intent.needs:
        return
    wanted = job.lists["wanted"]
    guard_wanted(
        wanted.snapshot,
        live,
        intent.mode,
        media=[name for name in MEDIA if intent.filters.only in (None, name)],
        name=wanted.reference,
        migrating=intent.kind == "migrate",
        force=intent.force,
    )


def _ask(job: Job, plan: "Plan") -> None:
    from malsync.render import plan_summary, visible

    question = f"Write to the lists of {visible(job.user.name)}: {plan_summary(plan)}?"
    if not sys.stdin.isatty():
        raise UsageError(
            f"Nobody is here to answer: {question} Nothing was sent.",
            "Look at the plan with --dry-run, then say --yes; or --plan FILE and malsync apply FILE.",
        )
    if not click.confirm(question, err=True):
        raise Refused("You said no. Nothing was sent.", "To look at it again: --dry-run")


def _write_plan(job: Job, task: Task) -> str:
    from malsync.interchange import plan_file

    path = job.app.target(str(job.flags.plan_file))
    roles = {role: _timeless(described) for role, described in task.lists.items()}
    wanted = roles.pop("wanted", None) or roles
    live = _timeless(_described("live", None, task.live))
    plan_file.write(path, plan_file.PlanFile(job.account, job.user, task.intent.name, wanted, live, task.plan))
    job.app.output.say(f"Wrote the plan to {path}. To carry it out: malsync apply {path}", colour="green")
    return str(path)


def _timeless(described: Mapping[str, Any]) -> dict[str, Any]:
    """Without the moment at which a live list was read: the same lists give the same file, byte for byte."""
    from malsync.refs import parse

    is_live = parse(described["reference"]).is_live
    return {name: item for name, item in described.items() if name != "taken_at" or not is_live}


# -- planning again


def _what_remains(calls: "Sequence[Call]", left: "Sequence[Left]") -> "Planner":
    from malsync.plan import remaining

    return lambda now: replace(remaining(calls, now), left=tuple(left))


def _planner_again(job: Job, run: "Run", intent: "Intent") -> "Planner":
    """How `run` was planned. Where its lists are gone, what is left of its calls says what remains."""
    from malsync.intent import left_of

    lines = job.mirror.journal.lines(run.number)
    lists = {role: _found_again(job, run.head["lists"].get(role, {})) for role in intent.needs}
    known = {role: found for role, found in lists.items() if found is not None}
    if intent.kind == "apply" or len(known) < len(lists):
        calls = _rounded([line.call for line in lines], intent)
        return _what_remains(calls, [left_of(item) for item in run.head["left"]])
    written = None if run.undoes is None else _written(job, job.mirror.journal.run(run.undoes))
    return lambda now: intent.plan(known, now, written)


def _rounded(calls: "Sequence[Call]", intent: "Intent") -> "list[Call]":
    """`calls` as they are, or with their dates rounded where that is wanted."""
    from malsync.plan import sendable

    return (
        [part for call in calls for part in sendable(call, round_dates=True)[0]] if intent.round_dates else list(calls)
    )


def _found_again(job: Job, described: dict[str, Any]) -> Snapshot | None:
    """The list that the journal describes, if it is still what it was."""
    from malsync.refs import is_path

    try:
        if described.get("snapshot") is not None:
            found = job.mirror.load(described["snapshot"])
        elif is_path(str(described.get("reference"))):
            found = job.app.choose(described["reference"], job.mirror).snapshot
        else:
            return None
    except (KeyError, UsageError):
        return None
    return found if found.digest == described.get("digest") else None


def _intent_of(run: "Run") -> "Intent":
    from malsync.intent import Intent

    try:
        return Intent.of(run.head["intent"])
    except (KeyError, TypeError, ValueError) as error:
        raise MirrorError(
            f"What run {run.number} was asked for cannot be read.",
            f"Give it up (malsync runs --abandon {run.number}) and restore again.",
        ) from error


def _written(job: Job, run: "Run") -> "dict[tuple[str, int], Call]":
    """What a run sent: whether it arrived, its two snapshots say."""
    return {line.call.key: line.call for line in job.mirror.journal.lines(run.number) if line.sent_at is not None}


def _is_complete(job: Job, run: "Run") -> bool:
    """Whether the snapshot after `run` holds all that it wrote: one that was to be taken back may have been gone on with."""
    if run.state == "finished" or run.after is None:
        return True
    taken_at = _stored(job, run, run.after).taken_at
    return all(line.sent_at is None or line.sent_at < taken_at for line in job.mirror.journal.lines(run.number))


def _stored(job: Job, run: "Run", number: int | None) -> Snapshot:
    try:
        if number is not None:
            return job.mirror.load(number)
    except KeyError:
        pass
    raise UsageError(
        f"Run {run.number} cannot be undone: the snapshots around it are gone.",
        "Restore an older list instead: malsync snapshots",
    )


def _foreseen(calls: "Sequence[Call]", live: Snapshot, *, force: bool) -> "tuple[list[Call], list[Left]]":
    """Which of `calls` would go out now, and which would be skipped."""
    from malsync.plan import Left, judge

    sent: list[Call] = []
    left: list[Left] = []
    for call in calls:
        entry = live.entries(call.medium).get(call.id)
        verdict = judge(call, None if entry is None else entry.list_status, force=force)
        if verdict.state == "send":
            sent.append(replace(call, fields=verdict.fields))
        elif verdict.state == "skipped":
            fields = {name: {"from": pair[0], "to": pair[1]} for name, pair in call.fields.items()}
            left.append(Left(call.medium, call.id, call.title, verdict.why, fields))
    return sent, left


def _plan_of(calls: "Sequence[Call]", left: "Sequence[Left]") -> "Plan":
    from malsync.plan import Plan

    return Plan(tuple(calls), tuple(left))


def _check_ids(intent: "Intent", lists: list[Snapshot]) -> None:
    from malsync.medium import MEDIA

    for name, id in sorted(intent.filters.ids):
        if not any(id in one.entries(MEDIA[name]) for one in lists):
            raise UsageError(
                f"{name} {id} is on none of these lists.", "The id is in the title's address on MAL: anime:5114"
            )


def _described(reference: str, number: int | None, snapshot: Snapshot) -> dict[str, Any]:
    from malsync.render import list_document

    return list_document(reference, number, snapshot)
