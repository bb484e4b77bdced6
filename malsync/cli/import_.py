"""The `import` command."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.options import WAIT, Command, pass_app
from malsync.cli.render import counted, summary
from malsync.cli.snapshots import info_document
from malsync.cli.suggest import FILE
from malsync.cli.write_output import tell_titles, tell_unwritten, title_documents
from malsync.errors import UsageError
from malsync.files import expand_home
from malsync.formats.left_out import entry_document
from malsync.formats.list_file import unsupported
from malsync.model.timestamps import local_time, timestamp
from malsync.operations.imports import ImportResult, import_files, import_from_anilist
from malsync.text import pluralize, visible

if TYPE_CHECKING:
    from malsync.formats.mal_xml.reader import ImportedList
    from malsync.model.anilist import Taken
    from malsync.planning.restore_plan import Unwritten

_TOLD = 20
"""The number of repairs, or of entries left out, that are listed before a count of the rest."""
_TIMED_BY = {
    "file": "the time written in the file",
    "name": "the time in the name that MAL gave the file",
    "modified": "the file's modification time",
    "read": "when it was read",
}


@click.command(
    "import",
    cls=Command,
    examples=[
        "malsync import list.json.gz",
        "malsync import old-laptop.json --json",
        "malsync import animelist.xml.gz mangalist.xml.gz",
        "malsync import --repair animelist-2011.xml",
        "malsync import --from anilist NAME",
        "malsync import --from anilist NAME --report left-out.json",
    ],
)
@click.argument("sources", nargs=-1, type=FILE, required=True, metavar="FILE...")
@click.option("--repair", is_flag=True, help="Strip what XML forbids, say what was stripped, import the rest.")
@click.option(
    "--from", "service", type=click.Choice(["anilist"]), help="Read the public list of this user there, not a file."
)
@click.option(
    "--custom-lists-as-tags", is_flag=True, help="With --from anilist: the custom lists an entry is in, as tags."
)
@click.option(
    "--report",
    metavar="PATH",
    help="With --from: where to write down what was left out; by default, a file in the home folder.",
)
@WAIT
@pass_app
def import_(
    app: App,
    sources: tuple[str, ...],
    repair: bool,
    service: str | None,
    custom_lists_as_tags: bool,
    report: str | None,
    wait: float,
) -> None:
    """Store files as one snapshot: malsync's own, or MAL's XML exports. Importing the same file twice changes nothing.

    Several files must complete each other (one list each, of one MAL user); for many whole snapshots use mirror rebuild.

    With --from anilist, FILE is the name of a user of AniList, whose public lists are read. The snapshot is nobody's on MAL,
    and may be restored into any account. Titles missing on MAL are listed and saved to a report.
    """
    if service is not None:
        if repair:
            raise UsageError("--repair does not go with --from.", "It is for XML files.")
        if len(sources) > 1:
            raise UsageError("--from takes one user.", "Import them one by one.")
        _import_from_anilist(app, sources[0], report, as_tags=custom_lists_as_tags, wait=wait)
        return
    if custom_lists_as_tags or report is not None:
        option = "--custom-lists-as-tags" if custom_lists_as_tags else "--report"
        raise UsageError(f"{option} goes with --from only.", "For a list on AniList: --from anilist NAME")
    _import_files(app, sources, repair=repair, wait=wait)


def _import_files(app: App, paths: tuple[str, ...], *, repair: bool, wait: float) -> None:
    result = import_files(app, paths, repair=repair, wait=wait)
    info = result.info
    document = {
        **info_document(info, app.accounts.account_of(info.user)),
        **_document(result),
        "requests": {},
        "files": list(paths),
    }
    if repair:
        document["repairs"] = [
            {"file": file, **one._asdict()} for file, reading in result.readings for one in reading.repairs
        ]
    app.output.document(document)
    _tell_repairs(app, result.readings)
    _tell_unsupported(app, result.readings)
    _tell_imported(app, result, info.user.name or "nobody in particular")


def _document(result: ImportResult) -> dict[str, Any]:
    """The members of `import --json` about the list itself."""
    good = result.good
    since = good and {"snapshot": good.number, "taken_at": timestamp(good.taken_at), "changes": result.changes}
    return {
        "timed_by": result.timed_by,
        "since_good": since,
        "titles": title_documents({"import": result.titles}),
        "not_compared": result.unwritten,
    }


def _tell_imported(app: App, arrived: ImportResult, whose: str) -> None:

    info, good, say = arrived.info, arrived.good, app.output.say
    what = "Imported as" if arrived.is_new else "Already here as"
    say(f"{what} snapshot {info.number} of {visible(whose)}: {counted(info.counts)}", colour="green")
    say(f"  taken as of {local_time(info.taken_at)}, {_TIMED_BY[arrived.timed_by]}")
    if arrived.is_new and any(info.changes.values()):
        say(f"  {summary(info.changes)} since the import before it")
    if good is not None:
        differs = summary(arrived.changes) if any(arrived.changes.values()) else "no differences"
        say(f"  {differs}, compared with the last good backup (snapshot {good.number}, {local_time(good.taken_at)})")
    # That a file has one list is no news to whoever imports it.
    known: Unwritten = {name: fields for name, fields in arrived.unwritten.items() if fields is not None}
    tell_unwritten(app.output, "the import", known, info.counts)
    tell_titles(app.output, "The import", arrived.titles)
    if arrived.titles.are_foreign:
        app.output.warn(
            "Its ids seem to belong to another site: it is marked suspicious, and not restored without --force."
        )


def _tell_unsupported(app: App, read: "Sequence[tuple[str, ImportedList]]") -> None:
    """The values in malsync's own files that MAL gave and does not support."""

    for file, reading in read:
        found = unsupported(expand_home(file), reading.snapshot)
        for what in found[:_TOLD]:
            app.output.warn(f"{visible(what)}. It is kept as it is, and cannot be restored.")
        if len(found) > _TOLD:
            app.output.warn(f"{file}: and {len(found) - _TOLD:,} more of the kind.")


