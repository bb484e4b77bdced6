"""`--rehearse`: the same plan and the same code on a copy of the lists, so that one sees the end before anything is sent."""

import hashlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from filelock import FileLock

from malsync.formats import snapshot_file
from tests.support.farside import Sandbox
from tests.support.harness import Malsync, until
from tests.support.servers import FarSide, entry, mal, page
from tests.support.signing import sign_in
from tests.support.writing import MEDIA, absent, empty, harm, ids, interrupt, lists, outcomes, small, writes

pytestmark = pytest.mark.writes


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for what is temporary. Nothing may be left there."""
    found = tmp_path / "temporary"
    found.mkdir()
    monkeypatch.setenv("TMPDIR", str(found))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield found
    assert list(found.iterdir()) == []


def state(home: Path) -> dict[str, str]:
    """Every file of the home folder and what is in it, but for locks and for what SQLite itself keeps for readers."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.suffix not in (".lock", ".db-shm", ".db-wal")
    }


def rehearsed(malsync: Malsync, box: Sandbox, *command: str | Path, exit_code: int = 0) -> dict[str, Any]:
    """What a rehearsal says; nothing anywhere is otherwise afterwards."""
    before, home, sent = lists(box), state(malsync.home), writes(box)
    theirs = lists(box, "sandbox_theo")

    document: dict[str, Any] = malsync.json(*command, "--rehearse", exit_code=exit_code)

    assert (lists(box), lists(box, "sandbox_theo"), writes(box)) == (before, theirs, sent)
    assert state(malsync.home) == home
    assert document["requests"]["PATCH"] == document["requests"]["DELETE"] == 0
    assert document["run"] is None
    assert "before" not in document
    assert "after" not in document
    return document


# -- it says what will be


@pytest.mark.comments
@pytest.mark.promise("guards-1")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("restore", "1"), 0),
        (("restore", "1", "--mode", "exact"), 0),
        (("restore", "1", "--mode", "missing"), 0),
        (("restore", "1", "--only", "manga", "--field", "comments"), 0),
        (("revert", "1", "2"), 5),
        (("revert", "1", "2", "--force"), 0),
        (("migrate", "1", "--to", "second", "--prefer", "newest", "--status", "completed", "--only", "manga"), 5),
        (("undo", "1"), 5),
    ],
)
def test_what_it_says_is_what_comes_of_it(malsync: Malsync, box: Sandbox, words: tuple[str, ...], code: int) -> None:
    """On progress above a total, partial dates, conflicts, and whatever else stands in the demo's lists."""
    sign_in(malsync, box)
    sign_in(malsync, box, "sandbox_theo", "second")
    malsync.ok("backup")
    for medium in MEDIA:
        some = ids(box, medium)
        for id in some[::9][:12]:
            box.remove(box.user, medium, id)
        for id in some[1::9][:12]:
            box.edit(box.user, medium, id, comments="vandal", score=1, tags=["spam"], finish_date=None)
        box.add(box.user, medium, max(some) if max(some) not in ids(box, medium) else some[0], status="dropped")
    malsync.ok("backup", "--accept")
    box.edit(box.user, "anime", ids(box)[1], comments="mine")
    if words[0] == "undo":
        malsync("restore", "1", "--yes")
        box.edit(box.user, "anime", ids(box)[0], comments="mine", score=10)
        words = (*words, "--max-deletes", "99")
    before = writes(box)

    foretold = rehearsed(malsync, box, *words, exit_code=code)
    done = malsync.json(*words, "--yes", exit_code=code)

    for name in ("plan", "changes", "outcomes", "equal", "left"):
        assert foretold[name] == done[name], name
    assert foretold["changes"]
    now = writes(box)
    made = {method: now.get(method, 0) - before.get(method, 0) for method in ("PATCH", "DELETE")}
    assert {method: foretold["rehearsal"][method] for method in made} == made


def test_it_says_what_would_be_left(malsync: Malsync, box: Sandbox) -> None:
    id, progress, total = next(
        (id, one["num_episodes_watched"], known)
        for id, one in box.entries(box.user, "anime").items()
        if 0
        < (known := (box.world.catalogue.get("anime", id) or {}).get("num_episodes") or 0)
        < one["num_episodes_watched"]
    )
    malsync.ok("backup")
    box.edit(box.user, "anime", id, num_episodes_watched=1)

    document = rehearsed(malsync, box, "restore", "latest", exit_code=5)
    said = malsync.ok("restore", "latest", "--rehearse", exit_code=5)

    assert document["outcomes"] == outcomes(not_restorable=1)
    assert document["equal"] is False
    assert document["left"][0]["fields"] == {"num_episodes_watched": {"wanted": progress, "live": total}}
    # Sent, and once more, for the answer said otherwise.
    assert document["rehearsal"]["PATCH"] == 2
    assert f"! anime {id} " in said.stderr
    assert f"wanted {progress}, live {total}" in said.stderr
    assert "Checked: some entries still differ." in said.stdout


def test_the_end_is_told_in_words(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)

    said = malsync.ok("restore", "latest", "--mode", "exact", "--rehearse").stdout

    assert "Rehearsed on a sandbox (5 GET, 2 PATCH, 1 DELETE): 3 done. Verified: your lists now match." in " ".join(
        said.split()
    )
    assert said.splitlines()[-1] == "Nothing was sent to MAL."
    assert "malsync undo" not in said
    assert "snapshot" not in said.split("Rehearsed")[1]


