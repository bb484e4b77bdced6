"""`verify`: what was edited or damaged in the file is found, and what was not is still proven whole."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from malsync.cli.errors import hint_of
from malsync.errors import Damaged, MirrorError
from malsync.formats import snapshot_file
from malsync.mirror import FILE_NAME, Mirror
from malsync.model.medium import ANIME
from malsync.model.snapshot import Snapshot
from tests.support.harness import Malsync
from tests.support.lists import MIKA, many, snapshot, watched

TWO = {"status": "completed", "score": 9, "is_rewatching": True, "tags": ["a", "b"], "comments": "ä", "new": {"x": 1.5}}
DAYS = [
    snapshot({1: watched(1), 2: TWO}, {7: {"status": "reading"}}, at="2026-11-01T12:00:00Z"),
    snapshot({1: watched(2), 2: TWO}, {7: {"status": "reading"}}, at="2026-11-02T12:00:00Z", note="second"),
    snapshot({1: watched(2), 2: TWO, 3: watched()}, None, at="2026-11-03T12:00:00Z"),
]
ANIME_1 = "UPDATE anime_version SET {} WHERE media_id = 1 AND since = 2"
ANIME_2 = "UPDATE anime_version SET {} WHERE media_id = 2"


@pytest.fixture
def path(home: Path) -> Path:
    """A mirror of three days."""
    home.mkdir(mode=0o700)
    with Mirror.open(home / FILE_NAME, write=True) as mirror:
        for made in DAYS:
            mirror.add(made)
    return home / FILE_NAME


def tamper(path: Path, *statements: str) -> None:
    """Edit the file as any program can."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def bad(path: Path) -> list[int]:
    """The numbers of the snapshots that `verify` does not call whole."""
    with Mirror.open(path) as mirror:
        snapshots = mirror.verify().snapshots
    assert [*snapshots] == [1, 2, 3]
    return [number for number, problem in snapshots.items() if problem is not None]


def assert_rest_is_whole(path: Path, numbers: list[int]) -> None:
    """That exactly the snapshots of those numbers cannot be loaded, and the others are as they were stored."""
    with Mirror.open(path) as mirror:
        for number, made in enumerate(DAYS, 1):
            if number in numbers:
                with pytest.raises(Damaged) as caught:
                    mirror.load(number)
                assert f"snapshot {number} " in caught.value.message
                assert "mirror rebuild" in hint_of(caught.value)
            else:
                assert mirror.load(number).lists == made.lists


@pytest.mark.promise("storing-6")
@pytest.mark.parametrize(
    ("statement", "numbers"),
    [
        (ANIME_1.format("num_episodes_watched = 3"), [2, 3]),
        (ANIME_1.format("status = 'completed'"), [2, 3]),
        (ANIME_1.format("status = NULL"), [2, 3]),
        (ANIME_1.format("score = 0"), [2, 3]),
        (ANIME_1.format("score = 'nine'"), [2, 3]),
        (ANIME_1.format("score = 7.5"), [2, 3]),
        (ANIME_1.format("comments = ''"), [2, 3]),
        (ANIME_1.format("comments = x'ff00'"), [2, 3]),
        (ANIME_1.format("comments = CAST(x'c328ff' AS TEXT)"), [2, 3]),
        (ANIME_1.format("tags = '[\"half'"), [2, 3]),
        (ANIME_1.format("tags = '5'"), [2, 3]),
        (ANIME_1.format("extra = '{\"x\": '"), [2, 3]),
        (ANIME_1.format("extra = '[5]'"), [2, 3]),
        (ANIME_1.format('extra = \'{"status": "dropped"}\''), [2, 3]),
        (ANIME_1.format("until = 3"), [3]),
        (ANIME_1.format("since = 3"), [2]),
        (ANIME_1.format("media_id = 99"), [2, 3]),
        (ANIME_2.format("until = 1"), [1, 2, 3]),
        (ANIME_2.format("is_rewatching = 0"), [1, 2, 3]),
        (ANIME_2.format('tags = \'["b","a"]\''), [1, 2, 3]),
        (ANIME_2.format("comments = 'a'"), [1, 2, 3]),
        (ANIME_2.format("extra = NULL"), [1, 2, 3]),
        (ANIME_2.format('extra = \'{"new":{"x":1.25}}\''), [1, 2, 3]),
        ("UPDATE anime_version SET num_episodes_watched = 9 WHERE media_id = 1 AND since = 1", [1]),
        ("DELETE FROM anime_version WHERE media_id = 3", [3]),
        ("INSERT INTO anime_version (series, media_id, since, until) VALUES (1, 50, 2, 3)", [2]),
        ("UPDATE manga_version SET until = 2", [2]),
        ("DELETE FROM manga_version", [1, 2]),
        ("UPDATE snapshot SET digest = 'sha256:0' WHERE id = 2", [2]),
        ("UPDATE snapshot SET digest = (SELECT digest FROM snapshot WHERE id = 1)", [2, 3]),
        ('UPDATE snapshot SET covers = \'{"anime": ["status"], "manga": null}\' WHERE id = 1', [1]),
        ('UPDATE snapshot SET covers = \'{"anime": [], "manga": []}\' WHERE id = 3', [3]),
        ("UPDATE snapshot SET covers = '{}' WHERE id = 1", [1]),
        ("UPDATE snapshot SET covers = 'half' WHERE id = 1", [1]),
        ('UPDATE snapshot SET covers = \'{"anime": 1, "manga": 2}\' WHERE id = 1', [1]),
        ("UPDATE snapshot SET taken_at = 'yesterday' WHERE id = 3", [3]),
        ("UPDATE snapshot SET taken_at = x'00' WHERE id = 3", [3]),
        ("UPDATE snapshot SET suspicious = '' WHERE id = 2", [2]),
    ],
)
def test_an_edit_of_the_file_is_found_in_exactly_the_snapshots_that_it_changes(
    path: Path, statement: str, numbers: list[int]
) -> None:
    tamper(path, statement)

    assert bad(path) == numbers
    assert_rest_is_whole(path, numbers)


