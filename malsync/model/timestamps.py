"""Format, parse and compare times."""

from datetime import UTC, datetime, timedelta

SLACK = timedelta(minutes=1)
"""The difference up to which two clocks count as equal."""


def timestamp(moment: datetime) -> str:
    """Format a time in UTC with milliseconds and a Z, the only form that malsync writes. It sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def maybe_timestamp(moment: datetime | None) -> str | None:
    """Format a time as `timestamp` does; None stays None."""
    return None if moment is None else timestamp(moment)


def parse_timestamp(text: str) -> datetime:
    """Parse a time with a time zone, such as `timestamp` writes. Raises ValueError for any other text."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment.astimezone(UTC)


def corrected(now: datetime, theirs: datetime | None) -> datetime:
    """Return `now`, the time of this machine's clock, or the server's time if the two do not agree."""
    return now if theirs is None or abs(theirs - now) <= SLACK else theirs


def is_future(moment: datetime, now: datetime) -> bool:
    """Return whether `moment` is later than `now` by more than `SLACK`, so that a wrong clock must have dated it."""
    return moment - now > SLACK


def to_the_millisecond(moment: datetime) -> datetime:
    """Cut `moment` to milliseconds, as `timestamp` does, so that it equals what is parsed again."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def local_time(moment: datetime) -> str:
    """Format a time for messages: local time, to the minute."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
