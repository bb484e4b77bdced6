"""verify, mirror rebuild, mirror copy: the mirror's own health."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.backup import WAIT
from malsync.cli.options import Command, Group, pass_app
from malsync.errors import Damaged, Exit, UsageError

if TYPE_CHECKING:
    from malsync.snapshot import Snapshot


@click.command(
    cls=Command, short_help="Prove that every snapshot is whole.", examples=["malsync verify", "malsync verify --json"]
)
@pass_app
def verify(app: App) -> int:
    """Recompute every digest, check the database, and say what is whole. Exit code 6 when something is not."""
    path = app.mirror_path
    if not path.exists():
        raise UsageError(f"There is nothing to verify: no mirror at {path}.", "Make one: malsync backup")
    with app.mirror() as mirror:
        checked, database = mirror.verify()
    problems = [(number, problem) for number, problem in checked if problem is not None]
    ok = database == "ok" and not problems
    app.output.document(
        {
            "ok": ok,
            "snapshots": [
                {"snapshot": number, "ok": problem is None, "problem": problem} for number, problem in checked
            ],
            "database": database,
        }
    )
    app.output.say(
        f"{len(checked) - len(problems)} of {len(checked)} snapshots are whole.", colour="green" if ok else "red"
    )
    for number, problem in problems:
        app.output.warn(f"  snapshot {number}: {problem}")
    app.output.say(f"The database is {'whole' if database == 'ok' else 'damaged'}.")
    if database != "ok":
        app.output.warn(f"  {database[:500]}")
    if not ok:
        app.output.warn("Make it whole from exported files: malsync mirror rebuild FILES (what is whole here is kept).")
    return Exit.OK if ok else Exit.MIRROR


@click.group(
    "mirror",
    cls=Group,
    short_help="Rebuild the mirror from files, or copy it.",
    examples=["malsync mirror copy /media/usb/mirror.db"],
)
def mirror_group() -> None:
    """Rebuild the mirror from files, or copy it safely."""


@mirror_group.command(
    cls=Command,
    short_help="Make the mirror again from exported files.",
    examples=["malsync mirror rebuild exports/*.json.gz", "malsync mirror rebuild latest/*.json.gz"],
)
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@WAIT
@pass_app
def rebuild(app: App, files: tuple[str, ...], wait: float) -> None:
    """Make the mirror again from exported snapshots, each with its own time, source, covers and note.

    A mirror that is whole is kept and added to. A damaged one is set aside under another name, and what can still be
    proven whole in it is carried over.
    """
    from malsync.files import place
    from malsync.interchange import snapshot_file
    from malsync.mirror import Mirror
    from malsync.transfer import rebuild as rebuild_from

    snapshots = [snapshot_file.read(place(file)) for file in files]
    path, aside = app.mirror_path, None
    with app.at_work(wait):
        saved = _saved_from_damage(app, wait)
        if saved is None:
            with app.mirror(write=True, wait=wait) as mirror:
                rebuild_from(mirror, snapshots)
                total = len(mirror.infos())
        else:
            fresh = path.with_name(f"{path.name}.new")
            fresh.unlink(missing_ok=True)
            with Mirror.open(fresh, write=True) as mirror:
                rebuild_from(mirror, [*saved, *snapshots])
                total = len(mirror.infos())
            aside = _set_aside(path)
            fresh.rename(path)
    app.output.document({"mirror": str(path), "snapshots": total, "set_aside": None if aside is None else str(aside)})
    app.output.say(f"{path} holds {total} snapshots.", colour="green")
    if aside is not None:
        app.output.say(f"  {len(saved or [])} of them were still whole in the damaged one, which is now {aside}")


def _saved_from_damage(app: App, wait: float) -> "list[Snapshot] | None":
    """None when the mirror is whole or not there; else the snapshots in it that can still be proven whole."""
    if not app.mirror_path.exists():
        return None
    saved: list[Snapshot] = []
    try:
        with app.mirror(wait=wait) as mirror:
            checked, database = mirror.verify()
            if database == "ok" and all(problem is None for _, problem in checked):
                return None
            for number, _ in checked:
                try:
                    saved.append(mirror.load(number))
                except Damaged:
                    app.output.warn(f"Snapshot {number} could not be saved.")
    except Damaged as error:
        app.output.warn(error.message)
    return saved


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    return aside


@mirror_group.command(
    cls=Command, short_help="Write a whole copy of the mirror.", examples=["malsync mirror copy ~/Sync/mirror.db"]
)
@click.argument("path", type=click.Path(path_type=Path))
@pass_app
def copy(app: App, path: Path) -> None:
    """Write a compact, whole copy of the mirror to PATH, safe while a backup runs."""
    if not app.mirror_path.exists():
        raise UsageError(f"There is nothing to copy: no mirror at {app.mirror_path}.", "Make one: malsync backup")
    if path.exists():
        raise UsageError(f"{path} exists already; malsync does not write over it.", "Name a file that is not there.")
    with app.mirror() as mirror:
        try:
            mirror.copy(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}.", "Check the path.") from error
        total = len(mirror.infos())
    app.output.document({"mirror": str(path), "snapshots": total})
    app.output.say(f"Copied {total} snapshots to {path} ({path.stat().st_size:,} bytes).", colour="green")


COMMANDS = (verify, mirror_group)
