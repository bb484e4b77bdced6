"""`verify`, `mirror rebuild` and `mirror copy`: proving that the mirror is whole, and what to do when it is not."""

import shlex
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import Sandbox
from tests.support.harness import ROOT, Malsync


@pytest.fixture
def three(malsync: Malsync, box: Sandbox) -> list[dict[str, Any]]:
    """Three backups, the list having changed between them."""
    made = []
    for number in range(3):
        box.edit(box.user, "anime", min(box.entries(box.user, "anime")), comments=f"edit {number}")
        made.append(malsync.json("backup", "--note", f"number {number}"))
        malsync.time.sleep(3600)
    return made


def _damage(malsync: Malsync, sql: str) -> None:
    connection = sqlite3.connect(malsync.home / "mirror.db")
    assert connection.execute(sql).rowcount > 0
    connection.commit()
    connection.close()


def _tear(malsync: Malsync) -> None:
    """Overwrite the middle of the database's file."""
    path = malsync.home / "mirror.db"
    content = bytearray(path.read_bytes())
    assert len(content) > 40_000
    content[4096:-4096] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)


# -- verify


def test_a_whole_mirror_is_said_to_be_whole(malsync: Malsync, three: list[dict[str, Any]]) -> None:
    document = malsync.json("verify")

    assert document["ok"] is True
    assert document["database"] == "ok"
    assert document["snapshots"] == [{"snapshot": number, "ok": True, "problem": None} for number in (1, 2, 3)]
    assert "3 of 3 snapshots are whole." in malsync.ok("verify").stdout


def test_a_changed_row_is_found_and_ends_with_6(malsync: Malsync, three: list[dict[str, Any]]) -> None:
    _damage(malsync, "UPDATE anime_version SET comments = 'another hand' WHERE since = 2")

    document = malsync.json("verify", exit_code=6)

    assert document["ok"] is False
    assert [row["ok"] for row in document["snapshots"]] == [True, False, True]
    said = malsync.ok("verify", exit_code=6)
    assert "2 of 3 snapshots are whole." in said.stdout
    assert "mirror rebuild" in said.stderr
    malsync.error("show", "2", exit_code=6)
    assert malsync.json("show", "3")["from"]["digest"] == three[2]["digest"]


def test_a_row_that_was_taken_away_is_found(malsync: Malsync, three: list[dict[str, Any]]) -> None:
    _damage(malsync, "DELETE FROM manga_version WHERE media_id = (SELECT min(media_id) FROM manga_version)")

    assert [row["ok"] for row in malsync.json("verify", exit_code=6)["snapshots"]] == [False, False, False]


def test_a_torn_file_ends_with_6(malsync: Malsync, three: list[dict[str, Any]]) -> None:
    _tear(malsync)

    for command in (("verify",), ("snapshots",), ("backup",)):
        result = malsync.ok(*command, exit_code=6)
        assert "mirror rebuild" in result.stderr


@pytest.mark.parametrize("content", [b"this is no database", b"", b"\0" * 5000])
def test_a_file_that_is_no_database_is_left_alone(malsync: Malsync, content: bytes) -> None:
    malsync.home.mkdir()
    path = malsync.home / "mirror.db"
    path.write_bytes(content)

    result = malsync("backup")

    assert result.exit_code == (0 if content == b"" else 6), str(result)
    assert content == b"" or path.read_bytes() == content


def test_nothing_to_verify_ends_with_2(malsync: Malsync) -> None:
    assert malsync.error("verify", exit_code=2)["hint"] == "Make one: malsync backup"


# -- rebuild


def test_a_mirror_is_made_again_from_files_with_all_that_they_say(
    malsync: Malsync, three: list[dict[str, Any]], tmp_path: Path
) -> None:
    files = [tmp_path / f"{number}.json" for number in (3, 1, 2)]
    for path in files:
        malsync.ok("export", path.stem, "--output", path)
    another = Malsync(tmp_path / "another")

    document = another.json("mirror", "rebuild", *files, schema="output-mirror")

    assert document == {"mirror": str(another.home / "mirror.db"), "snapshots": 3, "set_aside": None}
    names = ("snapshot", "user", "taken_at", "source", "digest", "covers", "counts", "changes", "note")
    theirs, ours = malsync.json("snapshots"), another.json("snapshots")
    assert [{name: row[name] for name in names} for row in ours] == [
        {name: row[name] for name in names} for row in theirs
    ]
    assert another.json("verify")["ok"] is True


