"""The command `malsync`: its group, and the one place where an exception becomes a message and an exit code."""

import errno
import math
import os
import re
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import FrameType

import click

from malsync import __version__
from malsync.cli.app import App
from malsync.cli.environment import SECRET_VARIABLES, World
from malsync.cli.errors import hint_of
from malsync.cli.options import LazyGroup, home_named
from malsync.cli.output import Output, has_colour, writing
from malsync.errors import Cancelled, Exit, MalsyncError, UsageError

_SECRETS = re.compile(
    r"(?i)(bearer\s+|(?:access_token|refresh_token|client_secret|code_verifier|code|state)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
)

_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_AT_ONCE = 1.0
"""Seconds within which another one is the same one: timeout(1), a closing shell and a logout send several, a hand trembles."""

_LIMITS = "Raise the limit of this process (ulimit -a shows it), or end other programs. What was stored is whole."
_OF_THE_SYSTEM = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EIO, errno.ELOOP}

# A command's module is imported when it is typed: all of them together would double the time that --help takes.
_SUMMARIES = {
    "login": "Sign in to MyAnimeList.",
    "logout": "Forget this account's tokens.",
    "accounts": "List the accounts.",
    "backup": "Read both lists and store one snapshot.",
    "snapshots": "List the snapshots.",
    "show": "Print a list.",
    "diff": "Show what changed between two lists.",
    "history": "Show one title's history.",
    "stats": "Show statistics for both lists.",
    "restore": "Restore your live list to REF.",
    "revert": "Undo only the changes made between GOOD and BAD.",
    "migrate": "Copy a list to another account.",
    "apply": "Carry out a reviewed plan file.",
    "resume": "Finish an interrupted run.",
    "undo": "Undo a run.",
    "runs": "List runs, or abandon one.",
    "export": "Write a list to a file.",
    "import": "Store files, or a list on AniList, as one snapshot.",
    "verify": "Check that every snapshot is intact.",
    "mirror": "Rebuild the mirror from files, or copy it.",
    "prune": "Remove old snapshots by rules, and free the space.",
    "fetch": "Download title details, rankings, seasons and the forum.",
    "browse": "Look at the mirror in a browser.",
    "doctor": "Check the set-up and the age of the last good backup.",
    "schedule": "Print or install a timer that backs up every day.",
    "completion": "Print the script that completes commands in a shell.",
    "sandbox": "Run a fake MAL API locally.",
    "demo": "Walk through everything on a fake MAL, no account needed.",
}


@click.group(
    cls=LazyGroup, summaries=_SUMMARIES, examples=["malsync demo", "malsync login", "malsync backup", "malsync diff"]
)
@click.version_option(__version__, prog_name="malsync")
def cli() -> None:
    """Back up your MyAnimeList, see what changed, and restore any earlier version.

    A list is named by a reference: live, latest, latest~1, good, a snapshot's number, a date (2026-11-01, 2026-11,
    yesterday), a file (./list.json), and WHO@ before it for another account or MAL user.
    """


def run(arguments: Sequence[str], world: World | None = None) -> int:
    """Carry out one command line and return its exit code. Nothing but that code leaves: no exception, no traceback."""
    world = world or World()
    if instruction := world.environment.get("_MALSYNC_COMPLETE"):
        from malsync.cli.completion import answer

        return answer(cli, instruction, world)
    output = Output(json="--json" in arguments, quiet=True, verbose=False, colour=has_colour(world))
    try:
        _check_time_zone()
        with world.unfinished:
            code = cli.main(list(arguments), prog_name="malsync", standalone_mode=False, obj=world)
        with writing():
            sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        output.warn(error.format_message(), colour=None)
        return Exit.USAGE
    except click.UsageError as error:
        return _failed(output, Exit.USAGE, " ".join(error.format_message().split()), _usage_hint(error))
    except (KeyboardInterrupt, click.Abort) as error:
        if isinstance(error.__cause__, EOFError):  # click takes every end of a file for the end of the input
            return _unforeseen(output, world, arguments, error.__cause__)
        return interrupted(arguments, world)
    except Cancelled as error:
        return _failed(output, error.exit, error.message, _at_home(hint_of(error), arguments), is_error=False)
    except MalsyncError as error:
        return _failed(
            output, error.exit, error.message, _LIMITS if _exhausted(error) else _at_home(hint_of(error), arguments)
        )
    except (BrokenPipeError, SystemExit):
        # Whoever reads a help has seen enough; click would end the process with 1 for that, which means "different". The
        # interpreter must not trip over it again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except OSError as error:
        if error.errno in _OF_THE_SYSTEM and error.filename is not None:
            return _failed(
                output,
                Exit.USAGE,
                f"{error.filename}: {error.strerror}.",
                "Check the path, its permissions and the disk.",
            )
        if error.filename is not None or _exhausted(error):
            return _unforeseen(output, world, arguments, error)
        if error.errno == errno.ENOENT:
            return _failed(output, Exit.USAGE, "The folder that this was typed in is gone.", "Type it in another one.")
        return _failed(
            output, Exit.USAGE, f"Standard output cannot be written: {error.strerror or error}.", "Make room there."
        )
    except Exception as error:  # noqa: BLE001 - the last resort, and it says so
        return _unforeseen(output, world, arguments, error)
    return int(code or 0)


