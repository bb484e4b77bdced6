"""The command, the time and the name of a timer."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from malsync.errors import UsageError

FIRST_HOUR, HOURS = 2, 4
"""The default time is in these hours of the night."""


def command_of(executable: str, *, home: Path | None, account: str | None) -> tuple[str, ...]:
    """The command line of a backup by this installation, whose Python is `executable`.

    `home` and `account`: None for the default. Raises UsageError for a path that no timer can hold.
    """
    python = Path(executable)
    script = python.with_name("malsync.exe" if os.name == "nt" else "malsync")
    exists = script.is_file() and os.access(script, os.X_OK)
    # -P: a folder `malsync` in the timer's working directory must not be imported.
    start = [str(script)] if exists else [str(python), "-P", "-m", "malsync"]
    words = [
        *start,
        *([] if home is None else ["--home", str(home)]),
        *([] if account is None else ["--account", account]),
        "backup",
        "-q",
    ]
    for word in words:
        if not word.isprintable():
            raise UsageError(
                f"{word!r} contains a control character, which a timer cannot hold.", "Give the folder another name."
            )
    return tuple(words)


def config_folder(environment: Mapping[str, str], home_folder: Path) -> Path:
    """The folder of the user's settings (XDG base directories)."""
    return Path(environment.get("XDG_CONFIG_HOME") or home_folder / ".config")


def name_of(home: Path | None, account: str | None) -> str:
    """The name of the timer, different for each home folder and account, so that none replaces another."""
    if home is None and account is None:
        return "malsync-backup"
    mark = hashlib.sha256(f"{home or ''}\0{account or ''}".encode(errors="surrogateescape")).hexdigest()[:8]
    return f"malsync-backup-{re.sub(r'[^A-Za-z0-9]+', '-', account or 'default').strip('-') or 'account'}-{mark}"


def daily_time(seed: str) -> tuple[int, int]:
    """An hour and a minute of the night, always the same for `seed`, so that not everyone asks MAL at the same moment."""
    number = int.from_bytes(hashlib.sha256(seed.encode(errors="surrogateescape")).digest()[:4], "big")
    hours, minute = divmod(number % (HOURS * 60), 60)
    return FIRST_HOUR + hours, minute


def time_of(text: str) -> tuple[int, int]:
    """The hour and the minute in `text`. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text, re.ASCII)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise UsageError(f"Not a time of day: {text!r}.", "Write it as 03:30.")
    return int(match[1]), int(match[2])
