"""A process that is killed while it writes the journal."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from malsync.mirror import FILE_NAME, Journal, Mirror
from tests.support.harness import ROOT, clean_environment
from tests.support.journals import another_reader, begin, fill, states
from tests.support.lists import MIKA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fill(tmp_path / FILE_NAME)


@pytest.fixture
def mirror(path: Path) -> Iterator[Mirror]:
    with Mirror.open(path, write=True, wait=0) as opened:
        yield opened


@pytest.fixture
def journal(mirror: Mirror) -> Journal:
    return mirror.journal


# -- between two statements

DIE = "os.kill(os.getpid(), signal.SIGKILL)"


def killed(path: Path, *lines: str) -> None:
    """Run these lines over the journal in a process that ends by `kill -9`."""
    script = (
        "import os, signal, sys",
        "from pathlib import Path",
        "from malsync.mirror import Mirror",
        "from tests.support.journals import *",
        "journal = Mirror.open(Path(sys.argv[1]), write=True).journal",
        *lines,
    )
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(script), str(path)], check=False, env=clean_environment(), cwd=ROOT, timeout=60
    )
    assert ended.returncode == -9


def test_a_process_that_is_killed_after_it_said_sent_has_said_so(path: Path) -> None:
    killed(path, "begin(journal)", "journal.sent(1, 1, at(1))", "journal.sent(1, 2, at(2))", DIE)

    with another_reader(path) as journal:
        run = journal.unfinished(MIKA)
        assert run is not None
        assert states(journal, run.number) == ["sent", "sent", "planned"]
        assert journal.pending(run.number) == 3


def test_a_process_that_is_killed_while_it_writes_down_a_run_has_begun_none(path: Path) -> None:
    deadly = (
        "class Deadly(tuple):",
        "    def __iter__(self):",
        "        yield from [ADD] * 5000",
        f"        {DIE}",
        "begin(journal)",
        "begin(journal, Deadly(), kind='undo', undoes=1)",
    )

    killed(path, *deadly)

    with another_reader(path) as journal:
        assert [(run.number, run.state) for run in journal.runs()] == [(1, "unfinished")]
        assert len(journal.lines(1)) == 3
    with Mirror.open(path, write=True) as mirror:
        assert mirror.verify().database == "ok"
        assert begin(mirror.journal, kind="undo", undoes=1).number == 2
