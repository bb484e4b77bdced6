"""stats: both lists in figures, those of the browser's charts, with bars that a terminal can draw."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.options import ONLY, Command, pass_app
from malsync.cli.suggest import REFERENCE
from malsync.errors import UsageError
from malsync.model.timestamps import local_time
from malsync.operations.references import dated_ahead
from malsync.text import many

if TYPE_CHECKING:
    from malsync.mirror import Mirror, SnapshotInfo
    from malsync.mirror.statistics import Row
    from malsync.model.medium import Medium

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
"""So many rows of one kind are shown: a screen is short, and --json has them all."""
_TONES = {"completed": "blue", "watching": "green", "reading": "green", "on_hold": "yellow", "dropped": "red"}
_EIGHTHS, _STEPS = " ▏▎▍▌▋▊▉█", " ▁▂▃▄▅▆▇█"
_PLAIN_STEPS = " .:-=+*#@"


@click.command(
    cls=Command,
    examples=["malsync stats", "malsync stats 2026-10 --only anime", "malsync stats live", "malsync stats --json"],
)
@click.argument("ref", required=False, type=REFERENCE)
@ONLY
@pass_app
def stats(app: App, ref: str | None, only: str | None) -> None:
    """Say both lists in figures: status, scores, months, genres, years, seasons, and how they grew.

    Without REF, the newest list of each kind. Genres, years and seasons are known of titles that `malsync fetch details`
    has read.
    """
    from malsync.model.medium import MEDIA
    from malsync.model.timestamps import timestamp

    with ExitStack() as stack:
        mirror, infos, is_stored = _looked_at(app, stack, ref, only)
        chosen = {name: info for name, info in infos.items() if only in {None, name}}
        newest = max(infos.values(), key=lambda info: (info.taken_at, info.number))
        document: dict[str, Any] = {"user": newest.user.name}
        for name, medium in MEDIA.items():
            info = chosen.get(name)
            document[name] = None if info is None else _figures(mirror, medium, info, app.world.clock.now())
            if info is not None and not is_stored:
                document[name]["snapshot"] = None
        document["snapshots"] = _grown(mirror, newest, timestamp(newest.taken_at), is_stored=is_stored)
    app.output.document(document)
    _tell(app, document, chosen)


def _looked_at(
    app: App, stack: ExitStack, ref: str | None, only: str | None
) -> "tuple[Mirror, dict[str, SnapshotInfo], bool]":
    """The mirror, by medium the snapshot to look at, and whether it is one that is stored."""
    from malsync.mirror import Mirror
    from malsync.model.medium import MEDIA

    mirror, is_stored = stack.enter_context(app.mirror()), True
    if ref is None:
        infos = mirror.infos(app.whose(None, mirror))
        ahead = dated_ahead(infos, app.now)
        app.name_future(ahead)
        infos = [info for info in infos if info not in ahead]
    else:
        list_ = app.choose(ref, mirror)
        is_stored = list_.number is not None
        if list_.number is not None:
            infos = [mirror.info(list_.number)]
        else:
            # The queries read tables, so a list that is not stored becomes a snapshot of a mirror that is not kept.
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


def _figures(mirror: "Mirror", medium: "Medium", info: "SnapshotInfo", now: datetime) -> dict[str, Any]:
    """One list in figures as of `now`, under the names of the queries that counted them."""
    from malsync.mirror.queries import sql
    from malsync.mirror.statistics import every_month, mean_score, queries_of
    from malsync.model.timestamps import timestamp

    counted = {
        what: mirror.query(sql(query), snapshot=info.number, rows=-1) for what, query in queries_of(medium).items()
    }
    for rows in counted.values():
        for row in rows:
            row.pop("id", None)
    mean = mean_score(counted["by_score"])
    counted["by_month"] = every_month(counted["by_month"], now)
    return {
        "snapshot": info.number,
        "taken_at": timestamp(info.taken_at),
        "entries": info.counts[medium.name],
        "mean_score": None if mean is None else round(mean, 2),
        **counted,
    }


def _grown(mirror: "Mirror", newest: "SnapshotInfo", until: str, *, is_stored: bool) -> list[dict[str, Any]]:
    """Every snapshot of the user up to the one that is looked at, oldest first, with its counts and changes."""
    from malsync.mirror.queries import sql
    from malsync.mirror.statistics import SNAPSHOTS

    (series,) = mirror.query("SELECT user FROM series WHERE id = :id", id=newest.series)
    rows = mirror.query(sql("snapshots"), user=series["user"], rows=-1, skip="")
    members = ("taken_at", "source", "anime", "manga", "added", "updated", "removed")
    kept = [row for row in rows if row["taken_at"] <= until][:SNAPSHOTS]
    return [
        {
            "snapshot": row["id"] if is_stored or row["id"] != newest.number else None,
            **{name: row[name] for name in members},
        }
        for row in reversed(kept)
    ]


# -- for people


def _tell(app: App, document: dict[str, Any], chosen: "dict[str, SnapshotInfo]") -> None:
    from malsync.text import visible

    ink = _Ink(_can_draw())
    for name, info in chosen.items():
        figures = document[name]
        mean = "" if figures["mean_score"] is None else f", mean score {figures['mean_score']:.2f}"
        which = "" if figures["snapshot"] is None else f"snapshot {figures['snapshot']}, "
        counted = many(figures["entries"], "entry", "entries")
        app.output.say(f"{name} of {visible(document['user'])}: {counted}{mean}", colour="cyan")
        app.output.say(f"  {which}{local_time(info.taken_at)}")
        for what, title in _NAMES.items():
            _section(app, ink, title, what, figures.get(what, ()))
        app.output.say()
    _growth(app, ink, document["snapshots"], list(chosen))


def _section(app: App, ink: "_Ink", title: str, what: str, rows: "Sequence[Row]") -> None:
    """One kind of figures: what matters most of it, a bar each."""
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
        app.output.say(ink.line(row["name"], row["entries"], most), colour=colour)
    if left > 0:
        app.output.say(f"    and {left:,} more (--json)")


def _growth(app: App, ink: "_Ink", snapshots: "list[dict[str, Any]]", names: Sequence[str]) -> None:
    from malsync.mirror.statistics import kept

    if len(snapshots) < 2:
        return
    days = f"{snapshots[0]['taken_at'][:10]} to {snapshots[-1]['taken_at'][:10]}"
    app.output.say(f"Growth over {len(snapshots):,} snapshots, {days}", colour="cyan")
    for name in names:
        grown = kept(snapshots, name)
        app.output.say(f"  {name}  {ink.curve(grown)}  {grown[0]:,} to {grown[-1]:,}")
    changed = [row for row in snapshots if row["added"] or row["updated"] or row["removed"]][-_MOST:]
    if not changed:
        return
    app.output.say("\n  Changes (added, updated, removed)")
    most = max(row["added"] + row["updated"] + row["removed"] for row in changed)
    for row in changed:
        told = f"+{row['added']:,} ~{row['updated']:,} -{row['removed']:,}"
        number = "" if row["snapshot"] is None else f"#{row['snapshot']}"
        total = row["added"] + row["updated"] + row["removed"]
        app.output.say(ink.line(f"{row['taken_at'][:10]} {number}", total, most, told))


def _can_draw() -> bool:
    """Whether standard output can print the blocks that bars are drawn with; else there are signs of ASCII."""
    try:
        f"{_EIGHTHS}{_STEPS}".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class _Ink:
    """Bars and curves, of blocks or of ASCII."""

    def __init__(self, blocks: bool) -> None:
        self._blocks = blocks

    def line(self, label: Any, value: int, most: int, told: str = "") -> str:
        """A label, a bar as long as `value` is beside `most`, and the number."""
        from rich.cells import cell_len, set_cell_size

        from malsync.text import visible

        text = visible(str(label if label not in (None, "") else "-").replace("_", " "))
        name = set_cell_size(text, _LABEL) if cell_len(text) > _LABEL else text + " " * (_LABEL - cell_len(text))
        return f"    {name} {self._bar(value, most)} {told or f'{value:,}'}"[:_WIDTH]

    def _bar(self, value: int, most: int) -> str:
        eighths = round(_BAR * 8 * value / most) if most else 0
        if not self._blocks:
            return ("#" * max(1, round(eighths / 8)) if value else "").ljust(_BAR)
        eighths = max(1, eighths) if value else 0
        full, part = divmod(eighths, 8)
        return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(_BAR)

    def curve(self, values: Sequence[int]) -> str:
        """Values from left to right, each a column from zero to the highest; of many, the last of each step."""
        steps = _STEPS if self._blocks else _PLAIN_STEPS
        count = min(len(values), _BAR)
        taken = [values[(place + 1) * len(values) // count - 1] for place in range(count)]
        most = max(taken) or 1
        return "".join(steps[0] if value <= 0 else steps[max(1, round(value * 8 / most))] for value in taken)


COMMANDS = (stats,)
