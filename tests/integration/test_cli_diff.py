"""`diff`: what changed, told as lines and as JSON, and the exit code that scripts go by."""

from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import snapshot, watched, write
from tests.support.servers import FarSide, entry, mal, page


def first_ids(box: Sandbox, medium: str = "anime") -> list[int]:
    return sorted(box.entries(box.user, medium))[:4]


@pytest.fixture
def changed(malsync: Malsync, box: Sandbox) -> dict[str, Any]:
    """One entry removed, one changed, one added since snapshot 1."""
    malsync.ok("backup")
    gone, edited, *_ = first_ids(box)
    was = box.entries(box.user, "anime")
    box.remove(box.user, "anime", gone)
    box.edit(box.user, "anime", edited, score=1, comments="", tags=["x", "y"], finish_date="2021-12")
    here = box.entries(box.user, "manga").keys()
    new = min(title["id"] for title in box.world.catalogue.titles("manga") if title["id"] not in here)
    box.add(box.user, "manga", new, status="reading", num_chapters_read=3)
    return {"gone": gone, "edited": edited, "new": new, "was": was}


def test_it_compares_the_last_backup_with_the_live_list(malsync: Malsync, changed: dict[str, Any]) -> None:
    document = malsync.json("diff")

    assert document["from"]["reference"] == "latest"
    assert document["from"]["snapshot"] == 1
    assert document["to"]["reference"] == "live"
    assert document["to"]["snapshot"] is None
    assert document["counts"] == {"add": 1, "update": 1, "remove": 1}
    assert {(item["op"], item["medium"], item["id"]) for item in document["changes"]} == {
        ("remove", "anime", changed["gone"]),
        ("update", "anime", changed["edited"]),
        ("add", "manga", changed["new"]),
    }
    assert len(malsync.json("snapshots")) == 1


def test_each_field_has_what_it_was_and_what_it_is(malsync: Malsync, changed: dict[str, Any]) -> None:
    items = {item["op"]: item for item in malsync.json("diff")["changes"]}

    was = changed["was"][changed["edited"]]
    expected = {
        "score": {"from": was["score"], "to": 1},
        "finish_date": {"from": was.get("finish_date"), "to": "2021-12"},
        "tags": {"from": was["tags"], "to": ["x", "y"]},
        "comments": {"from": was["comments"], "to": ""},
    }
    assert items["update"]["fields"] == {name: pair for name, pair in expected.items() if pair["from"] != pair["to"]}
    assert items["add"]["fields"] == {
        "status": {"from": None, "to": "reading"},
        "num_chapters_read": {"from": None, "to": 3},
    }
    gone = changed["was"][changed["gone"]]
    assert items["remove"]["fields"]["status"] == {"from": gone["status"], "to": None}
    assert all(pair["to"] is None for pair in items["remove"]["fields"].values())
    assert "updated_at" not in items["update"]["fields"]


def test_it_reads_both_ways(malsync: Malsync, changed: dict[str, Any]) -> None:
    malsync.ok("backup")

    there, back = malsync.json("diff", "1", "2"), malsync.json("diff", "2", "1")

    assert there["counts"] == back["counts"] == {"add": 1, "update": 1, "remove": 1}
    assert {item["id"] for item in there["changes"] if item["op"] == "add"} == {changed["new"]}
    assert {item["id"] for item in back["changes"] if item["op"] == "add"} == {changed["gone"]}


def test_a_person_sees_signs_fields_and_one_line_in_the_end(malsync: Malsync, changed: dict[str, Any]) -> None:
    lines = malsync.ok("diff").stdout.splitlines()

    assert [line[0] for line in lines if line[0] in "+~-"] == ["-", "~", "+"]
    assert any(line.startswith(f"- anime {changed['gone']}  ") for line in lines)
    assert any(line.split() == ["score", str(changed["was"][changed["edited"]]["score"]), "->", "1"] for line in lines)
    assert any(line.split() == ["tags", "none", "->", "x,", "y"] or "-> x, y" in line for line in lines)
    assert lines[-1] == "1 added, 1 updated, 1 removed"


def test_equal_lists_are_said_to_be_so_in_one_line(malsync: Malsync) -> None:
    malsync.ok("backup")

    assert malsync.ok("diff").stdout == "No difference.\n"