def test_a_whole_mirror_is_kept_and_added_to(
    malsync: Malsync, three: list[dict[str, Any]], box: Sandbox, tmp_path: Path
) -> None:
    malsync.ok("backup", "--user", "sandbox_theo", "--file", tmp_path / "theirs.json")
    another = Malsync(tmp_path / "another", box)
    another.ok("backup")

    document = another.json("mirror", "rebuild", tmp_path / "theirs.json", schema="output-mirror")

    assert document["snapshots"] == 2
    assert document["set_aside"] is None
    again = another.json("mirror", "rebuild", tmp_path / "theirs.json", schema="output-mirror")
    assert again["snapshots"] == 2


def test_a_damaged_mirror_is_set_aside_and_what_is_whole_in_it_carried_over(
    malsync: Malsync, three: list[dict[str, Any]]
) -> None:
    _damage(malsync, "UPDATE anime_version SET comments = 'another hand' WHERE since = 2")

    document = malsync.json(
        "mirror", "rebuild", malsync.home / "latest" / "sandbox_mika.json.gz", schema="output-mirror"
    )

    assert document["snapshots"] == 2
    aside = Path(document["set_aside"])
    assert aside.parent == malsync.home
    assert aside.exists()
    assert [row["digest"] for row in malsync.json("snapshots")] == [three[0]["digest"], three[2]["digest"]]
    assert malsync.json("verify")["ok"] is True
    assert malsync.json("backup")["changes"] == {"add": 0, "update": 0, "remove": 0}


def test_a_torn_mirror_comes_back_from_the_list_beside_it(
    malsync: Malsync, three: list[dict[str, Any]], tmp_path: Path
) -> None:
    malsync.ok("export", "1", "--output", tmp_path / "first.json")
    _tear(malsync)
    torn = (malsync.home / "mirror.db").read_bytes()

    beside = malsync.home / "latest" / "sandbox_mika.json.gz"
    document = malsync.json("mirror", "rebuild", tmp_path / "first.json", beside, schema="output-mirror")

    assert document["snapshots"] == 2
    assert Path(document["set_aside"]).read_bytes() == torn
    assert [row["digest"] for row in malsync.json("snapshots")] == [three[0]["digest"], three[2]["digest"]]
    assert malsync.json("verify")["ok"] is True


def test_each_damaged_mirror_is_kept(malsync: Malsync, three: list[dict[str, Any]]) -> None:
    beside = malsync.home / "latest" / "sandbox_mika.json.gz"
    asides = set()
    for _ in range(2):
        (malsync.home / "mirror.db").write_bytes(b"SQLite format 3\0 and then something else")
        asides.add(malsync.json("mirror", "rebuild", beside, schema="output-mirror")["set_aside"])

    assert len(asides) == 2
    assert all(Path(aside).exists() for aside in asides)


