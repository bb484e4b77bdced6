"""verify, mirror rebuild, mirror copy: the mirror's own health."""

import shlex
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from malsync.cli.app import App
from malsync.cli.options import WAIT, Command, Group, pass_app
from malsync.cli.suggest import FILE
from malsync.errors import Damaged, Exit, UsageError
from malsync.text import many

if TYPE_CHECKING:
    from malsync.model.snapshot import Snapshot

    Source = tuple[datetime, Callable[[], Snapshot]]


@click.command(cls=Command, examples=["malsync verify", "malsync verify --json"])
@pass_app
def verify(app: App) -> int:
    """Recompute every digest, check the database, and say what is whole. Exit code 6 when something is not."""
    app.mirror_to("verify")
    with app.mirror() as mirror:
        report = mirror.verify()
    damaged = {number: problem for number, problem in report.snapshots.items() if problem is not None}
    ok = not report.problems
    app.output.document(
        {
            "ok": ok,
            "snapshots": [
                {"snapshot": number, "ok": problem is None, "problem": problem}
                for number, problem in report.snapshots.items()
            ],
            "database": report.database,
        }
    )
    app.output.say(
        f"{len(report.snapshots) - len(damaged)} of {len(report.snapshots)} snapshots are whole.",
        colour="green" if ok else "red",
    )
    for number, problem in damaged.items():
        app.output.warn(f"  snapshot {number}: {problem}")
    app.output.say(f"The database is {'whole' if report.database == 'ok' else 'damaged'}.")
    if report.database != "ok":
        app.output.warn(f"  {report.database[:500]}")
    if not ok:
        app.output.warn("Make it whole from exported files: malsync mirror rebuild FILES (what is whole here is kept).")
    return Exit.OK if ok else Exit.MIRROR


@click.group(
    "mirror",
    cls=Group,
    examples=["malsync mirror copy /media/usb/mirror.db", "malsync mirror rebuild exports/*.json.gz"],
)
def mirror_group() -> None:
    """Rebuild the mirror from files, or copy it safely."""


@mirror_group.command(
    cls=Command,
    short_help="Make the mirror again from exported files.",
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
    sources = _checked(files)
    aside, saved = None, 0
    with app.at_work(wait):
        if _is_whole(app, wait):
            total = _add(app.mirror_path, sources, wait)
        else:
            total, saved, aside = _replace(app, sources, wait)
    path = app.mirror_path
    app.output.document({"mirror": str(path), "snapshots": total, "set_aside": None if aside is None else str(aside)})
    app.output.say(f"{path} holds {many(total, 'snapshot')}.", colour="green")
    if aside is not None:
        app.output.say(f"  {saved} of them were still whole in the damaged one, which is now {aside}")


def _checked(files: "Iterable[str]") -> "list[Source]":
    """Each file's time and what reads it again. Every one is read and checked before anything is written."""
    from malsync.files import place, read
    from malsync.formats import list_file, snapshot_file

    sources: list[Source] = []
    for path in map(place, files):
        content = read(path)
        if list_file.is_xml(path, content):
            raise UsageError(
                f"{path} is MAL's XML, and a mirror is rebuilt of malsync's own snapshots.",
                f"Import it: malsync import {shlex.quote(str(path))}",
            )
        list_file.refuse_mirror(path, content)
        if list_file.is_database(content):
            raise UsageError(
                f"{path} is a database, and a mirror is rebuilt of exported snapshots.",
                "Name files that `malsync export --format json` wrote, or those of the folder `latest` beside the mirror.",
            )
        sources.append((snapshot_file.decode(content, str(path)).taken_at, partial(snapshot_file.read, path)))
    return sources


def _is_whole(app: App, wait: float) -> bool:
    """Whether the mirror can be added to: it is whole, or not there yet."""
    if not app.mirror_path.exists():
        return True
    try:
        with app.mirror(wait=wait) as mirror:
            return not mirror.verify().problems
    except Damaged as error:
        app.output.warn(error.message)
        return False


def _add(path: Path, sources: "list[Source]", wait: float) -> int:
    from malsync.mirror import Mirror
    from malsync.operations.imports import rebuild as rebuild_from

    with Mirror.open(path, write=True, wait=wait) as mirror:
        rebuild_from(mirror, sources)
        return len(mirror.numbers())


def _replace(app: App, sources: "list[Source]", wait: float) -> tuple[int, int, Path]:
    """Build a new mirror beside the damaged one, of the files and of all that is still whole in it, and put it in its place.

    Returns how many snapshots the new one holds, how many of them were saved, and where the damaged one is now.
    """
    path = app.mirror_path
    fresh = path.with_name(f"{path.name}.new")
    for leftover in (fresh, *_beside(fresh)):
        leftover.unlink(missing_ok=True)
    with ExitStack() as stack:
        saved = _saved(app, stack, wait)
        total = _add(fresh, [*saved, *sources], wait)
    return total, len(saved), _swap(path, fresh)


def _saved(app: App, stack: ExitStack, wait: float) -> "list[Source]":
    """What reads each snapshot of the damaged mirror that can still be proven whole, for as long as `stack` is open."""
    try:
        mirror = stack.enter_context(app.mirror(wait=wait))
        numbers = mirror.numbers()
    except Damaged:
        return []
    saved: list[Source] = []
    for number in numbers:
        try:
            saved.append((mirror.load(number).taken_at, partial(mirror.load, number)))
        except Damaged:
            app.output.warn(f"Snapshot {number} could not be saved.")
    return saved


def _swap(path: Path, fresh: Path) -> Path:
    """Put `fresh` in the place of `path` and return where that is now. At every moment there is a mirror at `path`."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        aside.hardlink_to(path)
    except OSError:
        # No hard links on this disk.
        shutil.copy2(path, aside)
    for beside, name in zip(_beside(path), _beside(aside), strict=True):
        if beside.exists():
            beside.rename(name)
    fresh.replace(path)
    return aside


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]


@mirror_group.command(
    cls=Command, short_help="Write a whole copy of the mirror.", examples=["malsync mirror copy ~/Sync/mirror.db"]
)
@click.argument("target", type=FILE, metavar="PATH")
@pass_app
def copy(app: App, target: str) -> None:
    """Write a compact, whole copy of the mirror to PATH, safe while a backup runs."""
    path = app.target(target)
    app.mirror_to("copy")
    if path.exists():
        raise UsageError(f"{path} exists already; malsync does not write over it.", "Name a file that is not there.")
    with app.mirror() as mirror:
        try:
            mirror.copy(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}.", "Check the path.") from error
        total = len(mirror.infos())
    app.output.document({"mirror": str(path), "snapshots": total})
    app.output.say(f"Copied {many(total, 'snapshot')} to {path} ({path.stat().st_size:,} bytes).", colour="green")


COMMANDS = (verify, mirror_group)
