"""doctor: check that everything is set up and intact, and that the last good backup is recent."""

import re
from datetime import timedelta

import click

from malsync.cli.app import App
from malsync.cli.errors import hint_of
from malsync.cli.options import Command, pass_app
from malsync.doctor import DoctorContext, examine, exit_code
from malsync.errors import Exit, UsageError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.command(
    cls=Command,
    examples=[
        "malsync doctor",
        "malsync doctor --max-age 36h",
        "malsync doctor --max-age 2d -q",
        "malsync doctor --json",
    ],
)
@click.option("--max-age", metavar="AGE", help="How old the last good backup may be: 90m, 36h, 2d, 1w.")
@pass_app
def doctor(app: App, max_age: str | None) -> Exit:
    """Check the set-up, the mirror, the token, the API, and the age of the last good backup.

    Changes nothing. Exit code 8 if the last good backup is older than --max-age. For other problems, the code of the most
    serious one: 6 mirror or disk, 2 settings, home folder or clock, 3 not logged in, 4 API, 7 an unfinished run, 8 no good
    backup.
    """
    limit = None if max_age is None else age_of(max_age)
    checks = examine(DoctorContext(app, limit), lambda error: f"{error.message} {hint_of(error)}".strip())
    code = exit_code(checks, is_limited=limit is not None)
    app.output.document(
        {"ok": not code, "checks": [{"name": check.name, "ok": check.ok, "message": check.message} for check in checks]}
    )
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = f"{'ok' if check.ok else '!!'}  {check.name:<{width}}  {check.message}"
        app.output.say(line, colour=None if check.ok else "red", even_if_quiet=not check.ok, indent=width + 6)
    if not code:
        app.output.say("All is well.", colour="green")
    return code


def age_of(text: str) -> timedelta:
    """The duration in `text`: `90m`, `36h`, `2d`, `1w`, or several together, `1d12h`. Raises UsageError."""
    parts = re.findall(r"(\d{1,6}(?:\.\d{1,3})?)([smhdw])", text, re.ASCII)
    if not parts or "".join(map("".join, parts)) != text:
        raise UsageError(f"--max-age {text!r} is not a duration.", "Write it as 90m, 36h, 2d or 1w.")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())
