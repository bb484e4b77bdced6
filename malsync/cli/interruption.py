"""Ctrl-C: while a run writes, it ends after the call in flight and loses nothing; it is how a server is meant to end."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Self

from malsync.clock import Clock


class Interruption:
    """While it is entered, a first Ctrl-C waits for the end of what is shielded; a second one does not.

    `clock` is the given one, except that a wait is not shielded: nobody waits a minute for another try after Ctrl-C.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked = False
        self._shielded = False
        self._before: Any = None
        self.clock = Clock(clock.now, clock.monotonic, self._sleep)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Let what is inside come to its end. Raises KeyboardInterrupt there, if that was asked for meanwhile."""
        self._stop_if_asked()
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        self._stop_if_asked()

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        if self._asked or not self._shielded:
            self._shielded = False
            raise KeyboardInterrupt
        self._asked = True
        # Not by print: that may be what was interrupted. Of a terminal that closes nobody is left to be told.
        with suppress(OSError):
            os.write(2, b"\nEnding after the write that is under way. Ctrl-C again ends at once.\n")

    def _sleep(self, seconds: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            self._clock.sleep(seconds)
            return
        # In this order: what comes before the shield is down is asked for, what comes after it is heard at once.
        was, self._shielded = self._shielded, False
        try:
            self._stop_if_asked()
            self._clock.sleep(seconds)
        finally:
            self._shielded = was

    def _stop_if_asked(self) -> None:
        if self._asked:
            raise KeyboardInterrupt


@contextmanager
def until_ended() -> Iterator[Callable[[], object]]:
    """What waits for Ctrl-C or SIGTERM, also for one that came before. For the main thread of a server.

    Not by an event: one that comes just as this thread lets another one run wakes no lock, and the server would stay.
    """
    heard, told = socket.socketpair()
    with heard, told:
        told.setblocking(False)
        pipe = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield lambda: heard.recv(1)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(pipe)
