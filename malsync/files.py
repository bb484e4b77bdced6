"""Write files atomically (fsync, then rename), and read them with a size limit that stops decompression bombs."""

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
"""The largest size that an input file may unpack to."""
PIPE_SECONDS = 5.0
"""How long to wait for the first bytes of a pipe."""

_SHELL_PIPES = ("/dev/fd/", "/dev/stdin", "/proc/")
"""Paths of a shell's own pipes, which always have a writer."""
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 2**20


def expand_home(text: str) -> Path:
    """Return the path that `text` names, with `~` expanded. Raises UsageError where there is no such home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{text}: there is no such home folder.", "Write the path in full.") from error


def gzipped(pieces: Iterable[bytes]) -> bytes:
    """Compress `pieces` without a name and a time inside, so that the same content gives the same bytes."""
    return gzip.compress(b"".join(pieces), compresslevel=4, mtime=0)


def compress_if_gz(path: Path, pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Return `pieces`, compressed where the name of `path` ends in .gz."""
    return [gzipped(pieces)] if path.suffix == ".gz" else pieces


def make_folder(path: Path) -> None:
    """Create the folder and its missing parents, all private (0700). Raises UsageError."""
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
    """Replace the file at `path` atomically, readable by its owner alone (0600; comments are private).

    Raises UsageError, and leaves `path` unchanged. Its folder must exist: a missing one may be a disk that is not mounted, or
    a typing error. A link stays a link. A pipe or a device is written to instead of replaced, or /dev/null would become a
    regular file for every program on this machine.
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
    """Raise UsageError where `path`, which should be a file of malsync's own, is a pipe, a socket or a device.

    Opening a pipe blocks until there is a writer, and opening a device may have side effects.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # opening it says why
    for is_type, name in _IRREGULAR:
        if is_type(mode):
            raise UsageError(f"{path} is {name}, not a file.", "Move it away: malsync keeps a file of its own there.")


_IRREGULAR = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_own(path: Path) -> bytes:
    """Read one of malsync's own files. Raises FileNotFoundError, and UsageError where it cannot be read."""
    refuse_irregular(path)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.") from error


def _opened(path: Path) -> io.BufferedReader:
    """Open a file for reading. Raises UsageError for a pipe without a writer, instead of blocking forever."""
    if not path.is_fifo() or str(path).startswith(_SHELL_PIPES):
        return path.open("rb")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not select.select([handle], [], [], PIPE_SECONDS)[0]:
        os.close(handle)
        raise UsageError(f"{path} is a pipe, and nothing is written to it.", "Name a file.")
    os.set_blocking(handle, True)
    return os.fdopen(handle, "rb")


def read_input(path: Path) -> bytes:
    """Read an input file, decompressed when it is gzipped.

    Raises UsageError for one that is missing, not a file, empty, cut short or too large. The file is opened once and its
    first bytes are peeked at, since a pipe cannot be read twice.
    """
    try:
        with _opened(path) as file:
            is_gzip = file.peek(2).startswith(_GZIP_MAGIC)
            content = gzip.GzipFile(fileobj=file) if is_gzip else file
            content_bytes = bytearray()
            while chunk := content.read(_CHUNK_BYTES):
                content_bytes += chunk
                if len(content_bytes) > MAX_UNPACKED_BYTES:
                    raise UsageError(
                        f"{path} unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB; no list is that long, so it is not read.",
                        "Check where the file came from.",
                    )
            if not content_bytes:
                raise UsageError(f"{path} is empty.", "Use another copy of the file.")
            return bytes(content_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path} is cut short or damaged ({error}).", "Use another copy of the file.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error


def remove_leftovers(path: Path) -> None:
    """Delete temporary files of a `write` to `path` that was killed. No other process may be writing there."""
    for stray in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):
            stray.unlink()


def _sync_folder(folder: Path) -> None:
    # A rename is durable only after the fsync of its folder; not every system can open a folder.
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
