"""Moments as malsync writes them down, and reads them again."""

from datetime import UTC, datetime, timedelta

SLACK = timedelta(minutes=1)
"""Two clocks that differ by no more than this agree."""


def timestamp(moment: datetime) -> str:
    """UTC with milliseconds and a Z: the one form in which malsync writes a time, and it sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def maybe_timestamp(moment: datetime | None) -> str | None:
    """A moment that may be none, as `timestamp` writes it."""
    return None if moment is None else timestamp(moment)


def parse_timestamp(text: str) -> datetime:
    """The moment that `timestamp` wrote. Raises ValueError for anything that names no moment."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(UTC)


def corrected(now: datetime, theirs: datetime | None) -> datetime:
    """`now` by this machine's clock, or the server's time where the two do not agree."""
    return now if theirs is None or abs(theirs - now) <= SLACK else theirs


def is_future(moment: datetime, now: datetime) -> bool:
    """Whether `moment` is later than `now` by more than clocks may differ: it was dated by a clock that was wrong."""
    return moment - now > SLACK


def to_the_millisecond(moment: datetime) -> datetime:
    """`moment` as `timestamp` writes it, so that it equals what is read again."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def local_time(moment: datetime) -> str:
    """A moment as messages show it: local time, to the minute."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
