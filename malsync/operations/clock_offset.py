"""How far this machine's clock is from MAL's, as the last reading showed: kept in the home folder while they do not agree."""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import orjson

from malsync import files
from malsync.model.timestamps import SLACK, parse_timestamp, timestamp

FILE_NAME = "clock.json"


def keep(path: Path, now: datetime, theirs: datetime) -> timedelta:
    """Write down that it is `theirs` by MAL's clock when it is `now` by this machine's; nothing where they agree.

    Returns how far ahead MAL's is, zero where they agree.
    """
    ahead = theirs - now
    if abs(ahead) <= SLACK:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return timedelta()
    document = {"seen_at": timestamp(now), "seconds_ahead": ahead.total_seconds()}
    files.write(path, [orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)])
    return ahead


def mal_now(path: Path, now: datetime) -> datetime:
    """The time by MAL's clock, as far as it is known, when it is `now` by this machine's.

    What was written down before this machine's clock was set back is of no use, and neither is a file that cannot be read.
    """
    try:
        document = orjson.loads(files.read_own(path))
        ahead = timedelta(seconds=float(document["seconds_ahead"]))
        return now + ahead if parse_timestamp(str(document["seen_at"])) <= now else now
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return now
