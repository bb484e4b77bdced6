"""The `resume` command."""

from typing import Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import RUN
from malsync.cli.write import WRITING, account_of_run, carry_out, flags_of, options
from malsync.operations.resume import unfinished_run


@click.command(
    cls=Command,
    examples=["malsync resume", "malsync resume 3"],
)
@click.argument("run", required=False, type=RUN)
@options(WRITING)
@pass_app
def resume(app: App, run: int | None, **given: Any) -> int:
    """Finish an interrupted run: what was written is not written again. Runs without asking: the plan has been reviewed."""
    flags = flags_of(given)
    with app.mirror() as mirror:
        unfinished = unfinished_run(app, mirror, run)
    return carry_out(
        app,
        flags,
        lambda account: account.resume(unfinished.number, **flags.for_planning),
        account=account_of_run(app, unfinished),
        ask=False,
    )
