"""How fast requests leave. MAL documents no limit, but answers 429, 403 or 5xx to clients that ask too fast."""

import threading

from malsync.clock import Clock


class Throttle:
    """An interval between requests that all threads share. It grows while the server throttles, and shrinks back afterwards.

    `per_second` is the configured rate, in requests a second; 0 is no limit.
    """

    FIRST_SLOWED_SECONDS = 0.5
    """The interval that the first throttled request doubles, where the configured one is shorter."""
    LONGEST_SECONDS = 30.0
    """The interval grows no further, unless the configured one is longer."""
    RECOVERY = 0.75
    """What an unthrottled call multiplies the interval by."""

    def __init__(self, per_second: float, clock: Clock | None = None) -> None:
        self._configured = 1 / per_second if per_second else 0.0
        self._interval = self._configured
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._next = 0.0

    @property
    def seconds(self) -> float:
        """The current interval between two requests."""
        return self._interval

    def wait(self) -> None:
        """Block until the next request may leave."""
        with self._lock:
            if not self._interval:
                return
            now = self._clock.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            self._clock.sleep(turn - now)

    def record(self, throttled: int) -> None:
        """Adapt the interval after a call. Each of its `throttled` attempts (429, block page, 5xx) doubles it, up to
        LONGEST_SECONDS; a call without any shrinks it by a quarter, down to the configured one."""
        with self._lock:
            if throttled:
                slowed = max(self.FIRST_SLOWED_SECONDS, self._interval) * 2**throttled
                self._interval = min(max(self.LONGEST_SECONDS, self._configured), slowed)
            else:
                self._interval = self._recovered(self._interval)

    def expected_seconds(self, requests: int) -> float:
        """Estimate how long that many requests take from now on, if none of them is throttled."""
        total, interval = 0.0, self._interval
        while requests and interval > self._configured:
            total, interval, requests = total + interval, self._recovered(interval), requests - 1
        return total + requests * self._configured

    def _recovered(self, interval: float) -> float:
        faster = interval * self.RECOVERY
        return faster if faster > max(self._configured, self.FIRST_SLOWED_SECONDS / 10) else self._configured
