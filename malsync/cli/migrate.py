"""The `migrate` command."""

from typing import Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import ACCOUNT, REFERENCE
from malsync.cli.write import FILTERS, MODE, PLANNING, WRITING, carry_out, check_mode, filters_of, flags_of, options
from malsync.errors import UsageError
from malsync.planning.restore_plan import PREFERENCES


@click.command(
    cls=Command,
    examples=[
        "malsync migrate live --to second --dry-run",
        "malsync migrate latest --to second --prefer progress",
        "malsync migrate ./old-list.json --to second --mode missing",
    ],
)
@click.argument("ref", type=REFERENCE)
@click.option(
    "--to", "target", required=True, type=ACCOUNT, metavar="ACCOUNT", help="The account whose lists are written."
)
@MODE
@click.option(
    "--prefer",
    type=click.Choice(PREFERENCES),
    help="Whose entry wins where both have the title; source by default. With --mode merge only.",
)
@options(FILTERS, WRITING, PLANNING)
@pass_app
def migrate(app: App, ref: str, target: str, mode: Any, prefer: Any, **given: Any) -> int:
    """Copy the list that REF names to another account, which must be signed in."""
    if prefer is not None and mode != "merge":
        raise UsageError(
            f"--prefer {prefer} and --mode {mode} do not fit.", "--prefer settles what --mode merge would update."
        )
    if not target:
        raise UsageError("--to '' names no account.", "List them: malsync accounts")
    flags, filters = flags_of(given), filters_of(given)
    check_mode(mode, filters)
    return carry_out(
        app,
        flags,
        lambda account: account.prepare_migrate(
            ref, mode, prefer=prefer or "source", filters=filters, **flags.for_planning
        ),
        account=target,
    )
