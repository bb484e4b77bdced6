"""What kind of disk a folder is on: SQLite's write-ahead log needs memory that all its users share, and networks have none."""

import os
import re
import sys
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_NETWORK = {
    "9p", "afs", "afpfs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb2", "smb3",
    "smbfs", "virtiofs",
}  # fmt: skip


def filesystem_of(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """The kind of file system that `folder` is on, in the system's own word; None where the system does not tell."""
    path = Path(os.path.realpath(folder))
    if sys.platform == "win32":
        return "smbfs" if str(path).startswith("\\\\") else None
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return None
    best, found = -1, None
    for line in lines:
        # proc(5): the mount point is the fifth word, its blanks as \040; the type follows a lone dash.
        words = line.split()
        if len(words) < 7 or b"-" not in words[6:-1]:
            continue
        point = Path(os.fsdecode(_OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), words[4])))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), os.fsdecode(words[words.index(b"-", 6) + 1])
    return found


def is_network(filesystem: str | None) -> bool:
    """Whether files of that kind are on another machine."""
    return filesystem in _NETWORK


def existing(folder: Path) -> Path:
    """`folder`, or the nearest folder above it that is there."""
    return next((one for one in (folder, *folder.parents) if one.exists()), folder)
