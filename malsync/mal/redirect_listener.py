"""The loopback listener that a browser is sent back to at the end of signing in (RFC 8252, 7.3)."""

import errno
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from malsync.errors import AuthError, UsageError, WrongState

MOST_CONNECTIONS = 64
CONNECTION_SECONDS = 5.0
"""How long one connection is kept, whatever it sends; a browser sends its request within milliseconds."""
_MOST_BYTES = 2**16
_MOST_NEW = 16
_TURN_SECONDS = 0.5
_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>malsync</title><style>body{{font:1.1rem/1.6 system-ui;margin:20vh auto;max-width:30rem;padding:0 1rem}}"
    "@media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}}}</style><h1>{title}</h1><p>{text}</p></html>"
)


@dataclass
class _Connection:
    """One connection: when it is closed at the latest, and what has come."""

    until: float
    request: bytearray = field(default_factory=bytearray)


@dataclass
class _Awaited:
    """What the listener answers to, and what has come of it."""

    path: str
    hosts: set[str]
    found: str | None = None
    denied: AuthError | None = None

    @property
    def is_over(self) -> bool:
        """Whether the answer has come."""
        return self.found is not None or self.denied is not None


def _no_countdown(seconds: float) -> None:
    """Default countdown: do nothing."""


class RedirectListener:
    """Listens on 127.0.0.1 at the port of `redirect_uri`, as a context.

    One thread serves up to `MOST_CONNECTIONS` at once and each for at most `CONNECTION_SECONDS`; when one more comes, the
    oldest is closed. So no local process can keep the browser's own request waiting, or make the listener outlive its time.

    Raises UsageError when the address is no http one on this machine, or when its port is taken.
    """

    def __init__(self, redirect_uri: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        port, path = _here(redirect_uri)
        if not port:
            raise UsageError(
                f"The redirect address {redirect_uri} is not one that malsync can listen at.",
                "Use malsync login --no-browser, or register http://localhost:8765/callback at MAL.",
            )
        try:
            self._socket = socket.create_server(("127.0.0.1", port), backlog=MOST_CONNECTIONS)
        except OSError as error:
            raise UsageError(
                f"Port {port} on this machine is taken ({error.strerror}).",
                "End the program that uses it, or use malsync login --no-browser",
            ) from error
        self._socket.setblocking(False)
        self._monotonic = monotonic
        self._connections: dict[socket.socket, _Connection] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._awaited = _Awaited(path or "/", {f"localhost:{port}", f"127.0.0.1:{port}"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in [*self._connections]:
            self._drop(connection)
        self._selector.close()
        self._socket.close()

    def wait(
        self, read: Callable[[str], str], seconds: float = 300.0, countdown: Callable[[float], object] = _no_countdown
    ) -> str:
        """What `read` makes of the first address that it accepts; a stray or forged one does not end the waiting.

        `countdown` is called with the seconds that are left, at least twice a second. Raises AuthError when nothing came
        within `seconds`, or when access was denied.
        """
        until = self._monotonic() + seconds
        while (left := until - self._monotonic()) > 0:
            countdown(left)
            self._turn(read, min(left, _TURN_SECONDS))
            if self._awaited.denied is not None:
                raise self._awaited.denied
            if self._awaited.found is not None:
                return self._awaited.found
        raise AuthError(f"Nobody came back from MAL within {seconds / 60:.0f} minutes.", "Start again: malsync login")

    def _turn(self, read: Callable[[str], str], seconds: float) -> None:
        """Serve what has something to say, for `seconds` at most. Who is there already comes before who is new."""
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        for connection in [*self._connections]:
            if connection in ready:
                self._serve(connection, read)
        if self._socket in ready:
            for _ in range(_MOST_NEW):
                if not self._accept(read):
                    break
        now = self._monotonic()
        for connection, one in [*self._connections.items()]:
            if one.until <= now:
                self._drop(connection)

    def _accept(self, read: Callable[[str], str]) -> bool:
        """Take one more connection. False when none waits, or this process may have no more files open."""
        if len(self._connections) >= MOST_CONNECTIONS:
            self._drop(next(iter(self._connections)))
        try:
            connection, _ = self._socket.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE} and self._connections:
                self._drop(next(iter(self._connections)))
            return False
        connection.setblocking(False)
        self._connections[connection] = _Connection(self._monotonic() + CONNECTION_SECONDS)
        self._selector.register(connection, selectors.EVENT_READ)
        self._serve(connection, read)
        return True

    def _serve(self, connection: socket.socket, read: Callable[[str], str]) -> None:
        """Read what has come; answer a whole request."""
        if self._awaited.is_over:
            return
        one = self._connections[connection]
        try:
            piece = connection.recv(_MOST_BYTES)
            one.request += piece
            is_whole = any(end in one.request for end in (b"\r\n\r\n", b"\n\n"))
            if is_whole:
                connection.send(_Handler(bytes(one.request), self._awaited, read).answer)
        except BlockingIOError:
            return
        except OSError:
            piece, is_whole = b"", False
        if is_whole or not piece or len(one.request) > _MOST_BYTES:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._connections[connection]
        connection.close()


def _here(address: str) -> tuple[int | None, str]:
    """Port and path of an http address on this machine; no port where it is something else."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None, ""
    is_here = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"}
    return port if is_here else None, parts.path


class _Handler(BaseHTTPRequestHandler):
    """Makes the `answer` to one whole request."""

    def __init__(self, request: bytes, awaited: _Awaited, read: Callable[[str], str]) -> None:
        self._awaited, self._read = awaited, read
        self.client_address = ("127.0.0.1", 0)
        self.rfile, self.wfile = BytesIO(request), BytesIO()
        self.handle_one_request()
        self.answer = self.wfile.getvalue()

    def do_GET(self) -> None:
        if self.headers.get("Host", "") not in self._awaited.hosts:
            self._answer(421, "Wrong host", "This address answers to localhost only.")
        elif self.path.partition("?")[0] != self._awaited.path:
            self._answer(404, "Nothing here", "malsync waits for the answer of MyAnimeList at another address.")
        else:
            self._sign_in()

    def _sign_in(self) -> None:
        try:
            self._awaited.found = self._read(self.path)
        except (UsageError, WrongState) as error:
            # Any page in the browser can send a request here; only one that knows our state ends the waiting.
            self._answer(400, "Not the answer that malsync waits for", error.message)
        except AuthError as error:
            self._awaited.denied = error
            self._answer(400, "Not signed in", error.message)
        else:
            self._answer(200, "Signed in", "You can close this page and go back to the terminal.")

    def _answer(self, status: int, title: str, text: str) -> None:
        page = _PAGE.format(title=title, text=text.replace("&", "&amp;").replace("<", "&lt;")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        # The address holds the code; no other page is to learn it.
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the address holds the code."""
