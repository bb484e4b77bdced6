"""The errors of the sandbox.

ValueError
└── SandboxError     the sandbox was set up wrongly: an invalid setting, fault, state or port
Exception
├── Refusal          the API refuses a request, with a status and a body of two members
├── ExpiredToken     the API refuses an access token, with a body and a header of its own
└── OAuthRefusal     the authorization server refuses a request, in the words of its library
"""

from __future__ import annotations


class SandboxError(ValueError):
    """A setting, fault, state or port that cannot be used. The message is one line that says what is possible."""


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
    """An access token that is unknown, revoked or expired: the API answers all three alike."""


class OAuthRefusal(Exception):
    """An error of the authorization server: its body has `error`, `message` and often `hint`, in this order."""

    def __init__(self, status: int, error: str, message: str, hint: str | None = None) -> None:
        super().__init__(f"{error}: {hint or message}")
        self.status = status
        self.body = {"error": error, "message": message} | ({} if hint is None else {"hint": hint})


def bad_request(message: str) -> Refusal:
    """Return a 400 with a message, as MAL answers an invalid parameter or form."""
    return Refusal(400, "bad_request", message)


def not_found() -> Refusal:
    """Return a 404: no such title, no such user, or a title that is not on the list."""
    return Refusal(404, "not_found")
