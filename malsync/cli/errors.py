"""What to type about each failure: the advice that errors of the library name, in the words of the command line."""

import shlex

from malsync.errors import MalsyncError

ADVICE = {
    "abandon the run": "Give it up (malsync runs --abandon {run}) and restore again.",
    "back up": "Make one: malsync backup",
    "back up without a name": "Your own lists: malsync backup",
    "fetch titles or force": (
        "If these are the same titles in another language: malsync fetch details, then again. To write all the same: --force"
    ),
    "leave out the field": "Name another list, or leave out --field {field}.",
    "leave out the medium": "Name another list, or leave out --only.",
    "list runs": "List them: malsync runs",
    "log in": "Log in again: malsync login",
    "look at the ended run": "It had come to its end. To look at it: malsync runs",
    "look at the plan": "Look at the plan with --dry-run instead.",
    "look at the runs": "Look at it: malsync runs",
    "migrate instead": (
        "To carry it into this account: malsync migrate {reference} --to {account}. To write to another account: "
        "--account NAME"
    ),
    "name the account": "Name the account it is for: --account NAME",
    "name the run": "Name one: malsync resume RUN",
    "restore an older list": "Restore an older list instead: malsync snapshots",
    "resume the run": "To go on: malsync resume {run}",
    "sign in to that account": "Sign in to that account: malsync --account {quoted_account} login",
    "sign in to the account": "Sign in to it: malsync --account {quoted_account} login",
    "undo again": "Again: malsync undo {run}",
}
"""By the name that an error gives: what to do, with the error's facts in braces; {quoted_NAME} is quoted for a shell."""


def hint_of(error: MalsyncError) -> str:
    """What to do about `error`, in one line; empty where there is nothing to say."""
    quoted = {f"quoted_{name}": shlex.quote(fact) for name, fact in error.facts.items() if isinstance(fact, str)}
    facts = {**error.facts, **quoted}
    first = ADVICE[error.advice].format_map(facts) if error.advice else error.hint
    then = ADVICE[error.then].format_map(facts) if error.then else ""
    return f"{first.rstrip('.')}. {then}" if first and then else first or then
