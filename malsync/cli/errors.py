"""What to type about each failure: the advice that errors of the library name, in the words of the command line."""

from malsync.errors import MalsyncError

ADVICE = {
    "back up": "Make one: malsync backup",
    "export as JSON": "Export it as JSON (--format json), or name another list.",
    "log in": "Log in again: malsync login",
    "name a list file": "Name a file that `malsync export --format json` or MyAnimeList's own export wrote.",
    "repair the file": "Use another copy, or strip what XML forbids and import the rest: malsync import --repair FILE",
    "use the mirror": "To use it, copy it into an empty folder as mirror.db: `malsync --home FOLDER snapshots` lists what it "
    "holds, `malsync --home FOLDER export` writes that to files.",
}
"""By the name that an error gives: what to do, with the error's facts in braces."""


def hint_of(error: MalsyncError) -> str:
    """What to do about `error`, in one line; empty where there is nothing to say."""
    return ADVICE[error.advice].format_map(error.facts) if error.advice else error.hint
