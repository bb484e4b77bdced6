"""Tiny far sides, for answers that the sandbox never gives and for addresses that must hear nothing."""

import json
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

JSON_TYPE = "application/json; charset=UTF-8"


def free_port() -> int:
    """A port at which nobody listens just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Heard:
    """One request as it came in; names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Reply:
    """What is answered: a text, bytes, or pieces that are sent one after the other until the connection closes."""

    body: str | bytes | Iterable[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def told(document: Any, status: int = 200) -> Reply:
    """A document as JSON."""
    return Reply(json.dumps(document), status, {"Content-Type": JSON_TYPE})


def page(*entries: dict[str, Any], then: str | None = None) -> Reply:
    """A page of a list, and the address of the one after it."""
    return told({"data": list(entries), "paging": {} if then is None else {"next": then}})


def rest_of(heard: Heard) -> str:
    """The query of a request for a page, without its offset: what MAL carries over into `next`."""
    query = parse_qsl(urlsplit(heard.target).query)
    return urlencode([pair for pair in query if pair[0] != "offset"])


def entry(id: int, **list_status: Any) -> dict[str, Any]:
    """An entry of a list's page."""
    status = {"status": "completed", "updated_at": "2020-01-01T00:00:00+00:00", **list_status}
    return {"node": {"id": id, "title": f"Title {id}"}, "list_status": status}


class FarSide:
    """A server on a free port of 127.0.0.1, as a context: `answer` says what each request gets, `heard` keeps them all."""

    def __init__(self, answer: Callable[[Heard], Reply] = lambda heard: Reply(status=404)) -> None:
        self.answer = answer
        self.heard: list[Heard] = []
        self.tells_time = False
        """Whether answers have a `Date`: the real time, and tests have times of their own."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.far_side = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def api_url(self) -> str:
        return f"{self.origin}/v2"

    def environment(self, token: str = "far-side-token") -> dict[str, str | None]:
        """What makes malsync talk to this server."""
        return {
            "MALSYNC_API_URL": self.api_url,
            "MALSYNC_AUTH_URL": f"{self.origin}/oauth",
            "MALSYNC_CLIENT_ID": "far-side-client",
            "MALSYNC_ACCESS_TOKEN": token,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def mal(
    anime: Callable[[Heard], Reply] | None = None, manga: Callable[[Heard], Reply] | None = None
) -> Callable[[Heard], Reply]:
    """Answers of an API with one user, whose lists are empty unless they are given."""

    def answer(heard: Heard) -> Reply:
        path = heard.target.partition("?")[0]
        if path == "/v2/users/@me":
            return told({"id": 7, "name": "far_user"})
        for end, its in (("/animelist", anime), ("/mangalist", manga)):
            if path.endswith(end):
                return page() if its is None else its(heard)
        return told({"message": "", "error": "not_found"}, 404)

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    far_side: FarSide

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): text for name, text in self.headers.items()}
        heard = Heard(self.command, self.path, headers, body)
        self.server.far_side.heard.append(heard)
        reply = self.server.far_side.answer(heard)
        content = reply.body.encode() if isinstance(reply.body, str) else reply.body
        self.send_response_only(reply.status)
        if self.server.far_side.tells_time:
            self.send_header("Date", self.date_time_string())
        for name, text in reply.headers.items():
            self.send_header(name, text)
        if isinstance(content, bytes):
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in content:
            self.wfile.write(piece)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
