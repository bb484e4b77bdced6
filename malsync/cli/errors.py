"""What to type about each failure: the advice that errors of the library name, in the words of the command line."""

from malsync.errors import MalsyncError

ADVICE = {
    "back up": "Make one: malsync backup",
    "log in": "Log in again: malsync login",
    "use cron": "Use a cron line instead: malsync schedule cron",
    "use cron without a user manager": (
        "Are you logged in directly, not by su or sudo? Or use a cron line: malsync schedule cron"
    ),
}
"""By the name that an error gives: what to do, with the error's facts in braces."""


def hint_of(error: MalsyncError) -> str:
    """What to do about `error`, in one line; empty where there is nothing to say."""
    return ADVICE[error.advice].format_map(error.facts) if error.advice else error.hint
