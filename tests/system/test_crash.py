"""The crash matrix: `kill -9` before any step of any command that writes, and nothing is lost.

Each row is a command and what came before it. It is killed at seeded instants, at night at five times as many, spread over
everything that it does to a file or a socket. At each instant, with the writer stopped, the mirror's files are copied as they
are, and the copy must open well.
Then the process is killed, and: `verify` finds everything whole, what was stored is there, and the next command works.
test_kill.py does the same by the clock to a long list, test_restore_kill.py before and after each write to MAL.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from malsync.mirror import FILE_NAME, Mirror
from malsync.sandbox import Sandbox, World
from tests.support.effort import effort
from tests.support.harness import ROOT, Malsync, TestTime
from tests.support.instants import Ended, Forge, found_vfs
from tests.support.lists import snapshot, watched, write
from tests.support.long_runs import USER, Lists, rows
from tests.support.processes import as_somebody, in_a_process
from tests.support.signing import kept as tokens_of
from tests.support.signing import sign_in

SEED = 20261128
KEEP = ("--keep-last", "1")
_REPLACEABLE = True
with suppress(OSError, AttributeError):
    _REPLACEABLE = bool(found_vfs())


def _lists(turn: int) -> Lists:
    """Two small lists that differ from turn to turn, in every way that lists do."""
    found: Lists = {"anime": {}, "manga": {}}
    for medium, total, done in (("anime", 7, "watching"), ("manga", 4, "reading")):
        for id in range(1, total + 1):
            if (id + turn) % 4:
                found[medium][id] = {
                    "status": done,
                    "score": (id * 7 + turn * (id % 3)) % 11,
                    "comments": f"{medium} {id}, as of turn {turn if id % 2 else 0}",
                    "updated_at": f"2026-01-{id:02}T12:{turn:02}:00+00:00",
                }
    return found


class Story:
    """The far side, and home folders in which something has happened already, made once and copied as often as wanted."""

    def __init__(self, box: Sandbox, forge: Forge, folder: Path) -> None:
        self.box = box
        self.forge = forge
        self.folder = folder

    def put(self, turn: int) -> None:
        """Make the live lists those of a turn."""
        self.box.world.put_state({"accounts": {USER: rows(_lists(turn))}})

    def lists(self) -> Lists:
        """The live lists, without what is the server's own."""
        return {
            medium: {
                id: {name: status.get(name) for name in ("status", "score", "comments")}
                for id, status in self.box.entries(USER, medium).items()
            }
            for medium in ("anime", "manga")
        }

    def malsync(self, home: Path, ago: timedelta = timedelta()) -> Malsync:
        """malsync in that home, as late as processes are, or so long before."""
        found = Malsync(home, self.box)
        found.time.moment = datetime.now(UTC) - ago
        return found


@dataclass(frozen=True)
class Row:
    """A command that is killed. `before` makes its home folder, `afterwards` says what must be and what the next command does;
    it is given whether the command had come to its end. `far` is the turn of the live lists when it begins."""

    name: str
    command: tuple[str, ...]
    instants: int
    before: Callable[[Story, Malsync], object]
    afterwards: Callable[[Story, Malsync, Ended], object]
    far: int = 0


# -- what came before


def _nothing(_story: Story, malsync: Malsync) -> None:
    malsync.home.mkdir(mode=0o700)


def _backups(story: Story, malsync: Malsync) -> None:
    for turn in range(3):
        story.put(turn)
        malsync.ok("backup", "--accept")


def _restored(story: Story, malsync: Malsync) -> None:
    _backups(story, malsync)
    malsync.ok("restore", "1", "--mode", "exact", "--yes", "--max-deletes", "20")


def _with_a_file(story: Story, malsync: Malsync) -> None:
    _backups(story, malsync)
    entries = {id: watched(id, comments="from a file") for id in range(1, 60)}
    write(malsync.home / "list.json", snapshot(entries, {}, source="backup"))


def _older(version: int) -> Callable[[Story, Malsync], None]:
    def made(_story: Story, malsync: Malsync) -> None:
        malsync.home.mkdir(mode=0o700)
        shutil.copy(ROOT / "fixtures" / "mirrors" / f"version-{version}.db", malsync.home / FILE_NAME)

    return made


