"""A command on a terminal of its own: `python -m tests.support.terminal COLUMNS PROMPT COMMAND [ARGUMENT...]`.

What comes on standard input is typed once PROMPT is on the screen: a hidden prompt drops what was typed before it. What
appears on the terminal goes to standard output, and the exit code is the command's. A process of its own, because a fork of
the tests' own process, with its threads, is asking for trouble.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the child process needs none of it
    from tests.support.harness import Malsync

ROWS = 24


def main() -> int:
    columns, prompt, command = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        os.execv(command[0], command)
    typed, after, screen = sys.stdin.buffer.read(), b"", b""
    while True:
        # What follows a Ctrl-C is typed where that was not enough: a line at once may be read before the signal is heard.
        if after and not select.select([terminal], [], [], 1.0)[0]:
            os.write(terminal, after)
            after = b""
        if not (seen := _seen(terminal)):
            break
        screen += seen
        if typed and prompt in screen:
            first, ctrl_c, after = typed.partition(b"\x03")
            os.write(terminal, first + ctrl_c)
            typed = b""
    sys.stdout.buffer.write(screen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _seen(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so where another system says that the end was reached
        return b""


def on_terminal(
    malsync: "Malsync",
    *arguments: str,
    columns: int = 80,
    typed: str = "",
    prompt: str = "",
    env: dict[str, str | None] | None = None,
) -> tuple[int, str]:
    """Run a command line on a terminal of so many columns: its exit code, and all that appeared there."""
    from tests.support.harness import clean_environment

    given = {**clean_environment(), "TERM": "xterm-256color", **malsync.environ_of_a_process(env)}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        if name not in (env or {}):
            given.pop(name, None)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.terminal",
            str(columns),
            prompt,
            sys.executable,
            "-m",
            "malsync",
            *arguments,
        ],
        env=given,
        input=typed.encode(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout.decode().replace("\r\n", "\n")


ESCAPE = re.compile("\x1b\\[[0-9;?]*[a-zA-Z]")


def lines_of(screen: str) -> list[str]:
    return ESCAPE.sub("", screen).splitlines()


if __name__ == "__main__":
    sys.exit(main())
