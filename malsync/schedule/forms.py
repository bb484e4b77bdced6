"""The timer of each kind of machine: its files, quoted as that machine reads them, and how to install it.

No timer holds a secret: what the backup needs is in the home folder, or for a workflow among the repository's secrets.
"""

import json
import plistlib
import re
import shlex
import string
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from malsync import __version__
from malsync.errors import UsageError

TimerKind = Literal["systemd", "cron", "launchd", "windows", "github"]
KINDS: tuple[TimerKind, ...] = get_args(TimerKind)
DELAY_MINUTES = 45
"""How much later than its time a timer may start, where the machine can do that: MAL has many users."""
_SINGLE_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")  # PowerShell treats them alike
_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")


@dataclass(frozen=True)
class TimerRequest:
    """The command to run every day, and when. `user` is the MAL user's name; empty if it is unknown."""

    command: tuple[str, ...]
    name: str
    hour: int
    minute: int
    config_folder: Path
    home_folder: Path
    user: str = ""

    @property
    def at(self) -> str:
        """The time of day, as 03:05."""
        return f"{self.hour:02}:{self.minute:02}"


@dataclass(frozen=True)
class Timer:
    """The files of a timer, without a path if the text is to be pasted, and the steps to install it."""

    kind: TimerKind
    files: tuple[tuple[Path | None, str], ...]
    steps: tuple[str, ...]


class _Template(string.Template):
    """A template with `%{name}`: `$` has a meaning in PowerShell and in workflows."""

    delimiter = "%"


def natural_kind(platform: str, *, has_systemd: bool) -> TimerKind:
    """The kind of timer for a machine; `platform` is its `sys.platform`."""
    if platform == "darwin":
        return "launchd"
    if platform == "win32":
        return "windows"
    return "systemd" if has_systemd else "cron"


def make_timer(kind: TimerKind, request: TimerRequest) -> Timer:
    """The timer of that kind. Raises UsageError if it cannot hold the command."""
    return _FORMS[kind](request)


def units_folder(config_folder: Path) -> Path:
    """The folder of a user's own systemd units."""
    return config_folder / "systemd" / "user"


def _fill(template: str, request: TimerRequest, **values: str | int) -> str:
    text = (Path(__file__).parent / "templates" / template).read_text(encoding="utf-8")
    return _Template(text).substitute(
        values, time=request.at, hour=request.hour, minute=request.minute, delay=DELAY_MINUTES
    )


def _systemd(request: TimerRequest) -> Timer:
    folder = units_folder(request.config_folder)
    files = (
        (folder / f"{request.name}.service", _fill("systemd.service", request, command=_exec(request.command))),
        (folder / f"{request.name}.timer", _fill("systemd.timer", request)),
    )
    steps = (
        "Save these as the files named in their first lines, then:",
        f"  systemctl --user daemon-reload && systemctl --user enable --now {request.name}.timer",
        "Or let malsync do it: the same command, with --install.",
        "To run it while you are not logged in: loginctl enable-linger",
    )
    return Timer("systemd", files, steps)


def _exec(command: tuple[str, ...]) -> str:
    """A command line as systemd.service(5) reads ExecStart=: specifiers doubled, and variables but in the program's path."""
    if any(sign in command[0] for sign in "\"'\\"):
        # systemd refuses such a path of a program ("contains special characters"); a shell accepts it.
        command = ("/bin/sh", "-c", 'exec "$0" "$@"', *command)
    program, *words = (word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for word in command)
    words = [word.replace("$", "$$") for word in words]
    return " ".join(word if _PLAIN.fullmatch(word) else f'"{word}"' for word in (program, *words))


def _cron(request: TimerRequest) -> Timer:
    # An unescaped % ends the command, even between quotes (crontab(5)).
    command = shlex.join(request.command).replace("%", "\\%")
    line = f"{request.minute} {request.hour} * * * {command}\n"
    steps = (
        "Add this line with: crontab -e",
        "cron does not catch up: if the machine is off at that time, there is no backup on that day.",
    )
    return Timer("cron", ((None, line),), steps)


def _launchd(request: TimerRequest) -> Timer:
    path = request.home_folder / "Library" / "LaunchAgents" / f"{request.name}.plist"
    agent = {
        "Label": request.name,
        "ProgramArguments": list(request.command),
        "StartCalendarInterval": {"Hour": request.hour, "Minute": request.minute},
        "ProcessType": "Background",
        "StandardErrorPath": str(request.home_folder / "Library" / "Logs" / f"{request.name}.log"),
    }
    try:
        text = plistlib.dumps(agent, sort_keys=False).decode().replace("\t", "  ")
    except ValueError as error:
        raise UsageError(
            "The path of malsync or of its home folder contains a character that XML cannot hold.",
            "Give the folder another name.",
        ) from error
    steps = (
        f"Save this as {path}, then:",
        f"  launchctl bootstrap gui/$(id -u) {shlex.quote(str(path))}",
        "A Mac that is asleep at that time runs it when it wakes.",
    )
    return Timer("launchd", ((path, text),), steps)


def _windows(request: TimerRequest) -> Timer:
    program, *words = request.command
    if any(re.search("%[^%]+%", word) for word in request.command):
        raise UsageError(
            "The path of malsync or of its home folder contains two %, and Windows would expand a variable between them.",
            "Give the folder another name.",
        )
    # In PowerShell, because schtasks can neither catch up nor delay at random.
    text = _fill(
        "windows.ps1", request, name=_powershell(request.name), program=_powershell(program),
        arguments=_powershell(subprocess.list2cmdline(words)),
    )  # fmt: skip
    steps = (
        "Paste these lines into PowerShell.",
        f"To remove it: Unregister-ScheduledTask -TaskName {_powershell(request.name)}",
    )
    return Timer("windows", ((None, text),), steps)


def _powershell(text: str) -> str:
    return "'" + _SINGLE_QUOTES.sub(lambda quote: quote[0] * 2, text) + "'"


def _github(request: TimerRequest) -> Timer:
    # The name comes from an API, and GitHub expands what is in a workflow: only a plain name is used.
    user = json.dumps(request.user) if re.fullmatch(r"[A-Za-z0-9_-]+", request.user) else "${{ vars.MAL_USER }}"
    steps = [
        "Save this as .github/workflows/malsync.yml in a PRIVATE repository: your comments and tags will be in it.",
        "Then give the repository the secret MALSYNC_CLIENT_ID. The time is in UTC.",
    ]
    if user.startswith("$"):
        steps.append("And the variable MAL_USER: your name on MyAnimeList.")
    text = _fill("github.yml", request, version=__version__, user=user)
    return Timer("github", ((Path(".github/workflows/malsync.yml"), text),), tuple(steps))


_FORMS: dict[TimerKind, Callable[[TimerRequest], Timer]] = {
    "systemd": _systemd,
    "cron": _cron,
    "launchd": _launchd,
    "windows": _windows,
    "github": _github,
}
