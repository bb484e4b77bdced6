"""The mirror's file where the world is against it: other programs, other versions, locks, full disks, rights."""

import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from malsync.errors import Busy, Damaged, MirrorError, UsageError
from malsync.formats import snapshot_file
from malsync.mal.types import Title
from malsync.mirror import FILE_NAME, Mirror, VerifyReport
from malsync.mirror.database import connect_in_memory, translate_errors
from malsync.mirror.schema import SCHEMA, schema_digest, schema_objects
from malsync.model.medium import ANIME
from tests.support.harness import ROOT, Malsync
from tests.support.lists import many, snapshot, watched
from tests.support.processes import as_somebody, in_a_process, small_files_only

APPLICATION_ID = int.from_bytes(b"mals")
DAY = datetime(2026, 11, 5, tzinfo=UTC)
DAYS = [snapshot({1: watched(day)}, {2: {}}, at=f"2026-11-{day:02}T12:00:00Z") for day in (1, 2)]
BIG = snapshot(many(2000, comments="word " * 40), {}, at="2026-11-09T12:00:00Z")


@pytest.fixture
def path(home: Path) -> Path:
    """A mirror of two days."""
    home.mkdir(mode=0o700)
    with Mirror.open(home / FILE_NAME, write=True) as mirror:
        for made in DAYS:
            mirror.add(made)
    return home / FILE_NAME


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A snapshot that is larger than the mirror."""
    snapshot_file.write(tmp_path / "big.json.gz", BIG)
    return tmp_path / "big.json.gz"


def assert_still_whole(path: Path) -> None:
    """That the mirror holds the two days, and nothing else."""
    with Mirror.open(path) as mirror:
        assert mirror.verify() == VerifyReport({1: None, 2: None}, "ok")
        assert [mirror.load(number).digest for number in (1, 2)] == [made.digest for made in DAYS]


# -- ours, and nobody else's


@pytest.mark.promise("security-1", "security-17")
def test_the_file_is_private_and_has_an_application_id(path: Path) -> None:
    with Mirror.open(path, write=True) as mirror:
        mirror.add(BIG)
        modes = {found.name: found.stat().st_mode & 0o777 for found in path.parent.iterdir()}

    assert modes == dict.fromkeys([FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"], 0o600)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone()[0] >= 1
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_reading_writes_nothing(path: Path) -> None:
    before = path.read_bytes()

    with Mirror.open(path) as mirror:
        mirror.load(1)
        mirror.verify()
        with pytest.raises(MirrorError, match="read-only"):
            mirror.add(BIG)

    assert path.read_bytes() == before


def test_an_up_to_date_mirror_is_read_and_written_without_importing_sqlite_utils(path: Path) -> None:
    """It takes as long to import as a small list takes to store."""
    script = (
        "import sys; from pathlib import Path; from malsync.mirror import Mirror\n"
        "with Mirror.open(Path(sys.argv[1]), write=True) as mirror: mirror.add(mirror.load(1)); mirror.verify()\n"
        "print('sqlite_utils' in sys.modules)"
    )

    assert subprocess.check_output([sys.executable, "-c", script, path], text=True, cwd=ROOT) == "False\n"


def test_a_database_of_another_program_is_left_alone(offline: Malsync, file: Path) -> None:
    offline.home.mkdir()
    path = offline.home / FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.commit()
    before = path.read_bytes()

    for command in (["snapshots"], ["verify"], ["import", file], ["mirror", "rebuild", file], ["show", "1"]):
        error = offline.error(*command, exit_code=6)
        assert f"{path} is a database of another program" in error["message"]
        assert "--home" in error["hint"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("pragma", ["application_id = 1196444487", "user_version = 7"])
def test_an_empty_database_of_another_program_is_left_alone(tmp_path: Path, pragma: str) -> None:
    path = tmp_path / FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA {pragma}")
    before = path.read_bytes()

    with pytest.raises(MirrorError, match="another program"):
        Mirror.open(path, write=True)

    assert path.read_bytes() == before


def test_a_mirror_of_a_newer_malsync_is_left_alone(offline: Malsync, path: Path, file: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1000")
    before = path.read_bytes()

    for command in (["snapshots"], ["verify"], ["import", file], ["mirror", "rebuild", file], ["show", "1"]):
        error = offline.error(*command, exit_code=6)
        assert "made by a newer malsync (its version is 1000" in error["message"]
        assert "Install the newest malsync" in error["hint"]
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_mirror(offline: Malsync, file: Path) -> None:
    """What a process that was killed at the very start leaves behind."""
    offline.home.mkdir()
    (offline.home / FILE_NAME).touch(mode=0o600)

    assert offline.json("snapshots") == []
    assert offline.json("import", file)["snapshot"] == 1
    assert offline.json("verify")["ok"] is True


def test_a_folder_at_the_mirrors_path_is_an_error(offline: Malsync) -> None:
    (offline.home / FILE_NAME).mkdir(parents=True)

    for command in ("snapshots", "verify"):
        assert str(offline.home / FILE_NAME) in offline.error(command, exit_code=6)["message"]


# -- locked


def test_a_locked_mirror_is_busy(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with Mirror.open(path, write=True, wait=0) as mirror:
            began = time.monotonic()
            with pytest.raises(Busy) as caught:
                mirror.add(BIG)
            assert time.monotonic() - began < 2
            assert mirror.load(1).digest == DAYS[0].digest
        other.execute("ROLLBACK")

    assert caught.value.exit == 7
    assert f"Another program holds the mirror {path}" in caught.value.message
    assert_still_whole(path)


def test_concurrent_writers_wait_for_each_other(path: Path) -> None:
    """What is here already is looked up in the same transaction, so neither can build on what the other replaces."""

    def write(day: int) -> int:
        with Mirror.open(path, write=True, wait=30) as mirror:
            return mirror.add(snapshot({1: watched(day)}, {}, at=f"2026-11-{day:02}T12:00:00Z")).number

    with ThreadPoolExecutor(2) as threads:
        numbers = list(threads.map(write, range(5, 29)))

    assert sorted(numbers) == list(range(3, 27))
    with Mirror.open(path) as mirror:
        assert mirror.verify() == VerifyReport(dict.fromkeys(range(1, 27)), "ok")


def test_a_command_that_writes_to_a_locked_mirror_exits_with_7(offline: Malsync, path: Path, file: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        error = offline.error("import", file, "--wait", "0", exit_code=7)
        assert len(offline.json("snapshots")) == 2

    assert "Another program holds the mirror" in error["message"]
    assert "run the same command again" in error["hint"]
    assert_still_whole(path)
    assert offline.json("import", file)["snapshot"] == 3


def test_a_locked_mirror_without_wal_is_busy_for_readers_too(path: Path) -> None:
    """A network disk: the journal is a file beside the database, and who writes holds everyone else off."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        for write in (False, True):
            with pytest.raises(Busy):
                Mirror.open(path, write=write, wait=0)
        other.execute("ROLLBACK")

    assert_still_whole(path)


