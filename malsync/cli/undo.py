"""The `undo` command."""

from typing import Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import RUN
from malsync.cli.write import PLANNING, WRITING, account_of_run, carry_out, flags_of, options
from malsync.operations.resume import named_run


@click.command(
    cls=Command,
    examples=["malsync undo", "malsync undo 3 --dry-run"],
)
@click.argument("run", required=False, type=RUN)
@options(WRITING, PLANNING)
@pass_app
def undo(app: App, run: int | None, **given: Any) -> int:
    """Undo what a run wrote, the last one by default, and nothing else. An undo is a run itself, so it can be undone."""
    flags = flags_of(given)
    with app.mirror() as mirror:
        undone = named_run(app, mirror, run)
    return carry_out(
        app,
        flags,
        lambda account: account.undo(undone.number, **flags.for_planning),
        account=account_of_run(app, undone),
    )
