"""The clock that is passed to everything that needs time, so that tests control it and never sleep."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of day in UTC, monotonic seconds, and sleeping for seconds."""

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def http_date(text: str) -> datetime | None:
    """Parse a `Date` header (RFC 9110, 5.6.7). Returns None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # not a date, or one beyond the calendar
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC) if has_local_time(moment) else None


def has_local_time(moment: datetime) -> bool:
    """Return whether every platform can convert it to local time: not before 1970 or near the year 9999."""
    return 1970 <= moment.year < 9000
