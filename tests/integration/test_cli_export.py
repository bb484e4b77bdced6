"""`export` and `import`: lists out of the mirror into files, and back."""

import gzip
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import Sandbox
from malsync.schemas import find_problem
from tests.support.harness import Malsync


@pytest.fixture
def stored(malsync: Malsync) -> dict[str, Any]:
    """What the first backup said."""
    document: dict[str, Any] = malsync.json("backup", "--note", "for later")
    return document


@pytest.mark.promise("storing-10")
def test_an_export_stands_on_its_own_and_is_valid(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    document = malsync.json("export", "latest", "--output", tmp_path / "list.json")

    assert document["format"] == "json"
    assert document["file"] == str(tmp_path / "list.json")
    assert document["from"]["digest"] == stored["digest"]
    content = json.loads((tmp_path / "list.json").read_text())
    assert find_problem("snapshot-1", content) is None
    assert content["digest"] == stored["digest"]
    assert content["note"] == "for later"
    assert (tmp_path / "list.json").stat().st_mode & 0o777 == 0o600


def test_an_export_goes_to_stdout_when_no_file_is_named(malsync: Malsync, stored: dict[str, Any]) -> None:
    plain = malsync.ok("export", "1")

    assert find_problem("snapshot-1", plain.json) is None
    assert plain.json["digest"] == stored["digest"]
    # With --json it is the document already.
    assert malsync.ok("export", "1", "--json").stdout == plain.stdout
    assert malsync.ok("export", "1", "--output", "-").stdout == plain.stdout


def test_a_folder_that_is_gone_is_called_so(
    malsync: Malsync, stored: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    error = malsync.error("export", "1", "--output", "list.json", exit_code=2)

    assert error["message"] == "The folder that this was typed in is gone."


def test_an_entry_stands_on_a_line_of_its_own(malsync: Malsync, stored: dict[str, Any], box: Sandbox) -> None:
    lines = malsync.ok("export", "1").stdout.splitlines()

    entries = [json.loads(line.rstrip(",")) for line in lines if line.startswith('{"node"')]
    assert len(entries) == 370
    ids = [item["node"]["id"] for item in entries]
    assert ids == [*sorted(box.entries(box.user, "anime")), *sorted(box.entries(box.user, "manga"))]


def test_the_ending_gz_packs_it(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    malsync.ok("export", "1", "--output", tmp_path / "list.json.gz")

    content = gzip.decompress((tmp_path / "list.json.gz").read_bytes())
    assert content.decode() == malsync.ok("export", "1").stdout


def test_the_same_snapshot_gives_the_same_bytes(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a.json.gz", "b.json.gz"):
        malsync.ok("export", "1", "--output", tmp_path / name)

    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


@pytest.mark.parametrize("target", ["missing/list.json", "."])
def test_a_file_that_cannot_be_written_ends_with_2(
    malsync: Malsync, stored: dict[str, Any], tmp_path: Path, target: str
) -> None:
    place = tmp_path / target

    assert str(place) in malsync.error("export", "1", "--output", place, exit_code=2)["message"]
    assert list(tmp_path.glob("*.json*")) == []


def test_a_link_stays_a_link(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "kept elsewhere").mkdir()
    target, link = tmp_path / "kept elsewhere" / "list.json", tmp_path / "list.json"
    link.symlink_to(target)

    for _ in range(2):
        malsync.ok("export", "1", "--output", link)

    assert link.is_symlink()
    assert target.read_text() == malsync.ok("export", "1").stdout
    assert len(list(target.parent.iterdir())) == 1


def test_a_pipe_is_written_to_and_stays_one(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()

    malsync.ok("export", "1", "--output", pipe)

    reader.join()
    assert pipe.is_fifo()
    assert read == [malsync.ok("export", "1").stdout]


@pytest.mark.parametrize("arguments", [(), ("nowhere",), ("1", "--format", "pdf"), ("2",)])
def test_wrong_words_of_an_export_end_with_2(
    malsync: Malsync, stored: dict[str, Any], arguments: tuple[str, ...]
) -> None:
    malsync.error("export", *arguments, exit_code=2)


# -- import


@pytest.mark.promise("storing-11")
def test_a_file_comes_back_with_the_same_digest(
    malsync: Malsync, stored: dict[str, Any], tmp_path: Path, box: Sandbox
) -> None:
    malsync.ok("export", "1", "--output", tmp_path / "list.json.gz")
    another = Malsync(tmp_path / "another")

    document = another.json("import", tmp_path / "list.json.gz")

    assert document["digest"] == stored["digest"]
    assert document["taken_at"] == stored["taken_at"]
    assert document["source"] == "import"
    assert document["user"] == box.user
    assert document["account"] is None
    assert document["counts"] == stored["counts"]
    assert document["requests"] == {}
    assert document["files"] == [str(tmp_path / "list.json.gz")]
    assert another.json("diff", "1", tmp_path / "list.json.gz")["changes"] == []
    assert another.json("snapshots")[0]["note"] == "for later"


@pytest.mark.promise("storing-11")
def test_the_same_file_again_changes_nothing(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    malsync.ok("export", "1", "--output", tmp_path / "list.json")
    another = Malsync(tmp_path / "another")
    first = another.json("import", tmp_path / "list.json")

    second = another.json("import", tmp_path / "list.json")

    assert second == first
    assert "Already here as snapshot 1" in another.ok("import", tmp_path / "list.json").stdout
    assert len(another.json("snapshots")) == 1


def test_an_import_is_no_backup(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    malsync.ok("export", "1", "--output", tmp_path / "list.json")
    another = Malsync(tmp_path / "another")
    another.ok("import", tmp_path / "list.json")

    assert "no backup" in another.error("show", "latest", exit_code=2)["message"]
    assert another.json("show", "1")["from"]["digest"] == stored["digest"]


def test_halves_of_one_user_make_one_snapshot(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    theo = ("backup", "--user", "sandbox_theo", "--file")
    box.set_private("sandbox_theo", "manga")
    malsync.ok(*theo, tmp_path / "anime.json")
    box.set_private("sandbox_theo", "anime")
    malsync.ok(*theo, tmp_path / "manga.json")
    another = Malsync(tmp_path / "another")

    document = another.json("import", tmp_path / "anime.json", tmp_path / "manga.json")

    assert document["counts"] == {"anime": 46, "manga": 14}
    assert len(another.json("snapshots")) == 1


def test_files_that_do_not_complete_each_other_end_with_2(malsync: Malsync, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.json", tmp_path / "theirs.json"
    malsync.ok("backup", "--file", mine)
    malsync.ok("backup", "--user", "sandbox_theo", "--file", theirs)
    another = Malsync(tmp_path / "another")

    assert "two MAL users" in another.error("import", mine, theirs, exit_code=2)["message"]
    assert "mirror rebuild" in another.error("import", mine, mine, exit_code=2)["hint"]
    assert another.json("snapshots") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "list.json is empty"),
        (b"{", "cut short, or not JSON"),
        (b"[]", "not a malsync snapshot"),
        (b'{"format": "other"}', "not a malsync snapshot"),
        (b'{"format": "malsync-snapshot", "version": 2}', "version 2"),
        (b'{"format": "malsync-snapshot", "version": 1}', "is not a whole snapshot"),
        (b"\x1f\x8bgarbage", "damaged"),
        (gzip.compress(b'{"format": "malsync-snapshot"}' * 50, mtime=0)[:-9], "damaged"),
        (b"<myanimelist/>", "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_a_file_that_is_no_whole_snapshot_ends_with_2_and_nothing_is_stored(
    offline: Malsync, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "list.json"
    path.write_bytes(content)

    for command in (("import",), ("show",), ("mirror", "rebuild")):
        error = offline.error(*command, path, exit_code=2)
        assert str(path) in error["message"]
        assert words in error["message"]

    assert not (offline.home / "mirror.db").exists()


def test_an_edited_file_ends_with_2(malsync: Malsync, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    malsync.ok("backup", "--file", path)
    path.write_text(path.read_text().replace('"score":8', '"score":9', 1))

    error = malsync.error("import", path, exit_code=2)

    assert "was edited or damaged" in error["message"]
    assert len(malsync.json("snapshots")) == 1


def test_a_missing_file_and_none_at_all_end_with_2(offline: Malsync, tmp_path: Path) -> None:
    offline.error("import", tmp_path / "missing.json", exit_code=2)
    offline.error("import", tmp_path, exit_code=2)
    offline.error("import", exit_code=2)


def test_a_file_of_a_stranger_cannot_move_the_terminal(malsync: Malsync, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    malsync.ok("backup", "--user", "sandbox_theo", "--file", path)
    path.write_text(path.read_text().replace('"name":"sandbox_theo"', '"name":"evil\\u001b[31m\\u202e\\u009b"', 1))
    another = Malsync(tmp_path / "another")

    said = ""
    for command in (("import", path), ("snapshots",), ("history", "nothing"), ("show", "1"), ("diff", "1", "1")):
        result = another(*command)
        said += result.stdout + result.stderr

    assert "evil\\x1b[31m\\u202e\\x9b" in said
    assert not set("\x1b\u202e\x9b") & set(said)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("xml", r"(animelist|mangalist)_\d+_-_\d+\.xml\.gz"),
        ("csv", r"(animelist|mangalist)_\d+_-_\d+\.csv"),
        ("sqlite", r"lists_\d+_-_\d+\.db"),
        ("json", r"lists_\d+_-_\d+\.json"),
    ],
)
def test_a_missing_folder_is_made(
    malsync: Malsync, stored: dict[str, Any], tmp_path: Path, kind: str, names: str
) -> None:
    folder = tmp_path / "exports" / "of today"

    malsync.ok("export", "1", "--format", kind, "--output", f"{folder}/")

    written = sorted(path.name for path in folder.iterdir())
    assert len(written) == (2 if kind in {"xml", "csv"} else 1)
    assert all(re.fullmatch(names, name) for name in written), written
    for path in (folder, folder.parent):
        assert path.stat().st_mode & 0o777 == 0o700


def test_a_file_in_a_missing_folder_may_be_a_slip(malsync: Malsync, stored: dict[str, Any], tmp_path: Path) -> None:
    malsync.error("export", "1", "--output", tmp_path / "exprots" / "list.json", exit_code=2)

    assert not (tmp_path / "exprots").exists()
