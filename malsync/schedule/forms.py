"""The form of a timer on each kind of machine, everything in it quoted as that machine reads it.

None of them holds a secret: what the backup needs is in the home folder, and in the workflow among the repository's secrets.
"""

import json
import plistlib
import re
import shlex
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
"""Up to so many minutes after its time a timer starts, where the machine can do that: MAL has many users."""
_SINGLE_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")  # PowerShell takes each of them for one
_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")


@dataclass(frozen=True)
class TimerRequest:
    """What is to run every day, and when. `user` is the MAL user's name, where it is known."""

    command: tuple[str, ...]
    name: str
    hour: int
    minute: int
    config_folder: Path
    home_folder: Path
    user: str = ""

    @property
    def at(self) -> str:
        """The time of day."""
        return f"{self.hour:02}:{self.minute:02}"


@dataclass(frozen=True)
class Timer:
    """A timer in words: its files (no path: it is to be pasted), and what to do with them."""

    kind: TimerKind
    files: tuple[tuple[Path | None, str], ...]
    steps: tuple[str, ...]


def natural_kind(platform: str, *, has_systemd: bool) -> TimerKind:
    """The kind that suits a machine; `platform` is Python's word for it."""
    if platform == "darwin":
        return "launchd"
    if platform == "win32":
        return "windows"
    return "systemd" if has_systemd else "cron"


def printed(kind: TimerKind, wanted: TimerRequest) -> Timer:
    """The timer of that kind. Raises UsageError for a command that it cannot be told."""
    return _FORMS[kind](wanted)


# -- systemd


def units_folder(config_folder: Path) -> Path:
    """Where systemd's user manager looks for one's own units."""
    return config_folder / "systemd" / "user"


