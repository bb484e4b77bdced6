"""Installing a timer into systemd's user manager, and taking it away again."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from malsync import files
from malsync.errors import UsageError
from malsync.schedule.forms import Timer

_PASTE = "A cron line does as well: malsync schedule cron"
_SECONDS = 60


class UserManager:
    """systemd's manager of one's own units, by `systemctl --user`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def run(self, *words: str) -> None:
        """One command of systemctl's. Raises UsageError with what it said where it fails."""
        done = self._done(*words)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise UsageError(
                f"systemctl --user {' '.join(words)} failed: {said[0] if said else f'exit code {done.returncode}'}.",
                f"Are you logged in as yourself, not by su or sudo? {_PASTE}",
            )

    def is_enabled(self, unit: str) -> bool:
        """Whether that unit starts by itself."""
        try:
            return self._done("is-enabled", "--quiet", unit).returncode == 0
        except UsageError:
            return False

    def _done(self, *words: str) -> subprocess.CompletedProcess[str]:
        tool = shutil.which("systemctl", path=self._environment.get("PATH"))
        if tool is None:
            raise UsageError("There is no systemd here: systemctl was not found.", _PASTE)
        try:
            return subprocess.run(
                [tool, "--user", *words],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
                errors="replace",
                timeout=_SECONDS,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise UsageError(f"systemctl could not be run: {error}.", _PASTE) from error


def install(timer: Timer, manager: UserManager) -> list[Path]:
    """Write the unit files, and start the timer now and with every login. Returns the files.

    Raises UsageError where there is no systemd that takes it; whatever units stood there before then stand there again.
    """
    manager.run("daemon-reload")  # before anything is written: where this fails, nothing would run
    units = _units(timer)
    before = {path: _bytes(path) for path in units}
    try:
        for path, text in units.items():
            _make_folders(path.parent)
            files.write(path, [text.encode()])
        manager.run("daemon-reload")
        manager.run("enable", "--now", next(path.name for path in units if path.suffix == ".timer"))
    except UsageError:
        for path, held in before.items():
            if held is not None:
                files.write(path, [held])
            else:
                path.unlink(missing_ok=True)
        with suppress(UsageError):
            manager.run("daemon-reload")
        raise
    return list(units)


def uninstall(timer: Timer, manager: UserManager) -> list[Path]:
    """Stop the timer and take its unit files away. Returns those that were there; none: there was nothing to do."""
    units = [path for path in _units(timer) if path.exists()]
    if not units:
        return []
    manager.run("disable", "--now", next(path.name for path in _units(timer) if path.suffix == ".timer"))
    for path in units:
        try:
            path.unlink()
        except OSError as error:
            raise UsageError(f"{path} cannot be taken away: {error.strerror or error}.", "Delete it.") from error
    manager.run("daemon-reload")
    return units


def _units(timer: Timer) -> dict[Path, str]:
    return {path: text for path, text in timer.files if path is not None}


def _make_folders(folder: Path) -> None:
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - the rights are those that every program's units have
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be made: {error.strerror or error}.", _PASTE) from error


def _bytes(path: Path) -> bytes | None:
    try:
        return files.read_own(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", _PASTE) from error
