"""What is stored: the mirror, the files beside it, unfinished runs, the timer, and how old the last good backup is."""

import plistlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from malsync.doctor.context import Check, DoctorContext, ill, named, well
from malsync.errors import Exit
from malsync.model.snapshot import BACKUPS
from malsync.model.timestamps import local_time
from malsync.operations.references import dated_ahead, listed
from malsync.text import ago, many

if TYPE_CHECKING:
    from malsync.mirror import SnapshotInfo
    from malsync.model.snapshot import User

_SECONDS = 10


def mirror(patient: DoctorContext) -> Iterator[Check]:
    """Whether the file is a whole database, and the newest list of each user in it rebuilds to its digest."""
    from malsync.mirror.migrations import VERSION

    mirror = patient.mirror
    if not mirror.file_version:
        yield well("mirror", "There is none yet; the first backup makes it.")
        return
    complaints = [row["quick_check"] for row in mirror.query("SELECT quick_check FROM pragma_quick_check")]
    if complaints != ["ok"]:
        yield ill(
            "mirror", Exit.MIRROR,
            f"The database is damaged ({str(complaints[0])[:200]}). See what is whole: malsync verify. "
            "Make it whole: malsync mirror rebuild FILES",
        )  # fmt: skip
        return
    infos = mirror.infos()
    for info in {info.user.key: info for info in infos}.values():
        mirror.load(info.number)  # or it raises
    told = f"Whole, {many(len(infos), 'snapshot')}"
    if mirror.file_version < VERSION:
        yield well(
            "mirror", f"{told}; its version is {mirror.file_version}, and the next command brings it to {VERSION}."
        )
    else:
        yield well("mirror", f"{told}. All of them are proven by: malsync verify")


def latest(patient: DoctorContext) -> Iterator[Check]:
    """Whether the newest good list of each user stands beside the mirror as a file that can be read."""
    from malsync.formats import snapshot_file

    shelf = patient.app.shelf
    if patient.infos is None:
        paths = sorted(shelf.folder.glob("*.json.gz"))
        for path in paths:
            snapshot_file.read(path)  # or it raises
        yield well("latest", f"{len(paths)} stand there, whole. Make a mirror of them: malsync mirror rebuild FILES")
        return
    expected = _last_whole(patient.infos)
    missing = [info.user.name for info in expected if shelf.last(info.user) is None]
    if missing:
        yield ill(
            "latest", Exit.MIRROR,
            f"The newest list of {' and '.join(missing)} is missing in {shelf.folder}, or cannot be read. "
            "The next backup writes it again: malsync backup",
        )  # fmt: skip
        return
    yield well("latest", "The newest lists stand beside the mirror as files." if expected else "There is no list yet.")


def _last_whole(infos: "Sequence[SnapshotInfo]") -> "list[SnapshotInfo]":
    """By user, the newest backup that covers both lists and is not suspicious: others do not replace the file."""
    found = {
        info.user.key: info
        for info in infos
        if info.source in BACKUPS and not info.suspicious and None not in info.counts.values()
    }
    return list(found.values())


def runs(patient: DoctorContext) -> Iterator[Check]:
    """Whether a run waits to be finished."""
    if patient.infos is None:
        yield well("runs", "Not looked at: the mirror cannot be read.")
        return
    open_runs = [run for run in patient.mirror.journal.runs() if run.is_open]
    for run in open_runs:
        yield ill(
            "runs", Exit.REFUSED,
            f"Run {run.number} ({run.kind}, account {run.account}) is not finished, and no other can begin. "
            f"malsync resume {run.number}, or malsync undo {run.number}, or malsync runs --abandon {run.number}",
        )  # fmt: skip
    if not open_runs:
        yield well("runs", "None is unfinished.")


def backup(patient: DoctorContext) -> Iterator[Check]:
    """How old the last good backup of each account is."""
    infos, accounts = patient.infos, patient.accounts
    if infos is None:
        yield ill("backup", Exit.MIRROR, "How old it is cannot be told: the mirror cannot be read.")
        return
    if any(user is not None for user in accounts.values()):
        for account, user in accounts.items():
            yield _age(patient, named("backup", account, patient), user, infos)
        return
    # Nobody ever signed in here: then it is public lists that are backed up, or nothing yet.
    users = {info.user.key: info.user for info in infos if info.source in BACKUPS}
    if not users or patient.app.named_account is not None:
        yield _age(patient, "backup", None, infos)
    for user in users.values() if patient.app.named_account is None else ():
        yield _age(patient, "backup" if len(users) == 1 else f"backup {user.name}", user, infos)


