"""restore, revert, migrate, apply, resume, undo, runs: the commands that write to MAL, and the list of what they did."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from malsync.cli.app import App, local_time
from malsync.cli.options import MEDIA_CHOICE, Command, pass_app
from malsync.cli.suggest import ACCOUNT, FIELD, FILE, REFERENCE, RUN
from malsync.errors import AuthError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from malsync.cli.job import Flags, Job
    from malsync.mirror import Mirror, Run
    from malsync.plan import Filters
    from malsync.refs import Chosen
    from malsync.revert import Window
    from malsync.snapshot import Snapshot, User

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_STATUSES = ("watching", "reading", "completed", "on_hold", "dropped", "plan_to_watch", "plan_to_read")
_MODES = ("merge", "exact", "missing")
_TIMES = "A time is a month, a day, a minute or a second: 2026-11, 2026-11-20, yesterday, 2026-11-20T19:00, 2026-11-20T19:00Z"
_PREFERENCES = ("source", "target", "newest", "progress")
_WRITING = (
    click.option("--dry-run", is_flag=True, help="Show the plan and stop: nothing is written."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option(
        "--max-deletes", type=click.IntRange(0), metavar="N", help="Delete N entries at most; without it, 10."
    ),
    click.option("--force", is_flag=True, help="Overwrite what others changed; take a list that looks wrong."),
    click.option("--round-dates", is_flag=True, help="Make a date without a day the first day of its month or year."),
)
_PLANNING = (
    click.option(
        "--plan", "plan_file", type=FILE, metavar="FILE", help="Write the plan to FILE, for `apply`, and stop."
    ),
    click.option("--rehearse", is_flag=True, help="Carry it out on a sandbox that holds a copy of the live lists."),
)
_FILTERS = (
    click.option("--only", type=MEDIA_CHOICE, help="One of the two lists."),
    click.option("--id", "ids", multiple=True, metavar="MEDIUM:ID", help="This title (repeatable): anime:5114."),
    click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice(_STATUSES),
        metavar="STATUS",
        help="Entries of this status, wanted or live (repeatable).",
    ),
    click.option(
        "--field", "fields", multiple=True, type=FIELD, metavar="FIELD", help="Update this field only (repeatable)."
    ),
)
_MODE = click.option(
    "--mode",
    type=click.Choice(_MODES),
    default="merge",
    show_default=True,
    help="merge adds and updates, exact deletes too what REF lacks, missing only adds.",
)


def _options(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Decorated], Decorated]:
    def decorate(function: Decorated) -> Decorated:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


def _flags(given: dict[str, Any]) -> "Flags":
    """The shared flags, taken out of what click gives."""
    from malsync.cli.job import Flags

    return Flags(
        dry_run=given.pop("dry_run"),
        yes=given.pop("yes"),
        max_deletes=given.pop("max_deletes"),
        force=given.pop("force"),
        round_dates=given.pop("round_dates"),
        plan_file=given.pop("plan_file", None),
        rehearse=given.pop("rehearse", False),
    )


def _filters(given: dict[str, Any]) -> "Filters":
    from malsync.medium import MEDIA
    from malsync.plan import Filters

    only, fields = given.pop("only"), frozenset(given.pop("fields"))
    media = [medium for name, medium in MEDIA.items() if only in (None, name)]
    known = dict.fromkeys(field.name for medium in media for field in medium.writable)
    if unknown := fields - known.keys():
        raise UsageError(f"There is no field {min(unknown)!r} that can be written.", f"There are: {', '.join(known)}")
    ids = frozenset(_key(text) for text in given.pop("ids"))
    statuses = frozenset(given.pop("statuses"))
    _check_possible(only, ids, statuses)
    return Filters(only, ids, statuses, fields)


def _check_possible(only: str | None, ids: frozenset[tuple[str, int]], statuses: frozenset[str]) -> None:
    """Raise UsageError for filters that nothing can pass: an empty plan would look like equal lists."""
    from malsync.medium import MEDIA

    if only is not None and ids and all(name != only for name, _ in ids):
        raise UsageError(
            f"--only {only} and --id {':'.join(map(str, min(ids)))} leave nothing.", "Leave out one of them."
        )
    media = [MEDIA[only]] if only is not None else [MEDIA[name] for name in sorted({name for name, _ in ids} or MEDIA)]
    if strays := sorted(statuses.difference(*(medium.statuses for medium in media))):
        raise UsageError(f"No {media[0].name} has the status {strays[0]}.", f"Theirs: {', '.join(media[0].statuses)}")


def _key(text: str) -> tuple[str, int]:
    from malsync.medium import MEDIA

    medium, _, id = text.partition(":")
    if medium not in MEDIA or not (id.isascii() and id.isdecimal()):
        raise UsageError(f"--id {text!r} names no title.", "It is anime:ID or manga:ID; the id is in MAL's address.")
    return medium, int(id)


# -- the commands that plan


@click.command(
    cls=Command,
    examples=[
        "malsync restore good --dry-run",
        "malsync restore 2026-10-31 --only anime --mode exact",
        "malsync restore latest --id anime:5114 --field comments",
        "malsync restore ./list.json.gz --rehearse",
        "malsync restore good --plan plan.json",
    ],
)
@click.argument("ref", type=REFERENCE)
@_MODE
@_options(_FILTERS, _WRITING, _PLANNING)
@pass_app
def restore(app: App, ref: str, mode: Any, **given: Any) -> int:
    """Make the live list what REF says: with as few writes as can be, after showing them and asking.

    By default what REF lacks stays on the list (--mode merge). Every run is journalled: it can be resumed and undone.
    """
    from malsync.cli.job import Job
    from malsync.cli.running import carry

    flags, filters = _flags(given), _filters(given)
    _check_mode(mode, filters)
    with Job(app, flags) as job:
        wanted = job.choose("wanted", ref)
        job.sign_in(None)
        _check_owner(job, [wanted], ref)
        _check_known(filters, wanted.snapshot)
        return carry(job, flags.intent("restore", mode=mode, filters=filters))


@click.command(
    cls=Command,
    examples=[
        "malsync revert latest~1 latest",
        "malsync revert good latest --since 2026-11-20T19:00 --until 2026-11-20T23:00",
        "malsync revert 12 13 --only manga --dry-run",
    ],
)
@click.argument("good", type=REFERENCE)
@click.argument("bad", type=REFERENCE)
@click.option("--since", metavar="TIME", help="Only what was last updated in BAD at or after TIME.")
@click.option("--until", metavar="TIME", help="Only what was last updated in BAD until the end of TIME.")
@_options(_FILTERS, _WRITING, _PLANNING)
@pass_app
def revert(app: App, good: str, bad: str, since: str | None, until: str | None, **given: Any) -> int:
    """Take back only what changed from GOOD to BAD, and keep what was done after BAD.

    What was changed again since is a conflict: it is left alone and named, unless --force.
    """
    from malsync.cli.job import Job
    from malsync.cli.running import carry

    flags, filters, window = _flags(given), _filters(given), _window(app, since, until)
    with Job(app, flags) as job:
        lists = [job.choose("good", good), job.choose("bad", bad)]
        job.sign_in(None)
        _check_owner(job, lists, good)
        for chosen in lists:
            _check_known(filters, chosen.snapshot)
        return carry(job, flags.intent("revert", filters=filters, window=window))


@click.command(
    cls=Command,
    examples=[
        "malsync migrate live --to second --dry-run",
        "malsync migrate latest --to second --prefer progress",
        "malsync migrate ./old-list.json --to second --mode missing",
    ],
)
@click.argument("ref", type=REFERENCE)
@click.option(
    "--to", "target", required=True, type=ACCOUNT, metavar="ACCOUNT", help="The account whose lists are written."
)
@_MODE
@click.option(
    "--prefer",
    type=click.Choice(_PREFERENCES),
    help="Whose entry wins where both have the title; source by default. With --mode merge only.",
)
@_options(_FILTERS, _WRITING, _PLANNING)
@pass_app
def migrate(app: App, ref: str, target: str, mode: Any, prefer: Any, **given: Any) -> int:
    """Carry the list that REF names into another account, which must be signed in."""
    from malsync.cli.job import Job
    from malsync.cli.running import carry

    if prefer is not None and mode != "merge":
        raise UsageError(
            f"--prefer {prefer} and --mode {mode} do not fit.", "--prefer settles what --mode merge would update."
        )
    if not target:
        raise UsageError("--to '' names no account.", "List them: malsync accounts")
    flags, filters = _flags(given), _filters(given)
    _check_mode(mode, filters)
    with Job(app, flags) as job:
        wanted = job.choose("wanted", ref)
        _check_known(filters, wanted.snapshot)
        job.sign_in(target)
        return carry(job, flags.intent("migrate", mode=mode, prefer=prefer or "source", filters=filters))


def _check_mode(mode: str, filters: "Filters") -> None:
    if mode == "missing" and filters.fields:
        raise UsageError(
            "--mode missing only adds, and --field only updates: nothing would be done.", "Leave out one of the two."
        )


def _window(app: App, since: str | None, until: str | None) -> "Window":
    from malsync.refs import end_of, start_of
    from malsync.revert import Window

    now = app.world.clock.now()
    window = Window(_moment("--since", since, start_of, now), _moment("--until", until, end_of, now))
    if window.since is not None and window.until is not None and window.since >= window.until:
        raise UsageError(f"--since {since} is not before the end of --until {until}.", _TIMES)
    return window


def _moment(
    option: str, text: str | None, read: "Callable[[str, datetime], datetime]", now: "datetime"
) -> "datetime | None":
    try:
        return None if text is None else read(text, now)
    except UsageError as error:
        raise UsageError(f"{option} {text!r} is no time.", _TIMES) from error


def _check_owner(job: "Job", lists: "list[Chosen]", ref: str) -> None:
    from malsync.snapshot import same_person

    for chosen in lists:
        theirs = chosen.snapshot.user
        if not same_person(theirs, job.user):
            raise AuthError(
                f"{chosen.reference} is a list of {theirs.name} ({theirs.origin}), and you are signed in as "
                f"{job.user.name} ({job.user.origin}). Nothing was sent.",
                f"To carry it into this account: malsync migrate {ref} --to {job.account}. "
                "To write to another account: --account NAME",
            )


def _check_known(filters: "Filters", wanted: "Snapshot") -> None:
    """Raise UsageError for a filter that nothing in the wanted list can pass: an empty plan would look like equal lists."""
    if filters.only is not None and wanted.lists.get(filters.only) is None:
        raise UsageError(f"That list holds no {filters.only}.", "Name another list, or leave out --only.")
    covered = [names for name, names in wanted.covers.items() if filters.only in (None, name) and names is not None]
    if unknown := filters.fields.difference(*covered):
        raise UsageError(
            f"That list says nothing of {min(unknown)}.", f"Name another list, or leave out --field {min(unknown)}."
        )


# -- the commands that go on with a plan


@click.command(
    cls=Command,
    examples=["malsync apply plan.json", "malsync apply plan.json --dry-run"],
)
@click.argument("file", type=FILE)
@_options(_WRITING)
@pass_app
def apply(app: App, file: str, **given: Any) -> int:
    """Carry out a plan that --plan wrote, as it stands or as it was edited since. It was reviewed, so it does not ask."""
    from malsync.cli.job import Job
    from malsync.cli.running import carry_plan
    from malsync.files import place
    from malsync.interchange import plan_file

    flags = _flags(given)
    read = plan_file.read(place(file))
    with Job(app, flags) as job:
        is_known = app.named_account is None and read.account in app.accounts.all()
        job.sign_in(read.account if is_known and read.account != app.account else None)
        if job.user.key != read.user.key:
            raise AuthError(
                f"{file} is a plan for the lists of {read.user.name} ({read.user.origin}), and you are signed in as "
                f"{job.user.name} ({job.user.origin}). Nothing was sent.",
                "Name the account it is for: --account NAME",
            )
        return carry_plan(job, flags.intent("apply"), read)


@click.command(
    cls=Command,
    examples=["malsync resume", "malsync resume 3"],
)
@click.argument("run", required=False, type=RUN)
@_options(_WRITING)
@pass_app
def resume(app: App, run: int | None, **given: Any) -> int:
    """Finish an interrupted run: what was written is not written again. It was reviewed, so it does not ask."""
    from malsync.cli.job import Job
    from malsync.cli.running import go_on

    with Job(app, _flags(given)) as job:
        found = _unfinished(app, job.mirror, run)
        job.sign_in_as(found)
        return go_on(job, found)


@click.command(
    cls=Command,
    examples=["malsync undo", "malsync undo 3 --dry-run"],
)
@click.argument("run", required=False, type=RUN)
@_options(_WRITING, _PLANNING)
@pass_app
def undo(app: App, run: int | None, **given: Any) -> int:
    """Take back what a run wrote, the last one by default, and nothing else. It is a run itself, so it can be undone."""
    from malsync.cli.job import Job
    from malsync.cli.running import take_back

    with Job(app, _flags(given)) as job:
        found = _named_run(app, job.mirror, run)
        if found.state in ("undone", "abandoned") and found.before is None:
            raise UsageError(
                f"Run {found.number} cannot be undone: the snapshots around it are gone.",
                "Restore an older list instead: malsync snapshots",
            )
        job.sign_in_as(found)
        return take_back(job, found)


def _named_run(app: App, mirror: "Mirror", number: int | None) -> "Run":
    """The run of that number; without one, the newest of the account that is named, or of all."""
    if number is not None:
        try:
            return mirror.journal.run(number)
        except KeyError as error:
            raise UsageError(f"There is no run {number}.", "List them: malsync runs") from error
    runs = mirror.journal.runs(_whose(app, mirror))
    if not runs:
        raise UsageError("There is no run yet.", "A run is what restore, revert, migrate, apply and undo make.")
    return runs[-1]


def _unfinished(app: App, mirror: "Mirror", number: int | None) -> "Run":
    if number is not None:
        run = _named_run(app, mirror, number)
        if not run.is_open:
            raise UsageError(f"Run {number} is {run.state}: there is nothing to resume.", "List them: malsync runs")
        return run
    runs = [run for run in mirror.journal.runs(_whose(app, mirror)) if run.is_open]
    if len(runs) == 1:
        return runs[0]
    if not runs:
        raise UsageError("There is no unfinished run: nothing to resume.", "List them: malsync runs")
    raise UsageError(
        f"Several runs are unfinished: {', '.join(f'{run.number} ({run.account})' for run in runs)}.",
        "Name one: malsync resume RUN",
    )


def _whose(app: App, mirror: "Mirror") -> "User | None":
    return app.whose(None, mirror) if app.named_account else None


@click.command(
    cls=Command,
    examples=["malsync runs", "malsync runs --json", "malsync runs --abandon 3"],
)
@click.option("--abandon", type=RUN, metavar="RUN", help="Give up an unfinished run; what it wrote stays.")
@pass_app
def runs(app: App, abandon: int | None) -> None:
    """List every restore, revert, migration, applied plan and undo: when, what came of it, and whether it ended."""
    from malsync.snapshot import timestamp

    if abandon is not None:
        _abandon(app, abandon)
    with app.mirror() as mirror:
        found = [
            (run, mirror.journal.outcomes(run.number), mirror.journal.pending(run.number))
            for run in mirror.journal.runs(_whose(app, mirror))
        ]
    app.output.document(
        [
            {
                "run": run.number,
                "kind": run.kind,
                "state": run.state,
                "account": run.account,
                "user": run.user.name,
                "started_at": timestamp(run.started_at),
                "ended_at": None if run.ended_at is None else timestamp(run.ended_at),
                "before": run.before,
                "after": run.after,
                "undoes": run.undoes,
                "outcomes": outcomes,
                "pending": pending,
            }
            for run, outcomes, pending in found
        ]
    )
    if not found:
        app.output.say("No run yet. A run is what restore, revert, migrate, apply and undo make.")
        return
    app.output.table(
        ["#", "started", "what", "account", "done", "left", "pending", "state"],
        [
            (
                str(run.number),
                local_time(run.started_at),
                run.kind if run.undoes is None else f"undo of {run.undoes}",
                run.account,
                str(outcomes["done"] + outcomes["already"]),
                str(sum(outcomes[name] for name in ("skipped", "failed", "not_restorable")) or ""),
                str(pending or ""),
                run.state,
            )
            for run, outcomes, pending in found
        ],
        right=["#", "done", "left", "pending"],
        long="account",
    )


def _abandon(app: App, number: int) -> None:
    with app.at_work(None), app.mirror(write=True) as mirror:
        run = _named_run(app, mirror, number)
        if not run.is_open:
            raise UsageError(f"Run {number} is {run.state} already.", "List them: malsync runs")
        mirror.journal.ended(number, "abandoned", now=app.world.clock.now())
    app.output.note(f"Run {number} is given up. What it wrote stays; to take that back: malsync undo {number}")


COMMANDS = (restore, revert, migrate, apply, resume, undo, runs)
