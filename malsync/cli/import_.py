"""import: lists into the mirror, from files and from AniList."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from malsync.cli.app import App
from malsync.cli.backup import info_document
from malsync.cli.options import WAIT, Command, pass_app
from malsync.cli.suggest import FILE
from malsync.errors import UsageError
from malsync.model.diff import count, diff
from malsync.model.medium import MEDIA
from malsync.model.snapshot import same_person
from malsync.model.timestamps import local_time
from malsync.text import many

if TYPE_CHECKING:
    from malsync.formats.mal_xml.reader import ImportedList
    from malsync.mirror import Mirror, SnapshotInfo
    from malsync.model.anilist import Taken
    from malsync.model.diff import Op
    from malsync.model.snapshot import Snapshot, User
    from malsync.planning.known_titles import Titles
    from malsync.planning.restore_plan import Unwritten

_TOLD = 20
"""So many repairs, or entries left out, are told one by one, and how many more there are."""
_TIMED_BY = {
    "file": "the time written in the file",
    "name": "the time in the name that MAL gave the file",
    "modified": "the file's modification time",
    "read": "when it was read",
}
_PROFILE = "anilist.co/user/"


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
    """Store files as one snapshot: malsync's own, or MAL's XML exports. The same file again: nothing happens.

    Several files must complete each other (one list each, of one MAL user); for many whole snapshots use mirror rebuild.

    With --from anilist, FILE is the name of a user of AniList, whose public lists are read. The snapshot is nobody's on MAL,
    and may be restored into any account. Titles that MAL does not have are told, and written down in a report.
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


def _import_files(app: App, files: tuple[str, ...], *, repair: bool, wait: float) -> None:
    from malsync.operations.imports import as_one

    read = [(file, app.read_list(file, repair=repair)) for file in files]
    arrived = _store(app, as_one([reading.snapshot for _, reading in read]), wait)
    info = arrived.info
    newest = max((reading for _, reading in read), key=lambda reading: reading.snapshot.taken_at)
    document = {
        **info_document(info, app.accounts.account_of(info.user)),
        **arrived.document(newest.timed_by),
        "requests": {},
        "files": list(files),
    }
    if repair:
        document["repairs"] = [{"file": file, **one._asdict()} for file, reading in read for one in reading.repairs]
    app.output.document(document)
    _tell_repairs(app, read)
    _tell_unsupported(app, read)
    _tell_imported(app, arrived, info.user.name or "nobody in particular", _TIMED_BY[newest.timed_by])


@dataclass(frozen=True)
class _Arrived:
    """An import: where it is in the mirror, whether it is new there, its titles beside MAL's, and how it differs from the last
    good backup of its user, where there is one."""

    info: "SnapshotInfo"
    is_new: bool
    titles: "Titles"
    good: "SnapshotInfo | None"
    changes: "dict[Op, int]"
    unwritten: "Unwritten"

    def document(self, timed_by: str) -> dict[str, Any]:
        """The members of `import --json` that tell of this."""
        from malsync.cli.telling import title_documents
        from malsync.model.timestamps import timestamp

        good = self.good
        since = good and {"snapshot": good.number, "taken_at": timestamp(good.taken_at), "changes": self.changes}
        titles = title_documents({"import": self.titles})
        return {"timed_by": timed_by, "since_good": since, "titles": titles, "not_compared": self.unwritten}


def _store(app: App, snapshot: "Snapshot", wait: float) -> _Arrived:
    """Store the snapshot, marked where its titles are another site's, and compare it with the last good backup."""
    from malsync.operations.imports import take_in
    from malsync.planning.known_titles import Known, by_key
    from malsync.planning.restore_plan import unwritten

    with app.at_work(wait), app.mirror(write=True, wait=wait) as mirror:
        known = Known(by_key(mirror.catalogue.names, snapshot.keys))
        titles = known.compare(
            (MEDIA[name], entry) for name in MEDIA for entry in (snapshot.lists[name] or {}).values()
        )
        if titles.are_foreign:
            snapshot = replace(snapshot, suspicious=(*snapshot.suspicious, titles.reason))
        before = len(mirror.infos())
        info = take_in(mirror, snapshot)
        _learn(app, mirror)
        good = _last_good(app, mirror, snapshot.user)
        changes = diff(mirror.load(good.number), snapshot, unknowns=False) if good else []
        is_new = len(mirror.infos()) > before
        return _Arrived(info, is_new, titles, good, count(changes), unwritten(snapshot))


def _last_good(app: App, mirror: "Mirror", user: "User") -> "SnapshotInfo | None":
    """The last good backup of `user`; of a list that names nobody, of the account that is meant."""
    from malsync.model.timestamps import is_future
    from malsync.operations.backup import is_good

    whose = user if user.id is not None or user.name else app.accounts.user(app.account)
    if whose is None:
        return None
    now = app.world.clock.now()
    good = [
        info
        for info in mirror.infos()
        if is_good(info) and same_person(info.user, whose) and not is_future(info.taken_at, now)
    ]
    return good[-1] if good else None