def _tell_repairs(app: App, read: "Sequence[tuple[str, ImportedList]]") -> None:

    for file, reading in read:
        for repair in reading.repairs[:_TOLD]:
            app.output.warn(f"{file}, line {repair.line}: {visible(repair.what)}.")
        if len(reading.repairs) > _TOLD:
            app.output.warn(f"{file}: and {len(reading.repairs) - _TOLD:,} more of the kind.")


# -- AniList


def _import_from_anilist(app: App, user: str, report: str | None, *, as_tags: bool, wait: float) -> None:
    path = None if report is None else app.target(report)
    result = import_from_anilist(app, user, report=path, custom_lists_as_tags=as_tags, wait=wait)
    taken = result.taken
    assert taken is not None  # noqa: S101 - it came from AniList
    app.output.document(
        {
            **info_document(result.info, None),
            **_document(result),
            "requests": app.clients.requests,
            "files": [],
            "from": {"service": "anilist", "user": taken.anilist_user},
            "left_out": [entry_document(one) for one in taken.left_out],
            "report": None if result.report is None else str(result.report),
        }
    )
    for remark in taken.remarks:
        app.output.warn(remark)
    _tell_imported(app, result, taken.snapshot.note)
    if result.report is not None:
        _tell_left_out(app, taken, result.report)


def _tell_left_out(app: App, taken: "Taken", path: Path) -> None:

    count = len(taken.left_out)
    app.output.warn(f"{pluralize(count, 'entry was', 'entries were')} left out:")
    for one in taken.left_out[:_TOLD]:
        app.output.warn(f"  {one.medium.name} {visible(one.title)}: {visible(one.why)}", colour=None)
    if count > _TOLD:
        app.output.warn(f"  and {count - _TOLD:,} more", colour=None)
    app.output.warn(f"All of it, with scores and notes, is in {path}")
