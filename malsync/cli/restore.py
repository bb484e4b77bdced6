"""The `restore` command."""

from typing import Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import REFERENCE
from malsync.cli.write import FILTERS, MODE, PLANNING, WRITING, carry_out, check_mode, filters_of, flags_of, options


@click.command(
    cls=Command,
    examples=[
        "malsync restore good --dry-run",
        "malsync restore 2026-10-31 --only anime --mode exact",
        "malsync restore latest --id anime:5114 --field comments",
        "malsync restore ./list.json.gz --rehearse",
        "malsync restore good --plan plan.json",
    ],
)
@click.argument("ref", type=REFERENCE)
@MODE
@options(FILTERS, WRITING, PLANNING)
@pass_app
def restore(app: App, ref: str, mode: Any, **given: Any) -> int:
    """Restore your live list to REF, with as few writes as possible, after showing them and asking.

    By default entries that REF lacks stay on the list (--mode merge). Every run is journalled: it can be resumed and undone.
    """
    flags, filters = flags_of(given), filters_of(given)
    check_mode(mode, filters)
    return carry_out(
        app, flags, lambda account: account.prepare_restore(ref, mode, filters=filters, **flags.for_planning)
    )
