"""What every writing command can be told: the options that they share, and what those say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from malsync.cli.options import ONLY, STATUS
from malsync.cli.suggest import FIELD, FILE
from malsync.errors import UsageError
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot
from malsync.planning.restore_plan import MODES, Filters, Key

if TYPE_CHECKING:
    from malsync.planning.request import RequestKind, WriteRequest

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

WRITING = (
    click.option("--dry-run", is_flag=True, help="Show the plan and stop: nothing is written."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option(
        "--max-deletes", type=click.IntRange(0), metavar="N", help="Delete N entries at most; without it, 10."
    ),
    click.option("--force", is_flag=True, help="Overwrite what others changed; take a list that looks wrong."),
    click.option("--round-dates", is_flag=True, help="Make a date without a day the first day of its month or year."),
)
PLANNING = (
    click.option(
        "--plan", "plan_file", type=FILE, metavar="FILE", help="Write the plan to FILE, for `apply`, and stop."
    ),
    click.option("--rehearse", is_flag=True, help="Carry it out on a sandbox that holds a copy of the live lists."),
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
    help="merge adds and updates, exact deletes too what REF lacks, missing only adds.",
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

    def intent(self, kind: "RequestKind", **more: Any) -> "WriteRequest":
        """What the command was asked for, these flags with it."""
        from malsync.planning.request import WriteRequest

        return WriteRequest(kind, force=self.force, round_dates=self.round_dates, max_deletes=self.max_deletes, **more)


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
            f"--id {text[:60]!r} names no title.", "It is anime:ID or manga:ID; the id is in MAL's address."
        )
    return medium, int(id)


def check_mode(mode: str, filters: Filters) -> None:
    """Raise UsageError for a mode that leaves nothing to do to these filters."""
    if mode == "missing" and filters.fields:
        raise UsageError(
            "--mode missing only adds, and --field only updates: nothing would be done.", "Leave out one of the two."
        )


def check_known(filters: Filters, wanted: Snapshot) -> None:
    """Raise UsageError for a filter that nothing in the wanted list can pass: an empty plan would look like equal lists."""
    if filters.only is not None and wanted.lists.get(filters.only) is None:
        raise UsageError(f"That list holds no {filters.only}.", "Name another list, or leave out --only.")
    covered = [names for name, names in wanted.covers.items() if filters.only in (None, name) and names is not None]
    if unknown := filters.fields.difference(*covered):
        raise UsageError(
            f"That list says nothing of {min(unknown)}.", f"Name another list, or leave out --field {min(unknown)}."
        )
