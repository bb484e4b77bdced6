"""Whole files: written by rename after fsync so that no half one is ever seen, read with a limit so that no bomb goes off."""

import gzip
import io
import os
import select
import stat
import tempfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from malsync.errors import UsageError

MAX_UNPACKED_BYTES = 256 * 2**20
"""The most bytes that a file may unpack to."""
PIPE_SECONDS = 5.0
"""How long nothing may come through a pipe at first."""

_FROM_THE_SHELL = ("/dev/fd/", "/dev/stdin", "/proc/")
"""Where a shell has its pipes, each of which has a writer."""
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 2**20


def expand_home(text: str) -> Path:
    """The path that `text` names, its `~` filled in. Raises UsageError where that is nobody's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such home folder.", "Write the path in full.") from error


def gzipped(pieces: Iterable[bytes]) -> bytes:
    """`pieces` gzipped, with no name and no time inside: the same list gives the same bytes."""
    return gzip.compress(b"".join(pieces), compresslevel=4, mtime=0)


def compress_if_gz(path: Path, pieces: Iterable[bytes]) -> Iterable[bytes]:
    """`pieces` as a file of that name holds them: packed where it ends in .gz."""
    return [gzipped(pieces)] if path.suffix == ".gz" else pieces


def make_folder(path: Path) -> None:
    """Make a private folder where there is none, and its missing parents, private too. Raises UsageError."""
    try:
        for parent in reversed(path.parents):
            if not parent.exists():
                parent.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be made a folder: {error.strerror or error}.", "Check the path, its rights and the disk."
        ) from error


def write(path: Path, pieces: Iterable[bytes]) -> None:
    """Put `pieces` at `path`, readable by its owner alone (comments are private). Raises UsageError, with `path` as it was.

    Its folder must be there: one that is not may be a disk that is not mounted, or a slip. A link stays one, and a pipe or
    a device is written to: renamed over, /dev/null would be a file for every program on this machine.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            with path.open("wb") as file:
                file.writelines(pieces)
            return
        path = Path(os.path.realpath(path))
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def refuse_irregular(path: Path) -> None:
    """Raise UsageError where something other than a file is in the place of one of malsync's own.

    Opening a pipe waits for whoever writes to it, and opening a device may do anything.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # opening it says why
    for is_so, name in _IRREGULAR:
        if is_so(mode):
            raise UsageError(f"{path} is {name}, not a file.", "Move it away: malsync keeps a file of its own there.")


_IRREGULAR = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_own(path: Path) -> bytes:
    """What one of malsync's own files holds. Raises FileNotFoundError, and UsageError for what cannot be read."""
    refuse_irregular(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.") from error


def _opened(path: Path) -> io.BufferedReader:
    """The file, for reading. Raises UsageError for a pipe that nothing is written to, instead of waiting for ever."""
    if not path.is_fifo() or str(path).startswith(_FROM_THE_SHELL):
        return path.open("rb")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not select.select([handle], [], [], PIPE_SECONDS)[0]:
        os.close(handle)
        raise UsageError(f"{path} is a pipe, and nothing is written to it.", "Name a file.")
    os.set_blocking(handle, True)
    return os.fdopen(handle, "rb")


def read_input(path: Path) -> bytes:
    """What the file holds, unpacked when it is gzipped. Raises UsageError: missing, no file, empty, cut short, too large.

    It is opened once and looked into without moving on, since what a pipe has given it does not give again.
    """
    try:
        with _opened(path) as file:
            is_gzip = file.peek(2).startswith(_GZIP_MAGIC)
            content = gzip.GzipFile(fileobj=file) if is_gzip else file
            found = bytearray()
            while piece := content.read(_PIECE):
                found += piece
                if len(found) > MAX_UNPACKED_BYTES:
                    raise UsageError(
                        f"{path} unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB; no list is that long, so it is not read.",
                        "Check where the file came from.",
                    )
            if not found:
                raise UsageError(f"{path} is empty.", "Use another copy of the file.")
            return bytes(found)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} is cut short or damaged ({error}).", "Use another copy of the file.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error


def remove_leftovers(path: Path) -> None:
    """Take away what a `write` to `path` left behind when it was killed. Nobody else may be writing there."""
    for stray in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            stray.unlink()


def _sync_folder(folder: Path) -> None:
    # The rename itself is on disk only once the folder is; not every system lets a folder be opened.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be written: {error.strerror or error}.", "Check the path, its rights and the disk."
    )