def test_verify_finds_overlapping_versions(path: Path) -> None:
    """It comes back from the dead once the one after it has ended."""
    with Mirror.open(path, write=True) as mirror:
        mirror.add(snapshot({}, {}, at="2026-11-04T12:00:00Z"))
    tamper(path, "UPDATE anime_version SET until = NULL WHERE media_id = 1 AND since = 1")

    with Mirror.open(path) as mirror:
        assert [number for number, problem in mirror.verify().snapshots.items() if problem] == [4]
        with pytest.raises(Damaged):
            mirror.load(4)


@pytest.mark.promise("storing-2")
def test_add_commits_nothing_if_the_file_loses_what_is_written(path: Path) -> None:
    """A snapshot is rebuilt before it is committed. Here a trigger changes each row behind malsync's back."""
    with Mirror.open(path, write=True) as mirror:
        tamper(path, "CREATE TRIGGER t AFTER INSERT ON anime_version BEGIN UPDATE anime_version SET score = 1; END")
        with pytest.raises(Damaged, match="does not rebuild to what was stored"):
            mirror.add(snapshot({5: watched(1)}, {}, at="2026-11-04T12:00:00Z"))
    tamper(path, "DROP TRIGGER t")

    assert bad(path) == []


def test_a_copy_of_a_damaged_mirror_names_the_mirror_and_is_not_left_behind(
    offline: Malsync, path: Path, tmp_path: Path
) -> None:
    big(path)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 9000)
    target = tmp_path / "copy.db"

    error = offline.error("mirror", "copy", target, exit_code=6)

    assert f"The mirror {path} is damaged" in error["message"]
    assert not target.exists()


def test_verify_finds_a_wrong_count(path: Path) -> None:
    tamper(path, "UPDATE snapshot SET anime = 40 WHERE id = 2")

    assert bad(path) == [2]


def test_verify_finds_a_broken_foreign_key(path: Path) -> None:
    tamper(path, "DELETE FROM mal_user")

    with Mirror.open(path) as mirror:
        assert "points at a missing mal_user" in mirror.verify().database


def test_add_refuses_to_follow_an_unreadable_row(path: Path) -> None:
    tamper(path, ANIME_1.format("tags = '[\"half'"))

    with Mirror.open(path, write=True) as mirror, pytest.raises(Damaged):
        mirror.add(snapshot({1: watched(5)}, {}, at="2026-11-04T12:00:00Z"))

    assert bad(path) == [2, 3]


