"""Install a timer into systemd's user manager, and remove it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from malsync import files
from malsync.errors import UsageError
from malsync.schedule.forms import Timer

_TIMEOUT_SECONDS = 60


class UserManager:
    """systemd's user manager, by `systemctl --user`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def run(self, *words: str) -> None:
        """Run one command of systemctl. Raises UsageError with its message if it fails."""
        done = self._run(*words)
        if done.returncode:
            output = (done.stderr or done.stdout).strip().splitlines()
            reason = output[0] if output else f"exit code {done.returncode}"
            raise UsageError(
                f"systemctl --user {' '.join(words)} failed: {reason}.", advice="use cron without a user manager"
            )

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        tool = shutil.which("systemctl", path=self._environment.get("PATH"))
        if tool is None:
            raise UsageError("There is no systemd here: systemctl was not found.", advice="use cron")
        try:
            return subprocess.run(
                [tool, "--user", *words],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise UsageError(f"systemctl could not be run: {error}.", advice="use cron") from error


def install(timer: Timer, manager: UserManager) -> list[Path]:
    """Write the unit files, and start the timer now and with every login. Returns the files.

    Raises UsageError if systemd refuses it; the previous unit files are then restored.
    """
    manager.run("daemon-reload")  # before anything is written: if this fails, the timer could not run
    units = _units(timer)
    before = {path: _bytes(path) for path in units}
    try:
        for path, text in units.items():
            _make_folders(path.parent)
            files.write(path, [text.encode()])
        manager.run("daemon-reload")
        manager.run("enable", "--now", next(path.name for path in units if path.suffix == ".timer"))
    except UsageError:
        for path, content in before.items():
            if content is not None:
                files.write(path, [content])
            else:
                path.unlink(missing_ok=True)
        with suppress(UsageError):
            manager.run("daemon-reload")
        raise
    return list(units)


def uninstall(timer: Timer, manager: UserManager) -> list[Path]:
    """Stop the timer and delete its unit files. Returns the deleted files; none if there was no timer."""
    units = [path for path in _units(timer) if path.exists()]
    if not units:
        return []
    manager.run("disable", "--now", next(path.name for path in _units(timer) if path.suffix == ".timer"))
    for path in units:
        try:
            path.unlink()
        except OSError as error:
            raise UsageError(f"{path} cannot be deleted: {error.strerror or error}.", "Delete it.") from error
    manager.run("daemon-reload")
    return units


def _units(timer: Timer) -> dict[Path, str]:
    return {path: text for path, text in timer.files if path is not None}


def _make_folders(folder: Path) -> None:
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - the permissions are those of other units
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be created: {error.strerror or error}.", advice="use cron"
        ) from error


def _bytes(path: Path) -> bytes | None:
    try:
        return files.read_own(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", advice="use cron") from error
