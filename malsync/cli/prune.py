"""prune: thinning out snapshots."""

from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.options import WAIT, Command, pass_app
from malsync.errors import Busy, MirrorError, UsageError
from malsync.model.timestamps import local_time
from malsync.text import many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from malsync.mirror import Mirror, SnapshotInfo
    from malsync.operations.retention import Policy, Reasons

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
    """Thin out snapshots: keep what any of the rules keeps, remove the others for good.

    Kept whatever the rules say: the newest good list of each user, suspicious ones with the last good one before each,
    and what an unfinished run and the newest run need. With --account, one user's snapshots alone.
    """
    from malsync.operations.retention import Policy

    policy = Policy(**given)
    if policy.keeps_nothing:
        raise UsageError(
            "prune must be told what to keep: without that, nothing would be left to it but to remove all.",
            "For instance: malsync prune --keep-daily 14 --keep-weekly 8 --keep-monthly 24 --dry-run",
        )
    if dry_run or not app.mirror_path.exists():
        with app.mirror() as mirror:
            _report(app, *_decided(app, mirror, policy), dry_run=True)
        return
    with app.at_work(wait), app.mirror(write=True, wait=wait) as mirror:
        infos, reasons = _decided(app, mirror, policy)
        removed = [info.number for info in infos if info.number not in reasons]
        if removed:
            mirror.prune(removed)
        saved = _compact(app, mirror, len(removed))
    _report(app, infos, reasons, dry_run=False)
    if saved:
        app.output.say(f"{saved:,} bytes given back.")


def _decided(app: App, mirror: "Mirror", policy: "Policy") -> "tuple[list[SnapshotInfo], Reasons]":
    from malsync.operations.retention import kept

    infos = mirror.infos(app.named_user(mirror))
    app.name_future(infos)
    return infos, kept(infos, mirror.journal.runs(), policy, app.now)


def _report(app: App, infos: "list[SnapshotInfo]", reasons: "Reasons", *, dry_run: bool) -> None:
    from malsync.text import visible

    removed = sorted(info.number for info in infos if info.number not in reasons)
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
    app.output.say(f"{len(reasons)} of {many(len(infos), 'snapshot')} {did}kept.", colour="green")
    if removed:
        app.output.say(f"{many(len(removed), 'snapshot')} {did}removed: {_spans(removed)}")


def _spans(numbers: "Iterable[int]") -> str:
    """Numbers in order, as one writes them down: 1-3, 5."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][-1] == number - 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ", ".join("-".join(map(str, span)) for span in spans)


def _compact(app: App, mirror: "Mirror", removed: int) -> int:
    """Give the disk back what was removed; how many bytes. That this cannot be done now brings nothing back and loses nothing."""
    try:
        vacuumed = mirror.vacuum(if_needed=not removed)
    except (MirrorError, Busy) as error:
        app.output.warn(f"The space could not be given back yet. {error.message}")
        app.output.warn("Nothing is lost: the next backups fill that space, or the next prune gives it back.")
        return 0
    if not vacuumed.file_truncated:
        app.output.note("Another program is reading the mirror: its file shrinks when that one has done.")
    return max(0, vacuumed.bytes_freed)


COMMANDS = (prune,)
