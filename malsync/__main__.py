"""`python -m malsync` and the `malsync` command."""

import gc
import io
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # A list is a hundred thousand objects that all live on; looking through them for garbage again and again finds none.
    gc.disable()
    _complete_streams()
    heard_before = _hear_later()
    try:
        from malsync.cli.main import hear_nothing, hear_termination, interrupted, run
    except (OSError, MemoryError):
        _out_of_resources()

    arguments = sys.argv[1:]
    hear_termination()
    try:
        if heard_before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, heard_before)
        code = run(arguments)
    except KeyboardInterrupt:
        code = interrupted(arguments)  # one that came before it had begun; or a second one, before the first was told
    except MemoryError:
        _out_of_resources()
    with suppress(ValueError, OSError):
        hear_nothing()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    # Without the interpreter's tidying up: a thread that still waits for MAL's answer must not hold up a Ctrl-C, and
    # taking a list apart entry by entry costs a tenth of a backup.
    os._exit(code)


def _out_of_resources() -> NoReturn:
    """End where there is no room for anything else."""
    os.write(
        2, b"Error: malsync ran out of memory or open files.\nRaise the limits of this process: ulimit -a shows them.\n"
    )
    os._exit(2)


def _hear_later() -> "set[signal.Signals | int] | None":
    """Let what ends a program wait, or half of an import would be all that a user is told. Returns what waited before."""
    if not hasattr(signal, "pthread_sigmask"):
        return None
    return signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def _complete_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Closed by whoever started us. The number must be taken, or the mirror is opened under it and printed into.
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal without Unicode still gets each line.
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