# -- no room


@pytest.mark.promise("storing-3")
@pytest.mark.parametrize("room", [0, 30_000, 200_000])
def test_a_full_disk_loses_nothing_that_was_stored(offline: Malsync, path: Path, file: Path, room: int) -> None:
    limit = path.stat().st_size + room

    code, stdout, stderr = in_a_process(offline, "import", file, "--json", prepare=small_files_only(limit))

    assert code == 6, (stdout, stderr)
    assert f"The mirror {path} could not be read or written" in stderr
    assert "What was stored before is whole." in stderr
    assert "Make room" in stderr
    assert_still_whole(path)
    assert offline.json("import", file)["snapshot"] == 3
    assert offline.json("verify")["ok"] is True


def test_a_copy_that_does_not_fit_leaves_no_file(offline: Malsync, path: Path, tmp_path: Path) -> None:
    with Mirror.open(path, write=True) as mirror:
        mirror.add(BIG)
    target = tmp_path / "copy.db"

    code, _, stderr = in_a_process(offline, "mirror", "copy", target, prepare=small_files_only(100_000))

    assert code == 6, stderr
    assert str(target) in stderr
    assert not target.exists()


# -- rights


def test_a_file_that_may_only_be_read_is_read_and_not_written(offline: Malsync, path: Path, file: Path) -> None:
    path.chmod(0o400)

    code, _, stderr = in_a_process(offline, "import", file, prepare=as_somebody)
    assert code == 6, stderr
    assert f"The mirror {path} cannot be written: it is read-only. Nothing was stored." in stderr
    assert "--home" in stderr
    code, stdout, stderr = in_a_process(offline, "verify", "--json", prepare=as_somebody)
    assert code == 0, stderr
    assert '"ok": true' in stdout
    assert_still_whole(path)


def test_a_file_that_may_not_be_read_cannot_be_opened(offline: Malsync, path: Path) -> None:
    path.chmod(0)

    code, _, stderr = in_a_process(offline, "snapshots", prepare=as_somebody)

    assert code == 6, stderr
    assert f"The mirror {path} cannot be opened" in stderr
    assert "Check the rights" in stderr