def test_an_empty_plan_is_rehearsed_too(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    said = malsync.ok("restore", "latest", "--rehearse").stdout

    assert ": nothing to write. Verified: your lists now match." in " ".join(said.split())
    assert rehearsed(malsync, box, "restore", "latest")["outcomes"] == outcomes()


def test_titles_that_nobody_here_knows_can_be_added(malsync: Malsync, box: Sandbox) -> None:
    for medium in MEDIA:
        with box.world.lock:
            box.world.catalogue.put(medium, {"id": 5_000_000, "title": "Known to MAL alone"})
        box.add(box.user, medium, 5_000_000, status="completed", score=8)
    malsync.ok("backup")
    for medium in MEDIA:
        box.remove(box.user, medium, 5_000_000)

    assert rehearsed(malsync, box, "restore", "latest")["outcomes"] == outcomes(done=2)


def test_a_guard_is_told_and_does_not_stop_it(malsync: Malsync, home: Path) -> None:
    with Sandbox(small()) as box:
        malsync = Malsync(home, box)
        empty(box, *MEDIA)
        malsync.ok("backup")
        for _ in range(12):
            box.add(box.user, "anime", absent(box), status="completed")

        said = malsync.ok("restore", "1", "--mode", "exact", "--rehearse").stderr

        assert "This would be refused" in said
        assert rehearsed(malsync, box, "restore", "1", "--mode", "exact")["rehearsal"]["DELETE"] == 12


# -- it stands in nobody's way


def test_neither_an_unfinished_run_nor_another_malsync_is_in_its_way(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)
    interrupt(malsync, box, 1, "restore", "latest")

    with FileLock(malsync.home / "malsync.lock"):
        assert rehearsed(malsync, box, "restore", "latest")["outcomes"] == outcomes(done=1)
        # What was written is taken back, and what was sent in vain need not be.
        assert rehearsed(malsync, box, "undo")["outcomes"] == outcomes(done=1, already=1)

    assert [run["state"] for run in malsync.json("runs")] == ["unfinished"]
    malsync.ok("resume")


def test_it_keeps_to_nobodys_pace_but_its_own(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for id in ids(box)[:30]:
        box.edit(box.user, "anime", id, comments="vandal")
    (malsync.home / "config.toml").write_text("requests_per_second = 0.1\n")

    rehearsed(malsync, box, "restore", "latest")

    assert len(malsync.time.slept) <= 3


def test_whatever_mal_leaves_out_or_adds_an_unmoved_entry_has_not_moved(offline: Malsync) -> None:
    """MAL's answers need not be those of the sandbox, member by member."""
    live = [
        entry(1),
        entry(2, start_date=None, comments=None, mood="happy"),
        entry(3, score=5),
    ]
    with FarSide(mal(anime=lambda _: page(*live))) as far:
        env = far.environment()
        offline.ok("backup", env=env)
        stored = snapshot_file.read(offline.home / "latest" / "far_user.json.gz")
        titles = dict(stored.lists["anime"] or {})
        titles = {3: titles[3]._replace(list_status={**titles[3].list_status, "score": 6})}
        snapshot_file.write(
            wanted := offline.home / "wanted.json", replace(stored, lists={"anime": titles, "manga": {}})
        )

        document = offline.json("restore", wanted, "--mode", "exact", "--rehearse", env=env)

        assert document["outcomes"] == outcomes(done=3)
        assert (document["equal"], document["left"]) == (True, [])
        assert {heard.method for heard in far.heard} == {"GET"}


def test_lists_that_cannot_be_copied_end_with_2(offline: Malsync) -> None:
    statusless = {"node": {"id": 1, "title": "Odd"}, "list_status": {"score": 5}}
    with FarSide(mal(anime=lambda _: page(statusless))) as far:
        env = far.environment()
        offline.ok("backup", env=env)

        error = offline.error("restore", "1", "--rehearse", exit_code=2, env=env)

    assert "cannot be rehearsed" in error["message"]
    assert "--dry-run" in error["hint"]


def test_ctrl_c_leaves_nothing_behind_and_names_no_run(malsync: Malsync, box: Sandbox, folder: Path) -> None:
    malsync.ok("backup")
    empty(box, *MEDIA)
    process = malsync.process("restore", "good", "--rehearse", stdout=subprocess.DEVNULL)
    logs = folder.glob
    until(lambda: process.poll() is not None or any(log.stat().st_size > 2**20 for log in logs("*/mirror.db-wal")))

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "To go on: malsync restore good --rehearse"
    assert "resume" not in err
    assert malsync.json("runs") == []
    assert writes(box) == {}


@pytest.mark.promise("other-7", "security-25")
def test_nobody_else_on_this_machine_sees_the_lists_meanwhile(
    malsync: Malsync, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sandbox holds private comments, and a shared machine's loopback is everyone's."""
    seen: dict[str, int] = {}

    class Watched(Sandbox):
        def __enter__(self) -> Sandbox:
            super().__enter__()
            for path in ("/_sandbox/state", "/_sandbox/requests", f"/v2/users/{self.user}/animelist?limit=9"):
                answer = requests.get(
                    self.api_url.removesuffix("/v2") + path,
                    headers={"X-MAL-CLIENT-ID": self.client_id},
                    timeout=10,
                )
                seen[path.partition("?")[0].rpartition("/")[2]] = answer.status_code
                assert "comments" not in answer.text
            return self

    malsync.ok("backup")
    harm(box)
    monkeypatch.setattr("malsync.sandbox.Sandbox", Watched)

    rehearsed(malsync, box, "restore", "latest")

    assert seen == {"state": 404, "requests": 404, "animelist": 403}