def test_add_refuses_to_follow_a_damaged_snapshot(path: Path) -> None:
    """It would make the damage look like the user's own edit."""
    tamper(path, ANIME_1.format("num_episodes_watched = 3"))
    later = snapshot({1: watched(2), 2: TWO, 3: watched()}, {}, at="2026-11-04T12:00:00Z")

    with Mirror.open(path, write=True) as mirror:
        with pytest.raises(Damaged):
            mirror.add(later)
        assert [number for number, problem in mirror.verify().snapshots.items() if problem] == [2, 3]
        assert mirror.numbers() == [1, 2, 3]


@pytest.mark.parametrize("damage", ["tags = '[\"half'", "until = 'later'"])
def test_history_of_an_unreadable_row_raises_damaged(path: Path, damage: str) -> None:
    tamper(path, ANIME_1.format(damage))

    with Mirror.open(path) as mirror:
        with pytest.raises(Damaged):
            mirror.history(MIKA, ANIME, 1)
        assert len(mirror.history(MIKA, ANIME, 2)) == 1


def test_a_snapshot_missing_from_the_index_raises_damaged(path: Path) -> None:
    """The rows of a table stand in a wrong order: going through them finds each, and looking the first one up does not."""
    tamper(path, "DROP INDEX snapshot_by_series")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'snapshot'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    # https://www.sqlite.org/fileformat.html: a leaf of three cells; where they are stands from its eighth byte on.
    first = (root - 1) * size + 8
    assert (content[first - 8], content[first - 4]) == (13, 3)
    content[first : first + 6] = content[first + 2 : first + 6] + content[first : first + 2]
    path.write_bytes(content)

    with Mirror.open(path) as mirror:
        assert {info.number for info in mirror.infos()} == {1, 2, 3}
        with pytest.raises(Damaged, match="snapshot 1 is not where it should be"):
            mirror.load(1)
        assert mirror.verify().database != "ok"


# -- through the command line


def test_verify_reports_a_whole_mirror(offline: Malsync, path: Path) -> None:
    document = offline.json("verify")

    assert document == {
        "ok": True,
        "snapshots": [{"snapshot": number, "ok": True, "problem": None} for number in (1, 2, 3)],
        "database": "ok",
    }
    assert "3 of 3 snapshots are whole." in offline.ok("verify").stdout


def test_verify_names_damage_and_advises_a_rebuild(offline: Malsync, path: Path) -> None:
    tamper(path, ANIME_1.format("num_episodes_watched = 3"))

    document = offline.json("verify", exit_code=6)
    said = offline.ok("verify", exit_code=6)

    assert document["ok"] is False
    assert document["database"] == "ok"
    assert [row["ok"] for row in document["snapshots"]] == [True, False, False]
    assert all("digest" in row["problem"] for row in document["snapshots"][1:])
    assert "1 of 3 snapshots are whole." in said.stdout
    assert "snapshot 2:" in said.stderr
    assert "mirror rebuild" in said.stderr


def test_a_tampered_snapshot_is_never_shown_as_a_good_one(offline: Malsync, path: Path) -> None:
    tamper(path, ANIME_1.format("num_episodes_watched = 3"))

    error = offline.error("show", "2", exit_code=6)

    assert "snapshot 2" in error["message"]
    assert "malsync mirror rebuild" in error["hint"]
    assert offline.json("show", "1")["from"]["digest"] == DAYS[0].digest


@pytest.mark.parametrize(
    "statement",
    [
        ANIME_1.format("num_episodes_watched = 3"),
        ANIME_1.format("comments = CAST(x'c328ff' AS TEXT)"),
        ANIME_1.format("extra = '[5]'"),
        "UPDATE snapshot SET taken_at = 'yesterday' WHERE id IN (2, 3)",
    ],
)
def test_rebuild_keeps_the_snapshots_that_are_whole(
    offline: Malsync, path: Path, tmp_path: Path, statement: str
) -> None:
    tamper(path, statement)
    file = tmp_path / "third.json.gz"
    snapshot_file.write(file, DAYS[2])

    document = offline.json("mirror", "rebuild", file, schema="output-mirror")

    assert document["snapshots"] == 2
    assert Path(document["set_aside"]).exists()
    assert [row["digest"] for row in offline.json("snapshots")] == [DAYS[0].digest, DAYS[2].digest]
    assert offline.json("verify")["ok"] is True


# -- damage


