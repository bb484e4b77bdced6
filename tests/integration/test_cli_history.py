"""`history` and `snapshots`: how a list came to be what it is."""

import re

import pytest
from rich.cells import cell_len

from malsync.sandbox import Sandbox
from tests.support.harness import Malsync
from tests.support.servers import FarSide, entry, mal, page
from tests.support.terminal import on_terminal


def test_a_version_stands_wherever_the_entry_changed_came_or_went(malsync: Malsync, box: Sandbox) -> None:
    id = min(box.entries(box.user, "anime"))
    first = box.entries(box.user, "anime")[id]
    malsync.ok("backup")
    malsync.ok("backup")
    second = box.edit(box.user, "anime", id, score=1)
    malsync.ok("backup")
    box.remove(box.user, "anime", id)
    malsync.ok("backup")
    malsync.ok("backup")
    again = box.add(box.user, "anime", id, status="watching")
    malsync.ok("backup")

    (found,) = malsync.json("history", f"anime:{id}")

    assert [(version["snapshot"], version["list_status"]) for version in found["versions"]] == [
        (1, first),
        (3, second),
        (4, None),
        (6, again),
    ]
    times = {row["snapshot"]: row["taken_at"] for row in malsync.json("snapshots")}
    assert all(version["taken_at"] == times[version["snapshot"]] for version in found["versions"])


def test_a_person_sees_what_changed_each_time(malsync: Malsync, box: Sandbox) -> None:
    id = min(box.entries(box.user, "manga"))
    was = box.entries(box.user, "manga")[id]["score"]
    malsync.ok("backup")
    box.edit(box.user, "manga", id, score=was % 10 + 1)
    malsync.ok("backup")
    box.edit(box.user, "manga", id, score=was % 10 + 1)
    malsync.ok("backup")
    box.remove(box.user, "manga", id)
    malsync.ok("backup")

    lines = malsync.ok("history", f"manga:{id}").stdout.splitlines()

    assert lines[0].startswith(f"manga {id}  ")
    assert f"snapshot 2: score {was} -> {was % 10 + 1}" in lines[2]
    assert lines[-1].endswith("snapshot 4: not on the list")


