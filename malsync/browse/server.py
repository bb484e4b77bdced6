"""Serves the site on 127.0.0.1, in a thread of its own."""

import errno
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from types import MappingProxyType, TracebackType
from typing import Self

import uvicorn

from malsync.browse.app import Browse
from malsync.browse.guard import Guard
from malsync.errors import UsageError
from malsync.model.snapshot import User

HOST = "127.0.0.1"
GRACE = 1
"""Seconds for which an answer may still go on when the site ends."""


class Site:
    """Serves the mirror at `path` to a browser while the context is open.

    `port` 0 picks a free one; entering raises UsageError if the port is taken. With `pictures`, pages show covers from MAL's
    image hosts; without, they load nothing from any other host. `user` is the MAL user whose lists are shown by default, and
    `accounts` has the MAL users by the local names that commands take. `verify` returns what is wrong with the snapshot of
    that number, or None when it rebuilds to its digest.
    """

    def __init__(
        self,
        path: Path,
        *,
        port: int = 0,
        pictures: bool = True,
        user: User | None = None,
        accounts: Mapping[str, User] = MappingProxyType({}),
        verify: Callable[[int], str | None] | None = None,
    ) -> None:
        self._key = secrets.token_urlsafe(32)
        self._port = port
        self._browse = Browse(path, pictures=pictures, user=user, accounts=accounts, verify=verify)

    def __enter__(self) -> Self:
        self._socket = _bound(self._port)
        self.port = int(self._socket.getsockname()[1])
        self._server = _Server(
            uvicorn.Config(
                Guard(self._browse.app(), self._key, self.port),
                loop="asyncio",
                ws="none",
                lifespan="off",
                # No log of requests, ever: it would contain the key.
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="malsync-browse", daemon=True)
        self._thread.start()
        self._server.ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self._browse.close()

    @property
    def url(self) -> str:
        """The address to open, including the key."""
        return f"http://{HOST}:{self.port}/?key={self._key}"


class _Server(uvicorn.Server):
    """A uvicorn server that sets `ready` once it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _bound(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named; otherwise every request waits some 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise UsageError(
            f"Port {port} is taken." if taken else f"Port {port} cannot be used: {error.strerror or error}.",
            advice="choose port",
        ) from error
    return listener
