"""Serving the site on 127.0.0.1, in a thread beside whoever waits for Ctrl-C."""

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
"""Seconds that an answer may still take when the site ends."""


class Site:
    """The mirror at `path` in a browser: a context manager that answers when it is entered and is gone when it is left.

    `port` 0 takes a free one; entering raises UsageError for one that is taken. With `pictures`, pages show covers from the
    host of MAL's pictures; without, they ask no other host for anything. `user` is the MAL user whose lists come first,
    and `accounts` says by which local names commands reach whom.
    `prove` says what is wrong with a snapshot of that number, None when it rebuilds to its digest.
    """

    def __init__(
        self,
        path: Path,
        *,
        port: int = 0,
        pictures: bool = True,
        user: User | None = None,
        accounts: Mapping[str, User] = MappingProxyType({}),
        prove: Callable[[int], str | None] | None = None,
    ) -> None:
        self._key = secrets.token_urlsafe(32)
        self._port = port
        self._browse = Browse(path, pictures=pictures, user=user, accounts=accounts, prove=prove)

    def __enter__(self) -> Self:
        self._socket = _bound(self._port)
        self.port = int(self._socket.getsockname()[1])
        self._server = _Server(
            uvicorn.Config(
                Guard(self._browse.app(), self._key, self.port),
                loop="asyncio",
                ws="none",
                lifespan="off",
                # No log of requests, ever: the key would stand in it.
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
        """The address to open, with the key in it."""
        return f"http://{HOST}:{self.port}/?key={self._key}"


class _Server(uvicorn.Server):
    """uvicorn that says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _bound(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named: else every request waits some 40 ms.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
        found.listen(128)
    except OSError as error:
        found.close()
        taken = error.errno == errno.EADDRINUSE
        raise UsageError(
            f"Port {port} is taken." if taken else f"Port {port} cannot be used: {error.strerror or error}.",
            "Choose another one with --port, or none: malsync picks a free one.",
        ) from error
    return found
