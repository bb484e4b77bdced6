"""Every failure that a user can meet, and the exit code that it ends with.

    MalsyncError
    ├── UsageError            2   wrong usage, a bad reference, an unreadable input file
    ├── AuthError             3   not logged in, token refused, another MAL user
    │   ├── NotSignedIn           the account has no token
    │   ├── TokenRefused          the API refused the access token
    │   ├── TokenOfAnotherOrigin  the account's token was issued for another API
    │   ├── SignInRefused         the authorization server refused the code or the refresh token
    │   ├── PrivateList           the owner shows this list to nobody else
    │   └── WrongState            an answer to another sign-in than ours
    ├── ApiError              4   the API could not be read or written, after retries
    │   ├── Transient             worth another try: a broken connection, 429, 5xx, a block page
    │   ├── RetryAfterTooLong     MAL asks to wait for longer than malsync does
    │   ├── NotFound              MAL answered 404
    │   ├── Rejected              MAL refused what was sent, and would again
    │   └── ListKeptChanging      a list that changed during every attempt to read it
    ├── MirrorError           6   the mirror is not ours, newer than this program, or cannot be written
    │   └── Damaged               it is no whole database any more, or does not rebuild to what was stored
    ├── Refused               7   a guard refused; nothing was sent or stored
    │   ├── TooManyDeletes        a plan would delete more than was allowed
    │   ├── SuspiciousList, EmptyList   a list that looks wrong would replace another
    │   ├── TitlesDiffer          the ids of a list belong to another site
    │   ├── Cancelled             the user answered no
    │   ├── UnfinishedRun         a run has to be resumed, undone or abandoned first
    │   └── Busy                  another malsync, or another program, is at work on this home folder
    └── Interrupted         130   Ctrl-C, in the middle of a run that can be resumed

Each states what happened in one line (`message`). What to do about it is a `hint` where that takes no command; where it
does, `advice` names what a command line would suggest, and malsync/cli/errors.py has the words. So no caller from Python
reads about commands or flags.
"""

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """What malsync's exit codes mean. They are an interface: scripts rely on them."""

    OK = 0
    DIFFERENT = 1
    USAGE = 2
    AUTH = 3
    API = 4
    LEFT = 5
    MIRROR = 6
    REFUSED = 7
    SUSPICIOUS = 8
    BUG = 70
    INTERRUPTED = 130


class MalsyncError(Exception):
    """What happened, in one line. `facts` are the values that it, or the advice on it, is made of."""

    exit = Exit.BUG

    def __init__(self, message: str, hint: str = "", *, advice: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.advice = advice
        self.then = ""
        """Further advice, for after the failure has been dealt with."""
        self.facts = facts


class UsageError(MalsyncError):
    """Wrong usage, a bad reference, an unreadable input file."""

    exit = Exit.USAGE


class AuthError(MalsyncError):
    """Not logged in, a refused token, or another MAL user than the one expected."""

    exit = Exit.AUTH


class NotSignedIn(AuthError):
    """There is no token for `account`."""

    def __init__(self, account: str) -> None:
        super().__init__(
            f"Not logged in: there is no token for the account {account!r}.", advice="sign in", account=account
        )
        self.account = account


class TokenRefused(AuthError):
    """HTTP 401: the access token has expired or was revoked."""


class TokenOfAnotherOrigin(AuthError):
    """The token of `account` is for the API at `issued_for`, and the configured one is at `api`. It is not sent there."""

    def __init__(self, account: str, *, issued_for: str, api: str) -> None:
        super().__init__(
            f"The token of the account {account!r} is for {issued_for}, and the API's address is at {api}.",
            advice="set the address back",
        )
        self.account, self.issued_for, self.api = account, issued_for, api


class SignInRefused(AuthError):
    """HTTP 401 of the authorization server: it refused a code, a refresh token or the client id."""


class PrivateList(AuthError):
    """The list is not visible to this account or client id."""


class WrongState(AuthError):
    """An OAuth answer whose `state` is not the one that was sent."""


class ApiError(MalsyncError):
    """The API could not be read or written. `status` is HTTP's, where there was an answer."""

    exit = Exit.API
    status: int | None = None


class Transient(ApiError):
    """A failure that may pass. `retry_after` is in seconds, where the server named it; `status` is its, if it answered."""

    def __init__(
        self, message: str, hint: str = "", retry_after: float | None = None, status: int | None = None, **facts: Any
    ) -> None:
        super().__init__(message, hint, **facts)
        self.retry_after = retry_after
        self.status = status


class RetryAfterTooLong(ApiError):
    """The server asks to wait for longer than malsync waits by itself. `retry_after` is in seconds, where the server named it."""

    def __init__(self, message: str, hint: str = "", retry_after: float | None = None, **facts: Any) -> None:
        super().__init__(message, hint, **facts)
        self.retry_after = retry_after


class NotFound(ApiError):
    """MAL answered 404."""

    status = 404


class Rejected(ApiError):
    """MAL refused what was sent, and would again. `code` is the `error` of its answer, such as `invalid_content`."""

    def __init__(self, message: str, hint: str = "", *, status: int, code: str, **facts: Any) -> None:
        super().__init__(message, hint, **facts)
        self.status = status
        self.code = code


class ListKeptChanging(ApiError):
    """A list changed during every attempt to read it, so no reading of it can be trusted."""


class MirrorError(MalsyncError):
    """The mirror is damaged, not ours, newer than this program, or cannot be written."""

    exit = Exit.MIRROR


class Damaged(MirrorError):
    """The mirror is no whole database any more, or does not rebuild to what was stored."""


class Refused(MalsyncError):
    """A guard refused; nothing was sent and nothing was stored."""

    exit = Exit.REFUSED


class TooManyDeletes(Refused):
    """A plan would delete `count` entries, more than was allowed, or every entry of the lists `emptied` (names of media)."""

    def __init__(self, message: str, hint: str = "", *, count: int, emptied: tuple[str, ...], **facts: Any) -> None:
        super().__init__(message, hint, count=count, emptied=emptied, **facts)
        self.count = count
        self.emptied = emptied


class SuspiciousList(Refused):
    """A suspicious list would replace another, or be carried into another account."""


class EmptyList(Refused):
    """A list without an entry would replace one that has some, or be carried into another account."""


class TitlesDiffer(Refused):
    """Most titles of a list are not what MAL calls these ids: the ids belong to another site."""


class Cancelled(Refused):
    """The user answered no. That is no error, and is not called one."""


class UnfinishedRun(Refused):
    """The user has an unfinished run, whose number is `run`: resume, undo or abandon it first."""

    def __init__(self, message: str, *, run: int) -> None:
        super().__init__(message, advice="resume, undo or abandon", run=run)
        self.run = run


class Busy(Refused):
    """Another process holds what this one needs."""


class Interrupted(MalsyncError):
    """Ctrl-C in the middle of a run: what to type to go on is the hint."""

    exit = Exit.INTERRUPTED
