"""export: lists out of the mirror, into files of four forms."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malsync import files
from malsync.cli.app import App
from malsync.cli.options import MEDIA_CHOICE, Command, pass_app
from malsync.cli.output import on_screen, writing
from malsync.cli.suggest import FILE, REFERENCE
from malsync.errors import UsageError
from malsync.formats import csv_export, snapshot_file
from malsync.formats.latest_copy import export_name
from malsync.formats.mal_xml import writer
from malsync.formats.mal_xml.layout import LAYOUTS
from malsync.model.medium import MEDIA
from malsync.text import visible

if TYPE_CHECKING:
    from malsync.mirror import Mirror
    from malsync.model.medium import Medium
    from malsync.operations.references import ResolvedList

_STDOUT = "-"
_ENDINGS = {"xml": ".xml.gz", "csv": ".csv"}
"""Of the forms that have a file for each list."""


@click.command(
    cls=Command,
    examples=[
        "malsync export latest --output list.json.gz",
        "malsync export 2026-10 > october.json",
        "malsync export latest --format xml --output exports/",
        "malsync export good --format xml --output '{medium}.xml.gz'",
        "malsync export latest --format csv --only anime --output - | head",
        "malsync export latest --format csv --spreadsheet",
        "malsync export latest --format sqlite --output list.db",
    ],
)
@click.argument("ref", type=REFERENCE)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["json", "xml", "csv", "sqlite"]),
    default="json",
    show_default=True,
    help="The file's form.",
)
@click.option(
    "--output",
    "target",
    type=FILE,
    metavar="PATH",
    help="A file (gzipped when it ends in .gz), - for stdout, a folder (DIR/ may be missing), or a name with {medium}: xml, csv.",
)
@click.option("--only", type=MEDIA_CHOICE, help="One of the two lists (not for json, which is the whole snapshot).")
@click.option("--spreadsheet", is_flag=True, help="For csv: put a ' before what a spreadsheet would compute.")
@pass_app
def export(app: App, ref: str, kind: str, target: str | None, only: str | None, spreadsheet: bool) -> None:
    """Write the list that REF names to a file that stands on its own.

    json is malsync's own form, whole; it goes to stdout unless --output says otherwise. xml is MAL's own export, for its
    importer and others'; csv is for spreadsheets. These have a file for each list, named as MAL names them. sqlite is one
    file for Datasette and the like.
    """
    if kind == "json" and only is not None:
        raise UsageError("--only does not go with json: a snapshot is both lists.", "Leave it out, or export as xml.")
    if kind != "csv" and spreadsheet:
        raise UsageError(f"--spreadsheet does not go with {kind}.", "It is for --format csv.")
    if kind == "json" and (other := _promised(target)):
        raise UsageError(f"{target} would contain JSON.", f"Say --format {other}, or let the name end in .json.")
    if kind not in _ENDINGS and "{medium}" in (target or ""):
        raise UsageError(
            f"{{medium}} does not go with {kind}: both lists are one file.", "Give the file a name without it."
        )
    with app.mirror() as mirror:
        chosen = app.resolve(ref, mirror)
        if kind == "json":
            _export_snapshot(app, chosen, target or _STDOUT)
            return
        media = _media(chosen, only)
        facts = {medium.name: _facts(app, mirror, medium) for medium in media} if kind != "csv" else {}
    if kind == "sqlite":
        _export_tables(app, chosen, media, facts, target)
        return
    paths = _paths(app, chosen, media, kind, target)
    contents, losses = _contents(chosen, media, kind, facts, spreadsheet=spreadsheet)
    for loss in losses:
        app.output.warn(f"Not all of it can be said in XML: {visible(loss)}")
    if target == _STDOUT:
        _print(contents[media[0].name])
        return
    for medium in media:
        _write(paths[medium.name], contents[medium.name], target)
    _tell_exported(app, chosen, kind, paths, losses)


def _promised(target: str | None) -> str | None:
    """Which of the other forms a file's name promises: the form goes by --format alone."""
    endings = [ending.lower() for ending in Path(target or "").suffixes]
    return next((form for form in _ENDINGS if f".{form}" in endings and ".json" not in endings), None)


def _export_snapshot(app: App, chosen: "ResolvedList", target: str) -> None:
    if target == _STDOUT:
        _print(snapshot_file.encode(chosen.snapshot))
        return
    path = app.target(target)
    if _ends_with_slash(target):
        path = app.target(str(path / export_name("lists", chosen.snapshot, ".json")))
        _make_folder(path, target)
    snapshot_file.write(path, chosen.snapshot)
    app.output.document({"file": str(path), "format": "json", "from": chosen.document})
    app.output.say(f"Wrote {path} ({path.stat().st_size:,} bytes).", colour="green")


