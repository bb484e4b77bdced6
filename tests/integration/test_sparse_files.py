"""Files whose rows do not all have the same elements: each value reaches the list, and what a row lacks is left alone."""

from pathlib import Path
from typing import Any

import pytest

from malsync.model.medium import ANIME
from malsync.sandbox import World
from tests.support.far_lists import Log, put
from tests.support.farside import Sandbox
from tests.support.harness import ROOT, Malsync
from tests.support.writing import lists

pytestmark = pytest.mark.writes

FILE = ROOT / "fixtures" / "xml" / "valid" / "sparse-rows.xml"
UPDATED = "2026-11-01T12:00:00+00:00"
MINE: dict[str, Any] = {
    "score": 4,
    "start_date": "2020-01-01",
    "finish_date": "2020-02-02",
    "tags": ["mine"],
    "comments": "mine",
}


@pytest.fixture
def world() -> World:
    world = World.demo()
    live = {("anime", id): {"status": "watching", "updated_at": UPDATED, **MINE} for id in (1, 20)}
    put(world, live)
    return world


@pytest.mark.comments
@pytest.mark.parametrize("way", ["file", "import", "export"])
def test_every_value_of_a_sparse_file_arrives_and_nothing_else_changes(
    malsync: Malsync, box: Sandbox, tmp_path: Path, way: str
) -> None:
    reference: str | Path = FILE
    if way != "file":
        malsync.ok("backup")
        number = malsync.json("import", FILE)["snapshot"]
        reference = str(number)
    if way == "export":
        reference = tmp_path / "exported.json"
        malsync.ok("export", str(number), "--output", reference)

    log = Log(box)
    document = malsync.json("migrate", reference, "--to", "default", "--yes")

    assert document["equal"]
    assert {key: set(form) - {"status"} for key, form in log.forms.items()} == {
        ("anime", 1): {"num_watched_episodes", "num_times_rewatched", "score", "start_date", "finish_date", "comments"},
        ("anime", 20): {"num_watched_episodes", "start_date"},
        ("anime", 6): set(),
    }
    anime = lists(box)["anime"]
    assert anime[1]["comments"] == 'better than <most> & "fine"'
    assert (anime[1]["score"], anime[1]["start_date"], anime[1]["finish_date"]) == (9, "2021-02-03", "2021-03-04")
    assert anime[1]["tags"] == ["mine"]
    assert (anime[20]["score"], anime[20]["finish_date"], anime[20]["comments"]) == (4, "2020-02-02", "mine")
    assert (anime[20]["status"], anime[20]["start_date"]) == ("on_hold", "2022-05-06")
    assert anime[6]["status"] == "plan_to_watch"


def test_covers_is_the_union_of_what_the_rows_contain(malsync: Malsync) -> None:
    malsync.ok("import", FILE)
    (row,) = malsync.json("snapshots")
    assert row["covers"] == {
        "anime": [
            name for name in ANIME.names if name not in ("is_rewatching", "priority", "rewatch_value", "updated_at")
        ],
        "manga": None,
    }


def test_what_a_file_does_not_say_is_named_at_import_and_in_the_plan(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    gaps = {
        "anime": {
            "score": 2, "is_rewatching": 3, "finish_date": 2, "start_date": 1, "priority": 3, "rewatch_value": 3,
            "tags": 2, "comments": 2,
        },
        "manga": None,
    }  # fmt: skip

    imported = malsync.json("import", FILE)
    said = malsync.ok("migrate", str(imported["snapshot"]), "--to", "default", "--dry-run")
    document = malsync.json("migrate", FILE, "--to", "default", "--dry-run")

    assert imported["not_compared"] == gaps
    assert document["not_compared"] == {str(FILE): gaps}
    assert "so left as it is:" in said.stderr
    assert "anime: score (2 entries), is_rewatching, start_date (1 entry)" in said.stderr
    assert "manga: the whole list" in said.stderr


@pytest.mark.comments
def test_lists_match_only_in_what_was_compared(malsync: Malsync) -> None:
    malsync.ok("migrate", FILE, "--to", "default", "--yes")

    partly = malsync.ok("migrate", FILE, "--to", "default", "--yes").stdout
    malsync.ok("backup")
    wholly = malsync.ok("restore", "latest", "--yes").stdout

    assert "Nothing to do: your lists already match in everything that was compared." in partly
    assert "Nothing to do: your lists already match." in wholly


@pytest.mark.comments
def test_diff_says_what_it_did_not_compare(malsync: Malsync) -> None:
    malsync.ok("migrate", FILE, "--to", "default", "--yes")

    said = malsync.ok("diff", FILE, "live", "--only", "anime")
    scores = malsync.ok("diff", FILE, "live", "--only", "anime", "--field", "status")

    assert said.stdout == "No difference in what was compared.\n"
    assert "does not know it: anime: score (2 entries), is_rewatching" in said.stderr
    assert scores.stdout == "No difference.\n"
