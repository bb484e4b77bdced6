"""Ways in which restoring could make things worse: each was found by somebody who tried, and none works any more."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.farside import Sandbox
from tests.support.harness import Malsync, clean_environment, until

pytestmark = pytest.mark.writes


@pytest.fixture
def ids(malsync: Malsync, box: Sandbox) -> list[int]:
    """The anime of the list that was backed up, by id."""
    malsync.ok("backup")
    return sorted(box.entries(box.user, "anime"))


def anime(box: Sandbox) -> dict[int, dict[str, Any]]:
    """The anime list without what the server owns."""
    return {
        id: {name: item for name, item in status.items() if name != "updated_at"}
        for id, status in box.entries(box.user, "anime").items()
    }


def stopped(malsync: Malsync, box: Sandbox, nth: int, *words: str) -> None:
    """A run whose token is refused from its `nth` write on: it can be resumed."""
    box.add_faults(f"forbidden:method=PATCH,nth={nth}-999")
    malsync.ok(*words, "--yes", exit_code=3)
    box.clear_faults()


# -- `good` stays the last list that somebody kept on purpose


@pytest.mark.comments
@pytest.mark.promise("guards-9")
def test_a_list_restored_in_part_is_not_what_good_means(malsync: Malsync, box: Sandbox, ids: list[int]) -> None:
    whole = anime(box)
    for id in ids[:8]:
        box.remove(box.user, "anime", id)

    malsync.ok("restore", "good", "--id", f"anime:{ids[0]}", "--yes")
    document = malsync.json("restore", "good", "--yes")

    assert document["plan"] == {"add": 7, "update": 0, "remove": 0}
    assert anime(box) == whole


def test_the_list_before_a_run_that_was_given_up_is_not_what_good_means(
    malsync: Malsync, box: Sandbox, ids: list[int]
) -> None:
    whole = anime(box)
    for id in ids[:6]:
        box.edit(box.user, "anime", id, comments="vandalised")
    stopped(malsync, box, 2, "restore", "good")
    malsync.ok("runs", "--abandon", "1")

    document = malsync.json("restore", "good", "--yes")

    assert document["plan"] == {"add": 0, "update": 5, "remove": 0}
    assert document["equal"]
    assert anime(box) == whole


@pytest.mark.comments
def test_a_file_restored_into_a_new_home_leaves_no_vandalised_list_as_good(
    malsync: Malsync, box: Sandbox, ids: list[int], tmp_path: Path
) -> None:
    whole = anime(box)
    malsync.ok("export", "latest", "--output", tmp_path / "list.json.gz")
    for id in ids[:200]:
        box.edit(box.user, "anime", id, score=1, comments="vandalised")
    elsewhere = Malsync(tmp_path / "elsewhere", box)

    elsewhere.ok("restore", tmp_path / "list.json.gz", "--yes")

    assert anime(box) == whole
    assert "malsync backup" in elsewhere.error("show", "good", exit_code=2)["hint"]
    assert elsewhere.json("backup")["suspicious"] == []
    assert elsewhere.json("restore", "good", "--yes")["run"] is None


# -- an undo takes back what its run wrote


@pytest.mark.parametrize("abandoned", [False, True], ids=["unfinished", "given up"])
def test_the_undo_of_an_interrupted_run_keeps_what_the_user_did_since(
    malsync: Malsync, box: Sandbox, ids: list[int], abandoned: bool
) -> None:
    gone, edited, other = ids[:3]
    vandalised = {"score": 1, "comments": ""}
    box.remove(box.user, "anime", gone)
    for id in (edited, other, *ids[3:9]):
        box.edit(box.user, "anime", id, **vandalised)
    # Oldest first: whichever two of them go out, the user edits these afterwards.
    stopped(malsync, box, 3, "restore", "latest")
    written = [
        line["path"].split("/")[3] for line in box.requests if line["method"] == "PATCH" and line["status"] == 200
    ]
    assert len(written) == 2
    if abandoned:
        malsync.ok("runs", "--abandon", "1")
    first, second = map(int, written)
    box.edit(box.user, "anime", first, comments="a new review", score=10)
    theirs = anime(box)[first]

    document = malsync.json("undo", "1", "--yes", exit_code=5)

    assert anime(box)[first] == theirs
    assert [left["id"] for left in document["left"]] == [first]
    assert second not in anime(box) or anime(box)[second]["comments"] == ""


def test_an_undo_that_waited_while_its_run_went_on_sends_nothing(
    malsync: Malsync, box: Sandbox, ids: list[int]
) -> None:
    for id in ids[:5]:
        box.edit(box.user, "anime", id, comments="vandalised")
    stopped(malsync, box, 3, "restore", "latest")
    terminal = [
        sys.executable,
        "-m",
        "tests.support.terminal",
        "80",
        "[y/N]",
        sys.executable,
        "-m",
        "malsync",
        "undo",
        "1",
    ]
    before = box.counts["GET"]
    with subprocess.Popen(
        terminal,
        env={**clean_environment(), **malsync.environ_of_a_process()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as undo:
        # It has read the journal and the lists; it asks only once there is somebody to ask, for what is typed comes later.
        until(lambda: box.counts["GET"] >= before + 3)
        malsync.ok("resume", "1")
        sent = box.counts["PATCH"]
        screen, _ = undo.communicate("y\n", timeout=30)

    assert undo.returncode == 2, screen
    assert "meanwhile" in screen
    assert box.counts["PATCH"] == sent


def test_the_undo_of_a_run_can_be_rehearsed(malsync: Malsync, box: Sandbox, ids: list[int]) -> None:
    box.edit(box.user, "anime", ids[0], comments="vandalised")
    malsync.ok("restore", "latest", "--yes")
    sent = box.counts["PATCH"]

    document = malsync.json("undo", "--rehearse")

    assert document["run"] is None
    assert document["rehearsal"]["PATCH"] == 1
    assert document["equal"]
    assert box.counts["PATCH"] == sent


# -- no guard is slipped past


@pytest.mark.parametrize("words", [("--plan", ""), ("--plan", "", "--dry-run")], ids=" ".join)
def test_a_plan_file_without_a_name_writes_nothing(
    malsync: Malsync, box: Sandbox, ids: list[int], words: tuple[str, ...]
) -> None:
    box.edit(box.user, "anime", ids[0], comments="vandalised")

    malsync.error("restore", "latest", "--yes", *words, exit_code=2)

    assert "PATCH" not in box.counts


def test_a_tighter_limit_holds_a_resume_back(malsync: Malsync, box: Sandbox, ids: list[int]) -> None:
    newcomers = [title["id"] for title in box.world.catalogue.titles("anime") if title["id"] not in ids][:3]
    for id in newcomers:
        box.add(box.user, "anime", id, status="watching")
    box.add_faults("forbidden:method=DELETE")
    malsync.ok("restore", "latest", "--mode", "exact", "--yes", exit_code=3)
    box.clear_faults()

    refused = malsync.error("resume", "--max-deletes", "2", exit_code=7)

    assert "--max-deletes 3" in refused["hint"]
    assert set(newcomers) <= anime(box).keys()
    malsync.ok("resume", "--max-deletes", "3")
    assert not set(newcomers) & anime(box).keys()


@pytest.mark.parametrize(
    "filters",
    [
        ("--only", "manga", "--id", "anime:1"),
        ("--only", "anime", "--status", "reading"),
        ("--id", "anime:1", "--status", "plan_to_read"),
        ("--mode", "missing", "--field", "score"),
    ],
    ids=" ".join,
)
def test_filters_that_nothing_can_pass_do_not_look_like_equal_lists(
    malsync: Malsync, box: Sandbox, ids: list[int], filters: tuple[str, ...]
) -> None:
    box.remove(box.user, "anime", ids[0])

    malsync.error("restore", "latest", "--yes", *filters, exit_code=2)


def test_two_calls_that_failed_before_a_run_was_stopped_are_open_again(
    malsync: Malsync, box: Sandbox, ids: list[int]
) -> None:
    whole = anime(box)
    for id in ids[:4]:
        box.edit(box.user, "anime", id, comments="vandalised")
    # Ten tries of two calls, then MAL asks to wait for longer than malsync does.
    box.add_faults("503:method=PATCH,nth=1-10;429:method=PATCH,retry_after=400,nth=11-99")
    malsync.ok("restore", "latest", "--yes", exit_code=4)
    box.clear_faults()

    assert malsync.json("runs")[0]["pending"] == 4
    assert malsync.json("resume")["equal"]
    assert anime(box) == whole