def test_a_read_only_folder_is_named_in_the_error(offline: Malsync, path: Path, file: Path) -> None:
    path.parent.chmod(0o500)
    try:
        stored, _, why_not_stored = in_a_process(offline, "import", file, prepare=as_somebody)
        read, _, why_not_read = in_a_process(offline, "snapshots", prepare=as_somebody)
    finally:
        path.parent.chmod(0o700)

    assert stored == 2, why_not_stored
    assert f"The home folder {path.parent} cannot be used" in why_not_stored
    assert read == 6, why_not_read
    assert f"The mirror {path} cannot be used: its folder cannot be written to" in why_not_read
    assert "mirror copy" in why_not_read
    assert_still_whole(path)


def test_a_read_only_folder_is_recognized_by_a_locking_protocol_error(tmp_path: Path) -> None:
    """SQLite says so of a folder that was copied while somebody had the mirror open."""
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL

    with (
        pytest.raises(MirrorError, match="its folder cannot be written to"),
        translate_errors(tmp_path / "gone" / FILE_NAME),
    ):
        raise error
    with pytest.raises(MirrorError, match="locking protocol"), translate_errors(tmp_path / FILE_NAME):
        raise error


def test_a_copy_can_be_read_where_nothing_can_be_written(offline: Malsync, path: Path, tmp_path: Path) -> None:
    """On a disk that is read-only there is no room for what a write-ahead log needs; a copy has none."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    offline.ok("mirror", "copy", shelf / FILE_NAME)
    shelf.chmod(0o500)
    try:
        code, stdout, stderr = in_a_process(offline, "--home", shelf, "verify", "--json", prepare=as_somebody)
    finally:
        shelf.chmod(0o700)

    assert code == 0, stderr
    assert stdout.count('"ok": true') == 3


@pytest.mark.parametrize("command", ["snapshots", "verify", "show 1", "import FILE", "mirror rebuild FILE"])
def test_an_unreadable_folder_is_named_in_the_error(offline: Malsync, path: Path, file: Path, command: str) -> None:
    arguments = [file if word == "FILE" else word for word in command.split()]
    path.parent.chmod(0)
    try:
        code, _, stderr = in_a_process(offline, *arguments, prepare=as_somebody)
    finally:
        path.parent.chmod(0o700)

    assert code == 2, stderr
    assert f"The home folder {path.parent} cannot be used" in stderr
    assert "--home" in stderr
    assert_still_whole(path)


@pytest.mark.parametrize("place", ["missing/copy.db", ".", "file/copy.db"])
def test_a_copy_to_an_impossible_path_is_refused(offline: Malsync, path: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()

    error = offline.error("mirror", "copy", tmp_path / place, exit_code=2)

    assert str(tmp_path / place) in error["message"]


def test_a_copy_never_writes_over_a_file(offline: Malsync, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.txt"
    target.write_text("mine")

    assert "exists already" in offline.error("mirror", "copy", target, exit_code=2)["message"]
    with Mirror.open(path) as mirror, pytest.raises(UsageError):
        mirror.copy(target)
    assert target.read_text() == "mine"


KILLED_WHILE_STORING = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute('PRAGMA cache_size = 1')
c.execute(sys.argv[2])
c.execute('BEGIN IMMEDIATE')
c.execute('CREATE TABLE IF NOT EXISTS anime (id INTEGER PRIMARY KEY, title TEXT)')
c.executemany('INSERT INTO anime (id, title) VALUES (?, ?)', ((i, 'x' * 500) for i in range(10, 3000)))
os.kill(os.getpid(), 9)
"""


def kill_while_storing(path: Path, journal: str) -> Path:
    """Let a process die amid a large transaction; its journal stays behind, of that mode. Returns the journal's file."""
    pragma = f"PRAGMA journal_mode = {journal}"
    ended = subprocess.run([sys.executable, "-c", KILLED_WHILE_STORING, path, pragma], check=False, cwd=path.parent)
    assert ended.returncode == -9
    left = path.with_name(f"{path.name}-{'wal' if journal == 'WAL' else 'journal'}")
    assert left.stat().st_size > 0
    return left


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_process_killed_while_storing_leaves_the_mirror_as_it_was(offline: Malsync, path: Path, journal: str) -> None:
    """Where there is a rollback journal, the file itself is half changed, and who only reads may not mend it."""
    kill_while_storing(path, journal)

    assert offline.json("verify")["ok"] is True
    assert_still_whole(path)


def test_a_mirror_killed_while_being_created_is_created_by_the_next_command(
    offline: Malsync, path: Path, file: Path
) -> None:
    path.unlink()
    kill_while_storing(path, "DELETE")
    assert path.stat().st_size > 0

    assert offline.json("verify")["snapshots"] == []
    assert offline.json("import", file)["snapshot"] == 1
    assert offline.json("verify")["ok"] is True


