"""The machine and the home folder: Python, settings, rights, disk."""

import os
import platform
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from malsync import __version__
from malsync.doctor.context import Check, DoctorContext, ill, well
from malsync.errors import Exit

_LEAST_FREE = 100 * 2**20
_WINDOWS = os.name == "nt"


def python(_: DoctorContext) -> Iterator[Check]:
    """Which versions these are."""
    yield well("python", f"malsync {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.")


def settings(patient: DoctorContext) -> Iterator[Check]:
    """Whether config.toml can be read; raises what is wrong with it."""
    from malsync.operations.config import FILE_NAME
    from malsync.urls import check_url

    found = patient.app.settings
    check_url(found.api_url, "MALSYNC_API_URL")
    check_url(found.auth_url, "MALSYNC_AUTH_URL")
    is_there = (patient.app.home / FILE_NAME).exists()
    yield well("settings", f"{FILE_NAME} is right." if is_there else f"No {FILE_NAME}: the usual settings hold.")


def home(patient: DoctorContext) -> Iterator[Check]:
    """Whether the home folder is its owner's alone."""
    folder = patient.app.home
    if not folder.exists():
        yield well("home", f"{folder} is not there yet; the first login or backup makes it.")
        return
    if not folder.is_dir():
        yield ill("home", Exit.USAGE, f"{folder} is a file. Choose a folder with --home, or move that file away.")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield ill("home", Exit.USAGE, f"{folder} cannot be written to. Give yourself the right to.")
        return
    open_to_others = [] if _WINDOWS else list(_open_to_others(folder))
    if open_to_others:
        repair = " && ".join(
            f"chmod {'700' if path.is_dir() else '600'} {shlex.quote(str(path))}" for path in open_to_others
        )
        yield ill("home", Exit.USAGE, f"Others on this machine can read {_names(open_to_others)}. Type: {repair}")
        return
    yield well("home", f"{folder} is yours alone.")


def _open_to_others(folder: Path) -> Iterator[Path]:
    """The folder, where others may enter it; and of what is in it, what they could read if they might."""
    from malsync.mal.token_store import FILE_NAME as TOKENS_NAME
    from malsync.mirror import FILE_NAME as MIRROR_NAME

    if _mode(folder) & 0o077:
        yield folder
    for path in sorted(folder.glob(TOKENS_NAME)) + sorted(folder.glob(f"{MIRROR_NAME}*")):
        if _mode(path) & 0o077:
            yield path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _names(paths: list[Path]) -> str:
    return " and ".join(map(str, paths))


def disk(patient: DoctorContext) -> Iterator[Check]:
    """Whether there is room, and whether the disk is one that SQLite's log works on."""
    from malsync.doctor.disk import existing
    from malsync.mirror import FILE_NAME as MIRROR_NAME

    folder = existing(patient.app.home)
    mirror = patient.app.home / MIRROR_NAME
    yield room(folder, shutil.disk_usage(folder).free, mirror.stat().st_size if mirror.exists() else 0)


def room(folder: Path, free: int, mirror: int) -> Check:
    """Whether so many bytes will do: a copy or a rebuild needs as many again as the mirror has."""
    needed = max(_LEAST_FREE, mirror)
    if free < needed:
        return ill(
            "disk", Exit.MIRROR,
            f"Only {_size(free)} free, and {_size(needed)} are wanted. Make room on the disk of {folder}.",
        )  # fmt: skip
    return well("disk", f"{_size(free)} free.")


def network_disk(patient: DoctorContext) -> Iterator[Check]:
    """Whether the home folder is on another machine, and if so, whether the mirror works that way."""
    from malsync.doctor.disk import existing, filesystem_of, is_network

    kind, mode = filesystem_of(existing(patient.app.home)), ""
    if is_network(kind) and patient.infos is not None and patient.look.version:
        (found,) = patient.look.mirror.ask("SELECT journal_mode FROM pragma_journal_mode")
        mode = str(found["journal_mode"])
    yield distance(kind, mode)


def distance(kind: str | None, mode: str) -> Check:
    """Whether a mirror in that journal mode of SQLite's is safe on that kind of disk."""
    from malsync.doctor.disk import is_network

    if not is_network(kind):
        return well("network disk", "No." if kind else "This system does not tell.")
    if mode == "wal":
        return ill(
            "network disk", Exit.MIRROR,
            f"The home folder is on a network disk ({kind}), and the mirror keeps a write-ahead log, which does not work there."
            " Move the home folder to a disk of this machine, and name it with MALSYNC_HOME.",
        )  # fmt: skip
    return well("network disk", f"Yes ({kind}): let one machine at a time write there.")


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GB" if count >= 2**30 else f"{count / 2**20:,.0f} MB"
