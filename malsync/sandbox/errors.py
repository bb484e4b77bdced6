"""What goes wrong in the sandbox.

ValueError
└── SandboxError     whoever set the sandbox up made a mistake: a bad setting, fault, state or port
Exception
├── Refusal          the API says no, with a status and a body of two members
├── ExpiredToken     the API says no to an access token, with a body and a header of their own
└── OAuthRefusal     the authorization server says no, in the words of its library
"""

from __future__ import annotations


class SandboxError(ValueError):
    """A setting, fault, state or port that cannot be used. The message is one line that says what would do."""


class Refusal(Exception):
    """An answer of the API that is not a success.

    `status` is the HTTP status, `error` and `message` are the members of the body. MAL writes `message` first (recorded
    in SuperMarcus/myanimelist-api-specification issue 1); an empty message is written too.
    """

    def __init__(self, status: int, error: str, message: str = "") -> None:
        super().__init__(f"{status} {error} {message}".rstrip())
        self.status = status
        self.error = error
        self.message = message


class ExpiredToken(Exception):
    """An access token that is unknown, revoked or expired: the API's answers to the three are one."""


class OAuthRefusal(Exception):
    """An error of the authorization server: its body has `error`, `message` and often `hint`, in this order."""

    def __init__(self, status: int, error: str, message: str, hint: str | None = None) -> None:
        super().__init__(f"{error}: {hint or message}")
        self.status = status
        self.body = {"error": error, "message": message} | ({} if hint is None else {"hint": hint})


def bad_request(message: str) -> Refusal:
    """A 400 with a sentence in it, as MAL words a parameter or form that it does not take."""
    return Refusal(400, "bad_request", message)


def not_found() -> Refusal:
    """A 404: no such title, no such user, or a title that is not on the list."""
    return Refusal(404, "not_found")
