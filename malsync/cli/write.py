"""What the writing commands share: their options, and the way from a plan to its report."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from malsync.cli import write_output
from malsync.cli.app import App
from malsync.cli.errors import hint_of
from malsync.cli.interruption import Interruption
from malsync.cli.options import ONLY, STATUS
from malsync.cli.render import plan_summary
from malsync.cli.suggest import FIELD, FILE
from malsync.errors import Cancelled, UsageError
from malsync.model.entry import Key
from malsync.model.medium import MEDIA
from malsync.operations.account import Account
from malsync.planning.restore_plan import MODES, Filters
from malsync.text import visible

if TYPE_CHECKING:
    from malsync.mirror import Run
    from malsync.operations.restore import PreparedRun

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

WRITING = (
    click.option("--dry-run", is_flag=True, help="Show the plan and stop: nothing is written."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option("--max-deletes", type=click.IntRange(0), metavar="N", help="Delete at most N entries (default: 10)."),
    click.option("--force", is_flag=True, help="Overwrite what others changed; accept a list that looks wrong."),
    click.option("--round-dates", is_flag=True, help="Turn partial dates into the first day of the month or year."),
)
PLANNING = (
    click.option(
        "--plan", "plan_file", type=FILE, metavar="FILE", help="Write the plan to FILE, for `apply`, and stop."
    ),
    click.option("--rehearse", is_flag=True, help="Try it on a local copy of your lists; nothing is sent to MAL."),
)
FILTERS = (
    ONLY,
    click.option("--id", "ids", multiple=True, metavar="MEDIUM:ID", help="This title (repeatable): anime:5114."),
    click.option(
        "--status",
        "statuses",
        multiple=True,
        type=STATUS,
        metavar="STATUS",
        help="Entries of this status, wanted or live (repeatable).",
    ),
    click.option(
        "--field", "fields", multiple=True, type=FIELD, metavar="FIELD", help="Update this field only (repeatable)."
    ),
)
MODE = click.option(
    "--mode",
    type=click.Choice(MODES),
    default="merge",
    show_default=True,
    help="merge adds and updates, exact also deletes entries that REF does not have, missing only adds.",
)


def options(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Decorated], Decorated]:
    """Give a command all of these options, in their order."""

    def decorate(function: Decorated) -> Decorated:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


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
        return not (self.dry_run or self.plan_file is not None or self.rehearse)

    @property
    def for_planning(self) -> dict[str, Any]:
        """The flags that Account's methods take."""
        return {"force": self.force, "round_dates": self.round_dates, "max_deletes": self.max_deletes}


def flags_of(given: dict[str, Any]) -> Flags:
    """The shared flags, taken out of what click gives."""
    return Flags(
        dry_run=given.pop("dry_run"),
        yes=given.pop("yes"),
        max_deletes=given.pop("max_deletes"),
        force=given.pop("force"),
        round_dates=given.pop("round_dates"),
        plan_file=given.pop("plan_file", None),
        rehearse=given.pop("rehearse", False),
    )


def filters_of(given: dict[str, Any]) -> Filters:
    """The filters, taken out of what click gives. Raises UsageError for what no title and no field can be."""
    only, fields = given.pop("only"), frozenset(given.pop("fields"))
    media = [medium for name, medium in MEDIA.items() if only in (None, name)]
    known = dict.fromkeys(field.name for medium in media for field in medium.writable)
    if unknown := fields - known.keys():
        raise UsageError(f"There is no field {min(unknown)!r} that can be written.", f"There are: {', '.join(known)}")
    ids = frozenset(_key(text) for text in given.pop("ids"))
    statuses = frozenset(given.pop("statuses"))
    _check_possible(only, ids, statuses)
    return Filters(only, ids, statuses, fields)


def _check_possible(only: str | None, ids: frozenset[Key], statuses: frozenset[str]) -> None:
    """Raise UsageError for filters that nothing can pass: an empty plan would look like equal lists."""
    if only is not None and ids and all(name != only for name, _ in ids):
        raise UsageError(
            f"--only {only} and --id {':'.join(map(str, min(ids)))} leave nothing.", "Leave out one of them."
        )
    media = [MEDIA[only]] if only is not None else [MEDIA[name] for name in sorted({name for name, _ in ids} or MEDIA)]
    if strays := sorted(statuses.difference(*(medium.statuses for medium in media))):
        raise UsageError(f"No {media[0].name} has the status {strays[0]}.", f"Theirs: {', '.join(media[0].statuses)}")


