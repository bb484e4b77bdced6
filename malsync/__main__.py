"""`python -m malsync` and the `malsync` command."""

import io
import os
import sys
from pathlib import Path

from malsync.cli import run


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _complete_streams()
    sys.exit(run(sys.argv[1:]))


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
