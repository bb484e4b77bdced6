"""`python -m malsync` and the `malsync` command."""

import gc
import os
import sys
from contextlib import suppress

from malsync.cli import run


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # A list is a hundred thousand objects that all live on; looking through them for garbage again and again finds none.
    gc.disable()
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    # Without the interpreter's tidying up: a thread that still waits for MAL's answer must not hold up a Ctrl-C, and
    # taking a list apart entry by entry costs a tenth of a backup.
    os._exit(code)


if __name__ == "__main__":
    main()