_LONGEST_ID = 20


def _key(text: str) -> Key:
    medium, _, id = text.partition(":")
    if medium not in MEDIA or not (id.isascii() and id.isdecimal() and len(id) < _LONGEST_ID):
        raise UsageError(
            f"--id needs a medium and a number, and got {text[:60]!r}.",
            "For example anime:5114 or manga:2: the number in the title's address on MAL.",
        )
    return medium, int(id)


def check_mode(mode: str, filters: Filters) -> None:
    """Raise UsageError for a mode that leaves nothing to do to these filters."""
    if mode == "missing" and filters.fields:
        raise UsageError(
            "--mode missing only adds, and --field only updates: nothing would be done.", "Leave out one of the two."
        )


def carry_out(
    app: App,
    flags: Flags,
    prepare: "Callable[[Account], PreparedRun]",
    *,
    account: str | None = None,
    ask: bool = True,
) -> int:
    """Prepare a run as `account` (None: the one that --account names), show it, then do what the flags say.

    Returns the exit code.
    """
    interruption = Interruption(app.world.clock, app.world.unfinished)
    prepared = prepare(Account(app, account, interruption.clock))
    if prepared.request.kind == "apply" and prepared.resumes is None and not flags.writes:
        prepared = prepared.foreseen()
    write_output.introduce(app, prepared)
    if flags.writes and prepared.plan.calls and prepared.resumes is None:
        prepared.refuse_unfinished()
    write_output.show(app, prepared)
    _heed_refusals(app, flags, prepared)
    file = _write_plan(app, flags, prepared) if flags.plan_file is not None else None
    if flags.rehearse:
        with write_output.progress(app, len(prepared.plan.calls)) as on_write:
            rehearsed = prepared.rehearse(on_write)
        return write_output.report(app, prepared, rehearsed.result, rehearsal=rehearsed.requests, file=file)
    if not flags.writes:
        return write_output.report(app, prepared, None, file=file)
    if prepared.plan.calls and prepared.resumes is None and ask and not flags.yes:
        _ask(prepared)
    with (
        write_output.progress(app, len(prepared.entries) or len(prepared.plan.calls)) as on_write,
        interruption,
    ):
        result = prepared.execute(on_write, interruption.shield)
    return write_output.report(app, prepared, result, is_carried_out=True)


def account_of_run(app: App, run: "Run") -> str | None:
    """The account to resume or undo `run` as: the one that --account names, else that of the run; None: the default one."""
    account = app.named_account or run.account
    return None if account == app.account_name else account


def _heed_refusals(app: App, flags: Flags, prepared: "PreparedRun") -> None:
    """Raise what the guards refuse; where nothing would be sent anyway, say it."""
    for refusal in prepared.refusals[:1]:
        if flags.writes:
            raise refusal
        # The last line says that nothing was sent.
        app.output.warn(f"This would be refused: {refusal.message.removesuffix(' Nothing was sent.')}")
        app.output.warn(hint_of(refusal))


def _ask(prepared: "PreparedRun") -> None:
    question = f"Write to the lists of {visible(prepared.account.user.name)}: {plan_summary(prepared.plan)}?"
    if not sys.stdin.isatty():
        raise UsageError(
            f"There is no terminal to ask on: {question} Nothing was sent.",
            "Look at the plan with --dry-run, then say --yes; or --plan FILE and malsync apply FILE.",
        )
    if not click.confirm(question, err=True):
        raise Cancelled("Cancelled. Nothing was sent.", "To look at it again: --dry-run")


def _write_plan(app: App, flags: Flags, prepared: "PreparedRun") -> str:
    path = app.target(str(flags.plan_file))
    prepared.write_plan(path)
    app.output.say(f"Wrote the plan to {path}. To carry it out: {app.command(f'apply {path}')}", colour="green")
    return str(path)
