"""Every failure that a user can meet, and the exit code that it ends with.

    MalsyncError
    ├── UsageError            2   wrong usage, a bad reference, an unreadable input file
    ├── AuthError             3   not logged in, token refused, another MAL user
    │   ├── PrivateList           the owner shows this list to nobody else
    │   └── WrongState            an answer to another sign-in than ours
    ├── ApiError              4   the API could not be read or written, after retries
    │   ├── Transient             worth another try: a broken connection, 429, 5xx, a block page
    │   ├── NotFound              MAL answered 404
    │   └── Unsteady              a list that changed while it was read, again and again
    ├── MirrorError           6   the mirror is not ours, newer than this program, or cannot be written
    │   └── Damaged               it is no whole database any more, or does not rebuild to what was stored
    └── Refused               7   a guard refused; nothing was sent or stored
        └── Busy                  another malsync, or another program, is at work on this home folder

Each carries one line that says what happened (`message`) and one that says what to do (`hint`).
"""

from enum import IntEnum


class Exit(IntEnum):
    """What malsync's exit codes mean. They are an interface: scripts rely on them."""

    OK = 0
    DIFFERENT = 1
    USAGE = 2
    AUTH = 3
    API = 4
    MIRROR = 6
    REFUSED = 7
    SUSPICIOUS = 8
    BUG = 70
    INTERRUPTED = 130


class MalsyncError(Exception):
    """What happened, in one line, and what to do about it, in another."""

    exit = Exit.BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MalsyncError):
    """Wrong usage, a bad reference, an unreadable input file."""

    exit = Exit.USAGE


class AuthError(MalsyncError):
    """Not logged in, a refused token, or another MAL user than the one expected."""

    exit = Exit.AUTH


class PrivateList(AuthError):
    """MAL does not show this list to whoever asks for it."""


class WrongState(AuthError):
    """An OAuth answer whose `state` is not the one that was sent."""


class ApiError(MalsyncError):
    """The API could not be read or written."""

    exit = Exit.API


class Transient(ApiError):
    """A failure that may pass. `retry_after` is in seconds, where the server named it."""

    def __init__(self, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class NotFound(ApiError):
    """MAL answered 404."""


class Unsteady(ApiError):
    """A list could not be read twice alike, so no reading of it can be trusted."""


class MirrorError(MalsyncError):
    """The mirror is damaged, not ours, newer than this program, or cannot be written."""

    exit = Exit.MIRROR


class Damaged(MirrorError):
    """The mirror is no whole database any more, or does not rebuild to what was stored."""


class Refused(MalsyncError):
    """A guard refused; nothing was sent and nothing was stored."""

    exit = Exit.REFUSED


class Busy(Refused):
    """Another process holds what this one needs."""
