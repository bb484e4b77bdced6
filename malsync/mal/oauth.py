"""Signing in and staying so: OAuth 2 with PKCE `plain` as MAL does it, tokens on disk, refresh under a lock.

Why no OAuth library: MAL knows only `plain`, which requests-oauthlib silently sends no challenge for; the libraries refuse
http on loopback unless a switch is set for the whole process; and none refreshes under a lock that other processes honour.
Facts of the flow: https://myanimelist.net/apiconfig/references/authorization and the clients named at each.
"""

import hmac
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import requests

from malsync import files
from malsync.clock import Clock
from malsync.errors import ApiError, AuthError, Busy, UsageError, WrongState
from malsync.schemas import find_problem
from malsync.text import command_line
from malsync.transport import cause, json_of, session_for

FILE_NAME = "tokens.json"
EARLY_SECONDS = 60
"""A token is refreshed this long before it dies, as other clients do (mihon MALOAuth.kt, trackma libmal.py)."""
REFRESH_TOKEN_SECONDS = 30 * 86400
"""How long MAL's page says that a refresh token lives: a month."""
_ANSWER = "openapi#/components/schemas/Token"
_LOCK_SECONDS = 90
_TIMEOUT = (10.0, 60.0)
_LOG_IN = "Log in again: malsync login"


@dataclass(frozen=True, slots=True)
class Tokens:
    """One pair, with what it is bound to: the API's origin and the client id. Times are seconds since 1970."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    issued_at: float
    expires_at: float
    client_id: str
    origin: str
    auth_url: str = ""

    @classmethod
    def restored(cls, found: Any) -> "Tokens":
        """The tokens that `asdict` made `found` of. Raises TypeError for anything else."""
        tokens = cls(**found)
        texts = (tokens.access_token, tokens.refresh_token, tokens.client_id, tokens.origin, tokens.auth_url)
        times = (tokens.issued_at, tokens.expires_at)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(one, int | float) for one in times):
            raise TypeError("a member of another type")
        return tokens

    def headers(self) -> dict[str, str]:
        """What proves to the API who asks."""
        return {"Authorization": f"Bearer {self.access_token}"}


class Store(Protocol):
    """Where tokens are kept, by account."""

    def load(self, account: str) -> Tokens | None: ...
    def save(self, account: str, tokens: Tokens) -> None: ...
    def forget(self, account: str) -> None: ...
    def locked(self) -> AbstractContextManager[None]: ...


def store_of(home: Path, kind: str) -> Store:
    """The token store of that home folder: `file` or `keyring`."""
    return KeyringStore(home) if kind == "keyring" else FileStore(home)


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    files.make_folder(home)
    lock = FileLock(home / "tokens.lock", timeout=_LOCK_SECONDS, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy("Another malsync is refreshing the token and does not come to an end.", "Try again.") from error
    except OSError as error:
        raise UsageError(
            f"{lock.lock_file} cannot be used: {error.strerror or error}.", "Check the home folder and its rights."
        ) from error
    try:
        yield
    finally:
        lock.release()


class FileStore:
    """`tokens.json`: mode 0600 in a 0700 folder, replaced by rename."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / FILE_NAME

    def load(self, account: str) -> Tokens | None:
        """The account's tokens. Raises UsageError when the file cannot be read."""
        found = self._all().get(account)
        try:
            return None if found is None else Tokens.restored(found)
        except TypeError as error:
            raise self._unreadable(error) from error

    def save(self, account: str, tokens: Tokens) -> None:
        """Keep the account's tokens; they are on disk when this returns."""
        self._write(self._all() | {account: asdict(tokens)})

    def forget(self, account: str) -> None:
        """Keep no tokens of the account any more."""
        kept = self._all()
        files.remove_leftovers(self._path)
        if kept.pop(account, None) is not None:
            self._write(kept)

    def locked(self) -> AbstractContextManager[None]:
        """A context in which no other malsync refreshes or replaces tokens."""
        return _lock(self._home)

    def _all(self) -> dict[str, Any]:
        try:
            found = orjson.loads(files.read_own(self._path))
            return dict(found["accounts"])
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UsageError:
        return UsageError(f"{self._path} cannot be read ({type(error).__name__}).", f"Move it away. {_LOG_IN}")

    def _write(self, accounts: dict[str, Any]) -> None:
        document = {"version": 1, "accounts": accounts}
        files.make_folder(self._home)
        files.remove_leftovers(self._path)
        files.write(self._path, [orjson.dumps(document, option=orjson.OPT_INDENT_2)])


