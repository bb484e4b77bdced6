"""Stopping a command line at an exact instant: before the n-th thing that it does to a file or a socket, SQLite's own included.

A process with everything imported forks a child for each command line; it has one thread, so that forking it is safe. The
child counts its steps: each write, truncation, removal and opening that SQLite asks the system for (its VFS lets such calls be
replaced: https://www.sqlite.org/c3ref/vfs.html), and Python's own writes, renames, syncs and socket calls. Before step `at` it
stops itself, so that others may look at its files, and kill it. Or, from there on, the disk takes no more of the mirror.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

import click

from tests.support.harness import ROOT, Malsync, clean_environment

OF_PYTHON = {
    "fsync",
    "replace",
    "rename",
    "unlink",
    "open",
    "write",
    "writelines",
    "link",
    "mkdir",
    "sendall",
    "recv_into",
}
"""Python's builtin functions that count as steps."""


@dataclass(frozen=True)
class Ended:
    """What a command line came to: how many steps it made, its exit code, what it printed; `None`: it was stopped."""

    steps: int
    code: int | None
    out: str
    err: str


# -- in the child


class Steps:
    """Counts steps. Before step `at` the process stops itself; with `full`, from there on no file of SQLite's takes a byte."""

    def __init__(self, at: int, *, full: bool) -> None:
        self.count = 0
        self._at = at
        self._full = full
        self._kept: list[Any] = []

    def step(self) -> bool:
        """One more step. Returns whether the disk is full."""
        self.count += 1
        if self.count == self._at and not self._full:
            os.kill(os.getpid(), signal.SIGSTOP)
        return self._full and self.count >= self._at

    def watch(self) -> None:
        """Count from now on, in every thread."""
        self._watch_sqlite()
        sys.setprofile(self._called)
        threading.setprofile(self._called)

    def _called(self, _frame: FrameType, event: str, what: Any) -> None:
        if event == "c_call" and what.__name__ in OF_PYTHON:
            self.step()

    def _watch_sqlite(self) -> None:
        vfs = found_vfs()
        for name, (result, *arguments) in _CALLS.items():
            address = vfs.contents.get_call(ctypes.addressof(vfs.contents), name.encode())
            if address:
                form = ctypes.CFUNCTYPE(result, *arguments)
                replacement = form(self._counting(form(address), takes_room=name.startswith(("write", "pwrite"))))
                self._kept.append(replacement)
                pointer = ctypes.cast(replacement, ctypes.c_void_p)
                vfs.contents.set_call(ctypes.addressof(vfs.contents), name.encode(), pointer)

    def _counting(self, real: Any, *, takes_room: bool) -> Callable[..., int]:
        def called(*arguments: Any) -> int:
            return -1 if self.step() and takes_room else int(real(*arguments))

        return called


_CALLS: dict[str, tuple[Any, ...]] = {
    "open": (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    "write": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t),
    "pwrite": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "pwrite64": (ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64),
    "ftruncate": (ctypes.c_int, ctypes.c_int, ctypes.c_int64),
    "unlink": (ctypes.c_int, ctypes.c_char_p),
}


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("methods", ctypes.c_void_p * 13),
        ("set_call", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)),
        ("get_call", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)),
    )


def found_vfs() -> Any:
    """SQLite's own view of the system's calls. Raises OSError or AttributeError where Python's SQLite does not let us at it."""
    import _sqlite3

    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
    vfs = library.sqlite3_vfs_find(None)
    if not vfs or vfs.contents.version < 3:
        raise OSError("this SQLite's calls cannot be replaced")
    return vfs


# -- in the process that forks

_LATE = (
    *(f"malsync.operations.{name}" for name in ("accounts", "config", "retention", "references", "run")),
    *(f"malsync.mal.{name}" for name in ("client", "list_reader", "oauth", "token_store")),
    *(f"malsync.cli.{name}" for name in ("write", "write_output")),
    *(f"malsync.operations.{name}" for name in ("account", "clients", "restore", "resume")),
    *(f"malsync.formats.{name}" for name in ("list_file", "latest_copy")),
    "malsync.mirror",
    *("filelock", "jsonschema_rs", "requests", "rich.console", "rich.progress", "rich.table", "sqlite_utils"),
)
"""What commands import when they need it: no child is to do that again."""


def serve() -> None:
    """Fork a child for each line of standard input, and say in a line what became of it."""
    _import_everything()
    for line in sys.stdin:
        told = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            _live(told, write)
        os.close(write)
        _, status = os.waitpid(child, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            print(json.dumps({"stopped": True}), flush=True)
            sys.stdin.readline()
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            print(json.dumps({"killed": True}), flush=True)
        else:
            steps = os.read(read, 100)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status), "steps": int(steps or 0)}), flush=True)
        os.close(read)


def _live(told: Mapping[str, Any], report: int) -> None:
    """Be the command line, and never come back."""
    from malsync.cli import run
    from malsync.cli.environment import World

    code = 99
    signal.alarm(120)  # whatever hangs, the test ends
    try:
        for number, path in ((1, told["out"]), (2, told["err"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        steps = Steps(told["at"], full=told["full"])
        steps.watch()
        code = run(told["arguments"], World(told["environment"]))
        sys.setprofile(None)
        sys.stdout.flush()
        os.write(report, str(steps.count).encode())
    finally:
        os._exit(code)


def _import_everything() -> None:
    from importlib import import_module

    from malsync.cli.main import cli

    context = click.Context(cli)
    for command in cli.list_commands(context):
        cli.get_command(context, command)
    for name in _LATE:
        import_module(name)


# -- in the test


class Forge:
    """The process that forks, and a way to have it do so."""

    def __init__(self, folder: Path) -> None:
        self._out, self._err = folder / "out", folder / "err"
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.support.instants import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def run(
        self,
        malsync: Malsync,
        *arguments: str | Path,
        at: int = 0,
        full: bool = False,
        meanwhile: Callable[[], object] = bool,
    ) -> Ended:
        """Run a command line until its end or, if it makes so many steps, to its step `at`: it is stopped there, `meanwhile`
        is done, and it is killed. With `full`, it goes on from there with a full disk."""
        ask = {
            "arguments": list(map(str, arguments)),
            "environment": malsync.environ_of_a_process(),
            "at": at,
            "full": full,
            "out": str(self._out),
            "err": str(self._err),
        }
        answer = self._asked(json.dumps(ask))
        if answer.get("stopped"):
            try:
                meanwhile()
            finally:
                self._asked("kill")
            return Ended(at, None, self._out.read_text(), self._err.read_text())
        return Ended(answer["steps"], answer["code"], self._out.read_text(), self._err.read_text())

    def _asked(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the process that forks has died"
        found: dict[str, Any] = json.loads(answer)
        return found
