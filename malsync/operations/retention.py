"""Thinning out: which snapshots a policy keeps, and which are kept whatever it says.

A policy means what restic's `forget` means by the same words (man restic-forget): of each of the newest N days (weeks, months,
years) that have a snapshot, the newest is kept; the rules are a union; and where a rule of days, weeks, months or years is not
used up, the oldest is kept too, so that the history stays as long as it can be. Days are those of local time, weeks ISO 8601's.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from malsync.errors import Busy, MirrorError, UsageError
from malsync.model.medium import MEDIA
from malsync.model.snapshot import AROUND_RUNS, BACKUPS, Source
from malsync.model.timestamps import is_future
from malsync.operations.backup import is_good, reference_for

if TYPE_CHECKING:
    from malsync.mirror import Mirror, Run, SnapshotInfo
    from malsync.operations.home import Home

Reasons = dict[int, list[str]]
"""By a snapshot's number, why it is kept, in words."""

PERIODS: Mapping[str, Callable[[datetime], object]] = {
    "daily": lambda moment: moment.date(),
    "weekly": lambda moment: tuple(moment.isocalendar())[:2],
    "monthly": lambda moment: (moment.year, moment.month),
    "yearly": lambda moment: moment.year,
}
"""What two moments of the same day, week, month or year have in common."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How many snapshots to keep by each rule; 0: none. `noted` keeps every snapshot that has a note as well."""

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    noted: bool = False

    @property
    def keeps_nothing(self) -> bool:
        """Whether no rule was given at all."""
        return self == Policy()


@dataclass(frozen=True)
class PruneResult:
    """Snapshots that were thinned out: all that there were, and by number why some are kept; the others are removed.

    `freed` are bytes given back to the disk; `is_shrinking` is true while another program keeps the file from shrinking, and
    `problem` says why the space could not be given back yet.
    """

    infos: "list[SnapshotInfo]"
    reasons: Reasons
    freed: int = 0
    is_shrinking: bool = False
    problem: str = ""

    @property
    def removed(self) -> list[int]:
        """The numbers of the snapshots that are removed, in order."""
        return sorted(info.number for info in self.infos if info.number not in self.reasons)


def prune(home: "Home", policy: Policy, *, dry_run: bool = False, wait: float = 60.0) -> PruneResult:
    """Remove what `policy` does not keep, of the user whom `home` was opened for or of all.

    Raises UsageError for a policy without a rule, which would keep next to nothing; MirrorError and Busy.

    That the space cannot be given back now is no failure: nothing comes back by it, and nothing is lost.
    """
    if policy.keeps_nothing:
        raise UsageError(
            "Tell prune what to keep: without a rule it would remove every snapshot.", advice="give a rule"
        )
    if dry_run or not home.mirror_path.exists():
        with home.mirror() as mirror:
            return _decided(home, mirror, policy)
    with home.locked(wait), home.mirror(write=True, wait=wait) as mirror:
        result = _decided(home, mirror, policy)
        if result.removed:
            mirror.prune(result.removed)
        try:
            vacuumed = mirror.vacuum(if_needed=not result.removed)
        except (MirrorError, Busy) as error:
            return replace(result, problem=error.message)
        return replace(result, freed=max(0, vacuumed.bytes_freed), is_shrinking=not vacuumed.file_truncated)


def _decided(home: "Home", mirror: "Mirror", policy: Policy) -> PruneResult:
    infos = mirror.infos(home.named_user(mirror))
    home.warn_of_future(infos)
    return PruneResult(infos, kept(infos, mirror.journal.runs(), policy, home.now))


def kept(infos: "Sequence[SnapshotInfo]", runs: "Sequence[Run]", policy: Policy, now: datetime) -> Reasons:
    """Which of `infos` are kept, by number, and why. `runs` are all of the mirror's; the same again keeps all that was kept.

    Each user's backups, imports, and lists kept around runs are thinned out apart: an evening of restores takes no place from
    a month of backups. Suspicious ones are kept, and take no place from good ones. So are those dated in the future: when
    they were made is not known, and no rule can say that they are not needed.
    """
    here = {info.number for info in infos}
    reasons: Reasons = {info.number: ["dated in the future"] for info in infos if is_future(info.taken_at, now)}
    infos = [info for info in infos if info.number not in reasons]
    by_group: dict[tuple[object, str], list[SnapshotInfo]] = {}
    for info in infos:
        if not info.suspicious:
            by_group.setdefault((info.user.key, _group(info.source)), []).append(info)
    for group in by_group.values():
        _add(reasons, by_policy({info.number: info.taken_at for info in group}, policy).items())
    if policy.noted:
        _add(reasons, ((info.number, ["note"]) for info in infos if info.note))
    _add(reasons, always(infos, runs).items())
    _complete(reasons, runs, here)
    return {number: reasons[number] for number in sorted(reasons.keys() & here)}