class KeyringStore:
    """The system's keyring, one item an account and home folder."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def load(self, account: str) -> Tokens | None:
        """The account's tokens, if the keyring has them."""
        found = self._call("get_password", account)
        try:
            return None if found is None else Tokens.restored(orjson.loads(found))
        except (ValueError, TypeError) as error:
            raise UsageError(f"What the keyring holds for {account!r} are no tokens.", _LOG_IN) from error

    def save(self, account: str, tokens: Tokens) -> None:
        """Keep the account's tokens in the keyring."""
        self._call("set_password", account, orjson.dumps(asdict(tokens)).decode())

    def forget(self, account: str) -> None:
        """Take the account's tokens out of the keyring."""
        if self.load(account) is not None:
            self._call("delete_password", account)

    def locked(self) -> AbstractContextManager[None]:
        """A context in which no other malsync refreshes or replaces tokens."""
        return _lock(self._home)

    def _call(self, name: str, account: str, *values: str) -> str | None:
        try:
            import keyring
            import keyring.errors
        except ImportError as error:
            raise UsageError(
                "token_store is keyring, and that library is not installed.",
                "Install keyring beside malsync: `pipx inject malsync keyring`, or in the clone pip install '.[keyring]'",
            ) from error
        try:
            found: str | None = getattr(keyring, name)("malsync", f"{account} in {self._home.absolute()}", *values)
        except keyring.errors.KeyringError as error:
            raise UsageError(
                f"The keyring cannot be used: {error}.", 'Unlock it, or set token_store = "file" in config.toml.'
            ) from error
        return found


# -- credentials: what the client of the API is given


