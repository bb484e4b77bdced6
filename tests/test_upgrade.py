"""Files of every version that ever left the house stay readable. The fixtures here are never made again."""

import shutil
from pathlib import Path

import pytest

from malsync.mirror import FILE_NAME
from tests.harness import ROOT, Malsync

MIRRORS = sorted((ROOT / "fixtures" / "mirrors").glob("version-*.db"))
BERSERK = {
    "status": "reading", "score": 0, "num_volumes_read": 1, "num_chapters_read": 4, "is_rereading": True, "priority": 1,
    "num_times_reread": 2, "reread_value": 5, "tags": ["a tag, of prose"], "comments": "",
    "updated_at": "2026-01-02T03:04:05+00:00",
}  # fmt: skip


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda path: path.stem)
def test_a_mirror_of_an_older_version_verifies_and_shows_its_lists(mirror: Path, offline: Malsync) -> None:
    offline.home.mkdir()
    shutil.copy(mirror, offline.home / FILE_NAME)

    verified = offline.json("verify")
    listed = {row["snapshot"]: row for row in offline.json("snapshots")}
    shown = {entry["id"]: entry for entry in offline.json("show", "1")["entries"]}

    assert verified["ok"]
    assert len(verified["snapshots"]) == 5
    assert listed[1]["note"] == "the first"
    assert listed[2]["changes"] == {"add": 0, "update": 1, "remove": 1}
    assert listed[3]["suspicious"] == ["manga: the list is empty, and had 9 entries"]
    assert {number: row["source"] for number, row in listed.items()} == {
        1: "backup", 2: "backup", 3: "backup", 4: "import", 5: "public",
    }  # fmt: skip
    assert shown[2]["list_status"] == BERSERK
    assert shown[20]["list_status"]["new_member"] == {"n": 1.5, "big": 2**60}
    assert shown[20]["list_status"]["score"] is None
    assert shown[20]["list_status"]["finish_date"] == "2023-12"


def test_there_is_a_mirror_of_each_version() -> None:
    from malsync.mirror.database import VERSION

    assert [path.stem for path in MIRRORS] == [f"version-{number}" for number in range(1, VERSION + 1)]
