"""Ctrl-C: a write or a token refresh in flight comes to its end first; Ctrl-C is also how a server is meant to end."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Self

import click

from malsync.clock import Clock
from malsync.errors import ApiError, Interrupted


class Unfinished:
    """Work in other threads that the process must not end in the middle of: a token refresh rotates the stored pair.

    As a context, it ends only when that work has ended, however the command itself ended. After a Ctrl-C it says so, and
    another Ctrl-C ends the waiting.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._is_ending = False
        self._given_up = False
        self._ended: SimpleQueue[None] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._is_ending = True
        if self._given_up:
            return
        if not isinstance(error, (KeyboardInterrupt, click.Abort, Interrupted)):
            try:
                self._wait()
            except KeyboardInterrupt:
                pass
            else:
                return
        if self._running:
            with _ctrl_c_raises():
                _say("Ending after the new sign-in tokens are stored. Ctrl-C again ends at once.")
                self._wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the process from ending while this is entered. Raises ApiError when it is ending already."""
        with self._lock:
            if self._is_ending:
                raise ApiError("Stopped.", "Run the same command again.")
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
            self._ended.put(None)

    def give_up(self) -> None:
        """Let the process end whatever is unfinished: Ctrl-C came twice."""
        self._given_up = True

    def _wait(self) -> None:
        # By a queue: Ctrl-C breaks the locks of the threading module.
        while self._running:
            self._ended.get()


class Interruption:
    """While it is entered, a first Ctrl-C waits for the end of what is shielded; a second one does not.

    `clock` is the given one, except that a wait is not shielded: Ctrl-C must not wait a minute for another try.
    A second Ctrl-C gives up what is `unfinished`, too.
    """

    def __init__(self, clock: Clock, unfinished: Unfinished | None = None) -> None:
        self._clock = clock
        self._unfinished = unfinished or Unfinished()
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
            if self._asked:
                self._unfinished.give_up()
            self._shielded = False
            raise KeyboardInterrupt
        self._asked = True
        _say("\nEnding after the write that is under way. Ctrl-C again ends at once.")

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


def _say(line: str) -> None:
    # Not by print: that may be what was interrupted. If the terminal has closed, there is nobody to tell.
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())


@contextmanager
def _ctrl_c_raises() -> Iterator[None]:
    """Let every Ctrl-C raise KeyboardInterrupt, also one right after another; not where Ctrl-C is ignored."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def until_ended() -> Iterator[Callable[[], object]]:
    """What waits for Ctrl-C or SIGTERM, also for one that came before. For the main thread of a server.

    Not by an event: one that comes just as this thread lets another one run wakes no lock, and the server would stay.
    """
    heard, wake = socket.socketpair()
    with heard, wake:
        wake.setblocking(False)
        pipe = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield lambda: heard.recv(1)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(pipe)