def big(path: Path) -> list[Snapshot]:
    """A mirror of many pages, and what was put there."""
    days = [
        snapshot(
            many(60, comments="said " * 20),
            {id: {"status": "reading"} for id in range(1, 40)},
            at="2026-11-11T12:00:00Z",
        ),
        snapshot(many(80, comments="said " * 20, score=1), {}, at="2026-11-12T12:00:00Z"),
        snapshot(many(50), {5: {"status": "dropped"}}, at="2026-11-13T12:00:00Z"),
    ]
    with Mirror.open(path, write=True) as mirror:
        for made in days:
            mirror.add(made)
    return days


def assert_honest(path: Path, days: list[Snapshot]) -> bool:
    """That what is called whole is what was stored, and that nothing but MirrorError tells of the rest.

    Returns whether the damage was noticed.
    """
    try:
        with Mirror.open(path) as mirror:
            report = mirror.verify()
            for number, problem in report.snapshots.items():
                if problem is None:
                    assert data(mirror.load(number)) == data(days[number - 1])
                else:
                    with pytest.raises(MirrorError):
                        mirror.load(number)
            return bool(report.problems) or len(report.snapshots) < len(days)
    except MirrorError as error:
        told = error
    assert told.exit == 6
    assert told.message
    assert hint_of(told)
    return True


def data(made: Snapshot) -> dict[str, Any]:
    """The user's data of a snapshot; a title is no part of what is proven."""
    return {
        name: found and {id: entry.list_status for id, entry in found.items()} for name, found in made.lists.items()
    }


@pytest.mark.promise("storing-6")
def test_random_damage_in_any_page_is_never_reported_as_whole(tmp_path: Path) -> None:
    original, broken = tmp_path / "original.db", tmp_path / "broken.db"
    days = big(original)
    pages = original.stat().st_size // 4096
    noise = random.Random(5)
    noticed = []
    assert pages > 10

    content = original.read_bytes()
    for page in range(pages):
        # Behind its header the page of an empty table is nothing but zeros, and noise there is no damage.
        is_empty = not any(content[page * 4096 + 8 : (page + 1) * 4096])
        for place in (0, 40, 700, 2048, 4000):
            shutil.copyfile(original, broken)
            with broken.open("r+b") as file:
                file.seek(page * 4096 + place)
                file.write(noise.randbytes(noise.choice([1, 16, 90])))
            honest = assert_honest(broken, days)
            noticed += [] if is_empty else [honest]

    assert len(noticed) > 50
    assert sum(noticed) > len(noticed) / 2


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut_short_is_damaged(offline: Malsync, tmp_path: Path, kept: float) -> None:
    offline.home.mkdir()
    path = offline.home / FILE_NAME
    big(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(int(size * kept))

    for command in (["verify"], ["show", "1"], ["snapshots"]):
        result = offline(*command)
        assert result.exit_code in ({6} if command == ["verify"] else {0, 6}), result
    assert offline("verify", "--json").exit_code == 6


@pytest.mark.parametrize("start", [b"not a database at all", b"SQLite format 3\0" + b"\xff" * 84, b"\0" * 100])
def test_a_file_whose_beginning_was_written_over_is_damaged(offline: Malsync, path: Path, start: bytes) -> None:
    with path.open("r+b") as file:
        file.write(start)
    before = path.read_bytes()

    for command in (["verify"], ["show", "1"], ["snapshots"]):
        error = offline.error(*command, exit_code=6)
        assert str(path) in error["message"]
    assert "damaged" in offline.error("verify", exit_code=6)["message"]
    assert "malsync mirror rebuild" in offline.error("verify", exit_code=6)["hint"]
    assert path.read_bytes() == before


def test_a_mirror_without_a_table_is_damaged(offline: Malsync, path: Path) -> None:
    tamper(path, "PRAGMA foreign_keys = OFF", "DROP TABLE snapshot")

    for command in (["verify"], ["show", "1"], ["snapshots"]):
        assert "damaged" in offline.error(*command, exit_code=6)["message"]


def test_rebuild_without_a_readable_mirror_holds_the_files(offline: Malsync, path: Path, tmp_path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(9000))
    files: list[Any] = [tmp_path / f"{number}.json" for number in range(3)]
    for file, made in zip(files, DAYS, strict=True):
        snapshot_file.write(file, made)

    document = offline.json("mirror", "rebuild", *files, schema="output-mirror")

    assert document["snapshots"] == 3
    assert Path(document["set_aside"]).stat().st_size == 9000
    assert [row["digest"] for row in offline.json("snapshots")] == [made.digest for made in DAYS]
    assert offline.json("verify")["ok"] is True
