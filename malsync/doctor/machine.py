"""Checks of the machine and the home folder: versions, settings, permissions, disk."""

import os
import platform
import re
import shlex
import shutil
import sqlite3
import stat
import sys
from pathlib import Path

from malsync import __version__
from malsync.doctor.context import DoctorContext
from malsync.errors import Exit
from malsync.mal.token_store import FILE_NAME as TOKENS_NAME
from malsync.mirror import FILE_NAME as MIRROR_NAME
from malsync.operations.config import FILE_NAME as SETTINGS_NAME
from malsync.urls import check_url

_MIN_FREE = 100 * 2**20
_ODD = re.compile(rb"[ \t\n\\]")  # what a list of mounts holds as \040
_NETWORK = {
    "9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb2", "smb3",
    "smbfs", "virtiofs",
}  # fmt: skip


def python(context: DoctorContext) -> None:
    """Report the versions in use."""
    context.ok("python", f"malsync {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.")


def settings(context: DoctorContext) -> None:
    """Check that config.toml and the addresses are valid. Raises UsageError."""
    loaded = context.home.settings
    check_url(loaded.api_url, "MALSYNC_API_URL")
    check_url(loaded.auth_url, "MALSYNC_AUTH_URL")
    exists = (context.home.folder / SETTINGS_NAME).exists()
    context.ok("settings", f"{SETTINGS_NAME} is valid." if exists else f"No {SETTINGS_NAME} (using defaults).")


def home(context: DoctorContext) -> None:
    """Check that the home folder can be used, by its owner alone."""
    folder = context.home.folder
    if not folder.exists():
        context.ok("home", f"{folder} does not exist yet; the first login or backup creates it.")
    elif not folder.is_dir():
        text = f"{folder} is a file. Choose a folder with --home, or move that file away."
        context.problem("home", Exit.USAGE, text)
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        context.problem("home", Exit.USAGE, f"{folder} cannot be written to. Give yourself permission.")
    elif shared := _readable_by_others(folder):
        paths = " and ".join(map(str, shared))
        repair = " && ".join(f"chmod {700 if path.is_dir() else 600} {shlex.quote(str(path))}" for path in shared)
        context.problem("home", Exit.USAGE, f"Other users of this machine can read {paths}. Type: {repair}")
    else:
        context.ok("home", f"{folder} is yours alone.")


def _readable_by_others(folder: Path) -> list[Path]:
    """The home folder, the tokens and the mirror, as far as their permissions are wider than 0700 or 0600."""
    paths = [folder, *sorted(folder.glob(TOKENS_NAME)), *sorted(folder.glob(f"{MIRROR_NAME}*"))]
    return [] if sys.platform == "win32" else [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]


def disk(context: DoctorContext) -> None:
    """Check that there is enough space."""
    folder, mirror = _existing(context.home.folder), context.home.folder / MIRROR_NAME
    free = shutil.disk_usage(folder).free
    if needed := lacking_space(free, mirror.stat().st_size if mirror.exists() else 0):
        text = f"Only {_size(free)} free, {_size(needed)} needed. Make room on the disk of {folder}."
        context.problem("disk", Exit.MIRROR, text)
    else:
        context.ok("disk", f"{_size(free)} free.")


def lacking_space(free: int, mirror: int) -> int:
    """How many bytes are needed if `free` are too few, else 0. A copy or rebuild takes as many again as the mirror has."""
    needed = max(_MIN_FREE, mirror)
    return needed if free < needed else 0


def network_disk(context: DoctorContext) -> None:
    """Check that the mirror works on this kind of disk.

    SQLite's write-ahead log needs memory that all its users share, which a network disk does not have
    (https://sqlite.org/wal.html).
    """
    kind = filesystem_of(_existing(context.home.folder), context.mounts)
    if not is_network(kind):
        context.ok("network disk", "Not on a network disk." if kind else "Unknown on this system.")
    elif _has_write_ahead_log(context):
        text = f"The home folder is on a network disk ({kind}), where the mirror's write-ahead log does not work. "
        text += "Move the home folder to a local disk, and name it with MALSYNC_HOME."
        context.problem("network disk", Exit.MIRROR, text)
    else:
        context.ok("network disk", f"On a network disk ({kind}): only one machine at a time may write there.")


def _has_write_ahead_log(context: DoctorContext) -> bool:
    modes = context.mirror.query("SELECT journal_mode FROM pragma_journal_mode") if context.infos else []
    return any(row["journal_mode"] == "wal" for row in modes)


def filesystem_of(folder: Path, mounts: Path) -> str | None:
    """The type of the file system that holds `folder`, such as `ext4`, by a list of mounts; None if the system has none."""
    try:
        # fstab(5): device, mount point, type. Of several mounts on one point the last is seen.
        kinds = dict(re.findall(rb"^\S+ (\S+) (\S+)", mounts.read_bytes(), re.MULTILINE))
    except OSError:
        return None
    path = Path(os.path.realpath(folder))
    escaped = (_ODD.sub(lambda sign: b"\\%03o" % ord(sign[0]), os.fsencode(point)) for point in (path, *path.parents))
    return next((os.fsdecode(kinds[point]) for point in escaped if point in kinds), None)


def is_network(filesystem: str | None) -> bool:
    """Whether a file system of that type is on another machine."""
    return filesystem in _NETWORK


def _existing(folder: Path) -> Path:
    """`folder`, or its nearest parent that exists."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GB" if count >= 2**30 else f"{count / 2**20:,.0f} MB"
