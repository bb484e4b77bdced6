"""The `mirror` commands: rebuild and copy."""

import click

from malsync.cli.app import App
from malsync.cli.options import WAIT, Command, Group, pass_app
from malsync.cli.suggest import FILE
from malsync.errors import UsageError
from malsync.operations.imports import rebuild_mirror
from malsync.text import pluralize


@click.group(
    "mirror",
    cls=Group,
    examples=["malsync mirror copy /media/usb/mirror.db", "malsync mirror rebuild exports/*.json.gz"],
)
def mirror_group() -> None:
    """Rebuild the mirror from files, or copy it safely."""


@mirror_group.command(
    cls=Command,
    short_help="Rebuild the mirror from exported files.",
    examples=["malsync mirror rebuild exports/*.json.gz", "malsync mirror rebuild latest/*.json.gz"],
)
@click.argument("files", nargs=-1, type=FILE, required=True, metavar="FILES...")
@WAIT
@pass_app
def rebuild(app: App, files: tuple[str, ...], wait: float) -> None:
    """Make the mirror again from exported snapshots, each with its own time, source, covers and note.

    A mirror that is whole is kept and added to. A damaged one is set aside under another name, and what can still be
    proven whole in it is carried over.
    """
    result = rebuild_mirror(app, files, wait=wait)
    path, aside = app.mirror_path, result.aside
    app.output.document(
        {"mirror": str(path), "snapshots": result.snapshots, "set_aside": None if aside is None else str(aside)}
    )
    app.output.say(f"{path} holds {pluralize(result.snapshots, 'snapshot')}.", colour="green")
    if aside is not None:
        app.output.say(f"  {result.saved} of them were still whole in the damaged one, which is now {aside}")


@mirror_group.command(
    cls=Command, short_help="Write a whole copy of the mirror.", examples=["malsync mirror copy ~/Sync/mirror.db"]
)
@click.argument("target", type=FILE, metavar="PATH")
@pass_app
def copy(app: App, target: str) -> None:
    """Write a compact, whole copy of the mirror to PATH, safe while a backup runs."""
    path = app.target(target)
    app.require_mirror("copy")
    if path.exists():
        raise UsageError(f"{path} exists already; malsync does not write over it.", "Name a file that is not there.")
    with app.mirror() as mirror:
        try:
            mirror.copy(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}.", "Check the path.") from error
        total = len(mirror.infos())
    app.output.document({"mirror": str(path), "snapshots": total})
    app.output.say(f"Copied {pluralize(total, 'snapshot')} to {path} ({path.stat().st_size:,} bytes).", colour="green")