def _learn(app: App, mirror: "Mirror") -> None:
    for name, facts in app.facts.items():
        mirror.catalogue.learn(MEDIA[name], facts)


def _tell_imported(app: App, arrived: _Arrived, whose: str, timed_by: str) -> None:
    from malsync.cli.render import counted, summary
    from malsync.cli.telling import tell_titles, tell_unwritten
    from malsync.text import visible

    info, good, say = arrived.info, arrived.good, app.output.say
    what = "Imported as" if arrived.is_new else "Already here as"
    say(f"{what} snapshot {info.number} of {visible(whose)}: {counted(info.counts)}", colour="green")
    say(f"  taken as of {local_time(info.taken_at)}, {timed_by}")
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


def _tell_unsupported(app: App, read: "list[tuple[str, ImportedList]]") -> None:
    """The values in malsync's own files that MAL gave and does not support."""
    from malsync.files import place
    from malsync.formats.list_file import unsupported
    from malsync.text import visible

    for file, reading in read:
        found = unsupported(place(file), reading.snapshot)
        for what in found[:_TOLD]:
            app.output.warn(f"{visible(what)}. It is kept as it is, and cannot be restored.")
        if len(found) > _TOLD:
            app.output.warn(f"{file}: and {len(found) - _TOLD:,} more of the kind.")


def _tell_repairs(app: App, read: "list[tuple[str, ImportedList]]") -> None:
    from malsync.text import visible

    for file, reading in read:
        for repair in reading.repairs[:_TOLD]:
            app.output.warn(f"{file}, line {repair.line}: {visible(repair.what)}.")
        if len(reading.repairs) > _TOLD:
            app.output.warn(f"{file}: and {len(reading.repairs) - _TOLD:,} more of the kind.")


# -- AniList


def _import_from_anilist(app: App, user: str, report: str | None, *, as_tags: bool, wait: float) -> None:
    from malsync.formats import left_out
    from malsync.model import anilist

    path = None if report is None else app.target(report)
    client = app.anilist()
    name = _name(user)
    app.output.note(f"Reading the lists of {name} from {client.api_url} ...")
    with app.output.reading() as progress:
        found = client.lists(name, progress)
    origin = f"{client.api_url}/{found.user.lower()}"
    taken = anilist.convert(found, origin=origin, taken_at=app.world.clock.now(), custom_lists_as_tags=as_tags)
    # Before the list is stored: where it cannot be written down, nothing is, and the same command can be typed again.
    written = _write_report(app, taken, path, found.user) if taken.left_out else None
    arrived = _store(app, taken.snapshot, wait)
    app.output.document(
        {
            **info_document(arrived.info, None),
            **arrived.document("read"),
            "requests": app.requests,
            "files": [],
            "from": {"service": "anilist", "user": found.user},
            "left_out": [left_out.entry_document(one) for one in taken.left_out],
            "report": None if written is None else str(written),
        }
    )
    for remark in taken.remarks:
        app.output.warn(remark)
    _tell_imported(app, arrived, taken.snapshot.note, _TIMED_BY["read"])
    if written is not None:
        _tell_left_out(app, taken, written)


def _name(user: str) -> str:
    """The name of a user, also where the address of their profile was given. Raises UsageError for none."""
    _, mark, rest = user.partition(_PROFILE)
    name = re.split("[/?#]", rest if mark else user)[0].strip()
    if not name:
        raise UsageError(f"{user!r} names no user.", "Give the name that is in the address of their profile.")
    return name


def _write_report(app: App, taken: "Taken", path: Path | None, user: str) -> Path:
    from malsync import files
    from malsync.formats import latest_copy, left_out

    if path is None:
        folder = app.home / "left-out"
        files.make_folder(folder)
        path = folder / f"anilist-{latest_copy.safe_name(user)}-{taken.snapshot.taken_at:%Y%m%dT%H%M%SZ}.json"
    files.write(path, [left_out.report(taken)])
    return path


def _tell_left_out(app: App, taken: "Taken", path: Path) -> None:
    from malsync.text import visible

    count = len(taken.left_out)
    app.output.warn(f"{many(count, 'entry was', 'entries were')} left out:")
    for one in taken.left_out[:_TOLD]:
        app.output.warn(f"  {one.medium.name} {visible(one.title)}: {visible(one.why)}", colour=None)
    if count > _TOLD:
        app.output.warn(f"  and {count - _TOLD:,} more", colour=None)
    app.output.warn(f"All of it, with scores and notes, is in {path}")


COMMANDS = (import_,)
"""Lists into the mirror."""
