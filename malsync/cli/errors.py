"""What to type about each failure: the advice that errors of the library name, in the words of the command line."""

from malsync.errors import MalsyncError

ADVICE = {
    "back up": "Make one: malsync backup",
    "choose port": "Choose another one with --port; without it, malsync picks a free one.",
    "log in": "Log in again: malsync login",
}
"""By the name that an error gives: what to do, with the error's facts in braces."""


def hint_of(error: MalsyncError) -> str:
    """What to do about `error`, in one line; empty where there is nothing to say."""
    return ADVICE[error.advice].format_map(error.facts) if error.advice else error.hint
