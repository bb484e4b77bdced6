"""The authorization server: codes, tokens, and the refusals of league/oauth2-server.

MAL runs an older major version of that PHP library: its texts were recorded word for word (erengy/taiga myanimelist.cpp,
SuperMarcus/myanimelist-api-specification, kodjodevf/mangayomi pull request 534), and the rest is taken from its
`OAuthServerException.php` and `AuthCodeGrant.php`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from malsync.sandbox.errors import OAuthRefusal, SandboxError
from malsync.sandbox.settings import Settings

CLIENT_ID = "5a2db0c5e1f5a2db0c5e1f5a2db0c5e1"
OTHER_CLIENT_ID = "0c5e1f5a2db0c5e1f5a2db0c5e1f5a2d"
"""A second registered client, because a refresh token is bound to its client."""

REGISTERED = "http://localhost:8765/callback"

ENCRYPTED = "def50200"
"""Codes and refresh tokens of that library begin so and are hexadecimal; MAL's too (ballgoesvroomvroom/AP_MALPorter, manual),
and ModerNews/MAL-API-Client-Upgraded accepts no code with other letters."""

_MALFORMED = (
    "The request is missing a required parameter, includes an invalid parameter value, "
    "includes a parameter more than once, or is otherwise malformed."
)
_INVALID_GRANT = (
    "The provided authorization grant (e.g., authorization code, resource owner credentials) or refresh token is invalid, "
    "expired, revoked, does not match the redirection URI used in the authorization request, "
    "or was issued to another client."
)
_RFC_7636 = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


def is_registered(client_id: str, settings: Settings) -> bool:
    """Return whether a client of that id exists."""
    return bool(client_id) and client_id in (CLIENT_ID, OTHER_CLIENT_ID, settings.client_id)


def _malformed(parameter: str, hint: str | None = None) -> OAuthRefusal:
    return OAuthRefusal(400, "invalid_request", _MALFORMED, hint or f"Check the `{parameter}` parameter")


def _bad_client() -> OAuthRefusal:
    return OAuthRefusal(401, "invalid_client", "Client authentication failed")


def _bad_refresh(hint: str) -> OAuthRefusal:
    return OAuthRefusal(401, "invalid_request", "The refresh token is invalid.", hint)


@dataclass
class Grant:
    """A pair of tokens. Times are seconds since the epoch; `live` is False after a refresh."""

    user: str
    client_id: str
    access_token: str
    refresh_token: str
    access_until: float
    refresh_until: float
    live: bool = True

    def answer(self, settings: Settings) -> dict[str, Any]:
        """Return the pair as the token endpoint shows it."""
        return {
            "token_type": "Bearer",
            "expires_in": settings.expires_in,
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
        }


@dataclass(frozen=True)
class AuthorizationRequest:
    """A valid authorization request. `redirect_uri` is where the browser goes, `sent_uri` what the request named."""

    client_id: str
    redirect_uri: str
    sent_uri: str | None
    challenge: str
    state: str | None


@dataclass
class _Code:
    request: AuthorizationRequest
    user: str
    until: float
    used: bool = False


class Authority:
    """Every code and token of a sandbox. Times come from `clock`; nothing here locks."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._by_access: dict[str, Grant] = {}
        self._by_refresh: dict[str, Grant] = {}

    def user_of(self, access_token: str) -> str | None:
        """Return the user of a token, or None if it is unknown, revoked or expired."""
        grant = self._by_access.get(access_token)
        return grant.user if grant and grant.live and self._now() < grant.access_until else None

    def issue(self, user: str, settings: Settings, client_id: str = CLIENT_ID) -> Grant:
        """Return a new pair of tokens, about as long as MAL's."""
        access_until, refresh_until = self._now() + settings.expires_in, self._now() + settings.refresh_expires_in
        grant = Grant(user, client_id, _token(), _encrypted(), access_until, refresh_until)
        self.keep([grant])
        return grant

    def expire_access(self) -> None:
        """Expire every access token; the refresh tokens still work."""
        for grant in self._by_access.values():
            grant.access_until = min(grant.access_until, self._now())

    def expire_refresh(self) -> None:
        """Expire every refresh token."""
        for grant in self._by_access.values():
            grant.refresh_until = min(grant.refresh_until, self._now())

    def state(self) -> list[dict[str, Any]]:
        """Return the pairs of which a token is still valid."""
        now = self._now()
        return [asdict(grant) for grant in self._by_access.values() if grant.live and now < grant.refresh_until]

    def keep(self, grants: Iterable[Grant]) -> None:
        """Accept these pairs from now on."""
        for grant in grants:
            self._by_access[grant.access_token] = self._by_refresh[grant.refresh_token] = grant

    # The authorization endpoint.

    def checked(self, query: Mapping[str, str], settings: Settings) -> AuthorizationRequest:
        """Return the authorization request. Raises OAuthRefusal, which the browser shows instead of a redirect."""
        if not (client_id := query.get("client_id")):
            raise _malformed("client_id")
        if not is_registered(client_id, settings):
            raise _bad_client()
        registered = settings.redirect_uri or REGISTERED
        sent = query.get("redirect_uri")
        if sent is not None and sent != registered and (settings.redirect_uri or not _is_loopback(sent)):
            raise _bad_client()
        if query.get("response_type") != "code":
            raise _bad_grant_type()
        challenge = query.get("code_challenge")
        if challenge is None:
            raise _malformed("code_challenge")
        if query.get("code_challenge_method", "plain") != "plain":
            raise _malformed("code_challenge_method", "Code challenge method must be `plain`")
        if not _RFC_7636.fullmatch(challenge):
            raise _malformed("code_challenge", "Code challenge must follow the specifications of RFC-7636.")
        return AuthorizationRequest(client_id, sent or registered, sent, challenge, query.get("state"))

    def allowed(self, request: AuthorizationRequest, user: str, settings: Settings) -> str:
        """Return the redirect address with `code` and `state`, after Allow."""
        code = _encrypted()
        self._codes[code] = _Code(request, user, self._now() + settings.code_expires_in)
        return _with_query(request.redirect_uri, {"code": code, "state": request.state})

    def denied(self, request: AuthorizationRequest) -> str:
        """Return the redirect address with an error, after Deny."""
        answer = {
            "state": request.state,
            "error": "access_denied",
            "message": "The resource owner or authorization server denied the request.",
            "hint": "The user denied the request",
        }
        return _with_query(request.redirect_uri, answer)

    # The token endpoint.

    def token(self, form: Mapping[str, str], basic: tuple[str, str] | None, settings: Settings) -> dict[str, Any]:
        """Return the answer of the token endpoint: token_type, expires_in, access_token, refresh_token.

        `basic` is client id and secret of HTTP Basic, if it was used. Raises OAuthRefusal.
        """
        grants = {"authorization_code": self._redeemed, "refresh_token": self._refreshed}
        if (grant_type := form.get("grant_type", "")) not in grants:
            raise _bad_grant_type()
        client_id, secret = basic or (form.get("client_id"), form.get("client_secret", ""))
        if not client_id:
            raise _malformed("client_id")
        if not is_registered(client_id, settings) or (settings.client_secret and secret != settings.client_secret):
            raise _bad_client()
        user = grants[grant_type](form, client_id)
        return self.issue(user, settings, client_id).answer(settings)

    def _redeemed(self, form: Mapping[str, str], client_id: str) -> str:
        if not (text := form.get("code")):
            raise _malformed("code")
        if (code := self._codes.get(text)) is None:
            raise _malformed("code", "Cannot decrypt the authorization code")
        if self._now() >= code.until:
            raise _malformed("code", "Authorization code has expired")
        if code.used:
            raise _malformed("code", "Authorization code has been revoked")
        if code.request.client_id != client_id:
            raise _malformed("code", "Authorization code was not issued to this client")
        _check_redirect(code.request, form.get("redirect_uri"))
        if (verifier := form.get("code_verifier")) is None:
            raise _malformed("code_verifier")
        if not _RFC_7636.fullmatch(verifier):
            raise _malformed("code_verifier", "Code Verifier must follow the specifications of RFC-7636.")
        if not secrets.compare_digest(verifier, code.request.challenge):
            raise OAuthRefusal(400, "invalid_grant", _INVALID_GRANT, "Failed to verify `code_verifier`.")
        code.used = True
        return code.user

    def _refreshed(self, form: Mapping[str, str], client_id: str) -> str:
        if not (text := form.get("refresh_token")):
            raise _malformed("refresh_token")
        if (grant := self._by_refresh.get(text)) is None:
            raise _bad_refresh("Cannot decrypt the refresh token")
        if grant.client_id != client_id:
            raise _bad_refresh("Token is not linked to client")
        if self._now() >= grant.refresh_until:
            raise _bad_refresh("Token has expired")
        if not grant.live:
            raise _bad_refresh("Token has been revoked")
        grant.live = False
        return grant.user

    def _now(self) -> float:
        return self._clock().timestamp()


