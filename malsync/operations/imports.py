"""Lists from files and from AniList into the mirror, and the mirror made again from files."""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from malsync import files
from malsync.errors import Damaged, UsageError
from malsync.formats import latest_copy, left_out
from malsync.model import anilist
from malsync.model.diff import Op, count, diff
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot, User, same_person
from malsync.model.timestamps import is_future
from malsync.operations.backup import is_good
from malsync.planning.known_titles import Known, Titles, by_key
from malsync.planning.restore_plan import Unwritten, unwritten

if TYPE_CHECKING:
    from malsync.formats.mal_xml.reader import ImportedList
    from malsync.mirror import Mirror, SnapshotInfo
    from malsync.operations.home import Home

_PROFILE = "anilist.co/user/"
Source = tuple[datetime, Callable[[], Snapshot]]
"""The time of a snapshot, and what reads it: so that one is in memory at a time and not a year of them."""


@dataclass(frozen=True)
class ImportResult:
    """A list that was imported.

    `info` is its row of the mirror, and `is_new` whether it was not there before. `titles` compares its titles with MAL's;
    `changes` counts how it differs from `good`, the last good backup of its user (None: there is none); `unwritten` is what
    no plan will write of it. `readings` are the files, by path; `taken` is the list from AniList, `report` the file of what
    was left out of it.
    """

    info: "SnapshotInfo"
    is_new: bool
    titles: Titles
    good: "SnapshotInfo | None"
    changes: dict[Op, int]
    unwritten: Unwritten
    timed_by: str = "read"
    readings: "tuple[tuple[str, ImportedList], ...]" = ()
    taken: "anilist.Taken | None" = None
    report: Path | None = None


def import_files(home: "Home", paths: Sequence[str], *, repair: bool = False, wait: float = 60.0) -> ImportResult:
    """Store files as one snapshot: malsync's own, or MAL's XML exports. Several must complete each other.

    `repair` strips what XML forbids. Raises UsageError for files that cannot be read or do not fit together, and Busy.
    """
    if not paths:
        raise UsageError("No file was given to import.", "Name one or more.")
    readings = tuple((path, home.read_file(path, repair=repair)) for path in paths)
    result = _store(home, as_one([reading.snapshot for _, reading in readings]), wait)
    newest = max((reading for _, reading in readings), key=lambda reading: reading.snapshot.taken_at)
    return replace(result, timed_by=newest.timed_by, readings=readings)


def import_from_anilist(
    home: "Home", user: str, *, report: Path | None = None, custom_lists_as_tags: bool = False, wait: float = 60.0
) -> ImportResult:
    """Store the public lists of an AniList user as one snapshot that belongs to no MAL user.

    `user` is a name, or the address of a profile. What MAL has no place for is written to `report`, by default a file in the
    home folder, before the list is stored. Raises UsageError, PrivateList and ApiError.
    """
    client = home.clients.anilist()
    name = _anilist_name(user)
    home.listener.note(f"Reading the lists of {name} from {client.api_url} ...")
    with home.listener.reading() as progress:
        lists = client.lists(name, progress)
    origin = f"{client.api_url}/{lists.user.lower()}"
    taken = anilist.convert(
        lists, origin=origin, taken_at=home.world.clock.now(), custom_lists_as_tags=custom_lists_as_tags
    )
    written = _write_report(home, taken, report, lists.user) if taken.left_out else None
    return replace(_store(home, taken.snapshot, wait), taken=taken, report=written)


def _anilist_name(user: str) -> str:
    """The name of a user, also from the address of a profile. Raises UsageError for none."""
    _, mark, rest = user.partition(_PROFILE)
    name = re.split("[/?#]", rest if mark else user)[0].strip()
    if not name:
        raise UsageError(f"{user!r} names no user.", "Give the name that is in the address of their profile.")
    return name


def _write_report(home: "Home", taken: anilist.Taken, path: Path | None, user: str) -> Path:
    if path is None:
        folder = home.folder / "left-out"
        files.make_folder(folder)
        path = folder / f"anilist-{latest_copy.safe_name(user)}-{taken.snapshot.taken_at:%Y%m%dT%H%M%SZ}.json"
    files.write(path, [left_out.report(taken)])
    return path


def _store(home: "Home", snapshot: Snapshot, wait: float) -> ImportResult:
    """Store `snapshot`, marked where its titles are another site's, and compare it with the last good backup."""
    with home.locked(wait), home.mirror(write=True, wait=wait) as mirror:
        known = Known(by_key(mirror.catalogue.names, snapshot.keys))
        titles = known.compare(
            (medium, entry) for name, medium in MEDIA.items() for entry in (snapshot.lists[name] or {}).values()
        )
        if titles.are_foreign:
            snapshot = replace(snapshot, suspicious=(*snapshot.suspicious, titles.reason))
        before = len(mirror.infos())
        info = store_import(mirror, snapshot)
        for name, facts in home.facts.items():
            mirror.catalogue.learn(MEDIA[name], facts)
        good = _last_good(home, mirror, snapshot.user)
        changes = diff(mirror.load(good.number), snapshot, unknowns=False) if good else []
        is_new = len(mirror.infos()) > before
        return ImportResult(info, is_new, titles, good, count(changes), unwritten(snapshot))