def _signed_in(story: Story, malsync: Malsync) -> None:
    story.put(0)
    malsync.ok("backup")


# -- what must be afterwards


def _backup_again(story: Story, malsync: Malsync, _ended: Ended) -> None:
    live = {medium: len(entries) for medium, entries in story.lists().items()}
    assert malsync.json("backup", "--wait", "0", "--accept")["counts"] == live
    assert malsync.json("diff", "--exit-code")["changes"] == []
    beside = malsync.home / "latest" / f"{USER}.json.gz"
    assert malsync.json("show", beside)["from"]["digest"] == malsync.json("show", "latest")["from"]["digest"]


def _resumed(wanted: int, runs: int, *command: str) -> Callable[[Story, Malsync, Ended], None]:
    """The run is finished if it had begun, else the command is typed again: the lists are those of turn `wanted`, after so
    many runs."""

    def afterwards(story: Story, malsync: Malsync, ended: Ended) -> None:
        begun = malsync.json("runs")
        if len(begun) < runs or begun[-1]["state"] == "unfinished":
            assert ended.code != 0
            document = malsync.json(*(command if len(begun) < runs else ["resume"]))
            assert (document["equal"], document["left"]) == (True, [])
        live = story.lists()
        story.put(wanted)
        assert live == story.lists()
        assert [run["state"] for run in malsync.json("runs")] == ["finished"] * runs

    return afterwards


def _pruned(_story: Story, malsync: Malsync, _ended: Ended) -> None:
    assert [row["snapshot"] for row in malsync.json("snapshots")] in ([1, 2, 3, 4, 5], [3, 4, 5])
    assert malsync.json("prune", *KEEP, "--wait", "0")["kept"] == [3, 4, 5]
    assert malsync.json("undo", "--yes", "--max-deletes", "20")["equal"] is True


def _imported(_story: Story, malsync: Malsync, _ended: Ended) -> None:
    assert malsync.json("import", malsync.home / "list.json", "--wait", "0")["counts"] == {"anime": 59, "manga": 0}
    assert len(malsync.json("snapshots")) == 4


def _migrated(_story: Story, malsync: Malsync, _ended: Ended) -> None:
    assert sorted(row["snapshot"] for row in malsync.json("snapshots")) == [1, 2, 3, 4, 5]
    assert malsync.json("show", "1")["entries"]
    assert malsync.json("prune", "--keep-last", "99")["removed"] == []


def _still_signed_in(story: Story, malsync: Malsync, ended: Ended) -> None:
    """Of a refresh that MAL has carried out and nobody has heard of, the pair is lost: MAL takes each refresh token once."""
    pair = tokens_of(malsync)["default"]
    good = {grant["refresh_token"] for grant in story.box.world.authority.state()}
    if pair["refresh_token"] in good:
        malsync.ok("show", "live")
        return
    assert ended.code is None
    error = malsync.error("show", "live", exit_code=3)
    assert "malsync login" in error["hint"]
    assert tokens_of(malsync)["default"] == pair


TABLE = [
    Row("backup", ("backup", "-q"), 40, _backups, _backup_again, far=3),
    Row("first backup", ("backup", "-q"), 20, _nothing, _backup_again),
    Row(
        "restore",
        ("restore", "1", "--mode", "exact", "--yes", "--max-deletes", "20"),
        45,
        _backups,
        _resumed(0, 1, "restore", "1", "--mode", "exact", "--yes", "--max-deletes", "20"),
        far=2,
    ),
    Row(
        "undo",
        ("undo", "--yes", "--max-deletes", "20"),
        40,
        _restored,
        _resumed(2, 2, "undo", "--yes", "--max-deletes", "20"),
    ),
    Row("prune", ("prune", *KEEP), 45, _restored, _pruned),
    Row("import", ("import", "list.json"), 25, _with_a_file, _imported),
    Row("migration of version 1", ("snapshots",), 15, _older(1), _migrated),
    Row("migration of version 2", ("snapshots",), 15, _older(2), _migrated),
]


# -- the matrix


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory where there is such a disk: what is killed here is a process, and no plug is pulled."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    if not _REPLACEABLE:
        pytest.skip("this Python's SQLite does not let its system calls be counted")
    folder = tmp_path_factory.mktemp("crash")
    with Sandbox(World.holding(USER, rows(_lists(0)))) as box, Forge(folder) as forge:
        yield Story(box, forge, folder)


