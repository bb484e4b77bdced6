"""doctor: is everything set up, whole, and recent enough; each line says so, or what to do."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.errors import hint_of
from malsync.cli.options import Command, pass_app
from malsync.errors import Exit, MalsyncError, UsageError

if TYPE_CHECKING:
    from malsync.doctor.context import Check, CheckOf, DoctorContext

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_GRAVITY = (Exit.MIRROR, Exit.USAGE, Exit.AUTH, Exit.API, Exit.REFUSED, Exit.SUSPICIOUS)
"""Of several things that are wrong, the exit code tells the first of these."""


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
def doctor(app: App, max_age: str | None) -> int:
    """Check the set-up, the mirror, the token, the API, and the age of the last good backup.

    Only looks: nothing is changed, refreshed or made. Exit code 8 where the last good backup is older than --max-age. Of
    other things that are wrong, the code of the gravest: 6 mirror or disk, 2 settings, home folder or clock, 3 not signed in,
    4 API, 7 an unfinished run, 8 no good backup.
    """
    from malsync.doctor.context import DoctorContext

    limit = None if max_age is None else age_of(max_age)
    checks = list(_checks(DoctorContext(app, limit)))
    ok = all(check.ok for check in checks)
    app.output.document({"ok": ok, "checks": [{"name": c.name, "ok": c.ok, "message": c.message} for c in checks]})
    width = max(len(check.name) for check in checks)
    for check in checks:
        line = f"{'ok' if check.ok else '!!'}  {check.name:<{width}}  {check.message}"
        app.output.say(line, colour=None if check.ok else "red", even_if_quiet=not check.ok, indent=width + 6)
    if ok:
        app.output.say("All is well.", colour="green")
    return _exit([check.exit for check in checks if not check.ok], is_limited=limit is not None)


def _checks(patient: "DoctorContext") -> "Iterator[Check]":
    """Every check in its turn. What one of them fails at is what it says, and the others go on."""
    from malsync.doctor import machine, remote, storage

    # The API is asked by `login` with a token, if there is one; `api` and `clock` look at the same answer.
    steps: dict[str, CheckOf] = {
        "python": machine.python, "settings": machine.settings, "home": machine.home, "disk": machine.disk,
        "network disk": machine.network_disk, "mirror": storage.mirror, "latest": storage.latest, "runs": storage.runs,
        "login": remote.login, "api": remote.api, "clock": remote.clock, "schedule": storage.schedule, "backup": storage.backup,
    }  # fmt: skip
    for name, step in steps.items():
        yield from _guarded(name, step, patient)


def _guarded(name: str, step: "CheckOf", patient: "DoctorContext") -> "Iterator[Check]":
    from malsync.doctor.context import ill

    try:
        yield from step(patient)
    except MalsyncError as error:
        yield ill(name, Exit(error.exit), f"{error.message} {hint_of(error)}".strip())
    except OSError as error:
        yield ill(
            name, Exit.USAGE, f"This cannot be looked at: {error.strerror or type(error).__name__}. Check its rights."
        )
    except Exception as error:  # noqa: BLE001 - a doctor that falls ill itself helps nobody
        # Its words may hold what must not be shown; its kind does not.
        yield ill(name, Exit.USAGE, f"This could not be checked ({type(error).__name__}). Please report it.")


def _exit(wrong: list[Exit], *, is_limited: bool) -> Exit:
    # Whoever names an age asks for it, and hears of it before anything but a mirror that is no good.
    order = (Exit.MIRROR, Exit.SUSPICIOUS, *_GRAVITY) if is_limited else _GRAVITY
    return next((code for code in order if code in wrong), wrong[0] if wrong else Exit.OK)


def age_of(text: str) -> timedelta:
    """The time that `text` says: `90m`, `36h`, `2d`, `1w`, or several together, `1d12h`. Raises UsageError."""
    parts = re.findall(r"(\d{1,6}(?:\.\d{1,3})?)([smhdw])", text, re.ASCII)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise UsageError(f"--max-age {text!r} is no age.", "Write it as 90m, 36h, 2d or 1w.")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


COMMANDS = (doctor,)
