"""How fast to ask: MAL tells of no limit, and has had enough at times."""

import threading

from malsync.clock import Clock


class Pace:
    """At most so many requests a second, shared by every thread; 0: no limit. It slows where MAL has had enough, and recovers."""

    SLOWED = 0.5
    LONGEST = 30.0
    RECOVERY = 0.75

    def __init__(self, per_second: float, clock: Clock | None = None) -> None:
        self._usual = 1 / per_second if per_second else 0.0
        self._gap = self._usual
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._next = 0.0

    @property
    def seconds(self) -> float:
        """The time from one request to the next, as it is now."""
        return self._gap

    def wait(self) -> None:
        """Return when the next request may leave."""
        with self._lock:
            if not self._gap:
                return
            now = self._clock.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            self._clock.sleep(turn - now)

    def learn(self, enough: int) -> None:
        """From a call: so many times MAL had `enough` (429, a block page, 5xx). Each halves the pace; none is a step back up."""
        with self._lock:
            if enough:
                self._gap = min(max(self.LONGEST, self._usual), max(self.SLOWED, self._gap) * 2**enough)
            else:
                self._gap = self._recovered(self._gap)

    def expected(self, requests: int) -> float:
        """The seconds that so many requests take from now on, where MAL has enough of none of them."""
        total, gap = 0.0, self._gap
        while requests and gap > self._usual:
            total, gap, requests = total + gap, self._recovered(gap), requests - 1
        return total + requests * self._usual

    def _recovered(self, gap: float) -> float:
        faster = gap * self.RECOVERY
        return faster if faster > max(self._usual, self.SLOWED / 10) else self._usual
