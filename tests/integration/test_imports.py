"""Lists from files into the mirror: as one snapshot, or each as it was."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from malsync.errors import UsageError
from malsync.formats.snapshot_file import encode
from malsync.model.medium import ANIME, MANGA
from malsync.model.snapshot import Snapshot, User
from malsync.operations.imports import as_one
from tests.support.harness import Malsync
from tests.support.lists import MIKA, THEO, many, snapshot, watched, write
from tests.support.strategies import snapshots

READING = {7: {"status": "reading"}}
PARTS = [
    snapshot({1: watched(1)}, None, at="2026-11-01T12:00:00Z", note="the anime"),
    snapshot(None, READING, at="2026-11-02T12:00:00Z", note="the manga"),
]


def files_of(folder: Path, *made: Snapshot) -> list[Path]:
    """A file for each snapshot."""
    return [write(folder / f"{number}.json.gz", one) for number, one in enumerate(made, 1)]


# -- files that complete each other


def test_a_list_of_each_medium_makes_one_snapshot_of_the_later_time() -> None:
    for parts in (PARTS, PARTS[::-1]):
        together = as_one(parts)

        assert together.user == MIKA
        assert together.taken_at == PARTS[1].taken_at
        assert together.lists == {"anime": PARTS[0].lists["anime"], "manga": PARTS[1].lists["manga"]}
        assert together.covers == {"anime": ANIME.names, "manga": MANGA.names}
        assert together.digest == snapshot({1: watched(1)}, READING).digest
    assert as_one(PARTS).note == "the anime; the manga"


@given(snapshots())
def test_one_file_is_itself(made: Snapshot) -> None:
    assert as_one([made]) == made


def test_a_list_of_which_no_field_is_known_is_still_a_list() -> None:
    bare = snapshot({1: {}}, None, covers={"anime": (), "manga": None})

    assert as_one([bare, PARTS[1]]).covers == {"anime": (), "manga": MANGA.names}


def test_two_names_of_one_user_are_one_user() -> None:
    renamed = snapshot(None, READING, user=User(MIKA.origin, MIKA.id, "renamed"))

    assert as_one([PARTS[0], renamed]).user == MIKA


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (snapshot(None, READING, user=THEO), "These files are of two MAL users: mika and theo."),
        (
            snapshot(None, READING, user=User("http://127.0.0.1:80", MIKA.id, "mika")),
            "These files are of two MAL users: mika and mika.",
        ),
        (PARTS[0], "Two of these files hold the anime list"),
        (snapshot({}, READING), "Two of these files hold the anime list"),
    ],
)
def test_files_that_do_not_complete_each_other_are_refused(
    offline: Malsync, tmp_path: Path, other: Snapshot, message: str
) -> None:
    with pytest.raises(UsageError):
        as_one([PARTS[0], other])

    error = offline.error("import", *files_of(tmp_path, PARTS[0], other), exit_code=2)

    assert message in error["message"]
    assert "one by one" in error["hint"]
    assert offline.json("snapshots") == []


# -- import


def test_files_are_imported_as_one_snapshot(offline: Malsync, tmp_path: Path) -> None:
    files = files_of(tmp_path, *PARTS)

    document = offline.json("import", *files)

    assert document["files"] == [str(file) for file in files]
    assert document["counts"] == {"anime": 1, "manga": 1}
    assert document["source"] == "import"
    assert document["requests"] == {}
    assert document["taken_at"] == "2026-11-02T12:00:00.000Z"
    (row,) = offline.json("snapshots")
    assert row["note"] == "the anime; the manga"
    assert row["covers"] == {"anime": list(ANIME.names), "manga": list(MANGA.names)}


def test_the_same_import_again_changes_nothing(offline: Malsync, tmp_path: Path) -> None:
    files = files_of(tmp_path, *PARTS)
    first = offline.json("import", *files)

    again = offline.json("import", *files)

    assert again == first
    assert len(offline.json("snapshots")) == 1
    assert "Already here as snapshot 1" in offline.ok("import", *files).stdout


def test_a_backup_that_comes_back_as_a_file_is_known(offline: Malsync, tmp_path: Path) -> None:
    (file,) = files_of(tmp_path, snapshot({1: watched(1)}, {}))
    offline.ok("mirror", "rebuild", file)

    assert offline.json("import", file)["source"] == "backup"
    assert [row["source"] for row in offline.json("snapshots")] == ["backup"]


def test_an_import_is_no_backup(offline: Malsync, tmp_path: Path) -> None:
    """It may say anything of the past, so it neither is suspicious nor makes a backup so; `latest` passes over it."""
    full, empty = files_of(tmp_path, snapshot(many(100), {}), snapshot({}, {}, at="2026-11-02T12:00:00Z"))
    offline.ok("mirror", "rebuild", full)

    assert offline.json("import", empty)["suspicious"] == []
    assert offline.json("show", "latest")["from"]["snapshot"] == 1


def test_what_changed_since_the_import_before_is_said(offline: Malsync, tmp_path: Path) -> None:
    one, two = files_of(
        tmp_path, snapshot({1: {}, 2: {}}, {}), snapshot({2: watched(), 3: {}}, {}, at="2026-11-02T12:00:00Z")
    )
    offline.ok("import", one)

    assert offline.json("import", two)["changes"] == {"add": 1, "update": 1, "remove": 1}


# -- rebuild


@pytest.mark.promise("storing-13")
def test_a_rebuilt_mirror_has_every_snapshot_as_it_was(offline: Malsync, tmp_path: Path) -> None:
    sources: list[Any] = ["backup", "before-run", "after-run", "import", "public"]
    made = [
        snapshot(
            {1: watched(day)},
            {} if day % 2 else None,
            at=f"2026-11-{day:02}T12:00:00.{day:03}Z",
            source=source,
            note=f"day {day}",
        )
        for day, source in enumerate(sources, 1)
    ]
    made.append(
        snapshot(
            {1: {}}, None, covers={"anime": ("status",), "manga": None}, at="2026-11-09T12:00:00Z", source="import"
        )
    )
    files = files_of(tmp_path, *made)

    document = offline.json("mirror", "rebuild", *reversed(files), schema="output-mirror")

    assert document["snapshots"] == len(made)
    assert document["set_aside"] is None
    listed = offline.json("snapshots")
    assert [row["snapshot"] for row in listed] == [1, 2, 3, 4, 5, 6]
    for number, (row, one, file) in enumerate(zip(listed, made, files, strict=True), 1):
        assert (row["source"], row["note"], row["digest"]) == (one.source, one.note, one.digest)
        assert row["covers"] == {name: names and list(names) for name, names in one.covers.items()}
        exported = tmp_path / f"again-{number}.json.gz"
        offline.ok("export", str(number), "--output", exported)
        assert exported.read_bytes() == file.read_bytes()
    assert offline.json("verify")["ok"] is True


def test_rebuilding_a_whole_mirror_adds_what_it_lacks(offline: Malsync, tmp_path: Path) -> None:
    days = [snapshot({1: watched(day)}, {}, at=f"2026-11-{day:02}T12:00:00Z") for day in (1, 2, 3)]
    files = files_of(tmp_path, *days)
    offline.ok("mirror", "rebuild", files[1])

    assert offline.json("mirror", "rebuild", *files, schema="output-mirror")["snapshots"] == 3
    assert offline.json("mirror", "rebuild", *files, schema="output-mirror")["snapshots"] == 3
    assert [row["digest"] for row in offline.json("snapshots")] == [day.digest for day in days]


def suspicions(malsync: Malsync) -> list[bool]:
    """Whether each snapshot is suspicious, oldest first."""
    return [bool(row["suspicious"]) for row in malsync.json("snapshots")]


@pytest.mark.promise("storing-13")
def test_a_rebuild_keeps_why_a_list_was_suspicious(offline: Malsync, tmp_path: Path) -> None:
    """The file says so itself; a list that was accepted is not doubted again."""
    reasons = ("anime: the list is empty, and had 100 entries",)
    made = [
        snapshot(many(100), {}),
        replace(snapshot({}, {}, at="2026-11-02T12:00:00Z"), suspicious=reasons),
        snapshot({}, {}, at="2026-11-03T12:00:00Z"),
        replace(snapshot({}, {}, at="2026-11-04T12:00:00Z"), suspicious=reasons),
    ]

    offline.time.moment += timedelta(days=7)
    offline.ok("mirror", "rebuild", *files_of(tmp_path, *made))

    assert [row["suspicious"] for row in offline.json("snapshots")] == [[], list(reasons), [], list(reasons)]
    assert offline.json("show", "good")["from"]["snapshot"] == 3


def test_an_import_keeps_why_a_list_was_suspicious(offline: Malsync, tmp_path: Path) -> None:
    doubtful = replace(snapshot({}, {}), suspicious=("anime: 100 of 100 entries are gone",))

    (file,) = files_of(tmp_path, doubtful)

    assert offline.json("import", file)["suspicious"] == ["anime: 100 of 100 entries are gone"]
    assert offline.json("snapshots")[0]["suspicious"] == ["anime: 100 of 100 entries are gone"]


def test_the_same_list_comes_through_a_file_and_a_mirror_as_it_was(offline: Malsync, tmp_path: Path) -> None:
    made = snapshot({1: watched(3, new={"x": 8.0}, comments="NUL\0, \u202e and \x1b[2J")}, READING, note="é")
    (file,) = files_of(tmp_path, made)
    offline.ok("mirror", "rebuild", file)

    assert offline.ok("export", "1").stdout.encode() == b"".join(encode(made))
