"""The `revert` command."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.cli.suggest import REFERENCE
from malsync.cli.write import FILTERS, PLANNING, WRITING, carry_out, filters_of, flags_of, options
from malsync.errors import UsageError
from malsync.operations.references import end_of, start_of
from malsync.planning.revert_plan import Window

_TIMES = "A time is a month, a day, a minute or a second: 2026-11, 2026-11-20, yesterday, 2026-11-20T19:00, 2026-11-20T19:00Z"


@click.command(
    cls=Command,
    examples=[
        "malsync revert latest~1 latest",
        "malsync revert good latest --since 2026-11-20T19:00 --until 2026-11-20T23:00",
        "malsync revert 12 13 --only manga --dry-run",
    ],
)
@click.argument("good", type=REFERENCE)
@click.argument("bad", type=REFERENCE)
@click.option("--since", metavar="TIME", help="Only what was last updated in BAD at or after TIME.")
@click.option("--until", metavar="TIME", help="Only what was last updated in BAD until the end of TIME.")
@options(FILTERS, WRITING, PLANNING)
@pass_app
def revert(app: App, good: str, bad: str, since: str | None, until: str | None, **given: Any) -> int:
    """Undo only the changes made between GOOD and BAD, and keep what was done after BAD.

    An entry that was changed again since is a conflict: it is left alone and listed, unless --force.
    """
    flags, filters, window = flags_of(given), filters_of(given), _window(app, since, until)
    return carry_out(
        app,
        flags,
        lambda account: account.prepare_revert(good, bad, window=window, filters=filters, **flags.for_planning),
    )


def _window(app: App, since: str | None, until: str | None) -> Window:
    now = app.world.clock.now()
    window = Window(_moment("--since", since, start_of, now), _moment("--until", until, end_of, now))
    if window.since is not None and window.until is not None and window.since >= window.until:
        raise UsageError(f"--since {since} is not before the end of --until {until}.", _TIMES)
    return window


def _moment(option: str, text: str | None, read: Callable[[str, datetime], datetime], now: datetime) -> datetime | None:
    try:
        return None if text is None else read(text, now)
    except UsageError as error:
        raise UsageError(f"{option} {text!r} is no time.", _TIMES) from error
