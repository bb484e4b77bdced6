"""Pipes, sockets and devices in the place of malsync's own files: an error in words, and no waiting."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from malsync.sandbox import Sandbox
from tests.support.harness import Malsync
from tests.support.signing import sign_in


def make(kind: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a pipe, a socket or a device at `path`, in place of what is there."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(path.parent)  # a socket's path may not be long
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)


def run(malsync: Malsync, *command: str) -> tuple[int, str]:
    """In a process of its own: what hangs is killed."""
    process = malsync.process(*command)
    try:
        _, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        pytest.fail(f"{command} hangs")
    assert "Traceback" not in err, err
    return process.returncode, err


@pytest.mark.parametrize(
    ("name", "kind", "command", "exit_code"),
    [
        ("config.toml", "pipe", ("backup",), 2),
        ("config.toml", "socket", ("show", "latest"), 2),
        ("config.toml", "device", ("accounts",), 2),
        ("tokens.json", "pipe", ("backup",), 2),
        ("tokens.json", "socket", ("logout",), 2),
        ("tokens.json", "device", ("show", "live"), 2),
        ("accounts.json", "pipe", ("show", "latest"), 2),
        ("accounts.json", "socket", ("accounts",), 2),
        ("accounts.json", "device", ("backup",), 2),
        ("mirror.db", "pipe", ("backup",), 6),
        ("mirror.db", "pipe", ("show", "latest"), 6),
        ("mirror.db", "socket", ("snapshots",), 6),
        ("mirror.db", "device", ("verify",), 6),
    ],
)
def test_a_special_file_in_place_of_ours_is_an_error(
    malsync: Malsync,
    box: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: str,
    command: tuple[str, ...],
    exit_code: int,
) -> None:
    sign_in(malsync, box)
    make(kind, malsync.home / name, monkeypatch)

    code, err = run(malsync, *command)

    assert code == exit_code, err
    assert f"{malsync.home / name} is a {kind}, not a file." in err


def test_a_pipe_in_place_of_what_is_known_of_the_clock_is_an_error(
    malsync: Malsync, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(malsync, box)
    malsync.ok("backup")
    make("pipe", malsync.home / "clock.json", monkeypatch)

    code, err = run(malsync, "snapshots")

    assert (code, "clock.json is a pipe, not a file." in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("malsync.lock", "pipe"),
        ("malsync.lock", "socket"),
        ("tokens.lock", "pipe"),
        ("tokens.lock", "device"),
        ("latest/sandbox_mika.json.gz", "pipe"),
        ("latest/sandbox_mika.json.gz", "socket"),
        ("latest/sandbox_mika.suspicious.json.gz", "pipe"),
    ],
)
def test_a_special_file_elsewhere_in_the_home_folder_hangs_nothing(
    malsync: Malsync, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    malsync.home.mkdir(mode=0o700)
    make(kind, malsync.home / name, monkeypatch)

    code, _ = run(malsync, "backup")

    assert code in {0, 2}
    assert len(malsync.json("snapshots")) == (code == 0)


@pytest.mark.parametrize("command", [("show",), ("import",), ("apply",), ("mirror", "rebuild"), ("diff", "1")])
def test_a_pipe_that_nothing_is_written_to_is_not_waited_for(
    malsync: Malsync, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from malsync import files

    malsync.ok("backup")
    os.mkfifo(tmp_path / "list.json")
    monkeypatch.setattr(files, "PIPE_SECONDS", 0)
    home = ("--home", tmp_path / "another") if command[0] == "mirror" else ()

    error = malsync.error(*home, *command, tmp_path / "list.json", exit_code=2)

    assert "is a pipe, and nothing is written to it" in error["message"]
