"""The client of the MAL API v2: one method per endpoint, typed errors, pace, retries.

It is given a source of tokens (`Credentials`) and a clock, and knows neither files nor the terminal. How MAL tells its
failures apart is stated where it is used; the sources are public clients' recorded replies, named there.
"""

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import requests
import urllib3

from malsync.clock import Clock
from malsync.entry import Entry
from malsync.errors import ApiError, AuthError, NotFound, PrivateList, Transient, UsageError
from malsync.medium import Medium
from malsync.snapshot import User
from malsync.validation import problem

PAGE = 1000
"""The most entries that a list's page can be asked for (reference)."""
MOST_PAGES = 1000
"""A list of a million entries is nobody's: by then the API names next pages without end."""
TRIES = 5
BUDGET_SECONDS = 300.0
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 300.0
_TIMEOUT = (10.0, 60.0)
_MAX_ANSWER = 64 * 2**20
_PIECE = 2**20
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_USER_NAME = re.compile(r"@me|[A-Za-z0-9_-]{1,64}")
_ANOTHERS_LIST = re.compile(r"GET /users/(?!@me/)")


class Credentials(Protocol):
    """Who asks. `headers` may be called at any time; `renew` after MAL refused what it gave."""

    def headers(self) -> dict[str, str]:
        """The headers that prove it, fresh ones where the old are about to expire."""

    def renew(self, refused: dict[str, str]) -> bool:
        """Replace the refused headers. False when there is nothing to replace them with."""


def origin_of(url: str) -> str:
    """Scheme, host and port: what a token is bound to and what makes a MAL user's id unique.

    Of a text that is no address, its beginning: it equals no origin.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url[:60]
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    return (urlsplit(url).hostname or "") in _LOOPBACK


def check_url(url: str, name: str) -> str:
    """`url` without its last slash. Raises UsageError unless it is https, or http on this machine."""
    if "@" in url:
        raise UsageError(
            f"{name} holds a user name or a password.", "Take it out; malsync signs in with its own tokens."
        )
    if not _is_safe(url):
        raise UsageError(
            f"{name} is {url!r}: malsync sends tokens over https only (http on this machine's own addresses).",
            f"Set {name} to an address that begins with https://",
        )
    return url.rstrip("/")


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # A port that is none is found only when it is asked for.
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_address and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url)))


class Pace:
    """At most so many requests a second, shared by every thread. 0: no limit."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next request may leave."""
        if not self._gap:
            return
        with self._lock:
            now = self._clock.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            self._clock.sleep(turn - now)


