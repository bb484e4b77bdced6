"""The loopback server that the browser is redirected to at the end of a sign-in (RFC 8252, 7.3)."""

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

MAX_CONNECTIONS = 64
CONNECTION_SECONDS = 5.0
"""How long one connection is kept, whatever it sends; a browser sends its request within milliseconds."""
_MAX_REQUEST_BYTES = 2**16
_MAX_ACCEPTED = 16
_POLL_SECONDS = 0.5
_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>malsync</title><style>body{{font:1.1rem/1.6 system-ui;margin:20vh auto;max-width:30rem;padding:0 1rem}}"
    "@media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}}}</style><h1>{title}</h1><p>{text}</p></html>"
)


@dataclass
class _Connection:
    """One connection: its deadline on the monotonic clock, and the bytes received so far."""

    deadline: float
    request: bytearray = field(default_factory=bytearray)


@dataclass
class _SignIn:
    """The path and hosts of the redirect address, and the outcome: a code or a refusal."""

    path: str
    hosts: set[str]
    code: str | None = None
    denied: AuthError | None = None

    @property
    def is_over(self) -> bool:
        """Whether the browser has brought an answer."""
        return self.code is not None or self.denied is not None


def _no_countdown(seconds: float) -> None:
    """Default countdown: do nothing."""


class RedirectListener:
    """Context manager that listens on 127.0.0.1 at the port of `redirect_uri`.

    One thread serves up to `MAX_CONNECTIONS` at once and each for at most `CONNECTION_SECONDS`; when one more comes, the
    oldest is closed. So no local process can delay the browser's own request, or keep the listener open beyond its time.

    Raises UsageError when the address is not an http address on this machine, or when its port is taken.
    """

    def __init__(self, redirect_uri: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        port, path = _port_and_path(redirect_uri)
        if not port:
            raise UsageError(
                f"The redirect address {redirect_uri} is not one that malsync can listen at.",
                advice="use another redirect address",
            )
        try:
            self._socket = socket.create_server(("127.0.0.1", port), backlog=MAX_CONNECTIONS)
        except OSError as error:
            raise UsageError(
                f"Port {port} on this machine is taken ({error.strerror}).",
                advice="use another port",
            ) from error
        self._socket.setblocking(False)
        self._monotonic = monotonic
        self._connections: dict[socket.socket, _Connection] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._sign_in_state = _SignIn(path or "/", {f"localhost:{port}", f"127.0.0.1:{port}"})

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
        """Wait for the redirect and return what `read` makes of the first path that it accepts.

        `read` raises UsageError or WrongState for a stray or forged request, after which the listener waits on, and AuthError
        when access was denied. `countdown` is called with the seconds that are left, at least twice a second. Raises
        AuthError when nothing came within `seconds`, or when access was denied.
        """
        deadline = self._monotonic() + seconds
        while (left := deadline - self._monotonic()) > 0:
            countdown(left)
            self._poll(read, min(left, _POLL_SECONDS))
            if self._sign_in_state.denied is not None:
                raise self._sign_in_state.denied
            if self._sign_in_state.code is not None:
                return self._sign_in_state.code
        raise AuthError(f"The browser did not come back within {seconds / 60:.0f} minutes.", advice="start again")

    def _poll(self, read: Callable[[str], str], seconds: float) -> None:
        """Wait up to `seconds` for activity and serve it: open connections first, then new ones."""
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        for connection in [*self._connections]:
            if connection in ready:
                self._serve(connection, read)
        if self._socket in ready:
            for _ in range(_MAX_ACCEPTED):
                if not self._accept(read):
                    break
        now = self._monotonic()
        for connection, state in [*self._connections.items()]:
            if state.deadline <= now:
                self._drop(connection)

    def _accept(self, read: Callable[[str], str]) -> bool:
        """Accept one more connection. False when none is waiting, or when this process may open no more files."""
        if len(self._connections) >= MAX_CONNECTIONS:
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
        """Read what has arrived, and answer once the request is complete."""
        if self._sign_in_state.is_over:
            return
        state = self._connections[connection]
        try:
            piece = connection.recv(_MAX_REQUEST_BYTES)
            state.request += piece
            is_whole = any(end in state.request for end in (b"\r\n\r\n", b"\n\n"))
            if is_whole:
                connection.send(_Handler(bytes(state.request), self._sign_in_state, read).answer)
        except BlockingIOError:
            return
        except OSError:
            piece, is_whole = b"", False
        if is_whole or not piece or len(state.request) > _MAX_REQUEST_BYTES:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._connections[connection]
        connection.close()


def _port_and_path(address: str) -> tuple[int | None, str]:
    """Return the port and path of an http address on this machine; the port is None for any other address."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None, ""
    is_here = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"}
    return port if is_here else None, parts.path


class _Handler(BaseHTTPRequestHandler):
    """Parse one complete request and build its `answer`."""

    def __init__(self, request: bytes, sign_in: _SignIn, read: Callable[[str], str]) -> None:
        self._sign_in_state, self._read = sign_in, read
        self.client_address = ("127.0.0.1", 0)
        self.rfile, self.wfile = BytesIO(request), BytesIO()
        self.handle_one_request()
        self.answer = self.wfile.getvalue()

    def do_GET(self) -> None:
        if self.headers.get("Host", "") not in self._sign_in_state.hosts:
            self._answer(421, "Wrong host", "This address answers to localhost only.")
        elif self.path.partition("?")[0] != self._sign_in_state.path:
            self._answer(404, "Nothing here", "malsync waits for the answer of MyAnimeList at another address.")
        else:
            self._sign_in()

    def _sign_in(self) -> None:
        try:
            self._sign_in_state.code = self._read(self.path)
        except (UsageError, WrongState) as error:
            # Any page in the browser can send a request here; only one that knows the state ends the wait.
            self._answer(400, "Not the answer that malsync waits for", error.message)
        except AuthError as error:
            self._sign_in_state.denied = error
            self._answer(400, "Not signed in", error.message)
        else:
            self._answer(200, "Signed in", "You can close this page and go back to the terminal.")

    def _answer(self, status: int, title: str, text: str) -> None:
        page = _PAGE.format(title=title, text=text.replace("&", "&amp;").replace("<", "&lt;")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        # The address holds the code; do not pass it on to another page.
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: the path holds the code."""
