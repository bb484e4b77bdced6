"""The `backup` command."""

import os
import shlex
import subprocess
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.environment import SECRET_VARIABLES
from malsync.cli.errors import hint_of
from malsync.cli.options import WAIT, Command, pass_app
from malsync.cli.output import as_json
from malsync.cli.render import counted, summary
from malsync.cli.snapshots import info_document, undone_by
from malsync.cli.suggest import FILE
from malsync.errors import Exit, MalsyncError, UsageError
from malsync.files import make_folder
from malsync.formats import latest_copy, snapshot_file
from malsync.operations.backup import back_up, stored_but
from malsync.text import ago, command_line, visible

if TYPE_CHECKING:
    from malsync.model.snapshot import Snapshot
    from malsync.operations.backup import BackupResult


@click.command(
    cls=Command,
    examples=[
        "malsync backup",
        "malsync backup --note 'before the clean-up' --file '{user}-{date}.json.gz'",
        "malsync backup --user NAME",
        "malsync backup --accept",
    ],
)
@click.option("--user", metavar="NAME", help="Back up NAME's public list, with the client id alone.")
@click.option(
    "--file", type=FILE, metavar="PATH", help="Also write the JSON snapshot; {user} and {date} are filled in."
)
@click.option("--note", default="", metavar="TEXT", help="A note to remember this snapshot by.")
@click.option("--accept", is_flag=True, help="Accept this list even though it looks suspicious.")
@WAIT
@pass_app
def backup(app: App, user: str | None, file: str | None, note: str, accept: bool, wait: float) -> int:
    """Read both lists, check them, and store one snapshot: whole, or not at all.

    Exit code 8: stored, but look at it (a list is empty now, or much of it changed).
    """
    try:
        document, code = _backup(app, user, file, note, accept=accept, wait=wait)
    except MalsyncError as error:
        failed = {"error": {"exit": int(error.exit), "message": error.message, "hint": hint_of(error)}}
        _run_hook(app, app.settings.on_failure, failed)
        raise
    app.output.document(document)
    _run_hook(app, app.settings.on_failure if code else app.settings.on_success, document)
    return code


def _backup(
    app: App, public: str | None, file: str | None, note: str, *, accept: bool, wait: float
) -> tuple[dict[str, Any], int]:
    file_for = _file_pattern(app, file)
    try:
        note.encode()
    except UnicodeEncodeError as error:
        raise UsageError("--note holds bytes that are no text.", "Write it in UTF-8.") from error
    result = back_up(app, public=public, note=note, accept=accept, wait=wait)
    try:
        written = file_for(result.snapshot) if file_for else None
    except UsageError as error:
        raise stored_but(result.info, error) from error
    for warning in result.warnings:
        app.output.warn(warning)
    _report(app, result, written)
    if result.suspicion:
        _warn_of(app, result, public)
    document = {**info_document(result.info, result.account), "requests": result.requests}
    return document, Exit.SUSPICIOUS if result.suspicion else Exit.OK


def _file_pattern(app: App, pattern: str | None) -> Any:
    """What writes `--file`; a pattern that cannot be filled in is refused before anything is read."""
    if pattern is None:
        return None

    try:
        blanks = {tuple(blank) for _, *blank in Formatter().parse(pattern) if blank[0] is not None}
    except ValueError:
        blanks = {(pattern,)}
    if not blanks <= {("user", "", None), ("date", "", None)}:
        raise UsageError(f"--file {pattern!r} cannot be filled in.", "It may hold {user} and {date}.")
    app.target(pattern)

    def write(snapshot: "Snapshot") -> Path:
        user, date = latest_copy.safe_name(snapshot.user.name), f"{snapshot.taken_at.astimezone():%Y-%m-%d}"
        path = app.target(pattern.format(user=user, date=date))
        if snapshot.suspicious and path.exists():
            # It may be what is left of a list, and what stands there already the last whole one.
            stem, dot, ending = path.name.partition(".")
            path = path.with_name(f"{stem}.suspicious{dot}{ending}")
        make_folder(path.parent)
        snapshot_file.write(path, snapshot)
        return path

    return write


def _report(app: App, result: "BackupResult", written: Path | None) -> None:
    info, before, say = result.info, result.before, app.output.say
    say(f"Snapshot {info.number} of {visible(info.user.name)}: {counted(info.counts)}", colour="green")
    if before is None:
        say("  first snapshot")
    else:
        since = f"since snapshot {before.number} ({ago(before.taken_at, app.now)})"
        changed = any(info.changes.values())
        say(f"  {summary(info.changes)} {since}" if changed else f"  nothing changed {since}")
    say(f"  in {app.mirror_path}, read back and verified")
    if written is not None:
        say(f"  and in {written}")


def _warn_of(app: App, result: "BackupResult", public: str | None) -> None:
    """Say why the list looks suspicious, and what to type about it."""
    from malsync.browse.alarms import Alarms

    warn, info, account = app.output.warn, result.info, result.account
    warn("This looks suspicious. It is stored and marked; the last good list stays what `good` means.")
    for reason in info.suspicious:
        warn(f"  {reason}")
    if account is None:
        look, accept = f"malsync diff {public}@good {public}@latest", f"malsync backup --user {public} --accept"
    else:
        look, accept = command_line("diff good latest", account), command_line("backup --accept", account)
    warn(f"Look: {look}. If intended: {accept}")
    if result.before is not None and any(info.changes.values()):
        with app.mirror() as mirror:
            warn(undone_by(app, Alarms(mirror.query), result.before, info))


def _run_hook(app: App, command: str, document: dict[str, Any]) -> None:
    """Run a command of the settings without a shell, with the result as JSON on its standard input.

    A failure of it is reported, and changes nothing.
    """
    if not command:
        return
    kept = {name: text for name, text in app.world.environment.items() if name not in SECRET_VARIABLES}
    try:
        # Its own output goes to stderr: stdout belongs to the result.
        done = subprocess.run(
            shlex.split(command),
            input=as_json(document, indent=False).encode(),
            env=kept,
            stdout=2,
            check=False,
            timeout=300,
            cwd=os.sep,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        app.output.warn(f"The command {command!r} of config.toml could not be run: {error}")
        return
    if done.returncode:
        app.output.warn(f"The command {command!r} of config.toml ended with {done.returncode}.")
