"""Each exit code of errors.py, produced for real. Scripts rely on them."""

import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from malsync.errors import Exit
from malsync.sandbox import Sandbox
from tests.support.broken import broken_installation
from tests.support.harness import Malsync, until

pytestmark = pytest.mark.promise("other-1")

Produced = Callable[[Malsync, Sandbox, Path], int]


def _ok(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    return malsync("backup").exit_code


def _different(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    malsync.ok("backup")
    box.remove(box.user, "anime", min(box.entries(box.user, "anime")))
    return malsync("diff", "--exit-code").exit_code


def _usage(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    return malsync("show", "no such list").exit_code


def _auth(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    box.expire_tokens()
    return malsync("backup").exit_code


def _api(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    box.add_faults("502")
    return malsync("backup").exit_code


def _left(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    malsync.ok("backup")
    first = min(box.entries(box.user, "anime"))
    box.edit(box.user, "anime", first, score=1)
    box.add_faults(f"invalid_content:method=PATCH,on=anime/{first}/")
    return malsync("restore", "latest", "--yes").exit_code


def _mirror(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    malsync.ok("backup")
    connection = sqlite3.connect(malsync.home / "mirror.db")
    connection.execute("DELETE FROM anime_version")
    connection.commit()
    connection.close()
    return malsync("verify").exit_code


def _refused(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    malsync.home.mkdir()
    with FileLock(malsync.home / "malsync.lock"):
        return malsync("backup", "--wait", "0").exit_code


def _suspicious(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    malsync.ok("backup")
    for id in box.entries(box.user, "anime"):
        box.remove(box.user, "anime", id)
    return malsync("backup").exit_code


def _bug(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    broken = broken_installation(
        folder / "broken", "cli/backup.py", "    file_for = _file_pattern(app, file)\n", "    1 / 0\n"
    )
    process = malsync.process("backup", env=broken)
    process.communicate(timeout=30)
    return process.returncode


def _interrupted(malsync: Malsync, box: Sandbox, folder: Path) -> int:
    box.add_faults("429:retry_after=200")
    process = malsync.process("backup")
    until(lambda: box.requests)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    return process.returncode


TABLE: dict[Exit, Produced] = {
    Exit.OK: _ok,
    Exit.DIFFERENT: _different,
    Exit.USAGE: _usage,
    Exit.AUTH: _auth,
    Exit.API: _api,
    Exit.LEFT: _left,
    Exit.MIRROR: _mirror,
    Exit.REFUSED: _refused,
    Exit.SUSPICIOUS: _suspicious,
    Exit.BUG: _bug,
    Exit.INTERRUPTED: _interrupted,
}
NUMBERS = {0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 130}


@pytest.mark.parametrize("code", TABLE, ids=lambda code: f"{int(code)} {code.name}")
def test_the_exit_code_is_what_happened(malsync: Malsync, box: Sandbox, tmp_path: Path, code: Exit) -> None:
    assert TABLE[code](malsync, box, tmp_path) == code


def test_every_exit_code_is_produced() -> None:
    assert set(TABLE) == set(Exit)
    assert {int(code) for code in Exit} == NUMBERS


def test_an_unexpected_end_of_a_file_is_not_taken_for_ctrl_c(malsync: Malsync, tmp_path: Path) -> None:
    """click turns every EOFError into its Abort, which is what Ctrl-C at a prompt is."""
    broken = broken_installation(
        tmp_path / "broken", "cli/backup.py", "    file_for = _file_pattern(app, file)\n", "    raise EOFError\n"
    )
    process = malsync.process("backup", env=broken)
    _, stderr = process.communicate(timeout=30)

    assert process.returncode == Exit.BUG
    assert "This is a bug in malsync (EOFError)." in stderr
