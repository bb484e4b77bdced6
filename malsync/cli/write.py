"""restore, revert, migrate, apply: the commands that write to MAL, each by a plan."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.flags import FILTERS, MODE, PLANNING, WRITING, check_known, check_mode, filters_of, flags_of, options
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import ACCOUNT, FILE, REFERENCE
from malsync.errors import AuthError, UsageError
from malsync.model.snapshot import same_person
from malsync.planning.restore_plan import PREFERENCES

if TYPE_CHECKING:
    from datetime import datetime

    from malsync.cli.job import Job
    from malsync.operations.references import ResolvedList
    from malsync.planning.revert_plan import Window

_TIMES = "A time is a month, a day, a minute or a second: 2026-11, 2026-11-20, yesterday, 2026-11-20T19:00, 2026-11-20T19:00Z"


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
@MODE
@options(FILTERS, WRITING, PLANNING)
@pass_app
def restore(app: App, ref: str, mode: Any, **given: Any) -> int:
    """Make the live list what REF says: with as few writes as can be, after showing them and asking.

    By default what REF lacks stays on the list (--mode merge). Every run is journalled: it can be resumed and undone.
    """
    from malsync.cli.job import Job
    from malsync.cli.running import carry

    flags, filters = flags_of(given), filters_of(given)
    check_mode(mode, filters)
    with Job(app, flags) as job:
        wanted = job.choose("wanted", ref)
        job.sign_in(None)
        _check_owner(job, [wanted], ref)
        check_known(filters, wanted.snapshot)
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
@options(FILTERS, WRITING, PLANNING)
@pass_app
def revert(app: App, good: str, bad: str, since: str | None, until: str | None, **given: Any) -> int:
    """Take back only what changed from GOOD to BAD, and keep what was done after BAD.

    What was changed again since is a conflict: it is left alone and named, unless --force.
    """
    from malsync.cli.job import Job
    from malsync.cli.running import carry

    flags, filters, window = flags_of(given), filters_of(given), _window(app, since, until)
    with Job(app, flags) as job:
        lists = [job.choose("good", good), job.choose("bad", bad)]
        job.sign_in(None)
        _check_owner(job, lists, good)
        for chosen in lists:
            check_known(filters, chosen.snapshot)
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
@MODE
@click.option(
    "--prefer",
    type=click.Choice(PREFERENCES),
    help="Whose entry wins where both have the title; source by default. With --mode merge only.",
)
@options(FILTERS, WRITING, PLANNING)
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
    flags, filters = flags_of(given), filters_of(given)
    check_mode(mode, filters)
    with Job(app, flags) as job:
        wanted = job.choose("wanted", ref)
        check_known(filters, wanted.snapshot)
        job.sign_in(target)
        return carry(job, flags.intent("migrate", mode=mode, prefer=prefer or "source", filters=filters))


def _window(app: App, since: str | None, until: str | None) -> "Window":
    from malsync.operations.references import end_of, start_of
    from malsync.planning.revert_plan import Window

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


def _check_owner(job: "Job", lists: "list[ResolvedList]", ref: str) -> None:
    for chosen in lists:
        theirs = chosen.snapshot.user
        if not same_person(theirs, job.user):
            raise AuthError(
                f"{chosen.reference} is a list of {theirs.name} ({theirs.origin}), and you are signed in as "
                f"{job.user.name} ({job.user.origin}). Nothing was sent.",
                f"To carry it into this account: malsync migrate {ref} --to {job.account}. "
                "To write to another account: --account NAME",
            )


@click.command(
    cls=Command,
    examples=["malsync apply plan.json", "malsync apply plan.json --dry-run"],
)
@click.argument("file", type=FILE)
@options(WRITING)
@pass_app
def apply(app: App, file: str, **given: Any) -> int:
    """Carry out a plan that --plan wrote, as it stands or as it was edited since. It was reviewed, so it does not ask."""
    from malsync.cli.job import Job
    from malsync.cli.running import carry_plan
    from malsync.files import expand_home
    from malsync.formats import plan_file

    flags = flags_of(given)
    read = plan_file.read(expand_home(file))
    with Job(app, flags) as job:
        is_known = app.named_account is None and read.account in app.accounts.all()
        job.sign_in(read.account if is_known and read.account != app.account else None)
        if job.user.key != read.user.key:
            raise AuthError(
                f"{file} is a plan for the lists of {read.user.name} ({read.user.origin}), and you are signed in as "
                f"{job.user.name} ({job.user.origin}). Nothing was sent.",
                "Name the account it is for: --account NAME",
            )
        return carry_plan(job, flags.intent("apply"), read, file)


COMMANDS = (restore, revert, migrate, apply)
