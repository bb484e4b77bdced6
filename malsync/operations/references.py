"""List references: `[WHO@]REF` names a whole list, stored, live or in a file."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from malsync.errors import UsageError
from malsync.model.snapshot import BACKUPS, Snapshot, User
from malsync.model.timestamps import is_future, local_time, timestamp
from malsync.operations.backup import is_good

if TYPE_CHECKING:
    from malsync.mirror import Mirror, SnapshotInfo

LIVE = "live"
_NAMED = 5
EXAMPLES = "live, latest, latest~1, good, 12, 2026-11, yesterday, bob@latest, ./list.json"

_LATEST = re.compile(r"latest(?:~(\d{1,9}))?")
_YEAR = re.compile("(?:19|20|21)[0-9]{2}")
_PATH_ENDS = (".json", ".xml", ".gz")


@dataclass(frozen=True)
class Reference:
    """A parsed reference: `who` owns the list, and `which` list it is. For a path, `which` is the whole path."""

    text: str
    who: str | None
    which: str

    @property
    def is_path(self) -> bool:
        """Whether this names a file."""
        return is_path(self.text)

    @property
    def is_live(self) -> bool:
        """Whether this asks MAL itself."""
        return not self.is_path and self.which == LIVE


@dataclass(frozen=True)
class ResolvedList:
    """A list that a reference named. `number` is the snapshot's, or None for a file or the live list."""

    reference: str
    snapshot: Snapshot
    number: int | None = None

    @property
    def document(self) -> dict[str, Any]:
        """What every document says of a list that was named."""
        return list_document(self.reference, self.number, self.snapshot)


@dataclass(frozen=True)
class Sources:
    """What a reference can name a list in, passed in by the caller.

    `whose(who)` says which MAL user an account or a name is (None: the one that is meant when nobody is named; raises
    UsageError where that is nobody), `live(user)` reads now, `file(path)` reads a file.
    """

    mirror: "Mirror"
    whose: Callable[[str | None], User]
    live: Callable[[str | None], Snapshot]
    file: Callable[[str], Snapshot]
    now: Callable[[], datetime]
    skipped: "Callable[[Sequence[SnapshotInfo]], object]" = bool
    """Told of snapshots that were passed over because they are dated in the future."""


def is_path(text: str) -> bool:
    """Whether `text` names a file: it has a slash, a leading dot, or a list's ending."""
    return "/" in text or "\\" in text or text.startswith(".") or text.lower().endswith(_PATH_ENDS)


def parse(text: str) -> Reference:
    """Take a reference apart. Raises UsageError for an empty one."""
    if is_path(text):
        return Reference(text, None, text)
    who, at, which = text.rpartition("@")
    if not which or (at and not who):
        raise UsageError(f"{text!r} names no list.", f"A reference is one of: {EXAMPLES}")
    return Reference(text, who or None, which)


def resolve(text: str, sources: Sources) -> ResolvedList:
    """Return the list that `text` names. Raises UsageError if there is none, and what reading a file or MAL raises."""
    reference = parse(text)
    if reference.is_path:
        return ResolvedList(text, sources.file(text))
    if reference.is_live:
        return ResolvedList(text, sources.live(reference.who))
    info = choose(reference, sources)
    try:
        return ResolvedList(text, sources.mirror.load(info.number), info.number)
    except KeyError as error:
        raise UsageError(f"Snapshot {info.number} has been pruned just now.", advice="list snapshots") from error


def choose(reference: Reference, sources: Sources) -> "SnapshotInfo":
    """The stored snapshot that a reference names. Raises UsageError when there is none."""
    which = reference.which
    if which.isdecimal():
        return _by_number(reference, sources)
    user = sources.whose(reference.who)
    infos = sources.mirror.infos(user)
    if not infos:
        raise UsageError(f"There is no snapshot of {user.name} yet.", advice="back up")
    infos = _present(user, infos, sources)
    if match := _LATEST.fullmatch(which):
        return _latest(user, infos, int(match[1] or 0))
    if which == "good":
        return _good(user, infos)
    return _at(reference, infos, end_of(which, sources.now()))


def end_of(text: str, now: datetime) -> datetime:
    """The first moment after the date, month or time that `text` says, in local time unless it says otherwise.

    Raises UsageError for anything that is none of them.
    """
    if text == "yesterday":
        # Without its offset: on the day on which the clocks change, midnight had another one.
        return _local(now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None))
    for form, step in _FORMS.items():
        if match := re.fullmatch(form, text):
            try:
                return step(match)
            except (ValueError, OverflowError):
                break
    raise UsageError(f"Unknown reference {text!r}.", f"A reference is one of: {EXAMPLES}")


def start_of(text: str, now: datetime) -> datetime:
    """The first moment of the date, month or time that `text` says, in local time unless it says otherwise.

    Raises UsageError for anything that is none of them.
    """
    end_of(text, now)  # or it raises
    if text == "yesterday":
        today = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        return _local(today - timedelta(days=1))
    moment = datetime.fromisoformat(f"{text}-01" if len(text) == len("2026-11") else text)
    return moment.astimezone(UTC) if moment.tzinfo else _local(moment)


