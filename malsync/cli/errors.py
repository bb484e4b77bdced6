"""What to type about each failure: the advice that errors of the library name, in the words of the command line."""

import shlex

from malsync.errors import MalsyncError
from malsync.text import DEFAULT_ACCOUNT, command_line

ADVICE = {
    "abandon the run": "Give it up (malsync runs --abandon {run}) and restore again.",
    "allow the deletions": "Look at the plan (--dry-run). If that is what you want: --max-deletes {count}",
    "back up": "Make one: malsync backup",
    "back up or name a number": "Make one (malsync backup), or name a snapshot by its number (malsync snapshots).",
    "back up their lists": "Their owner can back them up: {login}",
    "back up without a name": "Your own lists: malsync backup",
    "check the authorization server": "Check MALSYNC_AUTH_URL.",
    "check the client id": "Check MALSYNC_CLIENT_ID against the one shown in MAL's API settings.",
    "check the empty list": "Check that it is the list you mean (malsync snapshots). If it is: --force",
    "choose a folder": "Choose a folder with --home or MALSYNC_HOME, or move that file away.",
    "choose another home": "Choose another with --home.",
    "choose another home or move the file": (
        "Choose another home folder with --home or MALSYNC_HOME, or move that file away."
    ),
    "choose another home or move the folder": "Choose another home folder with --home, or move that folder away.",
    "choose port": "Choose another one with --port; without it, malsync picks a free one.",
    "export as JSON": "Export it as JSON (--format json), or name another list.",
    "fetch titles or force": (
        "If these are the same titles in another language: malsync fetch details, then again. To write all "
        "the same: --force"
    ),
    "free disk space": "Make room on that disk (see `df`) and run the same command again.",
    "give a month": ("A year is not a reference: give a month or a day, as in {year}-12. Snapshots: malsync snapshots"),
    "give a rule": "For example: malsync prune --keep-daily 14 --keep-weekly 8 --keep-monthly 24 --dry-run",
    "give an account of its own": "Give this user an account of their own: --account {name}",
    "import one by one": "Import them one by one; malsync's own files may go together: malsync mirror rebuild FILES",
    "import the XML": "Import it: malsync import {quoted_path}",
    "install keyring": (
        "Install keyring beside malsync: `pipx inject malsync keyring`, or in the clone pip install '.[keyring]'"
    ),
    "leave out the field": "Name another list, or leave out --field {field}.",
    "leave out the medium": "Name another list, or leave out --only.",
    "let its owner back it up": "Its owner can: malsync login, malsync backup",
    "list runs": "List them: malsync runs",
    "list snapshots": "List them: malsync snapshots",
    "log in": "Log in again: {login}",
    "log in or give a client id": "Log in ({login}), or set MALSYNC_CLIENT_ID.",
    "log in with another client": (
        "Log in again: {login}. Check MALSYNC_CLIENT_ID (and MALSYNC_CLIENT_SECRET for a web app)."
    ),
    "look at the ended run": "It had come to its end. To look at it: malsync runs",
    "look at the plan": "Look at the plan with --dry-run instead.",
    "look at the runs": "Look at it: malsync runs",
    "look at the suspicious list": "Look at it (malsync diff good latest). If it is what you want: --force",
    "look at the snapshots": "Look at them: malsync snapshots",
    "make the folder writable": (
        "Give yourself the right to write to the folder, or put what `malsync mirror copy` makes there "
        "instead; to look at this one as it is, copy it to a folder of your own and name that with --home."
    ),
    "make the mirror writable": (
        "Give yourself the right to write to the file and its folder, or choose another folder with --home."
    ),
    "make another plan": "Fix it, or make a new one with --plan.",
    "migrate instead": (
        "To carry it into this account: malsync migrate {reference} --to {account}. To write to another "
        "account: --account NAME"
    ),
    "move the accounts away": "Move it away and log in again: malsync login. No snapshot depends on it.",
    "name a list file": "Name a file that `malsync export --format json` or MyAnimeList's own export wrote.",
    "name a plan": "Name a file that --plan wrote.",
    "name a report of an import": "Name a file that `malsync import --from anilist` wrote.",
    "name a snapshot": "Name a file that `malsync export` wrote.",
    "name a number": "Name one by its number: malsync snapshots",
    "name a number in the future": "If the clock is right, name one by its number: malsync snapshots",
    "name an account": (
        "Use up to 64 letters, digits and _ . - beginning with a letter or digit, such as --account second"
    ),
    "name exported snapshots": (
        "Name files that `malsync export --format json` wrote, or those of the folder `latest` beside the mirror."
    ),
    "name the account": "Name the account it is for: --account NAME",
    "name the run": "Name one: malsync resume RUN",
    "rebuild the mirror": (
        "Make a new one from exported snapshots: malsync mirror rebuild FILES (the newest list of each user "
        "is in the folder `latest` beside it). The damaged file is kept."
    ),
    "remove the foreign object": (
        "If you added it, remove it (DROP) with the program that you added it with. Otherwise move the file "
        "away, and make a new one from a copy or from exported snapshots: malsync mirror rebuild FILES"
    ),
    "repair the file": (
        "Use another copy, or strip what XML forbids and import the rest: malsync import --repair FILE"
    ),
    "repeat later": "Wait until it has ended, and type this again.",
    "replace the token": "Put a fresh one there, or unset it. Log in again: {login}",
    "replace the tokens": "Move it away. Log in again: {login}",
    "restore an older list": "Restore an older list instead: malsync snapshots",
    "resume the run": "To go on: malsync resume {run}",
    "resume, undo or abandon": (
        "Finish it: malsync resume {run}. Take it back: malsync undo {run}. Give it up: malsync runs --abandon {run}"
    ),
    "say whose list": "Say WHO@REF, or --account: {names}",
    "set the address back": (
        "Set MALSYNC_API_URL back, or give the other one an account of its own: malsync --account NAME login"
    ),
    "set the authorization server back": "Set MALSYNC_AUTH_URL back. Log in again: {login}",
    "sign in": "Sign in: {login}",
    "sign in to that account": "Sign in to that account: malsync --account {quoted_account} login",
    "sign in to the account": "Sign in to it: malsync --account {quoted_account} login",
    "start again": "Start again: {login}",
    "write to another account": "To write to another account: --account NAME",
    "undo again": "Again: malsync undo {run}",
    "unlock the keyring": 'Unlock it, or set token_store = "file" in config.toml.',
    "use another port": "End the program that uses it, or use {login} --no-browser",
    "use another redirect address": "Use {login} --no-browser, or register http://localhost:8765/callback at MAL.",
    "use cron": "Use a cron line instead: malsync schedule cron",
    "use cron without a user manager": (
        "Are you logged in directly, not by su or sudo? Or use a cron line: malsync schedule cron"
    ),
    "use the mirror": (
        "To use it, copy it into an empty folder as mirror.db: `malsync --home FOLDER snapshots` lists what "
        "it holds, `malsync --home FOLDER export` writes that to files."
    ),
    "verify": "`malsync verify` says what is whole.",
    "wait for the other program": "Close it, or wait, and run the same command again.",
    "wait longer": "Wait until it has ended, or give --wait SECONDS.",
}
"""By the name that an error gives: what to do, with the error's facts in braces; {quoted_NAME} is quoted for a shell."""


def hint_of(error: MalsyncError) -> str:
    """What to do about `error`, in one line; empty where there is nothing to say."""
    quoted = {f"quoted_{name}": shlex.quote(fact) for name, fact in error.facts.items() if isinstance(fact, str)}
    facts = {**error.facts, **quoted, "login": command_line("login", error.facts.get("account", DEFAULT_ACCOUNT))}
    first = ADVICE[error.advice].format_map(facts) if error.advice else error.hint
    then = ADVICE[error.then].format_map(facts) if error.then else ""
    if error.advice and error.hint:
        first = f"{first.rstrip('.')}. {error.hint}"
    return f"{first.rstrip('.')}. {then}" if first and then else first or then
