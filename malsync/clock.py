"""Time, passed in: so that tests own it and never sleep."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of day, in UTC; seconds that only ever grow; and waiting, in seconds."""

    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def http_date(text: str) -> datetime | None:
    """The moment in a `Date` header (RFC 9110, 5.6.7); None for anything else."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # no date, or one that no calendar has
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC) if has_local_time(moment) else None


def has_local_time(moment: datetime) -> bool:
    """Whether a local time can be made of it wherever malsync runs: not of what lies before 1970 or near the last year."""
    return 1970 <= moment.year < 9000
