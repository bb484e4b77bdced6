"""Command lines as processes of their own: under limits, interrupted, stopped."""

import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.harness import Malsync

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
PR_CAPBSET_DROP = 24


def as_somebody() -> None:
    """In a child before it becomes malsync: let the rights of files bind, even where tests run as root."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def small_files_only(limit: int) -> Callable[[], None]:
    """In a child: no file may grow beyond `limit` bytes, which is what a full disk looks like to SQLite."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return prepare


def in_a_process(malsync: Malsync, *arguments: str | Path, prepare: Callable[[], None]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line in a process of its own, `prepare` run in it first."""
    process: subprocess.Popen[str] = malsync.process(*arguments, preexec_fn=prepare)
    stdout, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr, stderr
    assert not (malsync.home / "last-error.txt").exists()
    return process.returncode, stdout, stderr


@contextmanager
def started(malsync: Malsync, *arguments: str | Path, **named: Any) -> Iterator[subprocess.Popen[str]]:
    """A command line as a process that does not outlive the block."""
    process = malsync.process(*arguments, **named)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def interrupted(process: subprocess.Popen[str], typed: str, *signals: int) -> tuple[str, str]:
    """Press Ctrl-C, or send `signals`: what was printed, after the process has ended soon and well."""
    began = time.monotonic()
    for number in signals or (signal.SIGINT,):
        process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - began < 2
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == f"To go on: {typed}"
    return out, err


def told(process: subprocess.Popen[str], words: str) -> None:
    """Wait until `words` are on stderr, and leave what follows them there.

    Byte by byte: a stream that is read by lines keeps what it read ahead, and `communicate` would not see that.
    """
    assert process.stderr is not None
    seen = b""
    while words.encode() not in seen:
        piece = os.read(process.stderr.fileno(), 1)
        assert piece, f"it ended without saying {words!r}"
        seen += piece