class _Bearer(requests.auth.AuthBase):
    """Our headers as requests' `auth`: without one it would look for a password in ~/.netrc and send that instead."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class Client:
    """The API at `api_url`. Safe for two threads at once. `requests` counts what was sent there, by method."""

    def __init__(
        self,
        api_url: str,
        credentials: Credentials,
        *,
        user_agent: str,
        pace: Pace,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
        log: Callable[[str], object] = str,
        waiting: Callable[[str], object] = str,
    ) -> None:
        self.api_url = api_url
        self.requests: Counter[str] = Counter()
        self._credentials = credentials
        self._user_agent = user_agent
        self._pace = pace
        self._clock = clock
        self._jitter = jitter
        self._log = log
        self._waiting = waiting
        self._local = threading.local()
        self._counting = threading.Lock()
        self._closed = False
        self._name = ""

    @property
    def origin(self) -> str:
        """The API's origin, which makes a MAL user's id unique."""
        return origin_of(self.api_url)

    def close(self) -> None:
        """Send nothing more, from any thread."""
        self._closed = True

    # -- endpoints

    def me(self) -> User:
        """GET /users/@me: whose token this is."""
        document = self._get("/users/@me", schema="api-user")
        self._name = document["name"]
        return User(self.origin, document["id"], document["name"])

    def user_list(self, medium: Medium, user: str, fields: tuple[str, ...]) -> Iterator[list[Entry]]:
        """GET /users/{user}/animelist or mangalist, page by page, with these members of `list_status`.

        `nsfw=true`, or gray and black titles are silently missing (Mal4J#90); no `status`, whose filter is no partition
        (Mal4J#25); the end is where `paging.next` is absent, never a short page (taiga#836).
        """
        if not _USER_NAME.fullmatch(user):
            raise UsageError(f"{user!r} is no MAL user's name.", "Names are of letters, digits, - and _.")
        endpoint = f"/users/{user}/{medium.list_endpoint}"
        query = {"fields": f"list_status{{{','.join(fields)}}}", "limit": str(PAGE), "nsfw": "true"}
        address: str | None = f"{self.api_url}{endpoint}?{urlencode(query)}"
        seen: set[str] = set()
        while address is not None:
            try:
                document = self._get(endpoint, schema=f"api-{medium.list_endpoint}", address=address)
            except PrivateList as error:
                if not seen:
                    raise
                # The first page was shown, so this is no private list; half a list must not pass for one.
                raise ApiError(
                    f"{error.message} It had shown {len(seen)} pages.", "Nothing was stored. " + _REACH
                ) from error
            seen.add(address)
            yield [_entry(item) for item in document["data"]]
            address = document["paging"].get("next")
            if address is not None:
                self._check_next(endpoint, address, query["fields"], seen)

    # -- inside

    def _check_next(self, endpoint: str, address: str, fields: str, seen: set[str]) -> None:
        # A token sent to wherever an answer points would be a token given away.
        if origin_of(address) != self.origin or not address.startswith(self.api_url + "/"):
            raise ApiError(
                f"GET {endpoint}: the next page is said to be at {origin_of(address)}, which is not the API's address "
                f"{self.api_url}. Nothing was sent there.",
                "Check MALSYNC_API_URL and the network you are in; nothing was stored.",
            )
        # Another list, or less of this one, would be taken for the rest of it.
        parts = urlsplit(address)
        query = parse_qs(parts.query)
        home = urlsplit(self.api_url).path
        same = {f"{home}{endpoint}", f"{home}{endpoint.replace('@me', self._name or '@me')}"}
        if (
            parts.path not in same
            or query.get("nsfw") != ["true"]
            or query.get("fields") != [fields]
            or "status" in query
        ):
            raise ApiError(
                f"GET {endpoint}: the next page is said to be at {parts.path}?{parts.query}, which is not the same list.",
                "MAL answered in a form that malsync does not know; nothing was stored. A newer malsync may know it.",
            )
        if address in seen or len(seen) == MOST_PAGES:
            raise ApiError(
                f"GET {endpoint}: the pages have no end; MAL names one again that was read already, or ever new ones.",
                "Try again later; nothing was stored.",
            )

    def _get(self, endpoint: str, *, schema: str, address: str | None = None) -> Any:
        document = self._retried("GET", endpoint, address or self.api_url + endpoint)
        found = problem(schema, document)
        if found is not None:
            raise ApiError(
                f"GET {endpoint}: {_place(document, found.path)}: {found.message}.",
                "MAL answered in a form that malsync does not know; nothing was stored. A newer malsync may know it.",
            )
        return document

    def _retried(self, method: str, endpoint: str, address: str) -> Any:
        started = self._clock.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                return self._authorized(method, endpoint, address)
            except Transient as error:
                wait = self._wait_before(tries, error)
                if tries == TRIES or self._clock.monotonic() - started + wait > BUDGET_SECONDS:
                    error.message += f" Tried {tries} times." if tries > 1 else ""
                    raise
                self._waiting(f"{error.message} Trying again in {wait:.1f} s.")
                self._clock.sleep(wait)

    def _wait_before(self, tries: int, error: Transient) -> float:
        if error.retry_after is None:
            return self._jitter() * min(LONGEST_WAIT, 2.0 ** (tries - 1))
        if error.retry_after > LONGEST_RETRY_AFTER:
            raise ApiError(
                f"{error.message} MAL asks to wait {error.retry_after / 60:.0f} minutes.",
                "Run the same command again after that time.",
            )
        return error.retry_after

    def _authorized(self, method: str, endpoint: str, address: str) -> Any:
        headers = self._credentials.headers()
        try:
            return self._once(method, endpoint, address, headers)
        except _TokenRefused:
            if not self._credentials.renew(headers):
                raise
        return self._once(method, endpoint, address, self._credentials.headers())

    def _once(self, method: str, endpoint: str, address: str, headers: dict[str, str]) -> Any:
        if self._closed:
            raise ApiError("Stopped.", "Run the same command again.")
        self._pace.wait()
        with self._counting:
            self.requests[method] += 1
        started = self._clock.monotonic()
        call = f"{method} {endpoint}"
        try:
            response = self._session().request(
                method, address, auth=_Bearer(headers), timeout=_TIMEOUT, allow_redirects=False, stream=True
            )
            body = self._read(response, call, started + BUDGET_SECONDS)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ContentDecodingError) as error:
            self._log(f"{call} -> {type(error).__name__}")
            raise Transient(f"{call}: no whole answer ({_cause(error)}).", _REACH) from error
        except urllib3.exceptions.HTTPError as error:
            self._log(f"{call} -> {type(error).__name__}")
            raise Transient(f"{call}: the answer was cut off.", _REACH) from error
        except (requests.RequestException, ValueError) as error:
            raise UsageError(f"{call}: {type(error).__name__} for {self.api_url}.", "Check MALSYNC_API_URL.") from error
        spent = self._clock.monotonic() - started
        self._log(f"{call}{_query(address)} -> {response.status_code}, {len(body)} bytes, {spent:.2f} s")
        return _understood(call, response, body)

    def _read(self, response: requests.Response, call: str, until: float) -> bytes:
        """The whole body. Piece by piece as it comes: an answer that drips would otherwise never run out of time."""
        body = bytearray()
        while piece := response.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > _MAX_ANSWER:
                response.close()
                raise ApiError(f"{call}: the answer is larger than {_MAX_ANSWER >> 20} MB.", "Check MALSYNC_API_URL.")
            if self._clock.monotonic() > until:
                response.close()
                raise Transient(f"{call}: no whole answer within {BUDGET_SECONDS:.0f} s.", _REACH)
        return bytes(body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.headers["User-Agent"] = self._user_agent
            if is_loopback(self.api_url):
                # A proxy from the environment would only carry the token elsewhere, and packing costs more than it saves.
                session.trust_env = False
                session.headers["Accept-Encoding"] = "identity"
        return session


_REACH = "Check the network, and whether MyAnimeList is up; then run the same command again."


class _TokenRefused(AuthError):
    """401: the token expired or was revoked."""


def _understood(call: str, response: requests.Response, body: bytes) -> Any:
    """The answer's JSON, or the error that it is."""
    status = response.status_code
    document = _json(body)
    if status == 200 and document is not None:
        return document
    told = document if isinstance(document, dict) else {}
    said = str(told.get("message") or told.get("error") or "")[:200]
    if status == 200:
        form = "is empty" if not body.strip() else f"is not JSON but {_content_type(response)}"
        raise Transient(f"{call}: the answer {form}.", "Check that MALSYNC_API_URL is the address of the MAL API v2.")
    if 300 <= status < 400:
        to = response.headers.get("Location", "")
        raise ApiError(
            f"{call}: the API redirects to {origin_of(to) if '//' in to else 'another page'}; malsync does not follow.",
            "Check MALSYNC_API_URL.",
        )
    if status == 401:
        raise _TokenRefused(
            f"{call}: MAL refused the token ({said or 'invalid_token'}).", "Log in again: malsync login"
        )
    if status == 403:
        raise _forbidden(call, told, said)
    if status == 404:
        raise NotFound(f"{call}: MAL answers that there is no such thing (404).", "Check the name or id.")
    if status == 429 or status >= 500:
        raise Transient(f"{call}: MAL answered {status}.", _REACH, _retry_after(response))
    if "client id" in said.lower():
        raise AuthError(f"{call}: {said}.", "Check MALSYNC_CLIENT_ID against the one shown in MAL's API settings.")
    raise ApiError(f"{call}: MAL answered {status}{f': {said}' if said else ''}.", "Try again later.")


def _forbidden(call: str, told: dict[str, Any], said: str) -> ApiError | AuthError:
    # Three meanings (MALSync helper.ts, taiga myanimelist.cpp): no JSON is a block page and passes; "forbidden" is
    # missing credentials; the rest is a list that its owner does not show, in words that nobody has recorded.
    if not told:
        return Transient(f"{call}: MAL blocks this address or program for now (403).", "Wait some minutes; try again.")
    if told.get("error") == "forbidden" and not _ANOTHERS_LIST.match(call):
        return AuthError(f"{call}: MAL says forbidden.", "Log in (malsync login), or set MALSYNC_CLIENT_ID.")
    return PrivateList(f"{call}: MAL does not show this ({said}).", "Its owner can: malsync login, malsync backup")


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _content_type(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "something else").partition(";")[0][:40]


def _retry_after(response: requests.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _cause(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return "timed out"
    inner = str(error).lower()
    for sign, words in _CAUSES.items():
        if sign in inner:
            return words
    return "connection lost"


_CAUSES = {
    "refused": "connection refused",
    "resolve": "the name of the host is not known",
    "certificate": "the server's certificate is not valid",
}


def _query(address: str) -> str:
    query = urlsplit(address).query
    return f"?{query}" if query else ""


def _place(document: Any, path: tuple[str | int, ...]) -> str:
    """Where in a list's page something is wrong: the entry by id and title, then the member."""
    if len(path) < 2 or path[0] != "data":
        return ".".join(map(str, path)) or "the answer"
    node = (document["data"][path[1]] or {}).get("node") if isinstance(document["data"][path[1]], dict) else None
    node = node if isinstance(node, dict) else {}
    name = f"entry {node.get('id', f'number {path[1]} of this page')}"
    if isinstance(node.get("title"), str):
        name += f" ({node['title'][:60]})"
    return " ".join([name, ".".join(map(str, path[2:]))]).strip()


def _entry(item: dict[str, Any]) -> Entry:
    node = item["node"]
    return Entry(node["id"], node.get("title") or "", item["list_status"])
