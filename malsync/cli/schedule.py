"""schedule: a timer for this machine and this installation, to paste or to install."""

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.options import Command, pass_app
from malsync.errors import MalsyncError, UsageError
from malsync.operations import config
from malsync.operations.config import FROM_ENVIRONMENT
from malsync.schedule import (
    TimerRequest,
    command_of,
    config_folder,
    daily_time,
    make_timer,
    name_of,
    natural_kind,
    systemd,
    time_of,
)

if TYPE_CHECKING:
    from malsync.schedule import Timer, TimerKind

_KINDS = ("systemd", "cron", "launchd", "windows", "github")


@click.command(
    cls=Command,
    examples=[
        "malsync schedule",
        "malsync schedule systemd --install",
        "malsync schedule cron --at 03:30",
        "malsync --account second schedule systemd --uninstall",
        "malsync schedule github > .github/workflows/malsync.yml",
    ],
)
@click.argument("kind", required=False, metavar="[KIND]", type=click.Choice(_KINDS))
@click.option("--at", metavar="HH:MM", help="The time of day; default: a fixed random time at night.")
@click.option("--install", is_flag=True, help="Write systemd's unit files and start the timer.")
@click.option("--uninstall", is_flag=True, help="Stop systemd's timer and delete its unit files.")
@pass_app
def schedule(app: App, kind: "TimerKind | None", at: str | None, install: bool, uninstall: bool) -> None:
    """Print a timer that backs up every day: for systemd, cron, launchd, Windows or GitHub Actions.

    Without a kind, the one for this machine. The timer calls this installation by its full path, with --home and --account
    if they are given here, and holds no secret. Log in first (malsync login).
    """
    if install and uninstall:
        raise UsageError("--install and --uninstall exclude each other.", "Give one of them.")
    request = _request(app, at)
    kind = kind or _natural()
    if (install or uninstall) and kind != "systemd":
        raise UsageError(
            f"malsync installs only systemd's timer; {kind}'s must be pasted.",
            f"Print it: malsync schedule {kind}",
        )
    timer = make_timer(kind, request)
    if install or uninstall:
        _change(app, timer, request, install=install)
    else:
        app.output.document(_document(timer, request))
        _print(app, timer)
    if kind != "github" and not uninstall:
        _warn_of_environment(app)


def _request(app: App, at: str | None) -> "TimerRequest":
    home = app.named_home
    hour, minute = daily_time(f"{platform.node()}\0{app.folder.absolute()}") if at is None else time_of(at)
    environment, folder = app.world.environment, Path.home()
    return TimerRequest(
        command_of(sys.executable, home=home, account=app.named_account),
        name_of(home, app.named_account),
        hour,
        minute,
        config_folder(environment, folder),
        folder,
        _user(app),
    )


def _user(app: App) -> str:
    """The MAL user's name; empty if the account has none yet."""
    try:
        user = app.accounts.user(app.account_name)
    except MalsyncError:
        return ""
    return "" if user is None else user.name


def _natural() -> "TimerKind":
    return natural_kind(sys.platform, has_systemd=Path("/run/systemd/system").is_dir())


def _document(timer: "Timer", request: "TimerRequest", **more: Any) -> dict[str, Any]:
    return {
        "kind": timer.kind,
        "at": request.at,
        "command": list(request.command),
        "files": [{"path": None if path is None else str(path), "text": text} for path, text in timer.files],
        "installed": None,
        **more,
    }


def _print(app: App, timer: "Timer") -> None:
    several = len(timer.files) > 1
    for place, (path, text) in enumerate(timer.files):
        if several:
            app.output.raw(f"{'' if place == 0 else chr(10)}# {path}\n")
        app.output.raw(text)
    for step in timer.steps:
        app.output.note(step)


def _change(app: App, timer: "Timer", request: "TimerRequest", *, install: bool) -> None:
    manager = systemd.UserManager(app.world.environment)
    paths = systemd.install(timer, manager) if install else systemd.uninstall(timer, manager)
    app.output.document(_document(timer, request, installed=install))
    if install:
        app.output.say(f"Installed: a backup every day, within the hour after {request.at}.", colour="green")
        app.output.note("To run it while you are not logged in: loginctl enable-linger")
        app.output.note(f"To see how the last backup went: systemctl --user status {request.name}.service")
    else:
        app.output.say("Removed:" if paths else "There was no timer of this name.")
    for path in paths:
        app.output.say(f"  {path}")


def _warn_of_environment(app: App) -> None:
    """Warn of settings that are set in this shell alone, which a timer does not see."""
    environment = app.world.environment
    for key, name in FROM_ENVIRONMENT.items():
        if environment.get(name) and not _is_in_file(app, key):
            app.output.warn(f"{name} is set in this shell, which the timer does not see: put {key} into config.toml.")
    if environment.get("MALSYNC_ACCESS_TOKEN"):
        app.output.warn("The timer does not see MALSYNC_ACCESS_TOKEN: sign in once with `malsync login`.")


def _is_in_file(app: App, key: str) -> bool:
    try:
        in_file = config.load(app.folder, {})
    except MalsyncError:
        return False
    return bool(getattr(in_file, key) == app.world.environment[config.FROM_ENVIRONMENT[key]])