def interrupted(arguments: Sequence[str], world: World | None = None) -> int:
    """Print what to type to continue. Ctrl-C is ignored meanwhile: another one would only cut this short."""
    with _unheard():
        colour = has_colour(world or World())
        output = Output(json="--json" in arguments, quiet=True, verbose=False, colour=colour)
        return _failed(output, Exit.INTERRUPTED, "Interrupted.", f"To go on: malsync {shlex.join(arguments)}")


def hear_termination() -> None:
    """Take SIGTERM, and a terminal that closes, for Ctrl-C: what is under way loses nothing then, and says how to go on.

    Several at once are one, for what ends in good order is not to be torn by the next. A run that writes has its own ear
    for Ctrl-C (`Interruption`), to which a second one says something else.

    For the main thread. Where it was told to pass over them (nohup), it does.
    """
    last = -math.inf

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before < _AT_ONCE:
            return
        heard = signal.getsignal(signal.SIGINT)
        if heard is hear or not callable(heard):  # a shell's background job hears no Ctrl-C
            raise KeyboardInterrupt
        heard(number, frame)

    for number in _ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, hear)


def hear_nothing() -> None:
    """Let all that is Ctrl-C pass by from now on: there is nothing left to interrupt. For the main thread."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _unheard() -> Iterator[None]:
    """Let all that is Ctrl-C pass by meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    hear_nothing()
    try:
        yield
    finally:
        for number, heard in before.items():
            signal.signal(number, heard or signal.SIG_DFL)  # none: what had it was not Python's


def _failed(output: Output, code: int, message: str, hint: str, *, is_error: bool = True) -> int:
    from malsync.text import visible

    message, hint = _masked(message), _masked(hint)
    with suppress(MalsyncError, OSError):
        # Where stdout is what failed, stderr still says so.
        output.document({"error": {"exit": int(code), "message": message, "hint": hint}})
    if is_error:
        output.warn(f"Error: {visible(message)}", colour="red")
    else:
        output.warn(visible(message), colour=None)
    if hint:
        output.warn(visible(hint))
    return int(code)


def _at_home(hint: str, arguments: Sequence[str]) -> str:
    """`hint` with the --home of these arguments in every malsync command that it names."""
    home = home_named(arguments)
    commands = "|".join(_SUMMARIES)
    at_home = f"malsync --home {shlex.quote(home or '')} "
    return re.sub(rf"\bmalsync (?=(?:--account \S+ )?(?:{commands})\b)", lambda _: at_home, hint) if home else hint


def _usage_hint(error: click.UsageError) -> str:
    return f"See: {error.ctx.command_path} --help" if error.ctx is not None else "See: malsync --help"


def _unforeseen(output: Output, world: World, arguments: Sequence[str], error: Exception) -> int:
    context: BaseException | None = error
    while context is not None:
        if isinstance(context, KeyboardInterrupt):
            # A second Ctrl-C in the wake of the first: the standard library's locks do not stand that.
            return interrupted(arguments, world)
        context = context.__context__
    if what := _exhausted(error):
        return _failed(output, Exit.USAGE, f"malsync ran out of {what}.", _LIMITS)
    return _bug(output, world, arguments, error)


def _check_time_zone() -> None:
    """Raise UsageError where this machine's time zone is none that a time can be shown in."""
    try:
        datetime.now(UTC).astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            "The time zone of this machine is more than 24 hours from UTC.",
            "Set TZ to a real one, such as TZ=Europe/Berlin.",
        ) from error


def _exhausted(error: BaseException) -> str:
    """What this process may have no more of, where that is the cause of `error`; empty where it is not."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        number = cause.errno if isinstance(cause, OSError) else None
        if isinstance(cause, MemoryError) or number == errno.ENOMEM:
            return "memory"
        if number in (errno.EMFILE, errno.ENFILE):
            return "open files"
        if isinstance(cause, RuntimeError) and "start new thread" in str(cause):
            return "threads"
        cause = cause.__cause__ or cause.__context__
    return ""


def _bug(output: Output, world: World, arguments: Sequence[str], error: Exception) -> int:
    from malsync.files import refuse_irregular

    app = App(world, home_named(arguments), None, output)
    report = _masked("".join(traceback.format_exception(error)))
    for secret in _known_secrets(world):
        report = report.replace(secret, "***")
    try:
        path = app.folder / "last-error.txt"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_irregular(path)
        path.touch(mode=0o600)
        path.write_text(f"malsync {__version__}, Python {sys.version}\n\n{report}", encoding="utf-8")
        hint = f"The details are in {path}; they hold no token. Please report them."
    except (OSError, MalsyncError):
        hint = "The details could not be written down."
    return _failed(output, Exit.BUG, f"This is a bug in malsync ({type(error).__name__}).", hint)


def _masked(text: str) -> str:
    return _SECRETS.sub(r"\1***", text)


def _known_secrets(world: World) -> list[str]:
    return [secret for name in SECRET_VARIABLES if (secret := world.environment.get(name, ""))]
