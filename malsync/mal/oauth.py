"""Sign in with OAuth 2 and PKCE `plain`, as MAL requires it: the authorization request, its code, the token endpoint.

Why no OAuth library: MAL knows only `plain`, which requests-oauthlib silently sends no challenge for; the libraries refuse
http on loopback unless a switch is set for the whole process; and none refreshes under a lock that other processes honour.
Facts of the flow: https://myanimelist.net/apiconfig/references/authorization and the clients named at each.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from malsync.clock import Clock
from malsync.errors import ApiError, AuthError, SignInRefused, UsageError, WrongState
from malsync.schemas import find_problem
from malsync.transport import cause, json_of, session_for

REFRESH_TOKEN_SECONDS = 30 * 86400
"""How long MAL's page says that a refresh token lives: a month."""
_SCHEMA = "openapi#/components/schemas/Token"
_TIMEOUT = (10.0, 60.0)


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token and its refresh token, bound to the API's origin and the client id. Times are in seconds since 1970."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    issued_at: float
    expires_at: float
    client_id: str
    origin: str
    auth_url: str = ""

    @classmethod
    def from_document(cls, document: Any) -> "Tokens":
        """Rebuild the tokens from what `asdict` made of them. Raises TypeError for anything else."""
        tokens = cls(**document)
        texts = (tokens.access_token, tokens.refresh_token, tokens.client_id, tokens.origin, tokens.auth_url)
        times = (tokens.issued_at, tokens.expires_at)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(time, int | float) for time in times):
            raise TypeError("a member of another type")
        return tokens

    def headers(self) -> dict[str, str]:
        """Return the header that authenticates a request to the API."""
        return {"Authorization": f"Bearer {self.access_token}"}


class TokenEndpoint:
    """POST {auth_url}/token."""

    def __init__(self, auth_url: str, client_id: str, client_secret: str, clock: Clock, user_agent: str) -> None:
        self._url = f"{auth_url}/token"
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._user_agent = user_agent

    def exchange(self, code: str, verifier: str, redirect_uri: str, origin: str) -> Tokens:
        """Exchange an authorization code for tokens. `redirect_uri` is that of the authorize request (RFC 6749, 4.1.3).

        Raises SignInRefused where MAL answers 401, ApiError for any other failure.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        return self._post(form, self._client_id, origin)

    def refresh(self, tokens: Tokens) -> Tokens:
        """Exchange a pair of tokens for a new one; the old refresh token is dead afterwards.

        Raises SignInRefused when MAL refuses it (401: mihon's interceptor reads it so), ApiError for any other failure, which
        leaves the old pair valid, and AuthError, without a request, for tokens of another authorization server.
        """
        if tokens.auth_url and tokens.auth_url != self._url:
            # Like the access token, it is sent only to where it was issued.
            raise AuthError(
                f"The refresh token was issued by {tokens.auth_url}, and the authorization server is {self._url}.",
                advice="set the authorization server back",
            )
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        # A refresh token is bound to the client id that it was issued to (mangayomi#534).
        return self._post(form, tokens.client_id, tokens.origin)

    def _post(self, form: dict[str, str], client_id: str, origin: str) -> Tokens:
        form = {**form, "client_id": client_id}
        if self._client_secret and client_id == self._client_id:
            form["client_secret"] = self._client_secret
        try:
            with session_for(self._url, self._user_agent) as session:
                response = session.post(self._url, data=form, timeout=_TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise ApiError(
                f"POST {self._url}: no complete answer ({cause(error)}).",
                "Check the network; your tokens are kept.",
            ) from error
        return self._tokens_of(response, client_id, origin)

    def _tokens_of(self, response: requests.Response, client_id: str, origin: str) -> Tokens:
        document = json_of(response.content)
        if response.status_code != 200:
            raise self._refusal(response.status_code, document)
        if document is None or find_problem(_SCHEMA, document) is not None:
            raise ApiError(f"POST {self._url}: the answer holds no tokens.", advice="check the authorization server")
        now = self._clock.now().timestamp()
        return Tokens(
            access_token=document["access_token"],
            refresh_token=document["refresh_token"],
            issued_at=now,
            # Never a figure of our own: MAL's page says an hour, real answers say a month (taiga#850).
            expires_at=now + document["expires_in"],
            client_id=client_id,
            origin=origin,
            auth_url=self._url,
        )

    def _refusal(self, status: int, document: Any) -> SignInRefused | ApiError:
        members = document if isinstance(document, dict) else {}
        reason = " ".join(f"{str(members[key])[:200].rstrip('.')}." for key in ("message", "hint") if members.get(key))
        answer = f"POST {self._url}: MAL answered {status}{f': {reason}' if reason else '.'}"
        if status == 401:
            return SignInRefused(f"MAL does not accept this sign-in. {answer}", advice="log in with another client")
        return ApiError(answer, "Try again later; your tokens are kept.")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One authorization request: the address to open, and the secrets that its answer is checked with."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str


def authorization_request(auth_url: str, client_id: str, redirect_uri: str) -> AuthorizationRequest:
    """Return a new request with its own state and verifier (86 characters; MAL takes 43 to 128)."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        # MAL knows `plain` only, in which the challenge is the verifier.
        "code_challenge": verifier,
        "code_challenge_method": "plain",
    }
    return AuthorizationRequest(f"{auth_url}/authorize?{urlencode(query)}", state, verifier, redirect_uri)


def code_from(redirect: str, request: AuthorizationRequest) -> str:
    """Return the code in the address that the browser was redirected to.

    Raises UsageError for an address without a code or an error, WrongState when the state is not that of `request`,
    AuthError when access was denied.
    """
    try:
        query = urlsplit(redirect.strip()).query
    except ValueError:
        query = ""
    answer = {name: values[0] for name, values in parse_qs(query).items()}
    if not {"code", "error"} & answer.keys():
        raise UsageError(
            "That is not the whole address that the browser landed on.",
            f"Paste all of it: it begins with {request.redirect_uri} and holds a code and a state.",
        )
    # A pasted address may hold bytes that are not text; they do not match the state either.
    if not hmac.compare_digest(answer.get("state", "").encode(errors="surrogatepass"), request.state.encode()):
        raise WrongState(
            "The answer's state is not the one that was sent: it belongs to another sign-in.", advice="start again"
        )
    if "error" in answer:
        raise AuthError(f"MAL did not grant access ({answer['error'][:60]}).", advice="start again")
    return answer["code"]
