"""`show`: which list, which of its entries, and in what order."""

from pathlib import Path

import pytest

from malsync.sandbox import Sandbox
from tests.support.harness import ROOT, Malsync
from tests.support.servers import FarSide, entry, mal, page


def test_show_names_the_list_and_gives_every_entry(malsync: Malsync, box: Sandbox) -> None:
    backup = malsync.json("backup")

    document = malsync.json("show", "latest")

    assert document["from"] == {
        "reference": "latest",
        "snapshot": 1,
        "user": box.user,
        "taken_at": backup["taken_at"],
        "digest": backup["digest"],
        "counts": backup["counts"],
    }
    assert [item["medium"] for item in document["entries"]] == ["anime"] * 280 + ["manga"] * 90


def test_entries_stand_by_title_whatever_its_case(offline: Malsync) -> None:
    titles = ["beta", "Alpha", "alpha", "ÉCLAIR", "éclair", "Zeta", "10", "9", "日本"]
    items = [entry(number) for number in range(1, len(titles) + 1)]
    for item, title in zip(items, titles, strict=True):
        item["node"]["title"] = title
    with FarSide(mal(anime=lambda heard: page(*items))) as far:
        offline.ok("backup", env=far.environment())

    shown = [item["title"] for item in offline.json("show", "1")["entries"]]

    assert shown == ["10", "9", "Alpha", "alpha", "beta", "Zeta", "ÉCLAIR", "éclair", "日本"]


@pytest.mark.parametrize("medium", ["anime", "manga"])
def test_only_one_of_the_lists_is_shown_when_asked(malsync: Malsync, box: Sandbox, medium: str) -> None:
    malsync.ok("backup")

    entries = malsync.json("show", "latest", "--only", medium)["entries"]

    assert {item["id"] for item in entries} == set(box.entries(box.user, medium))
    assert {item["medium"] for item in entries} == {medium}


def test_statuses_narrow_it_down_and_add_up(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    entries = malsync.json("show", "latest", "--status", "watching", "--status", "dropped")["entries"]

    expected = {
        (medium, id)
        for medium in ("anime", "manga")
        for id, data in box.entries(box.user, medium).items()
        if data["status"] in {"watching", "dropped"}
    }
    assert {(item["medium"], item["id"]) for item in entries} == expected
    assert {item["list_status"]["status"] for item in entries} == {"watching", "dropped"}


def test_the_search_is_for_any_part_of_a_title_in_any_case(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    titles = [item["title"] for item in malsync.json("show", "latest", "--search", "WORLD")["entries"]]

    with box.world.lock:
        names = [
            box.world.catalogue.known(medium, id)["title"]
            for medium in ("anime", "manga")
            for id in box.entries(box.user, medium)
        ]
    assert sorted(titles) == sorted(name for name in names if "world" in name.lower())
    assert 0 < len(titles) < 100
    assert malsync.json("show", "latest", "--search", "no title is called this")["entries"] == []
    none = malsync.ok("show", "latest", "--search", "attack on titan")
    assert none.stdout == ""
    assert "No entries match.\nMAL lists titles in romanised Japanese." in none.stderr


def test_the_live_list_is_read_and_not_stored(malsync: Malsync, box: Sandbox) -> None:
    document = malsync.json("show", "live")

    assert document["from"]["snapshot"] is None
    assert document["from"]["counts"] == {"anime": 280, "manga": 90}
    assert box.counts == {"GET": 3}
    assert malsync.json("snapshots") == []
    assert not malsync.home.exists()


def test_a_person_sees_a_line_an_entry(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    result = malsync.ok("show", "latest", "--only", "manga")

    lines = [line for line in result.stdout.splitlines() if line.startswith("manga")]
    assert len(lines) == 90
    assert "90 entries" in result.stderr
    id, data = next((id, data) for id, data in box.entries(box.user, "manga").items() if data["score"])
    (line,) = [line for line in lines if line.split()[1] == str(id)]
    assert f" {data['score']} " in line
    assert line.endswith(f"{data['num_volumes_read']} vol, {data['num_chapters_read']} ch")
    assert data["status"].replace("_", " ") in line


def test_the_number_that_was_chosen_is_said(malsync: Malsync) -> None:
    malsync.ok("backup")
    malsync.ok("backup")

    assert "latest~1 is snapshot 1" in malsync.ok("show", "latest~1").stderr
    assert "is snapshot" not in malsync.ok("show", "1").stderr
    assert malsync.ok("show", "latest~1", "-q").stderr == ""


@pytest.mark.parametrize("reference", ["latest", "good", "1", "2026-11", "./missing.json", "x@latest", "what", "", "@"])
def test_a_list_that_is_not_there_ends_with_2(malsync: Malsync, box: Sandbox, reference: str) -> None:
    malsync.error("show", reference, exit_code=2)

    assert box.requests == []
    assert not malsync.home.exists()


@pytest.mark.parametrize("arguments", [("--only", "films"), ("--status", "paused"), ("--nothing",), ("another",)])
def test_wrong_words_end_with_2(malsync: Malsync, arguments: tuple[str, ...]) -> None:
    error = malsync.error("show", "latest", *arguments, exit_code=2)

    assert error["hint"] == "See: malsync show --help"


def test_a_file_can_be_shown_without_any_mirror(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup", "--file", tmp_path / "list.json.gz")

    alone = Malsync(tmp_path / "another")
    document = alone.json("show", tmp_path / "list.json.gz")

    assert document["from"]["snapshot"] is None
    assert len(document["entries"]) == 370
    assert not alone.home.exists()


def test_mal_s_own_export_can_be_shown(offline: Malsync) -> None:
    document = offline.json("show", ROOT / "fixtures" / "xml" / "valid" / "manga-1.1.0.xml")

    assert document["from"]["user"] == "mika"
    assert [entry["title"] for entry in document["entries"]] == ["20th Century Boys", "Berserk", "Fullmetal Alchemist"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("plan-to-watch", "plan_to_watch"),
        ("ptw", "plan_to_watch"),
        ("Plan to Read", "plan_to_read"),
        ("PTR", "plan_to_read"),
        ("on-hold", "on_hold"),
        ("Completed", "completed"),
    ],
)
def test_a_status_may_be_written_as_people_write_it(malsync: Malsync, words: str, status: str) -> None:
    malsync.ok("backup")

    shown = malsync.json("show", "latest", "--status", words)["entries"]

    assert shown == malsync.json("show", "latest", "--status", status)["entries"]
    assert {item["list_status"]["status"] for item in shown} == {status}
    assert malsync.json("restore", "latest", "--status", words, "--dry-run")["changes"] == []


def test_a_year_is_no_reference_and_is_told_so(malsync: Malsync) -> None:
    malsync.ok("backup")

    error = malsync.error("show", "2020", exit_code=2)

    assert error["message"] == "There is no snapshot 2020."
    assert error["hint"].startswith("A year is not a reference: give a month or a day, as in 2020-12.")
    assert "year" not in malsync.error("show", "424", exit_code=2)["hint"]