def test_an_entry_is_found_by_id_or_by_part_of_its_title(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    with box.world.lock:
        id = min(box.entries(box.user, "anime"))
        title = box.world.catalogue.known("anime", id)["title"]

    for words in (f"anime:{id}", title, title.upper(), title[1:-1]):
        found = malsync.json("history", words)
        assert ("anime", id) in {(item["medium"], item["id"]) for item in found}, words


def test_a_number_is_an_id_of_either_list_or_a_whole_title(offline: Malsync) -> None:
    anime = [entry(86), entry(2), entry(3)]
    anime[1]["node"]["title"] = "86"
    anime[2]["node"]["title"] = "86 Eighty-Six"
    with FarSide(mal(anime=lambda heard: page(*anime), manga=lambda heard: page(entry(86)))) as far:
        offline.ok("backup", env=far.environment())

    found = {(item["medium"], item["id"]) for item in offline.json("history", "86")}

    assert found == {("anime", 86), ("anime", 2), ("manga", 86)}
    assert [item["id"] for item in offline.json("history", "eighty")] == [3]
    assert [item["medium"] for item in offline.json("history", "manga:86")] == ["manga"]


@pytest.mark.parametrize(
    "words", ["no such title", "anime:424242", "manga:0", "424242", "99999999999999999999999", "anime:x", ""]
)
def test_what_no_entry_is_called_ends_with_2(malsync: Malsync, words: str) -> None:
    malsync.ok("backup")

    assert words in malsync.error("history", words, exit_code=2)["message"]


def test_one_users_history_is_not_anothers(malsync: Malsync, box: Sandbox) -> None:
    mine, theirs = box.entries(box.user, "anime").keys(), box.entries("sandbox_theo", "anime").keys()
    malsync.ok("backup")
    malsync.ok("backup", "--account", "second", env={"MALSYNC_ACCESS_TOKEN": box.token_for("sandbox_theo")})
    only_theirs = min(theirs - mine)

    malsync.error("history", f"anime:{only_theirs}", exit_code=2)
    (found,) = malsync.json("history", f"anime:{only_theirs}", "--account", "second")
    assert [version["snapshot"] for version in found["versions"]] == [2]


def test_without_any_snapshot_there_is_no_history(malsync: Malsync) -> None:
    assert malsync.error("history", "x", exit_code=2)["hint"] == "Make one: malsync backup"


# -- snapshots


def test_each_snapshot_has_a_row(malsync: Malsync, box: Sandbox) -> None:
    made = [malsync.json("backup", "--note", "one")]
    box.remove(box.user, "anime", min(box.entries(box.user, "anime")))
    made.append(malsync.json("backup"))

    rows = malsync.json("snapshots")

    names = ("snapshot", "account", "user", "taken_at", "source", "digest", "counts", "changes", "suspicious")
    assert [{name: row[name] for name in names} for row in rows] == [
        {name: one[name] for name in names} for one in made
    ]
    assert [row["note"] for row in rows] == ["one", ""]
    assert [row["changes"] for row in rows] == [
        {"add": 0, "update": 0, "remove": 0},
        {"add": 0, "update": 0, "remove": 1},
    ]
    assert rows[0]["taken_at"] < rows[1]["taken_at"]


def test_snapshots_are_those_of_everyone_or_of_one_account(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    malsync.ok("backup", "--account", "second", env={"MALSYNC_ACCESS_TOKEN": box.token_for("sandbox_theo")})

    assert [row["account"] for row in malsync.json("snapshots")] == ["default", "second"]
    assert [row["snapshot"] for row in malsync.json("snapshots", "--account", "second")] == [2]
    assert [row["snapshot"] for row in malsync.json("snapshots", "--account", "sandbox_mika")] == [1]
    assert "third" in malsync.error("snapshots", "--account", "third", exit_code=2)["message"]


def test_what_is_special_about_a_snapshot_is_remarked(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--note", "the first")
    malsync.ok("backup", "--user", "sandbox_theo")
    for id in box.entries(box.user, "manga"):
        box.remove(box.user, "manga", id)
    malsync.ok("backup", exit_code=8)

    lines = malsync.ok("snapshots").stdout.splitlines()[2:]

    assert lines[0].endswith("the first")
    assert lines[1].endswith("public")
    assert lines[2].endswith(" suspicious")
    assert lines[3:] == [
        "3: manga: the list is empty, and had 90 entries.",
        "  3: 90 of 90 still in force. To undo only these changes: malsync revert 1 3",
    ]


def test_one_footnote_says_why_each_of_several_nights_is_suspicious(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    box.world.put_state({"accounts": {box.user: {"anime": []}}})
    for _ in range(3):
        malsync.ok("backup", exit_code=8)

    out = malsync.ok("snapshots").stdout

    assert [line.split(":")[0] for line in out.splitlines() if "the list is empty" in line] == ["2-4"]


def test_snapshots_break_no_word_on_eighty_columns(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--note", "before the great clean-up of everything")
    malsync.ok("backup", "--user", "sandbox_theo")
    box.world.put_state({"accounts": {box.user: {"manga": []}}})
    malsync.ok("backup", exit_code=8)

    _, screen = on_terminal(malsync, "snapshots")

    words = {word for line in screen.splitlines() for word in re.sub(r"\x1b\[[0-9;]*m", "", line).split()}
    assert {"suspicious", "public", "before", "great", "clean-up", "everything"} <= words
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in screen.splitlines()) <= 80


@pytest.mark.parametrize("command", [["snapshots"], ["show", "latest"], ["accounts"], ["runs"]])
def test_a_piped_table_has_no_blanks_at_the_ends_of_its_lines(
    malsync: Malsync, box: Sandbox, command: list[str]
) -> None:
    malsync.ok("backup", "--note", "a note that is quite long")
    box.edit(box.user, "anime", min(box.entries(box.user, "anime")), score=3)
    malsync.ok("restore", "latest", "--yes")
    malsync.ok("backup")

    lines = malsync.ok(*command).stdout.splitlines()

    assert len(lines) > 2
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_history_goes_on_indented_and_breaks_no_word(malsync: Malsync, box: Sandbox, columns: int) -> None:
    id = min(box.entries(box.user, "anime"))
    comments = "一 二三 " + "a comment that goes on and on " * 3
    malsync.ok("backup")
    box.edit(box.user, "anime", id, score=1, start_date="2014-11-23", num_episodes_watched=1, comments=comments)
    malsync.ok("backup")
    whole = malsync.ok("history", f"anime:{id}").stdout

    _, screen = on_terminal(malsync, "history", f"anime:{id}", columns=columns)

    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in screen.splitlines()]
    assert max(map(cell_len, lines)) <= columns
    assert screen.split()[-20:] == whole.split()[-20:]
    assert all(line.startswith("      ") for line in lines[1:] if not re.match(r"  \d{4}-", line))
    assert len(lines) > len(whole.splitlines())


def test_a_misspelt_title_is_guessed_at(malsync: Malsync, box: Sandbox) -> None:
    id = min(box.entries(box.user, "anime"))
    with box.world.lock:
        box.world.catalogue.put("anime", {**box.world.catalogue.known("anime", id), "title": "Cowboy Bebop: The Movie"})
    malsync.ok("backup")

    assert "Did you mean 'Cowboy Bebop: The Movie'?" in malsync.error("history", "cowboy beebop", exit_code=2)["hint"]
    assert "Did you mean" not in malsync.error("history", "qqqqqqqq zzzzz", exit_code=2)["hint"]
    assert "Did you mean 'Cowboy Bebop: The Movie'?" in malsync.ok("show", "1", "--search", "cowbyo bebop").stderr


def test_no_title_of_another_user_is_guessed(malsync: Malsync, box: Sandbox) -> None:
    only_theirs = min(box.entries("sandbox_theo", "anime").keys() - box.entries(box.user, "anime").keys())
    with box.world.lock:
        known = box.world.catalogue.known("anime", only_theirs)
        box.world.catalogue.put("anime", {**known, "title": "Zzyzx Qwertz Road"})
    malsync.ok("backup")
    malsync.ok("backup", "--user", "sandbox_theo")

    assert "Zzyzx" not in malsync.error("history", "zzyzx qwertz rod", exit_code=2)["hint"]
    assert "Zzyzx" in malsync.error("history", "zzyzx qwertz rod", "--account", "sandbox_theo", exit_code=2)["hint"]


def test_without_any_snapshot_there_is_an_empty_list_and_advice(malsync: Malsync) -> None:
    assert malsync.json("snapshots") == []
    assert "malsync backup" in malsync.ok("snapshots").stdout
    assert not malsync.home.exists()