def test_quiet_is_silent_when_equal_and_speaks_when_not(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    equal = malsync.ok("diff", "-q")
    box.remove(box.user, "anime", first_ids(box)[0])
    different = malsync.ok("diff", "-q")

    assert (equal.stdout, equal.stderr) == ("", "")
    assert different.stdout.splitlines()[-1] == "0 added, 0 updated, 1 removed"
    assert different.stderr == ""


def test_the_exit_code_says_whether_there_are_differences_when_asked(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    malsync.ok("diff", "--exit-code")
    box.remove(box.user, "anime", first_ids(box)[0])

    malsync.ok("diff")
    malsync.ok("diff", "--exit-code", exit_code=1)
    assert malsync.json("diff", "--exit-code", exit_code=1)["counts"]["remove"] == 1
    malsync.ok("diff", "--exit-code", "--only", "manga")


@pytest.mark.parametrize(("only", "counts"), [("anime", (0, 1, 1)), ("manga", (1, 0, 0))])
def test_only_one_of_the_lists_is_compared_when_asked(
    malsync: Malsync, changed: dict[str, Any], only: str, counts: tuple[int, int, int]
) -> None:
    found = malsync.json("diff", "--only", only)["counts"]

    assert (found["add"], found["update"], found["remove"]) == counts


def test_a_field_that_is_named_is_the_only_one_that_counts(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    one, two, *_ = first_ids(box)
    box.edit(box.user, "anime", one, score=1, comments="new")
    box.edit(box.user, "anime", two, comments="new")

    scores = malsync.json("diff", "--field", "score")["changes"]
    both = malsync.json("diff", "--field", "score", "--field", "comments")["changes"]

    assert [(item["id"], list(item["fields"])) for item in scores] == [(one, ["score"])]
    assert [(item["id"], list(item["fields"])) for item in both] == [(one, ["score", "comments"]), (two, ["comments"])]


@pytest.mark.parametrize("field", ["scores", "updated_at", "num_watched_episodes", ""])
def test_a_field_that_is_not_compared_ends_with_2(malsync: Malsync, field: str) -> None:
    malsync.ok("backup")

    error = malsync.error("diff", "1", "1", "--field", field, exit_code=2)

    assert "num_episodes_watched" in error["hint"]


def test_touching_an_entry_without_changing_it_is_no_difference(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    id = first_ids(box)[0]
    box.edit(box.user, "anime", id, score=box.entries(box.user, "anime")[id]["score"])

    assert malsync.json("diff", "--exit-code")["changes"] == []


def test_one_tag_with_a_comma_does_not_look_like_two(offline: Malsync, tmp_path: Path) -> None:
    one, two = (snapshot({1: watched(1, tags=tags)}, None) for tags in (["a, b"], ["a", "b"]))

    said = offline.ok("diff", write(tmp_path / "one.json", one), write(tmp_path / "two.json", two)).stdout

    assert 'tags  ["a, b"] -> a, b' in said


def test_a_member_that_nobody_knows_yet_is_shown(offline: Malsync) -> None:
    with FarSide() as far:
        far.answer = mal(anime=lambda heard: page(entry(1, mood="glad")))
        offline.ok("backup", env=far.environment())
        far.answer = mal(anime=lambda heard: page(entry(1, mood={"a": [1]})))
        offline.ok("backup", env=far.environment())

    (item,) = offline.json("diff", "1", "2")["changes"]
    assert item["fields"] == {"mood": {"from": "glad", "to": {"a": [1]}}}
    assert 'glad -> {"a":[1]}' in offline.ok("diff", "1", "2").stdout


def test_a_list_that_one_side_lacks_is_not_compared_and_that_is_said(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--user", box.user)
    box.set_private(box.user, "manga")
    malsync.ok("backup", "--user", box.user)

    result = malsync.ok("diff", "1", "2", "--exit-code")

    assert "The manga lists were not compared" in result.stderr
    assert "lacks one." in result.stderr
    assert malsync.json("diff", "1", "2")["to"]["counts"] == {"anime": 280, "manga": None}


def test_files_can_be_compared(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup", "--file", tmp_path / "a.json")
    box.remove(box.user, "anime", first_ids(box)[0])
    malsync.ok("backup", "--file", tmp_path / "b.json.gz")

    document = Malsync(tmp_path / "another").json("diff", tmp_path / "a.json", tmp_path / "b.json.gz")

    assert document["counts"] == {"add": 0, "update": 0, "remove": 1}


def test_another_users_list_can_be_compared_with_ones_own(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    malsync.ok("backup", "--user", "sandbox_theo")
    counts = malsync.json("diff", "default@latest", "sandbox_theo@latest", "--only", "anime")["counts"]

    mine, theirs = box.entries(box.user, "anime").keys(), box.entries("sandbox_theo", "anime").keys()
    assert counts["add"] == len(theirs - mine)
    assert counts["remove"] == len(mine - theirs)


def test_without_any_backup_there_is_nothing_to_compare_with(malsync: Malsync, box: Sandbox) -> None:
    error = malsync.error("diff", exit_code=2)

    assert error["hint"] == "Make one: malsync backup"
    assert box.requests == []