def test_impossible_lengths_in_the_schema_are_damage(tmp_path: Path) -> None:
    """SQLite says that it is out of memory where nine bytes of a long table's record are written over."""
    path = tmp_path / "mirror.db"
    columns = ", ".join(f"a_column_with_a_long_name_{number} TEXT" for number in range(60))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"CREATE TABLE anime ({columns})")
    content = bytearray(path.read_bytes())
    # https://www.sqlite.org/fileformat.html: the first page's cells begin where its own header says.
    cell = int.from_bytes(content[105:107], "big")
    content[cell : cell + 9] = b"\xff" * 9
    path.write_bytes(content)

    with pytest.raises(Damaged, match="reading it takes more memory than there is"):
        Mirror.open_unchanged(path)


# -- what is in the file

FOREIGN = {
    "CREATE TRIGGER calm AFTER INSERT ON snapshot BEGIN UPDATE snapshot SET suspicious = '[]'; END": "the trigger calm",
    "CREATE VIEW mine AS SELECT * FROM run": "the view mine",
    "CREATE TABLE notes (text TEXT)": "the table notes",
    "CREATE VIRTUAL TABLE words USING fts5(text)": "the table words",
    "CREATE INDEX quick ON anime_version (abs(score))": "the index quick",
    "ALTER TABLE run_call ADD COLUMN secret TEXT": "the column secret of the table run_call",
    "ALTER TABLE anime ADD COLUMN twice GENERATED ALWAYS AS (id * 2) VIRTUAL": "the column twice of the table anime",
    "DROP VIEW anime_list; CREATE VIEW anime_list AS SELECT 1": "another view anime_list than its own",
    "DROP TRIGGER anime_fts_insert; CREATE TRIGGER anime_fts_insert AFTER INSERT ON run BEGIN DELETE FROM run; END": (
        "another trigger anime_fts_insert than its own"
    ),
    "DROP TABLE suggestion; CREATE VIEW suggestion AS SELECT * FROM run": "the view suggestion",
    "DROP TABLE forum_post_fts; CREATE VIRTUAL TABLE forum_post_fts USING fts5(text)": (
        "another table forum_post_fts than its own"
    ),
}


@pytest.mark.promise("storing-7")
@pytest.mark.parametrize(("statements", "what"), FOREIGN.items(), ids=FOREIGN.values())
def test_a_mirror_with_a_foreign_object_is_rejected(
    offline: Malsync, path: Path, file: Path, statements: str, what: str
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
    before = path.read_bytes()

    for command in (["snapshots"], ["verify"], ["import", file], ["mirror", "rebuild", file], ["show", "1"], ["runs"]):
        error = offline.error(*command, exit_code=6)
        assert f"it contains {what}, which malsync did not create" in error["message"], command
    checks = {check["name"]: check for check in offline.json("doctor", exit_code=6)["checks"]}
    assert what in checks["mirror"]["message"]
    assert path.read_bytes() == before


@pytest.mark.promise("storing-7")
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_foreign_object_is_found_before_migration(tmp_path: Path, version: int) -> None:
    path = tmp_path / FILE_NAME
    shutil.copy(ROOT / "fixtures" / "mirrors" / f"version-{version}.db", path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TRIGGER calm AFTER INSERT ON anime_version BEGIN DELETE FROM snapshot; END")
    before = path.read_bytes()

    for open_it in (Mirror.open, Mirror.open_unchanged):
        with pytest.raises(MirrorError, match="the trigger calm"):
            open_it(path)
    assert path.read_bytes() == before


@pytest.mark.promise("storing-7")
def test_objects_created_by_search_and_analyze_are_not_foreign(offline: Malsync, path: Path) -> None:
    with Mirror.open(path, write=True) as mirror:
        mirror.catalogue.keep_details(ANIME, Title({"id": 1, "title": "Cowboy Bebop", "synopsis": "Jazz"}), DAY)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("ANALYZE; INSERT INTO anime_fts (anime_fts) VALUES ('optimize'); VACUUM")
        made = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert made >= {"sqlite_stat1", "sqlite_sequence", "anime_fts_data"}

    assert offline.json("verify")["ok"] is True
    offline.ok("snapshots")


def test_the_spelling_of_a_table_does_not_matter(offline: Malsync, path: Path) -> None:
    """Its versions quote names in different ways."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA writable_schema = ON;"
            """UPDATE sqlite_master SET sql = replace(sql, 'CREATE TABLE run_call', 'CREATE TABLE  "run_call"');"""
            "UPDATE sqlite_master SET sql = replace(sql, 'seq INTEGER', 'seq /* in order */ INTEGER') WHERE name = 'run_call'"
        )

    assert offline.json("verify")["ok"] is True


def test_schema_is_the_digest_of_a_new_file() -> None:
    """Without it every command would make the schema in memory, to compare."""
    with closing(connect_in_memory()) as connection:
        assert schema_digest(schema_objects(connection)) == SCHEMA
