"""Checks of the set-up: the machine, the home folder and its mirror, the API. They change nothing."""

from collections.abc import Callable, Iterable

from malsync.doctor import machine, remote, storage
from malsync.doctor.context import Check, DoctorContext
from malsync.errors import Exit, MalsyncError

__all__ = ["CHECKS", "Check", "DoctorContext", "examine", "exit_code"]

CHECKS: dict[str, Callable[[DoctorContext], None]] = {
    "python": machine.python, "settings": machine.settings, "home": machine.home, "disk": machine.disk,
    "network disk": machine.network_disk, "mirror": storage.mirror, "latest": storage.latest, "runs": storage.runs,
    "login": remote.login, "api": remote.api, "clock": remote.clock, "schedule": storage.schedule, "backup": storage.backup,
}  # fmt: skip
"""In this order: `login` asks the API with a token, and `api` and `clock` look at the same answer."""
_MOST_SERIOUS_FIRST = (Exit.MIRROR, Exit.USAGE, Exit.AUTH, Exit.API, Exit.REFUSED, Exit.SUSPICIOUS)


def examine(context: DoctorContext, explain: Callable[[MalsyncError], str]) -> list[Check]:
    """Run every check. A check that fails becomes a problem of its name; `explain` gives the text of a MalsyncError."""
    for name, check in CHECKS.items():
        try:
            check(context)
        except MalsyncError as error:
            context.problem(name, Exit(error.exit), explain(error))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            context.problem(name, Exit.USAGE, f"Cannot be read: {reason}. Check the permissions.")
        except Exception as error:  # noqa: BLE001 - the other checks still run
            # The error's text may hold a secret; its type does not.
            context.problem(name, Exit.USAGE, f"This check failed ({type(error).__name__}). Please report it.")
    return context.checks


def exit_code(checks: Iterable[Check], *, is_limited: bool) -> Exit:
    """The code of the most serious problem. With a maximum age (`is_limited`) only a bad mirror outranks an old backup."""
    codes = {check.exit for check in checks}
    order = (Exit.MIRROR, Exit.SUSPICIOUS, *_MOST_SERIOUS_FIRST) if is_limited else _MOST_SERIOUS_FIRST
    return next((code for code in order if code in codes), max(codes, default=Exit.OK))
