"""Responses that break off, and responses that are held back.

They need the transport of their connection, which `running` puts into the state of the request.
"""

from __future__ import annotations

import asyncio
from threading import Lock

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Cut(Response):
    """A response that breaks its connection: `before` its first byte, or in the `middle` of its body.

    A response without a body breaks before the first byte: its head alone would be a whole answer.
    """

    def __init__(self, whole: Response, at: str) -> None:
        super().__init__()
        self._whole = whole
        self._at = at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = self._whole
        if self._at == "middle" and whole.body:
            await send({"type": "http.response.start", "status": whole.status_code, "headers": whole.raw_headers})
            await send({"type": "http.response.body", "body": whole.body[: len(whole.body) // 2], "more_body": True})
        await _broken(scope, receive)


class Stalls:
    """The answers that are held back now. They wait on the server's thread; other threads may count and release them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: dict[asyncio.Future[bool], str] = {}
        self._ended = False

    def __len__(self) -> int:
        return len(self._held)

    def release(self, on: str = "") -> None:
        """Send the held answers whose path contains `on`. They are no longer counted when this returns."""
        self._settle(on, sent=True)

    def end(self) -> None:
        """Break the connections of the held answers, and from now on of every answer that would be held."""
        self._ended = True
        self._settle("", sent=False)

    async def hold(self, path: str, seconds: float, gone: asyncio.Future[None]) -> bool:
        """Wait for the first of `seconds`, `release`, `end` and `gone`; return whether to send the answer."""
        verdict = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._ended:
                return False
            self._held[verdict] = path
        try:
            await asyncio.wait((verdict, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            with self._lock:
                self._held.pop(verdict, None)
        return bool(verdict.result()) if verdict.done() else not gone.done()

    def _settle(self, on: str, *, sent: bool) -> None:
        with self._lock:  # no answer can leave `hold` now, so each event loop still runs
            for verdict in [verdict for verdict, path in self._held.items() if on in path]:
                verdict.get_loop().call_soon_threadsafe(verdict.set_result, sent)
                del self._held[verdict]


class Held(Response):
    """A response that is held back for `seconds`, or until Stalls releases it."""

    def __init__(self, whole: Response, seconds: float, stalls: Stalls) -> None:
        super().__init__()
        self._whole = whole
        self._seconds = seconds
        self._stalls = stalls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            sent = await self._stalls.hold(scope["path"], self._seconds, gone)
        finally:
            gone.cancel()
        if sent:
            await self._whole(scope, receive, send)
        else:
            await _broken(scope, receive)


async def _broken(scope: Scope, receive: Receive) -> None:
    """Close the connection, and wait for its end: the server would complete a response that returns earlier."""
    scope["state"]["transport"].close()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
