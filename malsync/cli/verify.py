"""The `verify` command."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.errors import Exit

if TYPE_CHECKING:
    from malsync.model.snapshot import Snapshot

    Source = tuple[datetime, Callable[[], Snapshot]]


@click.command(cls=Command, examples=["malsync verify", "malsync verify --json"])
@pass_app
def verify(app: App) -> int:
    """Recompute every digest, check the database, and report what is intact. Exit code 6 if something is not."""
    app.require_mirror("verify")
    with app.mirror() as mirror:
        report = mirror.verify()
    damaged = {number: problem for number, problem in report.snapshots.items() if problem is not None}
    ok = not report.problems
    app.output.document(
        {
            "ok": ok,
            "snapshots": [
                {"snapshot": number, "ok": problem is None, "problem": problem}
                for number, problem in report.snapshots.items()
            ],
            "database": report.database,
        }
    )
    app.output.say(
        f"{len(report.snapshots) - len(damaged)} of {len(report.snapshots)} snapshots are whole.",
        colour="green" if ok else "red",
    )
    for number, problem in damaged.items():
        app.output.warn(f"  snapshot {number}: {problem}")
    app.output.say(f"The database is {'whole' if report.database == 'ok' else 'damaged'}.")
    if report.database != "ok":
        app.output.warn(f"  {report.database[:500]}")
    if not ok:
        app.output.warn("Make it whole from exported files: malsync mirror rebuild FILES (what is whole here is kept).")
    return Exit.OK if ok else Exit.MIRROR