class StoredToken:
    """The tokens of an account, refreshed in time and when refused. Safe for two threads and many processes at once.

    `held` is entered, in another thread, from before a refresh is sent until the new pair is stored: nothing should end
    the process meanwhile.
    """

    def __init__(
        self,
        store: Store,
        account: str,
        origin: str,
        endpoint: "TokenEndpoint",
        clock: Clock,
        held: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        tokens = store.load(account)
        if tokens is None:
            raise AuthError(
                f"Not logged in: there is no token for the account {account!r}.",
                f"Sign in: {command_line('login', account)}",
            )
        if tokens.origin != origin:
            # A token goes only to where it was issued for; anywhere else it would be given away.
            raise AuthError(
                f"The token of the account {account!r} is for {tokens.origin}, and the API's address is at {origin}.",
                f"Set MALSYNC_API_URL back, or give the other one an account of its own: {command_line('login', 'NAME')}",
            )
        self._store, self._account, self._endpoint, self._clock, self._held = store, account, endpoint, clock, held
        self._tokens = tokens
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """The access token's header, of a fresh one when it is about to expire."""
        with self._lock:
            if self._tokens.expires_at - EARLY_SECONDS <= self._clock.now().timestamp():
                self._refresh()
            return self._tokens.headers()

    def renew(self, refused: dict[str, str]) -> bool:
        """Refresh, unless another thread has done so since. Raises AuthError when MAL refuses the refresh token too."""
        with self._lock:
            if refused == self._tokens.headers():
                self._refresh()
            return True

    def _refresh(self) -> None:
        """Refresh in a thread of its own, so that a KeyboardInterrupt in this one does not tear it."""
        outcome: SimpleQueue[BaseException | None] = SimpleQueue()

        def work() -> None:
            try:
                self._refresh_under_lock()
                outcome.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                outcome.put(error)

        threading.Thread(target=work, daemon=True).start()
        error = outcome.get()
        if error is not None:
            raise error

    def _refresh_under_lock(self) -> None:
        with self._store.locked(), self._held():
            current = self._store.load(self._account)
            if current is None:
                raise AuthError(f"The account {self._account!r} was logged out meanwhile.", _LOG_IN)
            if current.access_token == self._tokens.access_token:
                current = self._refreshed(current)
                # MAL rotates refresh tokens: the old pair is dead, so the new one is on disk before it is used.
                self._store.save(self._account, current)
            self._tokens = current

    def _refreshed(self, tokens: Tokens) -> Tokens:
        try:
            return self._endpoint.refresh(tokens)
        except AuthError as error:
            raise AuthError(
                error.message, error.hint.replace(_LOG_IN, f"Log in again: {command_line('login', self._account)}")
            ) from error


class TokenEndpoint:
    """POST {auth_url}/token."""

    def __init__(self, auth_url: str, client_id: str, client_secret: str, clock: Clock, user_agent: str) -> None:
        self._url = f"{auth_url}/token"
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._user_agent = user_agent

    def exchange(self, code: str, verifier: str, redirect_uri: str, origin: str) -> Tokens:
        """Tokens for an authorization code. `redirect_uri` is that of the authorize request (RFC 6749, 4.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        return self._post(form, self._client_id, origin)

    def refresh(self, tokens: Tokens) -> Tokens:
        """A new pair for an old one; the old refresh token is dead afterwards.

        Raises AuthError when MAL refuses it (401: mihon's interceptor reads it so), ApiError for anything else, which
        leaves the old pair as good as it was.
        """
        if tokens.auth_url and tokens.auth_url != self._url:
            # Like the access token, it goes only to where it was issued.
            raise AuthError(
                f"The refresh token was issued by {tokens.auth_url}, and MALSYNC_AUTH_URL leads to {self._url}.",
                f"Set MALSYNC_AUTH_URL back. {_LOG_IN}",
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
                f"POST {self._url}: no whole answer ({cause(error)}).",
                "Check the network; your tokens are kept.",
            ) from error
        return self._understood(response, client_id, origin)

    def _understood(self, response: requests.Response, client_id: str, origin: str) -> Tokens:
        document = json_of(response.content)
        if response.status_code == 200 and (document is None or find_problem(_ANSWER, document) is not None):
            raise ApiError(f"POST {self._url}: the answer holds no tokens.", "Check MALSYNC_AUTH_URL.")
        if response.status_code != 200:
            raise self._refusal(response.status_code, document)
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

    def _refusal(self, status: int, document: Any) -> AuthError | ApiError:
        told = document if isinstance(document, dict) else {}
        said = " ".join(f"{str(told[key])[:200].rstrip('.')}." for key in ("message", "hint") if told.get(key))
        what = f"POST {self._url}: MAL answered {status}{f': {said}' if said else '.'}"
        if status == 401:
            return AuthError(
                f"MAL does not take this sign-in. {what}",
                f"{_LOG_IN}. Check MALSYNC_CLIENT_ID (and MALSYNC_CLIENT_SECRET for a web app).",
            )
        return ApiError(what, "Try again later; your tokens are kept.")


# -- signing in


@dataclass(frozen=True, slots=True)
class Request:
    """One authorization request: what was asked, and what the answer must prove."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str


def authorization_request(auth_url: str, client_id: str, redirect_uri: str) -> Request:
    """A fresh request with its own state and verifier (86 characters; MAL takes 43 to 128)."""
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
    return Request(f"{auth_url}/authorize?{urlencode(query)}", state, verifier, redirect_uri)


def code_from(redirect: str, request: Request) -> str:
    """The code in the address that the browser landed on.

    Raises UsageError for anything that is no such address, WrongState when the state is not ours, AuthError when access was
    denied.
    """
    try:
        query = urlsplit(redirect.strip()).query
    except ValueError:
        query = ""
    answer = {name: items[0] for name, items in parse_qs(query).items()}
    if not {"code", "error"} & answer.keys():
        raise UsageError(
            "That is not the whole address that the browser landed on.",
            f"Paste all of it: it begins with {request.redirect_uri} and holds a code and a state.",
        )
    # What was pasted may hold bytes that are no text; they are no state of ours either.
    if not hmac.compare_digest(answer.get("state", "").encode(errors="surrogatepass"), request.state.encode()):
        raise WrongState(
            "The answer's state is not the one that was sent: it belongs to another sign-in.",
            "Start again: malsync login",
        )
    if "error" in answer:
        raise AuthError(f"MAL did not grant access ({answer['error'][:60]}).", "Start again: malsync login")
    return answer["code"]