def _end_of_month(match: re.Match[str]) -> datetime:
    first = datetime.fromisoformat(f"{match[0]}-01")
    return _local((first + timedelta(days=31)).replace(day=1))


def _end_of_day(match: re.Match[str]) -> datetime:
    return _local(datetime.fromisoformat(match[0]) + timedelta(days=1))


def _end_of_time(match: re.Match[str]) -> datetime:
    moment = datetime.fromisoformat(match[0])
    step = timedelta(microseconds=1) if match[2] else timedelta(seconds=1) if match[1] else timedelta(minutes=1)
    return moment.astimezone(UTC) + step if moment.tzinfo else _local(moment + step)


_FORMS: dict[str, Callable[[re.Match[str]], datetime]] = {
    r"\d{4}-\d{2}": _end_of_month,
    r"\d{4}-\d{2}-\d{2}": _end_of_day,
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(?:Z|[+-]\d{2}:?[0-5]\d)?": _end_of_time,
}


def _local(moment: datetime) -> datetime:
    # Not by astimezone(): for a time that the clocks skip, it answers with one an hour before the skip.
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def _by_number(reference: Reference, sources: Sources) -> "SnapshotInfo":
    infos = sources.mirror.infos()
    found = next((info for info in infos if str(info.number) == reference.which.lstrip("0")), None)
    if found is None:
        raise UsageError(
            f"There is no snapshot {reference.which}.",
            advice="give a month" if _YEAR.fullmatch(reference.which) else "list snapshots",
            year=reference.which,
        )
    if reference.who is not None and sources.whose(reference.who).key != found.user.key:
        raise UsageError(
            f"Snapshot {found.number} is not {reference.who}'s but {found.user.name}'s.", advice="list snapshots"
        )
    return found


def _present(user: User, infos: "list[SnapshotInfo]", sources: Sources) -> "list[SnapshotInfo]":
    """Those that are not dated in the future: made while a clock was wrong, one such would hide every newer one for years."""
    now = sources.now()
    present = [info for info in infos if not is_future(info.taken_at, now)]
    if skipped := [info for info in infos if is_future(info.taken_at, now)]:
        sources.skipped(skipped)
    if not present:
        raise UsageError(
            f"Every snapshot of {user.name} is dated in the future by this machine's clock.",
            advice="name a number in the future",
        )
    return present


def _good(user: User, infos: "list[SnapshotInfo]") -> "SnapshotInfo":
    """The newest backup that is not suspicious."""
    good = [info for info in _backups(user, infos) if is_good(info)]
    if not good:
        raise UsageError(f"Every backup of {user.name} is suspicious.", advice="look at the snapshots")
    return good[-1]


def _backups(user: User, infos: "list[SnapshotInfo]") -> "list[SnapshotInfo]":
    """The backups among `infos`, without imports and lists around runs. Raises UsageError if there are none."""
    backups = [info for info in infos if info.source in BACKUPS]
    if not backups:
        raise UsageError(
            f"There is no backup of {user.name} yet, only {len(infos)} imported or made for a run.",
            advice="back up or name a number",
        )
    return backups


def _latest(user: User, infos: "list[SnapshotInfo]", back: int) -> "SnapshotInfo":
    backups = _backups(user, infos)
    if back >= len(backups):
        raise UsageError(
            f"There is no latest~{back}: the oldest backup of {user.name} is latest~{len(backups) - 1}.",
            f"The oldest is snapshot {backups[0].number} of {local_time(backups[0].taken_at)}.",
        )
    return backups[-1 - back]


def _at(reference: Reference, infos: "list[SnapshotInfo]", end: datetime) -> "SnapshotInfo":
    before = [info for info in infos if info.taken_at < end]
    if not before:
        oldest = infos[0]
        raise UsageError(
            f"There is no snapshot at or before {reference.which}.",
            f"The oldest is snapshot {oldest.number} of {local_time(oldest.taken_at)}.",
        )
    return before[-1]


def list_document(reference: str, number: int | None, snapshot: Snapshot) -> dict[str, Any]:
    """Which list a reference named."""
    return {
        "reference": reference,
        "snapshot": number,
        "user": snapshot.user.name,
        "taken_at": timestamp(snapshot.taken_at),
        "digest": snapshot.digest,
        "counts": snapshot.counts,
    }


def dated_ahead(infos: "Sequence[SnapshotInfo]", now: datetime) -> "list[SnapshotInfo]":
    """Those of `infos` that are dated in the future."""
    return [info for info in infos if is_future(info.taken_at, now)]


def listed(infos: "Sequence[SnapshotInfo]") -> str:
    """Snapshots by their numbers and times; of many the first few."""
    texts = [f"snapshot {info.number} ({local_time(info.taken_at)})" for info in infos[:_NAMED]]
    return ", ".join(texts) + (f" and {len(infos) - _NAMED} more" if len(infos) > _NAMED else "")
