"""What to type about each failure: the advice that errors of the library name, in the words of the command line."""

from malsync.errors import MalsyncError
from malsync.text import DEFAULT_ACCOUNT, command_line

ADVICE = {
    "back up": "Make one: malsync backup",
    "back up their lists": "Their owner can back them up: {login}",
    "check the authorization server": "Check MALSYNC_AUTH_URL.",
    "check the client id": "Check MALSYNC_CLIENT_ID against the one shown in MAL's API settings.",
    "install keyring": (
        "Install keyring beside malsync: `pipx inject malsync keyring`, or in the clone pip install '.[keyring]'"
    ),
    "let its owner back it up": "Its owner can: malsync login, malsync backup",
    "log in": "Log in again: {login}",
    "log in or give a client id": "Log in ({login}), or set MALSYNC_CLIENT_ID.",
    "log in with another client": (
        "Log in again: {login}. Check MALSYNC_CLIENT_ID (and MALSYNC_CLIENT_SECRET for a web app)."
    ),
    "replace the token": "Put a fresh one there, or unset it. Log in again: {login}",
    "replace the tokens": "Move it away. Log in again: {login}",
    "set the address back": (
        "Set MALSYNC_API_URL back, or give the other one an account of its own: malsync --account NAME login"
    ),
    "set the authorization server back": "Set MALSYNC_AUTH_URL back. Log in again: {login}",
    "sign in": "Sign in: {login}",
    "start again": "Start again: {login}",
    "unlock the keyring": 'Unlock it, or set token_store = "file" in config.toml.',
    "use another port": "End the program that uses it, or use {login} --no-browser",
    "use another redirect address": ("Use {login} --no-browser, or register http://localhost:8765/callback at MAL."),
}
"""By the name that an error gives: what to do, with the error's facts in braces. {login} signs in to the error's account."""


def hint_of(error: MalsyncError) -> str:
    """Return what to do about `error`, in one line; empty where there is nothing to say."""
    facts = {**error.facts, "login": command_line("login", error.facts.get("account", DEFAULT_ACCOUNT))}
    first = ADVICE[error.advice].format_map(facts) if error.advice else ""
    return f"{first.rstrip('.')}. {error.hint}" if first and error.hint else first or error.hint
