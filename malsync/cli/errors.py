"""What to type about each failure: the advice that errors of the library name, in the words of the command line."""

from malsync.errors import MalsyncError

ADVICE = {
    "back up": "Make one: malsync backup",
    "choose another home or move the file": "Choose another home folder with --home or MALSYNC_HOME, or move that file away.",
    "choose another home or move the folder": "Choose another home folder with --home, or move that folder away.",
    "free disk space": "Make room on that disk (see `df`) and run the same command again.",
    "log in": "Log in again: malsync login",
    "make the folder writable": "Give yourself the right to write to the folder, or put what `malsync mirror copy` makes there "
    "instead; to look at this one as it is, copy it to a folder of your own and name that with --home.",
    "make the mirror writable": "Give yourself the right to write to the file and its folder, or choose another folder with "
    "--home.",
    "rebuild the mirror": "Make a new one from exported snapshots: malsync mirror rebuild FILES "
    "(the newest list of each user is in the folder `latest` beside it). The damaged file is kept.",
    "remove the foreign object": "If you added it, remove it (DROP) with the program that you added it with. Otherwise move the "
    "file away, and make a new one from a copy or from exported snapshots: malsync mirror rebuild FILES",
    "resume, undo or abandon": "Finish it: malsync resume {run}. Take it back: malsync undo {run}. "
    "Give it up: malsync runs --abandon {run}",
    "verify": "`malsync verify` says what is whole.",
    "wait for the other program": "Close it, or wait, and run the same command again.",
}
"""By the name that an error gives: what to do, with the error's facts in braces."""


def hint_of(error: MalsyncError) -> str:
    """What to do about `error`, in one line: its advice, then its own hint. Empty if there is nothing to say."""
    advice = ADVICE[error.advice].format_map(error.facts) if error.advice else ""
    return f"{advice.rstrip('.')}. {error.hint}" if advice and error.hint else advice or error.hint
