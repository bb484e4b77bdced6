"""`kill -9` at any moment of a backup of a long list: what was stored before is whole, and the next backup works."""

import random
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync

ENTRIES = 3_000
LATENCY = 0.01
INSTANTS = 12
SEED = 20261101


def _edit(box: Sandbox, turn: int) -> None:
    """A fifth of the anime list changes, so that there is something to store; less than what would be suspicious."""
    ids = sorted(box.entries(box.user, "anime"))
    for id in ids[turn % 5 :: 5]:
        box.edit(box.user, "anime", id, comments=f"turn {turn}", score=turn % 11)


def _backup(malsync: Malsync, *arguments: str) -> Any:
    """A backup in this process, as late as those in processes of their own."""
    malsync.time.moment = datetime.now(UTC)
    return malsync.json("backup", *arguments)


def _whole_run(malsync: Malsync, box: Sandbox) -> tuple[float, float]:
    """How many seconds a backup takes, and after how many of them the last answer was asked for."""
    box_had = len(box.requests)
    began = time.monotonic()
    process = malsync.process("backup", "-q")
    last = began
    while process.poll() is None:
        if len(box.requests) > box_had:
            box_had, last = len(box.requests), time.monotonic()
        time.sleep(0.001)
    whole = time.monotonic() - began
    _, err = process.communicate()
    assert process.returncode == 0, err
    return whole, last - began


def _instants(whole: float, last_answer: float) -> list[float]:
    """Instants over the whole run, and as many in the part of it in which the lists are stored."""
    chance = random.Random(SEED)
    half = INSTANTS // 2
    spread = [whole * (number + chance.random()) / half for number in range(half)]
    storing = [last_answer + (whole - last_answer) * (number + chance.random()) / half for number in range(half)]
    return sorted(spread + storing)


@pytest.mark.promise("storing-1")
@pytest.mark.nightly
def test_a_backup_that_is_killed_at_any_moment_harms_nothing(home: Path) -> None:
    with Sandbox(World.generated(entries=ENTRIES, seed=1), latency=LATENCY) as box:
        malsync = Malsync(home, box)
        _backup(malsync)
        _edit(box, 0)
        whole, last_answer = _whole_run(malsync, box)
        assert last_answer < whole
        stored = {row["snapshot"]: row["digest"] for row in malsync.json("snapshots")}
        killed = 0

        for number, instant in enumerate(_instants(whole, last_answer), start=1):
            _edit(box, number)
            process = malsync.process("backup", "-q")
            with suppress(subprocess.TimeoutExpired):
                process.wait(instant)
            killed += process.poll() is None
            process.kill()
            process.communicate()

            verified = malsync.json("verify")
            assert verified["ok"] is True, instant
            rows = {row["snapshot"]: row["digest"] for row in malsync.json("snapshots")}
            assert rows.items() >= stored.items(), instant
            assert len(rows) <= len(stored) + 1
            stored = rows
            if number % 6 == 0:
                document = _backup(malsync, "--wait", "0", "--accept")
                assert document["counts"] == {
                    medium: len(box.entries(box.user, medium)) for medium in ("anime", "manga")
                }
                stored[document["snapshot"]] = document["digest"]
                assert malsync.json("diff", "--exit-code")["changes"] == []

        assert killed >= INSTANTS // 2
        beside = home / "latest" / f"{box.user}.json.gz"
        assert malsync.json("show", beside)["from"]["digest"] == list(stored.values())[-1]
        strays = {path.name for path in home.rglob("*")} - {
            *(
                "mirror.db",
                "mirror.db-wal",
                "mirror.db-shm",
                "malsync.lock",
                "tokens.lock",
                "accounts.json",
                "latest",
                beside.name,
            ),
        }
        # A file that was being written when its writer was killed stays under a name of its own.
        assert all(name.startswith(".") for name in strays), strays