def by_policy(taken: Mapping[int, datetime], policy: Policy) -> Reasons:
    """What the numbers of `policy` keep of one group: snapshots by number, with their times."""
    newest_first = sorted(taken, key=lambda number: (taken[number], number), reverse=True)
    reasons: Reasons = {number: ["last"] for number in newest_first[: policy.last]}
    for name, period_of in PERIODS.items():
        left, before = getattr(policy, name), None
        for number in newest_first:
            if not left:
                break
            period = period_of(taken[number].astimezone())
            is_oldest = number == newest_first[-1]
            if period != before or is_oldest:
                reasons.setdefault(number, []).append(name if period != before else f"oldest {name}")
                before, left = period, left - 1
    return reasons


def always(infos: "Sequence[SnapshotInfo]", runs: "Sequence[Run]") -> Reasons:
    """What is kept whatever a policy says: of each user the newest good list, the newest backup and what the next one is judged
    by; suspicious ones with the good ones that they were judged by; what an unfinished run and the newest run need."""
    reasons: Reasons = {}
    by_user: dict[object, list[SnapshotInfo]] = {}
    for info in infos:
        by_user.setdefault(info.user.key, []).append(info)
    for theirs in by_user.values():
        _add(reasons, _of_a_user(_by_time(theirs)))
    newest = {run.user.key: run for run in sorted(runs, key=lambda run: run.number)}
    by_number = {run.number: run for run in runs}
    for run in runs:
        if run.is_open:
            _add(reasons, ((number, [f"run {run.number} is unfinished"]) for number in _needs(run, by_number)))
        elif newest[run.user.key] is run:
            _add(reasons, ((number, [f"run {run.number}, the newest"]) for number in _around(run)))
    return reasons


def _of_a_user(infos: "list[SnapshotInfo]") -> "Iterable[tuple[int, list[str]]]":
    """Of one user's snapshots, oldest first: each that is kept, and why."""
    good = [info for info in infos if is_good(info)]
    yield (good or infos)[-1].number, ["newest good" if good else "newest"]
    backups = [info for info in infos if info.source in BACKUPS]
    if backups:
        yield backups[-1].number, ["newest backup"]
    for found in _measures(infos):
        if found not in good[-1:]:
            yield found.number, ["the next backup is judged by it"]
    # Thousands may be suspicious, where nobody looked for years; most have the same good ones before them.
    trusted = [info for info in infos if not info.suspicious and info.source not in AROUND_RUNS]
    as_stored = sorted(trusted, key=lambda info: info.number)
    numbers = [info.number for info in as_stored]
    judged_by = cache(lambda many: _measures(_by_time(as_stored[:many])))
    neighbour: SnapshotInfo | None = None
    for info in infos:
        if info.suspicious:
            yield info.number, ["suspicious"]
            for one in (neighbour, *judged_by(bisect_left(numbers, info.number))):
                if one is not None:
                    yield one.number, ["good before a suspicious one"]
        elif is_good(info):
            neighbour = info


def _by_time(infos: "Iterable[SnapshotInfo]") -> "list[SnapshotInfo]":
    return sorted(infos, key=lambda info: (info.taken_at, info.number))


def _measures(infos: "Sequence[SnapshotInfo]") -> "list[SnapshotInfo]":
    """What a backup that came after `infos` (oldest first) is judged by."""
    return [found for medium in MEDIA.values() if (found := reference_for(medium, infos)) is not None]


def _around(run: "Run") -> set[int]:
    return {number for number in (run.before, run.after) if number is not None}


def _needs(run: "Run", runs: "Mapping[int, Run]") -> set[int]:
    """The lists that resuming or undoing an unfinished run looks at: those around it, those that it was planned from, and
    those around the run that it takes back."""
    needed = _around(run)
    lists = run.head.get("lists")
    for described in lists.values() if isinstance(lists, dict) else ():
        if isinstance(described, dict) and isinstance(described.get("snapshot"), int):
            needed.add(described["snapshot"])
    if run.undoes is not None and run.undoes in runs:
        needed |= _around(runs[run.undoes])
    return needed


def _complete(reasons: Reasons, runs: "Sequence[Run]", here: set[int]) -> None:
    """A run is undone by both lists around it, so they stay together or go together."""
    pairs = [(run.number, _around(run) & here) for run in runs]
    grew = True
    while grew:
        grew = False
        for number, pair in pairs:
            if missing := pair - reasons.keys() if pair & reasons.keys() else set():
                _add(reasons, ((one, [f"to undo run {number}"]) for one in missing))
                grew = True


def _group(source: Source) -> str:
    return "backup" if source in BACKUPS else "run" if source in AROUND_RUNS else source


def _add(reasons: Reasons, more: Iterable[tuple[int, list[str]]]) -> None:
    for number, words in more:
        known = reasons.setdefault(number, [])
        known += [word for word in words if word not in known]
