"""stats: print the statistics of both lists, the same as in the browser's charts, with a bar for each number."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.options import ONLY, Command, pass_app
from malsync.cli.suggest import REFERENCE
from malsync.errors import UsageError
from malsync.mirror import Mirror
from malsync.mirror.statistics import growth, list_statistics
from malsync.model.medium import MEDIA
from malsync.model.timestamps import local_time
from malsync.operations.references import dated_ahead
from malsync.text import pluralize, visible

if TYPE_CHECKING:
    from malsync.mirror import SnapshotInfo
    from malsync.mirror.statistics import Row

_WIDTH = 78
_BAR = 30
_LABEL = 24
_NAMES = {
    "by_status": "Status",
    "by_score": "Scores",
    "by_month": "Finished, by month",
    "by_genre": "Genres",
    "by_season": "Seasons in which it began",
    "by_year": "Years in which it began",
}
_MOST = 12
"""The most rows of one kind that are printed; --json has them all."""
_TONES = {"completed": "blue", "watching": "green", "reading": "green", "on_hold": "yellow", "dropped": "red"}
_BLOCK, _ASCII_BLOCK = "█", "#"


@click.command(
    cls=Command,
    examples=["malsync stats", "malsync stats 2026-10 --only anime", "malsync stats live", "malsync stats --json"],
)
@click.argument("ref", required=False, type=REFERENCE)
@ONLY
@pass_app
def stats(app: App, ref: str | None, only: str | None) -> None:
    """Show statistics for both lists: status, scores, months, genres, years, seasons, and how they grew.

    Without REF, the newest list of each kind. Genres, years and seasons are known of titles that `malsync fetch details`
    has read.
    """
    with ExitStack() as stack:
        mirror, infos, is_stored = _looked_at(app, stack, ref, only)
        chosen = {name: info for name, info in infos.items() if only in {None, name}}
        newest = max(infos.values(), key=lambda info: (info.taken_at, info.number))
        document: dict[str, Any] = {"user": newest.user.name}
        for name, medium in MEDIA.items():
            info = chosen.get(name)
            document[name] = None if info is None else list_statistics(mirror, medium, info, app.world.clock.now())
            if info is not None and not is_stored:
                document[name]["snapshot"] = None
        document["snapshots"] = growth(mirror, newest)
        for row in document["snapshots"]:
            if row["snapshot"] == newest.number and not is_stored:
                row["snapshot"] = None
    app.output.document(document)
    _tell(app, document, chosen)


def _looked_at(
    app: App, stack: ExitStack, ref: str | None, only: str | None
) -> "tuple[Mirror, dict[str, SnapshotInfo], bool]":
    """The mirror to read, the snapshot to count by medium, and whether that is stored."""
    mirror, is_stored = stack.enter_context(app.mirror()), True
    if ref is None:
        infos = mirror.infos(app.user_of(None, mirror))
        ahead = dated_ahead(infos, app.now)
        app.warn_of_future(ahead)
        infos = [info for info in infos if info not in ahead]
    else:
        list_ = app.resolve(ref, mirror)
        is_stored = list_.number is not None
        if list_.number is not None:
            infos = [mirror.info(list_.number)]
        else:
            # The queries read tables, so a list that is not stored is added to a copy of the mirror in memory.
            mirror = stack.enter_context(Mirror.open_copy(app.mirror_path))
            infos = [mirror.add(list_.snapshot)]
    found = {}
    for name in MEDIA:
        covering = [info for info in infos if info.counts[name] is not None]
        if covering:
            found[name] = covering[-1]
    if not found or (only is not None and only not in found):
        what = f"{only} list" if only else "list"
        raise UsageError(f"There is no {what} to look at.", "Make a backup (malsync backup), or name another snapshot.")
    return mirror, found, is_stored


# -- for people


def _tell(app: App, document: dict[str, Any], chosen: "dict[str, SnapshotInfo]") -> None:
    block = _block()
    for name, info in chosen.items():
        figures = document[name]
        mean = "" if figures["mean_score"] is None else f", mean score {figures['mean_score']:.2f}"
        which = "" if figures["snapshot"] is None else f"snapshot {figures['snapshot']}, "
        counted = pluralize(figures["entries"], "entry", "entries")
        app.output.say(f"{name} of {visible(document['user'])}: {counted}{mean}", colour="cyan")
        app.output.say(f"  {which}{local_time(info.taken_at)}")
        for what, title in _NAMES.items():
            _section(app, block, title, what, figures.get(what, ()))
        app.output.say()
    _growth(app, block, document["snapshots"], list(chosen))


def _section(app: App, block: str, title: str, what: str, rows: "Sequence[Row]") -> None:
    """Print a bar for each of the most important rows of one kind."""
    if what == "by_score":
        given = {row["name"]: row["entries"] for row in rows}
        rows = [{"name": score, "entries": given.get(score, 0)} for score in range(10, 0, -1)] if given else []
    elif what in {"by_month", "by_year"}:
        rows = rows[-_MOST:]
    left = len(rows) - _MOST
    if not rows:
        return
    app.output.say(f"\n  {title}")
    most = max(row["entries"] for row in rows)
    for row in rows[:_MOST]:
        colour = _TONES.get(str(row["name"])) if what == "by_status" else None
        app.output.say(_line(row["name"], row["entries"], most, block), colour=colour)
    if left > 0:
        app.output.say(f"    and {left:,} more (--json)")


def _growth(app: App, block: str, snapshots: list[dict[str, Any]], names: Sequence[str]) -> None:
    if len(snapshots) < 2:
        return
    days = f"{snapshots[0]['taken_at'][:10]} to {snapshots[-1]['taken_at'][:10]}"
    app.output.say(f"Growth over {len(snapshots):,} snapshots, {days}", colour="cyan")
    for name in names:
        counts = [row[name] for row in snapshots if row[name] is not None]
        if counts:
            app.output.say(f"  {name}  {counts[0]:,} to {counts[-1]:,}")
    changed = [row for row in snapshots if row["added"] or row["updated"] or row["removed"]][-_MOST:]
    if not changed:
        return
    app.output.say("\n  Changes (added, updated, removed)")
    most = max(row["added"] + row["updated"] + row["removed"] for row in changed)
    for row in changed:
        number = "" if row["snapshot"] is None else f"#{row['snapshot']}"
        total = row["added"] + row["updated"] + row["removed"]
        changes = f"+{row['added']:,} ~{row['updated']:,} -{row['removed']:,}"
        app.output.say(_line(f"{row['taken_at'][:10]} {number}", total, most, block, changes))


def _block() -> str:
    """The character that bars are made of: a block, or "#" if standard output cannot encode it."""
    try:
        _BLOCK.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _ASCII_BLOCK
    return _BLOCK


def _line(label: Any, value: int, most: int, block: str, text: str = "") -> str:
    """A label, a bar that is `_BAR` long for the value `most`, and `text`, or else the value."""
    from rich.cells import set_cell_size

    name = visible(str(label if label not in (None, "") else "-").replace("_", " "))
    bar = block * max(1, round(_BAR * value / most)) if value else ""
    return f"    {set_cell_size(name, _LABEL)} {bar:{_BAR}} {text or f'{value:,}'}"[:_WIDTH]
