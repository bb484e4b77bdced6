"""HTTP with a throttle, retries, time limits and size limits. Each service parses its own answers: see `Transport.parse`."""

import json
import random
import threading
from abc import ABC, abstractmethod
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
from malsync.errors import ApiError, RetryAfterTooLong, TokenRefused, Transient, UsageError
from malsync.throttle import Throttle
from malsync.urls import is_loopback

TRIES = 5
BUDGET_SECONDS = 300.0
"""How long the tries of one call may take together, and how long one answer may."""
LONGEST_WAIT_SECONDS = 60.0
"""The longest back-off between two tries where the server names no Retry-After."""
LONGEST_RETRY_AFTER_SECONDS = 300.0
_TIMEOUT = (10.0, 60.0)
_MAX_ANSWER_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**20
REACH = "Check the network, and whether MyAnimeList is up; then run the same command again."


def session_for(url: str, user_agent: str) -> requests.Session:
    """Return a session that adds no credentials of its own: it does not read ~/.netrc.

    For this machine's own addresses it takes no proxy from the environment, which could only carry a token elsewhere.
    """
    session = requests.Session()
    session.headers["User-Agent"] = user_agent
    session.auth = _no_auth
    session.trust_env = not is_loopback(url)
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication hook that changes nothing; with None in its place, requests would read ~/.netrc."""
    return request


def _ignore(message: str) -> None:
    """Default for `log` and `waiting`: do nothing."""


def do_nothing() -> None:
    """Default for `before`: do nothing."""


class Credentials(Protocol):
    """What authenticates requests. `headers` may be called at any time, `renew` after the server refused them."""

    def headers(self) -> dict[str, str]:
        """Return the headers to send, renewed where they are about to expire."""

    def renew(self, refused: dict[str, str]) -> bool:
        """Replace the refused headers. Returns False when there is nothing to replace them with."""


class Transport(ABC):
    """Sends requests to the API at `api_url` and retries them. Thread-safe. `requests` counts what was sent, by method.

    Without a `throttle` the limit is one request a second, and none on this machine's own addresses. `jitter` returns the
    share (0 to 1) of a back-off to wait. `log` gets a line for each request, `waiting` one for each wait; neither holds a secret.
    """

    service: ClassVar[str]
    """The name of the service in messages."""
    setting: ClassVar[str]
    """The environment variable with its address."""
    headers: ClassVar[dict[str, str]] = {}
    """Further headers of every request."""

    def __init__(
        self,
        api_url: str,
        credentials: Credentials,
        *,
        user_agent: str = f"malsync/{__version__}",
        throttle: Throttle | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        log: Callable[[str], object] = _ignore,
        waiting: Callable[[str], object] = _ignore,
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
        """The server's time in the last answer to this thread; None where it had no Date header."""
        date: datetime | None = getattr(self._local, "date", None)
        return date

    def close(self) -> None:
        """Close all connections. A request from any thread raises ApiError from now on."""
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
        before: Callable[[], object] = do_nothing,
    ) -> Any:
        """Send a request and return the answer's JSON; for a DELETE, None.

        `address` is needed where it differs from `api_url` + `endpoint`, as that of a next page does. The body is `form`, or
        `document` as JSON. `before` is called just before each try is sent, after every wait; if it raises, nothing is sent.

        GET, PATCH and DELETE are all retried: a PATCH that arrives twice changes nothing but `updated_at`, and a DELETE that
        finds nothing is NotFound, which is what the caller wanted. Raises Transient after the last try, and RetryAfterTooLong,
        NotFound, Rejected, AuthError, ApiError and UsageError at once.
        """
        address = address or self.api_url + endpoint
        started = self._clock.monotonic()
        tries = throttled = 0
        try:
            while True:
                tries += 1
                try:
                    return self._authorized(method, endpoint, address, {"data": form, "json": document}, before)
                except Transient as error:
                    throttled += error.status is not None
                    wait = self._wait_before(tries, error)
                    if tries == TRIES or self._clock.monotonic() - started + wait > BUDGET_SECONDS:
                        error.message += f" Tried {tries} times." if tries > 1 else ""
                        raise
                    self._waiting(f"{error.message} Trying again in {wait:.1f} s.")
                    self._clock.sleep(wait)
        finally:
            # The back-off has spaced these tries; this slows the calls that follow.
            self.throttle.record(throttled)

    def _wait_before(self, tries: int, error: Transient) -> float:
        if error.retry_after is None:
            return self._jitter() * min(LONGEST_WAIT_SECONDS, 2.0 ** (tries - 1))
        if error.retry_after > LONGEST_RETRY_AFTER_SECONDS:
            raise RetryAfterTooLong(
                f"{error.message} {self.service} asks to wait {error.retry_after / 60:.0f} minutes.",
                "Run the same command again after that time.",
                error.retry_after,
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
            raise Transient(f"{call}: no complete answer ({cause(error)}).", REACH) from error
        except urllib3.exceptions.HTTPError as error:
            self._log(f"{call} -> {type(error).__name__}")
            raise Transient(f"{call}: the answer was cut off.", REACH) from error
        except (requests.RequestException, ValueError) as error:
            raise UsageError(f"{call}: {type(error).__name__} for {self.api_url}.", f"Check {self.setting}.") from error
        spent = self._clock.monotonic() - started
        self._log(f"{call}{_query(address)} -> {response.status_code}, {len(body)} bytes, {spent:.2f} s")
        document = self.parse(call, response, body)
        self._local.date = http_date(response.headers.get("Date", ""))
        return document

    @abstractmethod
    def parse(self, call: str, response: requests.Response, body: bytes) -> Any:
        """Return the JSON of an answer to `call` (method and endpoint). Raises the error that the answer reports."""

    def _read(self, response: requests.Response, call: str, deadline: float) -> bytes:
        """Read the whole body, chunk by chunk: requests' own timeout never ends an answer that arrives byte by byte."""
        body = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > _MAX_ANSWER_BYTES:
                response.close()
                raise ApiError(
                    f"{call}: the answer is larger than {_MAX_ANSWER_BYTES >> 20} MB.", f"Check {self.setting}."
                )
            if self._clock.monotonic() > deadline:
                response.close()
                raise Transient(f"{call}: no complete answer within {BUDGET_SECONDS:.0f} s.", REACH)
        return bytes(body)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = session_for(self.api_url, self._user_agent)
            session.headers.update(self.headers)
            self._sessions.append(session)
            if is_loopback(self.api_url):
                session.headers["Accept-Encoding"] = "identity"  # compression costs more there than it saves
        return session


def json_of(body: bytes) -> Any:
    """Parse the body of an answer. Returns None where it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def refuse_lone_surrogates(call: str, body: bytes) -> None:
    """Raise ApiError, with the entry's name, for JSON whose only fault is a lone surrogate (half of a character).

    JSON can escape one, but UTF-8 cannot encode it: such text could be neither stored nor sent.
    """
    try:
        place = next(_lone_surrogates(json.loads(body)), None)
    except (ValueError, RecursionError):
        return
    if place is not None:
        raise ApiError(
            f"{call}: {place} holds half of a character (a lone surrogate), which no text can hold. Nothing was stored.",
            "Correct it on the site, then run the same command again.",
        )


def _lone_surrogates(item: Any, place: str = "") -> Iterator[str]:
    """Yield where they are: the entry's id and title, where there is one, and the names of the members on the way."""
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
    for name, value in inner:
        if isinstance(name, str) and any("\ud800" <= character <= "\udfff" for character in name):
            yield place or "the name of a member"
        yield from _lone_surrogates(value, f"{place} {name}".strip())


def content_type(response: requests.Response) -> str:
    """Return the media type that an answer declares, for messages."""
    return response.headers.get("Content-Type", "something else").partition(";")[0][:40]


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds of a Retry-After header in either form (RFC 9110, 10.2.3), or None."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None  # not a date, or one beyond the calendar


def cause(error: Exception) -> str:
    """Say in plain words why there was no answer."""
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