def _export_tables(
    app: App, chosen: "ResolvedList", media: "list[Medium]", facts: dict[str, Any], target: str | None
) -> None:
    from malsync.formats import latest_copy, sqlite_export

    if target == _STDOUT and (app.output.json or sys.stdout.isatty()):
        raise UsageError(
            f"A database on stdout does not fit {'--json' if app.output.json else 'a terminal'}.",
            "Write it to a file (--output PATH), or send stdout to a program or a file.",
        )
    snapshot = chosen.snapshot
    content = sqlite_export.encode(snapshot, media, facts, chosen.number)
    if target == _STDOUT:
        _print([content])
        return
    name = latest_copy.export_name("lists", snapshot, ".db")
    path = app.target(target or name)
    if _is_folder(path, target):
        path = app.target(str(path / name))
    _write(path, [content], target)
    app.output.document({"file": str(path), "format": "sqlite", "from": chosen.document})
    look = "" if path.suffix == ".gz" else f" Look at it: datasette {shlex.quote(str(path))}"
    app.output.say(f"Wrote {path} ({path.stat().st_size:,} bytes).{look}", colour="green")


def _media(chosen: "ResolvedList", only: str | None) -> "list[Medium]":
    """The lists to be written. Raises UsageError where there is none."""
    known = [medium for name, medium in MEDIA.items() if chosen.snapshot.lists.get(name) is not None]
    found = [medium for medium in known if only in (None, medium.name)]
    if not found:
        raise UsageError(f"{chosen.reference} holds no {only or 'list'}.", "Name another list: malsync snapshots")
    return found


def _facts(app: App, mirror: "Mirror", medium: "Medium") -> dict[int, dict[str, Any]]:
    """What is known of titles: in the catalogue, and above it in the file that is exported."""
    return mirror.catalogue.facts(medium, list(LAYOUTS[medium.name].facts.values())) | app.facts.get(medium.name, {})


def _paths(app: App, chosen: "ResolvedList", media: "list[Medium]", kind: str, target: str | None) -> "dict[str, Path]":
    """Where each list goes. Raises UsageError where two would go to one place."""
    if target == _STDOUT:
        if app.output.json:
            raise UsageError(f"--json and {kind} on stdout do not fit.", "Write it to a file: --output PATH")
        if len(media) > 1:
            raise UsageError(
                f"Standard output takes one list, and {chosen.reference} holds two.", "Say which: --only anime"
            )
        return {}
    names = {medium.name: export_name(medium.list_endpoint, chosen.snapshot, _ENDINGS[kind]) for medium in media}
    if target is None:
        return {name: app.target(file) for name, file in names.items()}
    if "{medium}" in target:
        return {name: app.target(target.replace("{medium}", name)) for name in names}
    path = app.target(target)
    if _is_folder(path, target):
        return {name: app.target(str(path / file)) for name, file in names.items()}
    if len(media) == 1:
        return {media[0].name: path}
    stem, dot, ending = path.name.partition(".")
    return {name: app.target(str(path.with_name(f"{stem}-{name}{dot}{ending}"))) for name in names}


def _contents(
    chosen: "ResolvedList", media: "list[Medium]", kind: str, facts: dict[str, Any], *, spreadsheet: bool
) -> tuple[dict[str, Iterable[bytes]], list[str]]:
    """What each file holds, all of it made before any is written; and what it cannot say."""
    if kind == "csv":
        return {
            medium.name: list(csv_export.encode(chosen.snapshot, medium, spreadsheet=spreadsheet)) for medium in media
        }, []
    contents: dict[str, Iterable[bytes]] = {}
    losses: list[str] = []
    for medium in media:
        contents[medium.name], lost = writer.encode(chosen.snapshot, medium, facts[medium.name])
        losses += lost
    return contents, losses


def _print(pieces: Iterable[bytes]) -> None:
    content = b"".join(pieces)
    if sys.stdout.isatty():
        content = on_screen(content.decode()).encode()
    with writing():
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def _is_folder(path: Path, target: str | None) -> bool:
    """Whether `target` names a folder: one that is there, or one that may be made."""
    return path.is_dir() or _ends_with_slash(target)


def _ends_with_slash(target: str | None) -> bool:
    return (target or "").endswith(("/", "\\"))


def _write(path: Path, pieces: Iterable[bytes], target: str | None) -> None:
    _make_folder(path, target)
    files.write(path, files.compress_if_gz(path, pieces))


def _make_folder(path: Path, target: str | None) -> None:
    """Make the folder that `target` names as one, where it is missing. Any other may be a slip, or a disk not mounted."""
    if _ends_with_slash(target):
        files.make_folder(path.parent)


def _tell_exported(app: App, chosen: "ResolvedList", kind: str, paths: "dict[str, Path]", losses: list[str]) -> None:
    files = {name: str(path) for name, path in paths.items()}
    document = {"files": files, "format": kind, "from": chosen.document}
    app.output.document(document | ({"losses": losses} if kind == "xml" else {}))
    for path in paths.values():
        app.output.say(f"Wrote {path} ({path.stat().st_size:,} bytes).", colour="green")
    for name in MEDIA:
        if chosen.snapshot.lists.get(name) is None:
            app.output.note(f"{chosen.reference} does not know the {name} list: there is no file of it.")