def digests(path: Path) -> dict[int, str]:
    """Each snapshot that the mirror at `path` holds, all of which must be whole, with everything beside them."""
    with Mirror.open(path) as mirror:
        assert mirror.verify().problems == []
        return {info.number: info.digest for info in mirror.infos()}


def spread(steps: int, instants: int) -> list[int]:
    """So many of these steps, seeded, over all of them: each is the one chance of its share."""
    chance = random.Random(SEED)
    return sorted({1 + int(steps * (number + chance.random()) / instants) for number in range(instants)})


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_killed_at_any_instant(story: Story, place: Path, row: Row) -> None:
    made = story.malsync(place / "made", timedelta(hours=1))
    row.before(story, made)
    had = digests(made.home / FILE_NAME)
    command = [made.home / word if word == "list.json" else word for word in row.command]

    def begin(number: int) -> Malsync:
        story.put(row.far)
        return story.malsync(Path(shutil.copytree(made.home, place / f"home-{number}")))

    def check(path: Path) -> None:
        found = digests(path)
        assert found.items() >= had.items() or ("prune" in row.command and found.items() <= had.items())

    whole = story.forge.run(begin(0), *command)
    assert whole.code == 0, whole.err
    killed = 0
    instants = effort(row.instants // 5, nightly=row.instants)
    for instant in spread(whole.steps, instants):
        malsync = begin(instant)
        copy = place / f"copy-{instant}"

        def look(home: Path = malsync.home, copy: Path = copy) -> None:
            copy.mkdir()
            for file in home.glob(f"{FILE_NAME}*"):
                shutil.copy(file, copy / file.name)

        ended = story.forge.run(malsync, *command, at=instant, meanwhile=look)

        killed += ended.code is None
        if copy.exists() and (copy / FILE_NAME).exists():
            check(copy / FILE_NAME)
        check(malsync.home / FILE_NAME)
        row.afterwards(story, malsync, ended)
        assert malsync.json("verify")["ok"] is True
        shutil.rmtree(malsync.home)
    assert killed >= 0.8 * instants


def test_killed_at_any_instant_of_a_refresh(story: Story, place: Path) -> None:
    def begin(number: int) -> Malsync:
        malsync = story.malsync(place / f"home-{number}")
        malsync.home.mkdir(mode=0o700)
        sign_in(malsync, story.box, USER, lives=1)
        return malsync

    whole = story.forge.run(begin(0), "show", "live")
    assert whole.code == 0, whole.err
    outcomes = set()
    for instant in spread(whole.steps, effort(10, nightly=30)):
        malsync = begin(instant)
        before = tokens_of(malsync)["default"]

        ended = story.forge.run(malsync, "show", "live", at=instant)

        outcomes.add((ended.code, tokens_of(malsync)["default"] == before))
        _still_signed_in(story, malsync, ended)
    assert outcomes >= {(None, True), (None, False)}


# -- a disk that takes nothing more


@pytest.mark.parametrize("row", [row for row in TABLE if row.name != "first backup"], ids=lambda row: row.name)
def test_a_disk_that_takes_no_more_at_any_instant(story: Story, place: Path, row: Row) -> None:
    made = story.malsync(place / "made", timedelta(hours=1))
    row.before(story, made)
    had = digests(made.home / FILE_NAME)
    command = [made.home / word if word == "list.json" else word for word in row.command]
    story.put(row.far)
    steps = story.forge.run(story.malsync(Path(shutil.copytree(made.home, place / "home-0"))), *command).steps
    codes = set()
    for instant in spread(steps, 6):
        story.put(row.far)
        malsync = story.malsync(Path(shutil.copytree(made.home, place / f"home-{instant}")))

        ended = story.forge.run(malsync, *command, at=instant, full=True)

        codes.add(ended.code)
        assert ended.code in {0, 6}, ended
        assert "Traceback" not in ended.err
        assert ended.code == 0 or "What was stored before is whole" in ended.err
        found = digests(malsync.home / FILE_NAME)
        assert found.items() >= had.items() or ("prune" in row.command and found.items() <= had.items())
        row.afterwards(story, malsync, Ended(instant, None, ended.out, ended.err) if ended.code else ended)
        assert malsync.json("verify")["ok"] is True
    assert 6 in codes


# -- a home folder that cannot be written, a clock that goes backwards, two at once


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.name in ("backup", "restore", "undo", "prune")], ids=lambda row: row.name
)
def test_where_the_home_folder_cannot_be_written_nothing_is_sent(story: Story, place: Path, row: Row) -> None:
    malsync = story.malsync(place / "home", timedelta(hours=1))
    row.before(story, malsync)
    story.put(row.far)
    held = {path: path.read_bytes() for path in malsync.home.rglob("*") if path.is_file()}
    begun_at = len(story.box.requests)
    for path in (malsync.home, *malsync.home.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        code, _, stderr = in_a_process(malsync, *row.command, prepare=as_somebody)
    finally:
        for path in (malsync.home, *malsync.home.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)

    assert code in {2, 6}, stderr
    assert f"{malsync.home}" in stderr
    assert "cannot be used" in stderr
    assert {request["method"] for request in story.box.requests[begun_at:]} <= {"GET"}
    assert {path: path.read_bytes() for path in malsync.home.rglob("*") if path.is_file()} == held
    assert malsync.json("verify")["ok"] is True


class _Backwards(TestTime):
    """A clock that is seven minutes earlier each time that one looks at it; waiting goes on as ever."""

    def now(self) -> datetime:
        self.moment -= timedelta(minutes=7)
        return self.moment

    def monotonic(self) -> float:
        self.slept.append(0)
        return float(len(self.slept))


def test_under_a_clock_that_goes_backwards_all_is_as_ever(story: Story, place: Path) -> None:
    malsync = Malsync(place / "home", story.box)
    malsync.time = _Backwards()
    _backups(story, malsync)
    had = digests(malsync.home / FILE_NAME)

    document = malsync.json("restore", "1", "--mode", "exact", "--yes", "--max-deletes", "20")

    assert (document["equal"], document["left"]) == (True, [])
    assert malsync.json("undo", "--yes", "--max-deletes", "20")["equal"] is True
    held = digests(malsync.home / FILE_NAME)
    assert held.items() >= had.items()
    # By this clock all of them are dated in the future, and such snapshots are kept.
    kept = malsync.json("prune", "--keep-last", "1")["kept"]
    assert kept == [1, 2, 3, 4, 5, 6, 7]
    assert digests(malsync.home / FILE_NAME) == {number: held[number] for number in kept}
    assert malsync.json("backup")["changes"]["remove"] == 0
    assert malsync.json("undo", "--yes", "--max-deletes", "20")["equal"] is True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("restore", "restore"),
        ("backup", "prune"),
        *(
            pytest.param(*both, marks=pytest.mark.nightly)
            for both in [("backup", "backup"), ("restore", "backup"), ("prune", "prune")]
        ),
    ],
)
def test_two_at_once_do_what_one_after_the_other_would(story: Story, place: Path, one: str, other: str) -> None:
    commands = {row.name: row.command for row in TABLE}
    malsync = story.malsync(place / "home", timedelta(hours=1))
    _restored(story, malsync)
    had = digests(malsync.home / FILE_NAME)
    story.put(2)
    begun_at = len(story.box.requests)

    both = [malsync.process(*commands[name], env={}) for name in (one, other)]
    said = [process.communicate(timeout=60) for process in both]

    for process, (_, err) in zip(both, said, strict=True):
        assert process.returncode == 0 or (process.returncode == 7 and "Another malsync is at work" in err), err
    assert 0 in {process.returncode for process in both}
    found = digests(malsync.home / FILE_NAME)
    assert found.items() >= had.items() or "prune" in (one, other)
    writes = [(row["method"], row["path"]) for row in story.box.requests[begun_at:] if row["method"] != "GET"]
    assert len(writes) == len(set(writes))
    assert {run["state"] for run in malsync.json("runs")} == {"finished"}
    if ("restore", 0) in zip((one, other), (process.returncode for process in both), strict=True):
        live = story.lists()
        story.put(0)
        assert live == story.lists()
    malsync.time.moment = datetime.now(UTC) + timedelta(minutes=1)
    _backup_again(story, malsync, Ended(0, 0, "", ""))