def _age(patient: DoctorContext, name: str, user: "User | None", infos: "Sequence[SnapshotInfo]") -> Check:
    now = patient.mal_now
    every = [info for info in infos if info.source in BACKUPS and user is not None and info.user.key == user.key]
    # Made while a clock was wrong, one of a time to come would hide for years that there are no others.
    ahead = dated_ahead(every, now)
    made = [info for info in every if info not in ahead]
    skipped = f" Skipped, because dated in the future: {listed(ahead)}." if ahead else ""
    good = [info for info in made if not info.suspicious]
    if every and not made:
        last = every[-1]
        return ill(
            name, Exit.SUSPICIOUS,
            f"Every one is dated in the future, the last one snapshot {last.number}, {local_time(last.taken_at)}: this "
            "machine's clock is wrong, or was. When it is right: malsync backup",
        )  # fmt: skip
    if not good and made:
        return ill(name, Exit.SUSPICIOUS, f"Every backup is suspicious. Look at them: malsync snapshots.{skipped}")
    if not good:
        return ill(name, Exit.SUSPICIOUS, "There is none yet. Make one: malsync backup")
    last = good[-1]
    told = (
        f"The last good one is snapshot {last.number}, {local_time(last.taken_at)}, {ago(last.taken_at, now)}.{skipped}"
    )
    if made[-1] is not last:
        told += " Newer ones are suspicious: malsync snapshots. If intended: malsync backup --accept."
    if patient.max_age is not None and now - last.taken_at > patient.max_age:
        return ill(name, Exit.SUSPICIOUS, f"{told} That is too old: run malsync backup.")
    return well(name, told)


# -- the timer


def schedule(patient: DoctorContext) -> Iterator[Check]:
    """Whether this machine runs the backup by itself, as far as it tells. None is advice and no fault: some back up by hand."""
    found = [name for name in (_systemd(patient), _cron(patient), _launchd(), _windows(patient)) if name]
    if found:
        yield well("schedule", f"Found: {', '.join(found)}.")
    else:
        yield well("schedule", "No timer was found on this machine. For one: malsync schedule")


def _systemd(patient: DoctorContext) -> str:
    from malsync.schedule import config_folder, units_folder
    from malsync.schedule.systemd import UserManager

    environment = patient.app.world.environment
    folder = units_folder(config_folder(environment, Path.home()))
    units = sorted(path.name for path in folder.glob("malsync*.timer"))
    manager = UserManager(environment)
    running = [unit for unit in units if manager.is_enabled(unit)]
    return f"systemd's {', '.join(running)}" if running else ""


def _cron(patient: DoctorContext) -> str:
    lines = [line for line in _said(patient, "crontab", "-l").splitlines() if not line.lstrip().startswith("#")]
    return "a line in crontab" if any("malsync" in line for line in lines) else ""


def _launchd() -> str:
    if sys.platform != "darwin":
        return ""
    for path in sorted((Path.home() / "Library" / "LaunchAgents").glob("*.plist")):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except OSError:
            continue
        if any("malsync" in word for word in agent_words(content)):
            return f"launchd's {path.name}"
    return ""


def agent_words(content: bytes) -> list[str]:
    """The command in a launchd agent, which may be any program's; none where it is not understood."""
    from xml.parsers.expat import ExpatError

    try:
        words = plistlib.loads(content).get("ProgramArguments", [])
        return [str(word) for word in words]
    except (ExpatError, ValueError, AttributeError, TypeError, LookupError, OverflowError, RecursionError):
        return []


def _windows(patient: DoctorContext) -> str:
    if sys.platform != "win32":
        return ""
    return "Windows' task" if "malsync" in _said(patient, "schtasks", "/Query", "/FO", "CSV") else ""


def _said(patient: DoctorContext, *command: str) -> str:
    environment = dict(patient.app.world.environment)
    tool = shutil.which(command[0], path=environment.get("PATH"))
    if tool is None:
        return ""
    try:
        return subprocess.run(
            [tool, *command[1:]],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            timeout=_SECONDS,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
