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
    """Recompute every digest, check the database, and say what is whole. Exit code 6 when something is not."""
    app.mirror_to("verify")
    with app.mirror() as mirror:
        checked, database = mirror.verify()
    problems = [(number, problem) for number, problem in checked if problem is not None]
    ok = database == "ok" and not problems
    app.output.document(
        {
            "ok": ok,
            "snapshots": [
                {"snapshot": number, "ok": problem is None, "problem": problem} for number, problem in checked
            ],
            "database": database,
        }
    )
    app.output.say(
        f"{len(checked) - len(problems)} of {len(checked)} snapshots are whole.", colour="green" if ok else "red"
    )
    for number, problem in problems:
        app.output.warn(f"  snapshot {number}: {problem}")
    app.output.say(f"The database is {'whole' if database == 'ok' else 'damaged'}.")
    if database != "ok":
        app.output.warn(f"  {database[:500]}")
    if not ok:
        app.output.warn("Make it whole from exported files: malsync mirror rebuild FILES (what is whole here is kept).")
    return Exit.OK if ok else Exit.MIRROR
