"""What an answer of the MAL API means.

How MAL tells its failures apart is stated where it is used; the sources are public clients' recorded replies, named there.
"""

import re
from typing import Any, ClassVar

import requests

from malsync.errors import ApiError, AuthError, NotFound, PrivateList, Rejected, Transient
from malsync.transport import REACH, TokenRefused, Transport, content_type, json_of, refuse_half_characters, retry_after
from malsync.urls import origin_of

_DELETED = (b"", b"null")  # what stands in the place of `[]` in the reference's sample, and where bodies get lost
_ANOTHERS_LIST = re.compile(r"GET /users/(?!@me/)")
_CHECK_URL = "Check that MALSYNC_API_URL is the address of the MAL API v2."


class MalTransport(Transport):
    """Requests to the MAL API."""

    service: ClassVar = "MAL"
    setting: ClassVar = "MALSYNC_API_URL"

    def understood(self, call: str, response: requests.Response, body: bytes) -> Any:
        """The answer's JSON; of a DELETE, None. Raises the error that the answer is."""
        return _understood(call, response, body)


def _understood(call: str, response: requests.Response, body: bytes) -> Any:
    """The answer's JSON, or the error that it is."""
    status = response.status_code
    document = json_of(body)
    if status == 200 and (document is not None or (call.startswith("DELETE ") and body.strip() in _DELETED)):
        return document
    told = document if isinstance(document, dict) else {}
    said = str(told.get("message") or told.get("error") or "")[:200]
    if status == 200 and call.startswith("GET "):
        refuse_half_characters(call, body)
    if status == 200:
        form = "is empty" if not body.strip() else f"is not JSON but {content_type(response)}"
        raise Transient(f"{call}: the answer {form}.", _CHECK_URL)
    if 300 <= status < 400:
        to = response.headers.get("Location", "")
        raise ApiError(
            f"{call}: the API redirects to {origin_of(to) if '//' in to else 'another page'}; malsync does not follow.",
            "Check MALSYNC_API_URL.",
        )
    if status == 401:
        raise TokenRefused(f"{call}: MAL refused the token ({said or 'invalid_token'}).", advice="log in")
    if status == 403:
        raise _forbidden(call, told, said)
    if status == 404 and document is None and body.strip() not in _DELETED:
        # A page of the site's, or of a box between: it says nothing of a title or an entry.
        raise ApiError(
            f"{call}: MAL answered 404 with {content_type(response)}, which is no answer of its API.",
            _CHECK_URL,
        )
    if status == 404:
        # Nobody gave a name or an id for what is one's own.
        hint = _CHECK_URL if "/users/@me" in call else "Check the name or id."
        raise NotFound(f"{call}: MAL answers that there is no such thing (404).", hint)
    if status == 429 or status >= 500:
        raise Transient(f"{call}: MAL answered {status}.", REACH, retry_after(response), status=status)
    if "client id" in said.lower():
        raise AuthError(f"{call}: {said}.", "Check MALSYNC_CLIENT_ID against the one shown in MAL's API settings.")
    raise Rejected(
        f"{call}: MAL answered {status}{': ' if said else ''}{said.rstrip('.')}.",
        "MAL would refuse the same again; a newer malsync may ask for it in another way.",
        status=status,
        code=str(told.get("error") or ""),
    )


def _forbidden(call: str, told: dict[str, Any], said: str) -> ApiError | AuthError:
    # Three meanings (MALSync helper.ts, taiga myanimelist.cpp): no JSON is a block page and passes; "forbidden" is
    # missing credentials; the rest is a list that its owner does not show, in words that nobody has recorded.
    if not told:
        message = f"{call}: MAL blocks this address or program for now (403)."
        return Transient(message, "Wait some minutes; try again.", status=403)
    if not call.startswith("GET ") or (told.get("error") == "forbidden" and not _ANOTHERS_LIST.match(call)):
        return AuthError(f"{call}: MAL says forbidden.", "Log in (malsync login), or set MALSYNC_CLIENT_ID.")
    return PrivateList(f"{call}: MAL does not show this ({said}).", "Its owner can: malsync login, malsync backup")