def grants_from(state: Any) -> list[Grant]:
    """Return the pairs of `Authority.state`. Raises SandboxError if it is something else."""
    try:
        grants = [Grant(**grant) for grant in state]
    except TypeError:
        grants = None
    if grants is None or not all(map(_is_grant, grants)):
        raise SandboxError("tokens must be a JSON array that a sandbox has written")
    return grants


def _is_grant(pair: Grant) -> bool:
    texts = (pair.user, pair.client_id, pair.access_token, pair.refresh_token)
    times = (pair.access_until, pair.refresh_until)
    return all(isinstance(text, str) for text in texts) and all(isinstance(time, int | float) for time in times)


def _check_redirect(request: AuthorizationRequest, sent: str | None) -> None:
    """Check the address of a token request: that of the authorization request; optional if that named none."""
    if sent is None and request.sent_uri is not None:
        raise _malformed("redirect_uri")
    if sent not in (None, request.redirect_uri):
        raise _malformed("redirect_uri", "Invalid redirect URI")


def _bad_grant_type() -> OAuthRefusal:
    return OAuthRefusal(
        400,
        "unsupported_grant_type",
        "The authorization grant type is not supported by the authorization server.",
        "Check that all required parameters have been provided",
    )


def _is_loopback(uri: str) -> bool:
    """RFC 8252, section 7.3: a client on the same machine may listen on any free port."""
    return re.fullmatch(r"http://(localhost|127\.0\.0\.1)(:\d{1,5})?(/[!-\"$-~]*)?", uri) is not None


def _with_query(uri: str, values: Mapping[str, str | None]) -> str:
    query = urlencode({name: value for name, value in values.items() if value is not None})
    return f"{uri}{'&' if urlsplit(uri).query else '?'}{query}"


def _token() -> str:
    """Return an access token: random text in three parts, about a thousand characters like MAL's."""
    return ".".join(secrets.token_urlsafe(size) for size in (40, 180, 500))


def _encrypted() -> str:
    """Return random digits like MAL's codes and refresh tokens, of about their length."""
    return ENCRYPTED + secrets.token_hex(500)