def _systemd(wanted: TimerRequest) -> Timer:
    folder = units_folder(wanted.config_folder)
    service = (
        "[Unit]\n"
        "Description=Back up MyAnimeList lists with malsync\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        f"ExecStart={_exec(wanted.command)}\n"
        "Nice=10\n"
        "TimeoutStartSec=2h\n"
    )
    timer = (
        "[Unit]\n"
        "Description=Back up MyAnimeList lists every day\n"
        "\n"
        "[Timer]\n"
        f"OnCalendar=*-*-* {wanted.at}:00\n"
        f"RandomizedDelaySec={DELAY_MINUTES}min\n"
        "Persistent=true\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )
    files = ((folder / f"{wanted.name}.service", service), (folder / f"{wanted.name}.timer", timer))
    steps = (
        "Save these as the files that their first lines name, then:",
        f"  systemctl --user daemon-reload && systemctl --user enable --now {wanted.name}.timer",
        "Or let malsync do so: the same command, with --install.",
        "To have it run while you are not logged in: loginctl enable-linger",
    )
    return Timer("systemd", files, steps)


def _exec(command: tuple[str, ...]) -> str:
    """A command line as systemd.service(5) reads ExecStart=: specifiers doubled, and variables but in the program's path."""
    if any(sign in command[0] for sign in "\"'\\"):
        # systemd takes no such path for a program ("contains special characters"), and a shell does.
        command = ("/bin/sh", "-c", 'exec "$0" "$@"', *command)
    program, *words = (word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") for word in command)
    words = [word.replace("$", "$$") for word in words]
    return " ".join(word if _PLAIN.fullmatch(word) else f'"{word}"' for word in (program, *words))


# -- cron


def _cron(wanted: TimerRequest) -> Timer:
    # cron ends the command at a %, unless it is escaped: even between quotes (crontab(5)).
    command = shlex.join(wanted.command).replace("%", "\\%")
    line = f"{wanted.minute} {wanted.hour} * * * {command}\n"
    steps = (
        "Add this line with: crontab -e",
        "cron does not catch up: on a day on which the machine is off at that time, there is no backup.",
    )
    return Timer("cron", ((None, line),), steps)


# -- launchd


def _launchd(wanted: TimerRequest) -> Timer:
    path = wanted.home_folder / "Library" / "LaunchAgents" / f"{wanted.name}.plist"
    agent = {
        "Label": wanted.name,
        "ProgramArguments": list(wanted.command),
        "StartCalendarInterval": {"Hour": wanted.hour, "Minute": wanted.minute},
        "ProcessType": "Background",
        "StandardErrorPath": str(wanted.home_folder / "Library" / "Logs" / f"{wanted.name}.log"),
    }
    try:
        text = plistlib.dumps(agent, sort_keys=False).decode().replace("\t", "  ")
    except ValueError as error:
        raise UsageError(
            "The path of malsync or of its home folder holds what XML cannot.", "Give the folder another name."
        ) from error
    steps = (
        f"Save this as {path}, then:",
        f"  launchctl bootstrap gui/$(id -u) {shlex.quote(str(path))}",
        "A Mac that slept at that time runs it when it wakes.",
    )
    return Timer("launchd", ((path, text),), steps)


# -- Windows


def _windows(wanted: TimerRequest) -> Timer:
    program, *words = wanted.command
    if any(re.search("%[^%]+%", word) for word in wanted.command):
        raise UsageError(
            "The path of malsync or of its home folder has two %, between which Windows would fill in a variable.",
            "Give the folder another name.",
        )
    # In PowerShell, for schtasks knows neither catching up nor a random delay.
    text = (
        f"$action = New-ScheduledTaskAction -Execute {_powershell(program)}"
        f" -Argument {_powershell(subprocess.list2cmdline(words))}\n"
        f"$trigger = New-ScheduledTaskTrigger -Daily -At '{wanted.at}'"
        f" -RandomDelay (New-TimeSpan -Minutes {DELAY_MINUTES})\n"
        "$settings = New-ScheduledTaskSettingsSet -StartWhenAvailable -ExecutionTimeLimit (New-TimeSpan -Hours 2)\n"
        f"Register-ScheduledTask -TaskName {_powershell(wanted.name)} -Action $action -Trigger $trigger"
        " -Settings $settings -Force\n"
    )
    steps = (
        "Paste these lines into PowerShell.",
        f"To take it away again: Unregister-ScheduledTask -TaskName {_powershell(wanted.name)}",
    )
    return Timer("windows", ((None, text),), steps)


def _powershell(text: str) -> str:
    return "'" + _SINGLE_QUOTES.sub(lambda found: found[0] * 2, text) + "'"


# -- GitHub Actions

_WORKFLOW = """\
# Backs up MyAnimeList lists every day and commits them to this repository as list.json.
#
# Make the repository private: a list holds your comments and tags, and everyone who can read the repository can read them.
# Under Settings, Secrets and variables, Actions, give it the secret MALSYNC_CLIENT_ID (README: Your client id). That reads
# the public lists of MAL_USER. For private ones too, add the secret MALSYNC_ACCESS_TOKEN; it lives for a month, and a fresh
# one has to be put there by hand. The daily commit also keeps GitHub from switching the schedule off after 60 quiet days.
name: Back up MyAnimeList

on:
  schedule:
    - cron: "{minute} {hour} * * *"
  workflow_dispatch:

permissions:
  contents: write

concurrency:
  group: malsync

jobs:
  backup:
    runs-on: ubuntu-latest
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
      - name: Install malsync
        run: python -m pip install "malsync=={version}"
      - name: Read the lists
        env:
          MALSYNC_HOME: ${{{{ runner.temp }}}}/malsync
          MALSYNC_CLIENT_ID: ${{{{ secrets.MALSYNC_CLIENT_ID }}}}
          MALSYNC_ACCESS_TOKEN: ${{{{ secrets.MALSYNC_ACCESS_TOKEN }}}}
          MAL_USER: {user}
        run: |
          # The last list is what a suspicious one is told by.
          if [ -f list.json ]; then malsync mirror rebuild list.json; fi
          if [ -n "$MALSYNC_ACCESS_TOKEN" ]; then
            malsync backup -q --file list.json
          else
            malsync backup -q --user "$MAL_USER" --file list.json
          fi
      - name: Keep them
        if: ${{{{ !cancelled() }}}}
        run: |
          git config user.name malsync
          git config user.email malsync@users.noreply.github.com
          git add -- list*.json
          git diff --cached --quiet || git commit --quiet -m "Lists of $(date -u +%F)"
          git push --quiet
"""


def _github(wanted: TimerRequest) -> Timer:
    # A name is told by an API, and what stands in a workflow is filled in by GitHub: nothing but a plain name goes in.
    user = json.dumps(wanted.user) if re.fullmatch(r"[A-Za-z0-9_-]+", wanted.user) else "${{ vars.MAL_USER }}"
    text = _WORKFLOW.format(minute=wanted.minute, hour=wanted.hour, version=__version__, user=user)
    steps = [
        "Save this as .github/workflows/malsync.yml in a PRIVATE repository: your comments and tags will be in it.",
        "Then give the repository the secret MALSYNC_CLIENT_ID. The time is in UTC.",
    ]
    if user.startswith("$"):
        steps.append("And the variable MAL_USER: your name at MyAnimeList.")
    return Timer("github", ((Path(".github/workflows/malsync.yml"), text),), tuple(steps))


_FORMS: dict[TimerKind, Callable[[TimerRequest], Timer]] = {
    "systemd": _systemd,
    "cron": _cron,
    "launchd": _launchd,
    "windows": _windows,
    "github": _github,
}
