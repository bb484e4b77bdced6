"""export and import: lists out of the mirror and into it."""

import sys

import click

from malsync.cli.app import App
from malsync.cli.backup import WAIT, info_document
from malsync.cli.options import Command, pass_app
from malsync.cli.output import writing


@click.command(
    cls=Command,
    short_help="Write a list to a file.",
    examples=["malsync export latest --output list.json.gz", "malsync export 2026-10 > october.json"],
)
@click.argument("ref")
@click.option(
    "--format", "kind", type=click.Choice(["json"]), default="json", show_default=True, help="The file's form."
)
@click.option(
    "--output", "target", default="-", metavar="PATH", help="Where to (gzipped when it ends in .gz); - is stdout."
)
@pass_app
def export(app: App, ref: str, kind: str, target: str) -> None:
    """Write the list that REF names to a file that stands on its own and comes back through import."""
    from malsync.interchange import snapshot_file
    from malsync.render import list_document
    from malsync.snapshot import encode

    with app.mirror() as mirror:
        chosen = app.choose(ref, mirror)
    if target == "-":
        with writing():
            sys.stdout.buffer.write(b"".join(encode(chosen.snapshot)))
            sys.stdout.buffer.flush()
        return
    path = app.target(target)
    snapshot_file.write(path, chosen.snapshot)
    described = list_document(chosen.reference, chosen.number, chosen.snapshot)
    app.output.document({"file": str(path), "format": kind, "from": described})
    app.output.say(f"Wrote {path} ({path.stat().st_size:,} bytes).", colour="green")


@click.command(
    "import",
    cls=Command,
    short_help="Store files as one snapshot.",
    examples=["malsync import list.json.gz", "malsync import old-laptop.json --json"],
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@WAIT
@pass_app
def import_(app: App, files: tuple[str, ...], wait: float) -> None:
    """Store files as one snapshot. The same file again: nothing happens.

    Several files must complete each other (one list each, of one MAL user); for many whole snapshots use mirror rebuild.
    """
    from malsync.files import place
    from malsync.interchange import snapshot_file
    from malsync.render import counted, summary, visible
    from malsync.transfer import as_one, take_in

    snapshot = as_one([snapshot_file.read(place(file)) for file in files])
    with app.at_work(wait), app.mirror(write=True, wait=wait) as mirror:
        known = len(mirror.infos())
        info = take_in(mirror, snapshot)
        is_new = len(mirror.infos()) > known
    document = info_document(info, app.accounts.account_of(info.user))
    app.output.document({**document, "requests": {}, "files": list(files)})
    what = "Imported as" if is_new else "Already here as"
    app.output.say(
        f"{what} snapshot {info.number} of {visible(info.user.name)}: {counted(info.counts)}", colour="green"
    )
    if is_new and any(info.changes.values()):
        app.output.say(f"  {summary(info.changes)} since the import before it")


COMMANDS = (export, import_)