def _last_good(home: "Home", mirror: "Mirror", user: User) -> "SnapshotInfo | None":
    """The last good backup of `user`; of a list that names no user, that of the account which `home` was opened for."""
    whose = user if user.id is not None or user.name else home.accounts.user(home.account_name)
    if whose is None:
        return None
    now = home.now
    good = [
        info
        for info in mirror.infos()
        if is_good(info) and same_person(info.user, whose) and not is_future(info.taken_at, now)
    ]
    return good[-1] if good else None


def as_one(snapshots: Sequence[Snapshot]) -> Snapshot:
    """One snapshot from files that complete each other: of one MAL user, no list in two of them.

    Raises UsageError for files that do not.
    """
    first, *others = snapshots
    together = first
    for other in others:
        if other.user.key != first.user.key:
            raise UsageError(
                f"These files are of two MAL users: {first.user.name} and {other.user.name}.", "Import them one by one."
            )
        twice = [name for name in MEDIA if together.covers[name] is not None and other.covers[name] is not None]
        if twice:
            raise UsageError(
                f"Two of these files hold the {twice[0]} list, and an import makes one snapshot.",
                advice="import one by one",
            )
        halves = [(one.covers, one.encoded) for one in (together, other)]
        together = replace(
            together,
            encoded_as={
                name: next((encoded.get(name, ()) for covers, encoded in halves if covers[name] is not None), ())
                for name in MEDIA
            },
            taken_at=max(together.taken_at, other.taken_at),
            covers={
                name: other.covers[name] if together.covers[name] is None else together.covers[name] for name in MEDIA
            },
            lists={name: other.lists[name] if together.lists[name] is None else together.lists[name] for name in MEDIA},
            note="; ".join(note for note in (together.note, other.note) if note),
        )
    return together


def store_import(mirror: "Mirror", snapshot: Snapshot) -> "SnapshotInfo":
    """Store a list that came from files. The same again: nothing happens."""
    return mirror.add(snapshot.with_source("import"))


@dataclass(frozen=True)
class RebuildResult:
    """A mirror that was rebuilt: how many `snapshots` it holds; `saved` of them came from the damaged one, now at `aside`."""

    snapshots: int
    saved: int = 0
    aside: Path | None = None


def rebuild_mirror(home: "Home", paths: Iterable[str], *, wait: float = 60.0) -> RebuildResult:
    """Make the mirror again from exported snapshots, each with its own time, source, covers and note.

    A mirror that is whole is kept and added to. A damaged one is set aside under another name, and what can still be proven
    whole in it is carried over. Raises UsageError for a file that is no snapshot, before anything is written.
    """
    sources = _checked(paths)
    with home.locked(wait):
        if _is_whole(home, wait):
            return RebuildResult(_add(home.mirror_path, sources, wait))
        return _replace(home, sources, wait)


def rebuild(mirror: "Mirror", sources: Iterable[Source]) -> None:
    """Store snapshots in the order of their time, each as it is: source, time, covers, note, and why it was suspicious."""
    for _, read in sorted(sources, key=itemgetter(0)):
        mirror.add(read())


def _checked(paths: Iterable[str]) -> list[Source]:
    """The time of each file's snapshot, and a function that reads it again. Every file is checked before anything is written."""
    from malsync.formats import list_file, snapshot_file

    sources: list[Source] = []
    for path in map(files.expand_home, paths):
        content = files.read_input(path)
        if list_file.is_xml(path, content):
            raise UsageError(
                f"{path} is MAL's XML, and a mirror is rebuilt of malsync's own snapshots.",
                advice="import the XML",
                path=str(path),
            )
        list_file.refuse_mirror(path, content)
        if list_file.is_database(content):
            raise UsageError(
                f"{path} is a database, and a mirror is rebuilt of exported snapshots.",
                advice="name exported snapshots",
            )
        sources.append((snapshot_file.decode(content, str(path)).taken_at, partial(snapshot_file.read, path)))
    return sources


def _is_whole(home: "Home", wait: float) -> bool:
    """Whether the mirror can be added to: it is whole, or not there yet."""
    if not home.mirror_path.exists():
        return True
    try:
        with home.mirror(wait=wait) as mirror:
            return not mirror.verify().problems
    except Damaged as error:
        home.listener.warn(error.message)
        return False


def _add(path: Path, sources: list[Source], wait: float) -> int:
    from malsync.mirror import Mirror

    with Mirror.open(path, write=True, wait=wait) as mirror:
        rebuild(mirror, sources)
        return len(mirror.numbers())


def _replace(home: "Home", sources: list[Source], wait: float) -> RebuildResult:
    """Build a new mirror beside the damaged one, of the files and of all that is still whole in it, and put it in its place."""
    path = home.mirror_path
    fresh = path.with_name(f"{path.name}.new")
    for leftover in (fresh, *_beside(fresh)):
        leftover.unlink(missing_ok=True)
    with ExitStack() as stack:
        saved = _saved(home, stack, wait)
        total = _add(fresh, [*saved, *sources], wait)
    return RebuildResult(total, len(saved), _swap(path, fresh))


def _saved(home: "Home", stack: ExitStack, wait: float) -> list[Source]:
    """What reads each snapshot of the damaged mirror that can still be proven whole, for as long as `stack` is open."""
    try:
        mirror = stack.enter_context(home.mirror(wait=wait))
        numbers = mirror.numbers()
    except Damaged:
        return []
    saved: list[Source] = []
    for number in numbers:
        try:
            saved.append((mirror.load(number).taken_at, partial(mirror.load, number)))
        except Damaged:
            home.listener.warn(f"Snapshot {number} could not be saved.")
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