def test_an_emptied_list_is_suspicious_again_after_a_rebuild(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup", "--file", tmp_path / "good.json")
    for id in box.entries(box.user, "anime"):
        box.remove(box.user, "anime", id)
    malsync.time.sleep(3600)
    malsync.ok("backup", "--file", tmp_path / "empty.json", exit_code=8)
    another = Malsync(tmp_path / "another")

    another.ok("mirror", "rebuild", tmp_path / "empty.json", tmp_path / "good.json")

    assert [bool(row["suspicious"]) for row in another.json("snapshots")] == [False, True]
    assert another.json("show", "good")["from"]["snapshot"] == 1


def test_a_rebuild_from_a_bad_file_changes_nothing(
    malsync: Malsync, three: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "bad.json").write_text("{")
    _tear(malsync)
    torn = (malsync.home / "mirror.db").read_bytes()

    malsync.error("mirror", "rebuild", tmp_path / "bad.json", exit_code=2)
    malsync.error("mirror", "rebuild", exit_code=2)

    assert (malsync.home / "mirror.db").read_bytes() == torn


def test_a_rebuild_from_xml_says_which_command_takes_it(offline: Malsync) -> None:
    path = ROOT / "fixtures" / "xml" / "valid" / "anime-1.1.0.xml"

    assert f"malsync import {shlex.quote(str(path))}" in offline.error("mirror", "rebuild", path, exit_code=2)["hint"]
    assert not offline.home.exists()


def test_a_folder_where_the_mirror_should_be_is_told(malsync: Malsync) -> None:
    (malsync.home / "mirror.db").mkdir(parents=True)

    for command in (("snapshots",), ("backup",)):
        assert "mirror.db is a folder" in malsync.error(*command, exit_code=6)["message"]


def test_a_mirror_that_is_given_as_a_file_is_known_for_one(malsync: Malsync, tmp_path: Path) -> None:
    """Whoever has a copy of the mirror at hand tries that first."""
    malsync.ok("backup")
    copy, exported = tmp_path / "usb.db", tmp_path / "lists.db"
    malsync.ok("mirror", "copy", copy)
    malsync.ok("export", "1", "--format", "sqlite", "--output", exported)

    for command in (("mirror", "rebuild"), ("import",), ("show",)):
        error = malsync.error(*command, copy, exit_code=2)
        assert error["message"] == f"{copy} is a mirror, not a file with one list."
        assert "mirror.db" in error["hint"]
    assert "a database" in malsync.error("mirror", "rebuild", exported, exit_code=2)["message"]

    folder = tmp_path / "folder"
    folder.mkdir()
    copy.rename(folder / "mirror.db")
    assert len(malsync.json("snapshots", "--home", folder)) == 1


def test_a_rebuild_waits_for_another_malsync(malsync: Malsync, three: list[dict[str, Any]]) -> None:
    from filelock import FileLock

    beside = malsync.home / "latest" / "sandbox_mika.json.gz"
    with FileLock(malsync.home / "malsync.lock"):
        malsync.error("mirror", "rebuild", beside, "--wait", "0", exit_code=7)
        malsync.error("import", beside, "--wait", "0", exit_code=7)


# -- copy


def test_a_copy_is_a_whole_mirror_of_its_owners_alone(
    malsync: Malsync, three: list[dict[str, Any]], tmp_path: Path
) -> None:
    target = tmp_path / "copy" / "mirror.db"
    target.parent.mkdir()

    document = malsync.json("mirror", "copy", target, schema="output-mirror")

    assert document == {"mirror": str(target), "snapshots": 3}
    assert target.stat().st_mode & 0o777 == 0o600
    copied = Malsync(target.parent)
    names = ("snapshot", "digest", "taken_at", "changes", "note")
    assert [[row[name] for name in names] for row in copied.json("snapshots")] == [
        [row[name] for name in names] for row in malsync.json("snapshots")
    ]
    assert copied.json("verify")["ok"] is True


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are all UTF-8")
def test_a_copy_may_have_any_name(malsync: Malsync, three: list[dict[str, Any]], tmp_path: Path) -> None:
    target = tmp_path / "a b?c#d%20é\udcff.db"

    assert "Copied 3 snapshots to" in malsync.ok("mirror", "copy", target).stdout

    assert [path.name for path in tmp_path.glob("*.db")] == [target.name]
    (malsync.home / "mirror.db").unlink()
    target.rename(malsync.home / "mirror.db")
    assert [row["digest"] for row in malsync.json("snapshots")] == [row["digest"] for row in three]


def test_a_copy_writes_over_nothing(malsync: Malsync, three: list[dict[str, Any]], tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")

    assert "exists already" in malsync.error("mirror", "copy", target, exit_code=2)["message"]
    assert target.read_text() == "precious"
    malsync.error("mirror", "copy", tmp_path, exit_code=2)


def test_a_copy_to_nowhere_ends_with_2(malsync: Malsync, three: list[dict[str, Any]], tmp_path: Path) -> None:
    target = tmp_path / "missing" / "copy.db"

    assert str(target) in malsync.error("mirror", "copy", target, exit_code=2)["message"]
    assert not target.parent.exists()


@pytest.mark.parametrize("name", ["tokens.json", "latest/mirror.db"])
def test_a_copy_goes_to_no_place_of_malsyncs_own(malsync: Malsync, three: list[dict[str, Any]], name: str) -> None:
    target = malsync.home / name

    assert "malsync's own" in malsync.error("mirror", "copy", target, exit_code=2)["message"]
    assert not target.exists()


def test_a_copy_is_no_stream(malsync: Malsync, three: list[dict[str, Any]]) -> None:
    assert "standard output" in malsync.error("mirror", "copy", "-", exit_code=2)["message"]


def test_nothing_to_copy_ends_with_2(malsync: Malsync, tmp_path: Path) -> None:
    malsync.error("mirror", "copy", tmp_path / "copy.db", exit_code=2)

    assert not (tmp_path / "copy.db").exists()
