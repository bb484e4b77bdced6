"""HTTP to a paced API: retries, time limits, size limits. What an answer means is each service's own: see `understood`."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

import orjson
import requests
import urllib3

from malsync import __version__
from malsync.clock import Clock, http_date
from malsync.errors import ApiError, AuthError, RetryAfterTooLong, Transient, UsageError
from malsync.throttle import Throttle
from malsync.urls import is_loopback

TRIES = 5
BUDGET_SECONDS = 300.0
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 300.0
_TIMEOUT = (10.0, 60.0)
_MAX_ANSWER = 64 * 2**20
_PIECE = 2**20
REACH = "Check the network, and whether MyAnimeList is up; then run the same command again."


def session_for(url: str, user_agent: str) -> requests.Session:
    """A session that sends what it is told and nothing else: it looks for no password in ~/.netrc, to send that instead.

    For this machine's own addresses it takes no proxy from the environment, which could only carry a token elsewhere.
    """
    session = requests.Session()
    session.headers["User-Agent"] = user_agent
    session.auth = _as_it_is
    session.trust_env = not is_loopback(url)
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class Credentials(Protocol):
    """Who asks. `headers` may be called at any time; `renew` after MAL refused what it gave."""

    def headers(self) -> dict[str, str]:
        """The headers that prove it, fresh ones where the old are about to expire."""

    def renew(self, refused: dict[str, str]) -> bool:
        """Replace the refused headers. False when there is nothing to replace them with."""


class TokenRefused(AuthError):
    """401: the token expired or was revoked."""


class Transport:
    """Requests to the API at `api_url`, retried. Safe for two threads at once. `requests` counts what was sent, by method.

    Without a `throttle` it is one request a second, and no limit on this machine's own addresses. `jitter` gives the share of a
    back-off that is waited for; `log` is told of each request, `waiting` of each wait, neither of any secret.
    """

    service: ClassVar[str]
    """The service's name, as messages call it."""
    setting: ClassVar[str]
    """The environment variable that holds its address."""
    headers: ClassVar[dict[str, str]] = {}
    """What every request carries besides."""

    def __init__(
        self,
        api_url: str,
        credentials: Credentials,
        *,
        user_agent: str = f"malsync/{__version__}",
        throttle: Throttle | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        log: Callable[[str], object] = str,
        waiting: Callable[[str], object] = str,
    ) -> None:
        self.api_url = api_url
        self.requests: Counter[str] = Counter()
        self._clock = clock or Clock()
        self.throttle = throttle or Throttle(0 if is_loopback(api_url) else 1, self._clock)
        self._credentials = credentials
        self._user_agent = user_agent
        self._jitter = jitter
        self._log = log
        self._waiting = waiting
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._counting = threading.Lock()
        self._closed = False

    @property
    def date(self) -> datetime | None:
        """The server's time in the last answer that this thread was given; None where that did not say."""
        date: datetime | None = getattr(self._local, "date", None)
        return date

    def close(self) -> None:
        """Send nothing more, from any thread, and keep no connection open."""
        self._closed = True
        for session in self._sessions:
            session.close()

    def send(
        self,
        method: str,
        endpoint: str,
        *,
        address: str | None = None,
        form: Mapping[str, str] | None = None,
        document: Any = None,
        before: Callable[[], object] = bool,
    ) -> Any:
        """The answer's JSON; of a DELETE, None. `address` is the endpoint's own unless a page has another. What is sent is a
        `form`, or a `document` as JSON. `before` is called just before each try leaves, after every wait; if it raises,
        nothing is sent.

        GET, PATCH and DELETE are all repeated: a PATCH that came twice changes nothing but `updated_at`, and a DELETE that
        finds nothing is NotFound, which says what was wanted. Raises Transient after the last try, and RetryAfterTooLong,
        NotFound, Rejected, AuthError, ApiError and UsageError at once.
        """
        address = address or self.api_url + endpoint
        started = self._clock.monotonic()
        tries = enough = 0
        try:
            while True:
                tries += 1
                try:
                    return self._authorized(method, endpoint, address, {"data": form, "json": document}, before)
                except Transient as error:
                    enough += error.status is not None
                    wait = self._wait_before(tries, error)
                    if tries == TRIES or self._clock.monotonic() - started + wait > BUDGET_SECONDS:
                        error.message += f" Tried {tries} times." if tries > 1 else ""
                        raise
                    self._waiting(f"{error.message} Trying again in {wait:.1f} s.")
                    self._clock.sleep(wait)
        finally:
            # The back-off has spaced these tries; this is for the calls that follow.
            self.throttle.record(enough)

    def _wait_before(self, tries: int, error: Transient) -> float:
        if error.retry_after is None:
            return self._jitter() * min(LONGEST_WAIT, 2.0 ** (tries - 1))
        if error.retry_after > LONGEST_RETRY_AFTER:
            raise RetryAfterTooLong(
                f"{error.message} {self.service} asks to wait {error.retry_after / 60:.0f} minutes.",
                "Run the same command again after that time.",
            )
        return error.retry_after

    def _authorized(
        self, method: str, endpoint: str, address: str, content: dict[str, Any], before: Callable[[], object]
    ) -> Any:
        headers = self._credentials.headers()
        try:
            return self._once(method, endpoint, address, content, headers, before)
        except TokenRefused:
            if not self._credentials.renew(headers):
                raise
        return self._once(method, endpoint, address, content, self._credentials.headers(), before)

    def _once(
        self,
        method: str,
        endpoint: str,
        address: str,
        content: dict[str, Any],
        headers: dict[str, str],
        before: Callable[[], object],
    ) -> Any:
        if self._closed:
            raise ApiError("Stopped.", "Run the same command again.")
        self.throttle.wait()
        started = self._clock.monotonic()
        call, session = f"{method} {endpoint}", self._session()
        before()
        with self._counting:
            self.requests[method] += 1
        try:
            response = session.request(
                method,
                address,
                **content,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            )
            body = self._read(response, call, started + BUDGET_SECONDS)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ContentDecodingError) as error:
            self._log(f"{call} -> {type(error).__name__}")
            raise Transient(f"{call}: no whole answer ({cause(error)}).", REACH) from error
        except urllib3.exceptions.HTTPError as error:
            self._log(f"{call} -> {type(error).__name__}")
            raise Transient(f"{call}: the answer was cut off.", REACH) from error
        except (requests.RequestException, ValueError) as error:
            raise UsageError(f"{call}: {type(error).__name__} for {self.api_url}.", f"Check {self.setting}.") from error
        spent = self._clock.monotonic() - started
        self._log(f"{call}{_query(address)} -> {response.status_code}, {len(body)} bytes, {spent:.2f} s")
        document = self.understood(call, response, body)
        self._local.date = http_date(response.headers.get("Date", ""))
        return document

    def understood(self, call: str, response: requests.Response, body: bytes) -> Any:
        """The JSON of an answer to `call` (method and endpoint). Raises the error that the answer is."""
        raise NotImplementedError

    def _read(self, response: requests.Response, call: str, until: float) -> bytes:
        """The whole body. Piece by piece as it comes: an answer that drips would otherwise never run out of time."""
        body = bytearray()
        while piece := response.raw.read1(_PIECE, decode_content=True):
            body += piece
            if len(body) > _MAX_ANSWER:
                response.close()
                raise ApiError(f"{call}: the answer is larger than {_MAX_ANSWER >> 20} MB.", f"Check {self.setting}.")
            if self._clock.monotonic() > until:
                response.close()
                raise Transient(f"{call}: no whole answer within {BUDGET_SECONDS:.0f} s.", REACH)
        return bytes(body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = session_for(self.api_url, self._user_agent)
            session.headers.update(self.headers)
            self._sessions.append(session)
            if is_loopback(self.api_url):
                session.headers["Accept-Encoding"] = "identity"  # packing costs more there than it saves
        return session


def json_of(body: bytes) -> Any:
    """What an answer's body says in JSON; None where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def refuse_half_characters(call: str, body: bytes) -> None:
    """Raise ApiError where an answer is JSON but for half of a character (a lone surrogate), and name the entry that it is in.

    JSON can say one, and no text can hold it: what was read could be neither stored nor sent.
    """
    try:
        found = next(_half_characters(json.loads(body)), None)
    except (ValueError, RecursionError):
        return
    if found is not None:
        raise ApiError(
            f"{call}: {found} holds half of a character (a lone surrogate), which no text can hold. Nothing was stored.",
            "Correct it on the site, then run the same command again.",
        )


def _half_characters(item: Any, place: str = "") -> Iterator[str]:
    """Where they are: the entry's id and title, where there is one, and the names of the members on the way."""
    if isinstance(item, str):
        if any("\ud800" <= character <= "\udfff" for character in item):
            yield place or "it"
        return
    node = item.get("node") if isinstance(item, dict) else None
    if isinstance(node, dict):
        place = f"entry {node.get('id')} ({node.get('title')})"
    elif isinstance(item, dict) and "mediaId" in item:
        place = f"entry {item['mediaId']}"
    inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for name, one in inner:
        if isinstance(name, str) and any("\ud800" <= character <= "\udfff" for character in name):
            yield place or "the name of a member"
        yield from _half_characters(one, f"{place} {name}".strip())


def content_type(response: requests.Response) -> str:
    """What an answer says that it is."""
    return response.headers.get("Content-Type", "something else").partition(";")[0][:40]


def retry_after(response: requests.Response) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None  # no date, or one that no calendar has


def cause(error: Exception) -> str:
    """Why there was no answer, as a person says it."""
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
