"""How many requests a minute are answered.

MAL tells of no limit, and what comes beyond the one that it has was seen as a 403, never as the 429 that clients are ready
for: so both the number and the answer are settings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from math import ceil

from malsync.sandbox.errorpages import BLOCKED, TOO_MANY, nginx
from malsync.sandbox.exchange import Answer
from malsync.sandbox.settings import Settings

MINUTE = 60.0


class Quota:
    """Remembers the requests of the last minute that were let through. Times come from `clock`; nothing here locks."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._times: deque[float] = deque()

    def refusal(self) -> Answer | None:
        """The answer to a request that is one too many; None lets it through and counts it."""
        if not self._settings.quota:
            return None
        now = self._clock().timestamp()
        while self._times and self._times[0] <= now - MINUTE:
            self._times.popleft()
        if len(self._times) < self._settings.quota:
            self._times.append(now)
            return None
        if self._settings.over_quota == "403":
            return BLOCKED
        return nginx(*TOO_MANY, retry_after=str(ceil(self._times[0] + MINUTE - now)))
