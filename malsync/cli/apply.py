"""The `apply` command."""

from typing import Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import FILE
from malsync.cli.write import WRITING, carry_out, flags_of, options
from malsync.files import expand_home
from malsync.formats import plan_file
from malsync.operations.restore import prepare_apply
from malsync.planning.request import WriteRequest


@click.command(
    cls=Command,
    examples=["malsync apply plan.json", "malsync apply plan.json --dry-run"],
)
@click.argument("file", type=FILE)
@options(WRITING)
@pass_app
def apply(app: App, file: str, **given: Any) -> int:
    """Carry out a plan that --plan wrote, even if it was edited since. Runs without asking: the plan has been reviewed."""
    flags = flags_of(given)
    plan = plan_file.read(expand_home(file))
    is_known = app.named_account is None and plan.account in app.accounts.all()
    return carry_out(
        app,
        flags,
        lambda account: prepare_apply(account, WriteRequest("apply", **flags.for_planning), plan, file),
        account=plan.account if is_known and plan.account != app.account_name else None,
        ask=False,
    )
