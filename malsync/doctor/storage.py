"""Checks of what is stored: the mirror, the file copies beside it, unfinished runs, timers, the age of the last backup."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from malsync.doctor.context import DoctorContext
from malsync.errors import Exit
from malsync.formats import snapshot_file
from malsync.mirror import SnapshotInfo
from malsync.mirror.migrations import VERSION
from malsync.model.snapshot import BACKUPS
from malsync.model.timestamps import local_time
from malsync.operations.references import dated_ahead, listed
from malsync.schedule import config_folder, units_folder
from malsync.text import ago, pluralize

_TIMER_LISTS = {"a line in crontab": ("crontab", "-l"), "a Windows task": ("schtasks", "/Query", "/FO", "CSV")}
_TIMEOUT_SECONDS = 10


def mirror(context: DoctorContext) -> None:
    """Check that the database is intact, and that each user's newest list matches its digest. Raises MirrorError and Busy."""
    mirror = context.mirror
    if not mirror.file_version:
        context.ok("mirror", "There is none yet; the first backup creates it.")
        return
    complaints = [str(row["quick_check"]) for row in mirror.query("SELECT quick_check FROM pragma_quick_check")]
    if complaints != ["ok"]:
        context.problem(
            "mirror", Exit.MIRROR,
            f"The database is damaged ({complaints[0][:200]}). To see what is intact: malsync verify. "
            "To rebuild it: malsync mirror rebuild FILES",
        )  # fmt: skip
        return
    infos = mirror.infos()
    for info in {info.user.key: info for info in infos}.values():
        mirror.load(info.number)  # raises if the list does not match its digest
    text = f"Intact, {pluralize(len(infos), 'snapshot')}"
    if mirror.file_version < VERSION:
        text += f"; its version is {mirror.file_version}, the next command migrates it to {VERSION}"
    context.ok("mirror", f"{text}. To check every snapshot: malsync verify")


def latest(context: DoctorContext) -> None:
    """Check that the newest good list of each user is beside the mirror as a readable file. Raises UsageError."""
    latest_copy = context.home.latest_copies
    if context.infos is None:
        paths = sorted(latest_copy.folder.glob("*.json.gz"))
        for path in paths:
            snapshot_file.read(path)  # raises if it is damaged
        context.ok(
            "latest", f"{pluralize(len(paths), 'file')}, intact. To make a mirror of them: malsync mirror rebuild FILES"
        )
        return
    # Only a backup of both lists that is not suspicious replaces the file.
    expected = {
        info.user.key: info.user
        for info in context.infos
        if info.source in BACKUPS and not info.suspicious and None not in info.counts.values()
    }
    missing = [user.name for user in expected.values() if latest_copy.last(user) is None]
    if missing:
        context.problem(
            "latest", Exit.MIRROR,
            f"The newest list of {' and '.join(missing)} is missing in {latest_copy.folder}, or cannot be read. "
            "The next backup writes it again: malsync backup",
        )  # fmt: skip
    else:
        context.ok(
            "latest", "The newest lists are beside the mirror as files." if expected else "There is no list yet."
        )


def runs(context: DoctorContext) -> None:
    """Check that no run is unfinished."""
    if context.infos is None:
        context.ok("runs", "Not checked: the mirror cannot be read.")
        return
    unfinished = [run for run in context.mirror.journal.runs() if run.is_open]
    for run in unfinished:
        number = run.number
        context.problem(
            "runs", Exit.REFUSED,
            f"Run {number} ({run.kind}, account {run.account}) is not finished, so no other can start. "
            f"malsync resume {number}, or malsync undo {number}, or malsync runs --abandon {number}",
        )  # fmt: skip
    if not unfinished:
        context.ok("runs", "All runs are finished.")


def backup(context: DoctorContext) -> None:
    """Check the age of the last good backup of each account, or of each public list where no account is bound to a user."""
    accounts, infos = context.accounts, context.infos
    if infos is None:
        context.problem("backup", Exit.MIRROR, "Its age is unknown: the mirror cannot be read.")
        return
    users = {context.name_for("backup", account): user for account, user in accounts.items()}
    if not any(accounts.values()) and context.home.named_account is None:
        public = {info.user.key: info.user for info in infos if info.source in BACKUPS}.values()
        users = {"backup" if len(public) == 1 else f"backup {user.name}": user for user in public} or users
    for name, user in users.items():
        backups = [info for info in infos if info.source in BACKUPS and user and info.user.key == user.key]
        _check_age(context, name, backups)


def _check_age(context: DoctorContext, name: str, backups: Sequence[SnapshotInfo]) -> None:
    """Check the last good one of one user's backups. Snapshots dated in the future are skipped: they would hide an old one."""
    now = context.mal_now
    future = dated_ahead(backups, now)
    past = [info for info in backups if info not in future]
    good = [info for info in past if not info.suspicious]
    skipped = f" Skipped, because dated in the future: {listed(future)}." if future else ""
    if not backups:
        context.problem(name, Exit.SUSPICIOUS, "There is none yet. Make one: malsync backup")
    elif not past:
        last = backups[-1]
        context.problem(
            name, Exit.SUSPICIOUS,
            f"Every backup is dated in the future, the last one snapshot {last.number}, {local_time(last.taken_at)}: "
            "this machine's clock is or was wrong. When it is right: malsync backup",
        )  # fmt: skip
    elif not good:
        context.problem(name, Exit.SUSPICIOUS, f"Every backup is suspicious. Review them: malsync snapshots.{skipped}")
    else:
        last = good[-1]
        text = f"The last good one is snapshot {last.number}, {local_time(last.taken_at)}, {ago(last.taken_at, now)}.{skipped}"
        if past[-1] is not last:
            text += " Newer ones are suspicious: malsync snapshots. If intended: malsync backup --accept."
        if context.max_age is not None and now - last.taken_at > context.max_age:
            context.problem(name, Exit.SUSPICIOUS, f"{text} That is too old: run malsync backup.")
        else:
            context.ok(name, text)


def schedule(context: DoctorContext) -> None:
    """Report malsync's timers on this machine. None is no problem: some users back up by hand."""
    enabled = units_folder(config_folder(context.home.world.environment, Path.home())) / "timers.target.wants"
    agents = Path.home() / "Library" / "LaunchAgents"
    timers = [path.name for path in (*enabled.glob("malsync*.timer"), *agents.glob("malsync*.plist"))]
    timers += [name for name, words in _TIMER_LISTS.items() if _mentions_malsync(context, *words)]
    if timers:
        context.ok("schedule", f"Found: {', '.join(sorted(timers))}.")
    else:
        context.ok("schedule", "No timer was found on this machine. To create one: malsync schedule")


def _mentions_malsync(context: DoctorContext, tool: str, *arguments: str) -> bool:
    """Whether that command lists a line, other than a comment, with malsync in it."""
    environment = dict(context.home.world.environment)
    program = shutil.which(tool, path=environment.get("PATH"))
    if program is None:
        return False
    try:
        output = subprocess.run(
            [program, *arguments],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, errors="replace", check=False,
            timeout=_TIMEOUT_SECONDS,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return False
    return any("malsync" in line and not line.lstrip().startswith("#") for line in output.splitlines())
