"""The loopback listener that a browser is sent back to at the end of signing in (RFC 8252, 7.3)."""

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from malsync.errors import AuthError, UsageError, WrongState

_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    "<title>malsync</title><style>body{{font:1.1rem/1.6 system-ui;margin:20vh auto;max-width:30rem;padding:0 1rem}}"
    "@media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}}}</style><h1>{title}</h1><p>{text}</p></html>"
)


class Listener:
    """Listens on 127.0.0.1 at the port of `redirect_uri`, as a context.

    Raises UsageError when the address is no http one on this machine, or when its port is taken.
    """

    def __init__(self, redirect_uri: str) -> None:
        port, path = _here(redirect_uri)
        if not port:
            raise UsageError(
                f"The redirect address {redirect_uri} is not one that malsync can listen at.",
                "Use malsync login --no-browser, or register http://localhost:8765/callback at MAL.",
            )
        try:
            self._server = _Server(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise UsageError(
                f"Port {port} on this machine is taken ({error.strerror}).",
                "End the program that uses it, or use malsync login --no-browser",
            ) from error
        self._server.path = path or "/"
        self._server.hosts = {f"localhost:{port}", f"127.0.0.1:{port}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()

    def wait(self, read: Callable[[str], str], seconds: float = 300.0) -> str:
        """What `read` makes of the first address that it accepts; a stray or forged one does not end the waiting.

        Raises AuthError when nothing came within `seconds`, or when access was denied.
        """
        self._server.read = read
        self._server.timeout = 0.5
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._server.handle_request()
            if self._server.denied is not None:
                raise self._server.denied
            if self._server.found is not None:
                return self._server.found
        raise AuthError(f"Nobody came back from MAL within {seconds / 60:.0f} minutes.", "Start again: malsync login")


def _here(address: str) -> tuple[int | None, str]:
    """Port and path of an http address on this machine; no port where it is something else."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None, ""
    is_here = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"}
    return port if is_here else None, parts.path


class _Server(HTTPServer):
    path = "/"
    hosts: set[str] = set()  # noqa: RUF012 - set anew for each server
    read: Callable[[str], str]
    found: str | None = None
    denied: AuthError | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over a connection that breaks: the answer may still come by another."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5.0

    def do_GET(self) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            self._answer(421, "Wrong host", "This address answers to localhost only.")
        elif self.path.partition("?")[0] != self.server.path:
            self._answer(404, "Nothing here", "malsync waits for the answer of MyAnimeList at another address.")
        else:
            self._sign_in()

    def _sign_in(self) -> None:
        try:
            self.server.found = self.server.read(self.path)
        except (UsageError, WrongState) as error:
            # Any page in the browser can send a request here; only one that knows our state ends the waiting.
            self._answer(400, "Not the answer that malsync waits for", error.message)
        except AuthError as error:
            self.server.denied = error
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
