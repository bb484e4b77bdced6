"""The `prune` command."""

from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.options import WAIT, Command, pass_app
from malsync.model.timestamps import local_time
from malsync.operations.retention import Policy
from malsync.text import pluralize, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from malsync.operations.retention import PruneResult

_RULES = {
    "last": "The newest N.",
    "daily": "The newest of each of the last N days that have one.",
    "weekly": "The newest of each of the last N weeks that have one.",
    "monthly": "The newest of each of the last N months that have one.",
    "yearly": "The newest of each of the last N years that have one.",
}


def _rules(function: "Callable[..., Any]") -> "Callable[..., Any]":
    for name, says in reversed(_RULES.items()):
        option = click.option(f"--keep-{name}", name, type=click.IntRange(0), default=0, metavar="N", help=says)
        function = option(function)
    return function


@click.command(
    cls=Command,
    examples=[
        "malsync prune --keep-daily 14 --keep-monthly 24 --keep-yearly 99 --dry-run",
        "malsync prune --keep-last 30 --keep-monthly 12",
        "malsync prune --keep-daily 7 --keep-noted",
    ],
)
@_rules
@click.option("--keep-noted", "noted", is_flag=True, help="Every one that has a note, too.")
@click.option("--dry-run", is_flag=True, help="Say what would go and what would stay; remove nothing.")
@WAIT
@pass_app
def prune(app: App, dry_run: bool, wait: float, **given: Any) -> None:
    """Remove old snapshots: keep those that any rule keeps, delete the others for good.

    Kept whatever the rules say: the newest good list of each user, suspicious ones with the last good one before each,
    and what an unfinished run and the newest run need. With --account, one user's snapshots alone.
    """
    policy = Policy(**given)
    result = app.prune(policy, dry_run=dry_run, wait=wait)
    if result.problem:
        app.output.warn(f"The space could not be given back yet. {result.problem}")
        app.output.warn("Nothing is lost: the next backups fill that space, or the next prune gives it back.")
    elif result.is_shrinking:
        app.output.note("Another program is reading the mirror: its file shrinks when that one has done.")
    _report(app, result, dry_run=dry_run or not app.mirror_path.exists())
    if result.freed:
        app.output.say(f"{result.freed:,} bytes given back.")


def _report(app: App, result: "PruneResult", *, dry_run: bool) -> None:
    infos, reasons, removed = result.infos, result.reasons, result.removed
    app.output.document({"kept": sorted(reasons), "removed": removed})
    if not infos:
        app.output.say("No snapshot yet. Make one: malsync backup")
        return
    app.output.table(
        ["#", "taken", "user", "source", "kept as", "note"],
        [
            (
                str(info.number),
                local_time(info.taken_at),
                visible(info.user.name),
                info.source,
                ", ".join(reasons[info.number]),
                visible(info.note),
            )
            for info in infos
            if info.number in reasons
        ],
        right=["#"],
        long="kept as",
    )
    did = "would be " if dry_run else ""
    app.output.say(f"{len(reasons)} of {pluralize(len(infos), 'snapshot')} {did}kept.", colour="green")
    if removed:
        app.output.say(f"{pluralize(len(removed), 'snapshot')} {did}removed: {_spans(removed)}")


def _spans(numbers: "Iterable[int]") -> str:
    """Numbers in order, as one writes them down: 1-3, 5."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)
