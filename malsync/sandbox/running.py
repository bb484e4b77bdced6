"""Starts and stops the sandbox, and changes what it serves."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from malsync.sandbox.errors import SandboxError
from malsync.sandbox.media import MEDIA
from malsync.sandbox.oauth import CLIENT_ID, OTHER_CLIENT_ID
from malsync.sandbox.responses import Stalls
from malsync.sandbox.server import Site
from malsync.sandbox.settings import Settings
from malsync.sandbox.statefile import StateFile
from malsync.sandbox.world import World

HOST = "127.0.0.1"
UVICORN: dict[str, Any] = {
    "ws": "none", "lifespan": "off", "loop": "asyncio", "log_config": None, "log_level": "critical", "access_log": False,
    "server_header": False, "proxy_headers": False,
}  # fmt: skip
GRACE = 1.0
"""Seconds that an answer may still take when the sandbox stops."""


class Sandbox:
    """A running sandbox: a context manager that serves between enter and exit.

    `port` 0 takes a free one. `latency` is the delay of every answer in seconds, `faults` a spec (see `faults`), `settings`
    are names and values as text. `state_file` is loaded if it exists and kept up to date. `heard` receives each row of the
    log (see `requests`) on the sandbox's own thread. Without `control` there are no control addresses, so that only public
    data can be read without a token. Raises SandboxError for an invalid argument, and on entering for a port that is taken.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        port: int = 0,
        latency: float = 0.0,
        faults: str = "",
        settings: Mapping[str, str] | None = None,
        state_file: Path | str | None = None,
        heard: Callable[[dict[str, Any]], object] | None = None,
        control: bool = True,
    ) -> None:
        self.world = world or World.demo()
        self.settings = Settings.parse(settings or {})
        self.client_id = CLIENT_ID
        self.other_client_id = OTHER_CLIENT_ID
        self._site = Site(self.world, self.settings, latency, control=control)
        self._site.add_faults(faults)
        self._site.heard = heard or self._site.heard
        self._port = port
        self._state_file = StateFile(Path(state_file), self.world) if state_file else None
        self._tokens = {name: self.token_for(name) for name in self.world.accounts}

    def __enter__(self) -> Sandbox:
        if self._state_file:
            self._state_file.save()  # raises now if the file cannot be written
        self._socket = _bound(self._port)
        self.port = int(self._socket.getsockname()[1])
        self._site.stalls = Stalls()
        self._site.hosts = frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})
        if self._state_file:
            self._site.changed = self._state_file.changed
            self._state_file.start()
        self._server = _Server(uvicorn.Config(self._site.app, http=_Protocol, **UVICORN))
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="malsync-sandbox", daemon=True)
        self._thread.start()
        self._server.ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._site.stalls.end()
        self._server.stop()
        self._thread.join()
        self._socket.close()
        if self._state_file:
            self._state_file.stop()

    @property
    def api_url(self) -> str:
        return f"http://{HOST}:{self.port}/v2"

    @property
    def auth_url(self) -> str:
        return f"http://{HOST}:{self.port}/v1/oauth2"

    @property
    def user(self) -> str:
        """The name of the first account."""
        return self.world.first.name

    @property
    def access_token(self) -> str:
        """The token of the first account that was issued when the sandbox was made."""
        return self._tokens[self.user]

    def token_for(self, name: str) -> str:
        """Return a new access token of an account."""
        return str(self.token_pair(name)["access_token"])

    def refresh_token_for(self, name: str) -> str:
        """Return a new refresh token of an account."""
        return str(self.token_pair(name)["refresh_token"])

    def token_pair(self, name: str) -> dict[str, Any]:
        """Return a new pair of tokens as the token endpoint does. Raises SandboxError for an unknown account."""
        with self.world.lock:
            return self.world.authority.issue(self.world.named(name).name, self.settings).answer(self.settings)

    def ready_line(self) -> dict[str, Any]:
        """Return what `malsync sandbox` prints when it is ready."""
        return {
            "api_url": self.api_url,
            "auth_url": self.auth_url,
            "client_id": self.client_id,
            "access_token": self.access_token,
            "user": self.user,
            "users": [{"user": name, "access_token": token} for name, token in self._tokens.items()],
        }

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The log: one row a request, oldest first, without the control addresses and without tokens."""
        with self.world.lock:
            return list(self._site.log)

    @property
    def counts(self) -> dict[str, int]:
        """Requests to the API's address by method."""
        with self.world.lock:
            return dict(self._site.counts)

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point malsync at this sandbox, signed in as its first user."""
        return {
            "MALSYNC_API_URL": self.api_url,
            "MALSYNC_AUTH_URL": self.auth_url,
            "MALSYNC_CLIENT_ID": self.client_id,
            "MALSYNC_ACCESS_TOKEN": self.access_token,
        }

    @property
    def stalled(self) -> int:
        """The number of requests that the fault `stall` holds now: each is in the log, and carried out if it will be."""
        return len(self._site.stalls)

    def release(self, on: str = "") -> None:
        """Answer the requests that `stall` holds now and whose path contains `on`. The fault stays: it holds later ones."""
        self._site.stalls.release(on)

    def add_faults(self, spec: str) -> None:
        self._site.add_faults(spec)

    def clear_faults(self) -> None:
        self._site.clear_faults()

    # Changes that the client does not make.

    def edit(self, user: str, medium: str, id: int, **values: Any) -> dict[str, Any]:
        """Change an entry under the names of GET, or add it, with a new `updated_at`; return the full list status."""
        with self._changing():
            return self.world.named(user).edit(medium, id, self.world.clock(), **values)

    add = edit

    def remove(self, user: str, medium: str, id: int) -> None:
        with self._changing():
            self.world.named(user).delete(medium, id)

    def withdraw(self, medium: str, id: int) -> None:
        """Remove a title from every list, as a moderator does."""
        with self._changing():
            self.world.withdraw(medium, id)

    def entries(self, user: str, medium: str) -> dict[int, dict[str, Any]]:
        """Return a list as the sandbox has it: full list statuses by id."""
        with self.world.lock:
            return self.world.named(user).entries(medium)

    def expire_tokens(self, *, refresh_too: bool = False) -> None:
        """Expire all access tokens; the refresh tokens stay valid unless `refresh_too`."""
        with self._changing():
            self.world.authority.expire_access()
            if refresh_too:
                self.world.authority.expire_refresh()

    def set_private(self, user: str, *media: str) -> None:
        """Make exactly these lists of an account private."""
        if unknown := set(media) - MEDIA.keys():
            raise SandboxError(f"there is no list of {', '.join(unknown)}; there are: {', '.join(MEDIA)}")
        with self._changing():
            self.world.named(user).private = frozenset(media)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self.world.lock:
            yield
        self._site.changed()


def _bound(port: int) -> socket.socket:
    """Return a listening socket on loopback.

    `proto` is IPPROTO_TCP because asyncio disables Nagle's algorithm only then: else every request on a kept connection
    waits some 40 ms.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise SandboxError(f"port {port} is taken; choose another one, or 0 for any") from None
        raise SandboxError(f"port {port} cannot be used: {error}") from None
    return listener


class _Protocol(H11Protocol):
    """uvicorn's HTTP, with the transport of the connection in the state of the request for a response that cuts it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """uvicorn in a thread: it signals that it is ready, and stops at once instead of polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()
        self._end: Callable[[], object] = lambda: None

    async def main_loop(self) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._end = partial(loop.call_soon_threadsafe, ended.set)
        self.ready.set()
        await ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 uvicorn passes them
        """Close every connection; running answers have GRACE to end. uvicorn's own method takes 0.1 s and more each time."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if tasks := list(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=GRACE)
        loop = asyncio.get_running_loop()
        end = loop.time() + GRACE
        while self.server_state.connections and loop.time() < end:
            await asyncio.sleep(0.001)

    def stop(self) -> None:
        """End main_loop, from another thread."""
        self._end()
