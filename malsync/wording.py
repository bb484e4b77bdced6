"""What the terminal and the browser say alike: so many of a thing, how long ago, and what to type."""

import shlex
from datetime import datetime

DEFAULT_ACCOUNT = "default"
"""The account that needs no name."""


def many(number: float, one: str, several: str = "") -> str:
    """So many of a thing: `1 entry`, `2,000 entries`. `several` is its plural, where that is not `one` with an s."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{text} {one if number == 1 else several or f'{one}s'}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago `moment` was, in one unit, of which there are two at least."""
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{many(seconds // size, unit)} ago"
    return "just now" if seconds < 60 else "a minute ago"


def command(words: str, account: str) -> str:
    """The command line that does `words` for `account`."""
    return f"malsync {words}" if account == DEFAULT_ACCOUNT else f"malsync --account {shlex.quote(account)} {words}"


def span(seconds: float) -> str:
    """So long a time, in words."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
