"""Turn answers of the MAL API into JSON or into typed errors.

How MAL tells its failures apart is stated where it is used, with the public client whose recorded replies show it.
"""

import re
from typing import Any, ClassVar

import requests

from malsync.errors import ApiError, AuthError, NotFound, PrivateList, Rejected, TokenRefused, Transient
from malsync.transport import REACH, Transport, content_type, json_of, refuse_lone_surrogates, retry_after
from malsync.urls import origin_of

_DELETED = (b"", b"null")  # what stands in the place of `[]` in the reference's sample, and where bodies get lost
_LIST_OF_ANOTHER = re.compile(r"GET /users/(?!@me/)")
_CHECK_URL = "Check that MALSYNC_API_URL is the address of the MAL API v2."


class MalTransport(Transport):
    """Requests to the MAL API."""

    service: ClassVar = "MAL"
    setting: ClassVar = "MALSYNC_API_URL"

    def parse(self, call: str, response: requests.Response, body: bytes) -> Any:
        """Return the answer's JSON; for a DELETE, None. Raises the error that the answer reports."""
        document = json_of(body)
        if response.status_code != 200:
            raise _error_of(call, response, body, document)
        if document is None and not (call.startswith("DELETE ") and body.strip() in _DELETED):
            if call.startswith("GET "):
                refuse_lone_surrogates(call, body)
            form = "is empty" if not body.strip() else f"is not JSON but {content_type(response)}"
            raise Transient(f"{call}: the answer {form}.", _CHECK_URL)
        return document


def _error_of(call: str, response: requests.Response, body: bytes, document: Any) -> ApiError | AuthError:
    """Return the error that an answer with another status than 200 stands for."""
    status = response.status_code
    members = document if isinstance(document, dict) else {}
    reason = str(members.get("message") or members.get("error") or "")[:200]
    if 300 <= status < 400:
        to = response.headers.get("Location", "")
        return ApiError(
            f"{call}: the API redirects to {origin_of(to) if '//' in to else 'another page'}; malsync does not follow.",
            "Check MALSYNC_API_URL.",
        )
    if status == 401:
        return TokenRefused(f"{call}: MAL refused the token ({reason or 'invalid_token'}).", advice="log in")
    if status == 403:
        return _forbidden(call, members, reason)
    if status == 404 and document is None and body.strip() not in _DELETED:
        # A page of the web site or of a proxy: it says nothing about a title or an entry.
        return ApiError(
            f"{call}: MAL answered 404 with {content_type(response)}, which is not an answer of its API.",
            _CHECK_URL,
        )
    if status == 404:
        # The caller gave no name or id for their own profile or list.
        hint = _CHECK_URL if "/users/@me" in call else "Check the name or id."
        return NotFound(f"{call}: MAL answers that there is no such thing (404).", hint)
    if status == 429 or status >= 500:
        return Transient(f"{call}: MAL answered {status}.", REACH, retry_after(response), status=status)
    if "client id" in reason.lower():
        return AuthError(f"{call}: {reason}.", advice="check the client id")
    return Rejected(
        f"{call}: MAL answered {status}{': ' if reason else ''}{reason.rstrip('.')}.",
        "MAL would refuse the same again; a newer malsync may ask for it in another way.",
        status=status,
        code=str(members.get("error") or ""),
    )


def _forbidden(call: str, members: dict[str, Any], reason: str) -> ApiError | AuthError:
    # Three meanings (MALSync helper.ts, taiga myanimelist.cpp): no JSON is a block page and passes; "forbidden" is
    # missing credentials; the rest is a list that its owner does not show, in words that no client has recorded.
    if not members:
        message = f"{call}: MAL blocks this address or program for now (403)."
        return Transient(message, "Wait some minutes; try again.", status=403)
    if not call.startswith("GET ") or (members.get("error") == "forbidden" and not _LIST_OF_ANOTHER.match(call)):
        return AuthError(f"{call}: MAL says forbidden.", advice="log in or give a client id")
    return PrivateList(f"{call}: MAL does not show this ({reason}).", advice="let its owner back it up")
