"""What a timer runs, when, and what it is called."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from malsync.errors import UsageError

FIRST_HOUR, HOURS = 2, 4
"""Without a time of the user's own it is one of these hours of the night."""


def command_of(executable: str, *, home: Path | None, account: str | None) -> tuple[str, ...]:
    """The command line that backs up, of this installation, which `executable` is the Python of.

    `home` and `account` where they are not the usual ones. Raises UsageError for a path that no timer can be told.
    """
    python = Path(executable)
    script = python.with_name("malsync.exe" if os.name == "nt" else "malsync")
    is_there = script.is_file() and os.access(script, os.X_OK)
    # -P: a folder `malsync` where the timer happens to start must not be taken for the program.
    start = [str(script)] if is_there else [str(python), "-P", "-m", "malsync"]
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
                f"{word!r} holds a control character, and no timer can be told that.", "Give the folder another name."
            )
    return tuple(words)


def config_folder(environment: Mapping[str, str], home_folder: Path) -> Path:
    """Where a user's settings are (XDG base directories)."""
    return Path(environment.get("XDG_CONFIG_HOME") or home_folder / ".config")


def name_of(home: Path | None, account: str | None) -> str:
    """What the timer is called: each home folder and account has its own, so that none takes another's place."""
    if home is None and account is None:
        return "malsync-backup"
    mark = hashlib.sha256(f"{home or ''}\0{account or ''}".encode(errors="surrogateescape")).hexdigest()[:8]
    return f"malsync-backup-{re.sub(r'[^A-Za-z0-9]+', '-', account or 'default').strip('-') or 'account'}-{mark}"


def daily_time(seed: str) -> tuple[int, int]:
    """An hour and a minute of the night, always the same for `seed`: not everyone is to ask MAL at the same moment."""
    number = int.from_bytes(hashlib.sha256(seed.encode(errors="surrogateescape")).digest()[:4], "big")
    hours, minute = divmod(number % (HOURS * 60), 60)
    return FIRST_HOUR + hours, minute


def time_of(text: str) -> tuple[int, int]:
    """The hour and the minute that `text` says. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", text, re.ASCII)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise UsageError(f"--at {text!r} is no time of day.", "Write it as 03:30.")
    return int(match[1]), int(match[2])
