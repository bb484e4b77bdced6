"""`resume`, `undo`, `runs`: a run that was cut short is finished, taken back or given up; one that ended can be taken back."""

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from malsync.mirror import FILE_NAME
from malsync.sandbox import World
from tests.support.farside import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import write
from tests.support.signing import sign_in
from tests.support.writing import (
    MEDIA,
    absent,
    harm,
    ids,
    interrupt,
    keys,
    lists,
    mine,
    outcomes,
    small,
    writes,
    written,
)

pytestmark = pytest.mark.writes

MIKA, THEO = "sandbox_mika", "sandbox_theo"


@pytest.fixture
def world() -> World:
    """Few titles: each test has several runs."""
    return small(anime=20, manga=5)


def vandalize(malsync: Malsync, box: Sandbox, number: int = 5) -> list[int]:
    """So many entries are edited after a backup: their ids, in the order in which they will be written back."""
    malsync.ok("backup")
    entries = box.entries(box.user, "anime")
    some = sorted(ids(box)[:number], key=lambda id: entries[id]["updated_at"])
    for id in some:
        box.edit(box.user, "anime", id, comments="vandal")
    return some


def comments(box: Sandbox, some: list[int]) -> list[str]:
    """What each of them says now, in short: whether it is the vandal's, mine, or as it was."""
    entries = box.entries(box.user, "anime")
    said = [entries[id]["comments"] if id in entries else "gone" for id in some]
    return [one if one in ("vandal", "mine", "gone") else "good" for one in said]


def run(malsync: Malsync, number: int) -> dict[str, Any]:
    """What `runs` says of a run."""
    (found,) = [row for row in malsync.json("runs") if row["run"] == number]
    return dict(found)


# -- runs


def test_where_there_was_no_run_it_says_so(malsync: Malsync, box: Sandbox) -> None:
    assert "No run yet" in malsync.ok("runs").stdout
    assert malsync.json("runs") == []
    assert box.requests == []


def test_each_run_is_told_with_what_came_of_it(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    one, two, *_ = ids(box)
    harm(box)
    malsync.ok("restore", "1", "--mode", "exact", "--yes")
    box.edit(box.user, "anime", one, comments="vandal")
    malsync.ok("revert", "1", "live", "--yes")
    malsync.ok("undo", "--yes")
    malsync.ok("restore", "1", "--plan", tmp_path / "plan.json")
    malsync.ok("apply", tmp_path / "plan.json")
    for id in (one, two):
        box.edit(box.user, "anime", id, comments="vandal")
    box.add_faults(f"invalid_content:method=PATCH,on=anime/{one}/")
    malsync.ok("restore", "1", "--yes", exit_code=5)
    box.clear_faults()
    box.edit(box.user, "anime", two, comments="vandal")
    interrupt(malsync, box, 1, "restore", "1")

    rows = malsync.json("runs")
    table = malsync.ok("runs").stdout

    assert [(row["run"], row["kind"], row["state"], row["undoes"]) for row in rows] == [
        (1, "restore", "finished", None),
        (2, "revert", "finished", None),
        (3, "undo", "finished", 2),
        (4, "apply", "finished", None),
        (5, "restore", "finished", None),
        (6, "restore", "unfinished", None),
    ]
    assert rows[0]["outcomes"] == outcomes(done=3)
    assert rows[4]["outcomes"] == outcomes(done=1, not_restorable=1)
    assert (rows[5]["outcomes"], rows[5]["pending"]) == (outcomes(done=1), 1)
    assert (rows[5]["ended_at"], rows[5]["after"]) == (None, None)
    for row in rows:
        assert (row["account"], row["user"]) == ("default", MIKA)
        assert row["started_at"].endswith("Z")
        assert row["before"] is not None
        if row["state"] == "finished":
            assert datetime.fromisoformat(row["ended_at"]) > datetime.fromisoformat(row["started_at"])
            assert row["after"] > row["before"]
    assert "undo of 2" in table
    assert [line.split()[-1] for line in table.splitlines() if line.startswith(("1 ", "6 "))] == [
        "finished",
        "unfinished",
    ]


@pytest.mark.comments
def test_the_runs_of_one_account_are_listed_alone_when_asked(malsync: Malsync, box: Sandbox) -> None:
    both(malsync, box)
    malsync.ok("migrate", "1", "--to", "second", "--only", "manga", "--yes")
    vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")

    assert [row["run"] for row in malsync.json("runs")] == [1, 2]
    assert [row["run"] for row in malsync.json("runs", "--account", "second")] == [1]
    assert [row["run"] for row in malsync.json("runs", "--account", "default")] == [2]
    malsync.error("runs", "--account", "third", exit_code=2)


def both(malsync: Malsync, box: Sandbox) -> None:
    """Signed in as two users."""
    sign_in(malsync, box, MIKA)
    sign_in(malsync, box, THEO, "second")
    malsync.ok("backup")
    malsync.ok("backup", "--account", "second")


# -- resume


@pytest.mark.parametrize("command", ["resume", "undo"])
def test_where_there_is_no_run_it_ends_with_2(malsync: Malsync, box: Sandbox, command: str) -> None:
    malsync.ok("backup")
    had = len(box.requests)

    malsync.error(command, exit_code=2)
    malsync.error(command, "1", exit_code=2)
    for wrong in ("0", "-1", "x", "1.5"):
        malsync.error(command, wrong, exit_code=2)

    assert len(box.requests) == had


def test_a_run_that_ended_is_not_resumed(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    had = len(box.requests)

    assert "nothing to resume" in malsync.error("resume", exit_code=2)["message"]
    assert "finished" in malsync.error("resume", "1", exit_code=2)["message"]
    assert len(box.requests) == had


def test_what_is_done_is_not_done_again(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    said = interrupt(malsync, box, 2, "restore", "1")
    assert said.splitlines()[-1] == "To go on: malsync resume 1"
    assert "2 of 5 writes are settled" in said
    first = written(box)

    result = malsync.ok("resume", "--json")
    document = result.json

    assert written(box)[len(first) :] == [("PATCH", "anime", id) for id in some[2:]]
    assert comments(box, some) == ["good"] * 5
    assert document["run"] == 1
    assert document["plan"] == {"add": 0, "update": 5, "remove": 0}
    assert document["outcomes"] == outcomes(done=5)
    assert document["requests"]["PATCH"] == 3
    assert document["equal"] is True
    assert "3 writes have no outcome yet" in result.stderr
    assert (run(malsync, 1)["state"], run(malsync, 1)["after"]) == ("finished", document["after"])


def test_it_does_not_ask_and_shows_what_remains(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")

    said = malsync.ok("resume").stdout

    assert "update 3 (3 writes" in said
    assert "Run 1: 5 done. Verified: your lists now match." in said


def test_what_remains_is_foretold_by_a_dry_run(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    box.edit(box.user, "anime", some[3], comments="mine")
    sent, count = writes(box), len(malsync.json("snapshots"))

    document = malsync.json("resume", "--dry-run")

    assert keys(document) == {("update", "anime", some[2]), ("update", "anime", some[4])}
    assert [left["id"] for left in document["left"]] == [some[3]]
    assert document["run"] is None
    assert (writes(box), len(malsync.json("snapshots"))) == (sent, count)
    assert run(malsync, 1)["state"] == "unfinished"


def test_dry_run_of_resume_with_force_shows_what_force_overwrites(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    box.edit(box.user, "anime", some[3], comments="mine")

    document = malsync.json("resume", "--dry-run", "--force")

    assert (keys(document), document["left"]) == ({("update", "anime", id) for id in some[2:]}, [])


@pytest.mark.parametrize("force", [False, True])
def test_what_others_did_since_is_not_overwritten(malsync: Malsync, box: Sandbox, force: bool) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    box.edit(box.user, "anime", some[3], comments="mine")
    was = next(item for item in malsync.json("show", "1", "--only", "anime")["entries"] if item["id"] == some[4])
    box.edit(box.user, "anime", some[4], comments=was["list_status"].get("comments", ""))

    document = malsync.json("resume", *(["--force"] if force else []), exit_code=0 if force else 5)

    assert comments(box, some) == ["good", "good", "good", "good" if force else "mine", "good"]
    if force:
        assert document["outcomes"] == outcomes(done=4, already=1)
    else:
        assert document["outcomes"] == outcomes(done=3, skipped=1, already=1)
        assert [(left["id"], left["why"]) for left in document["left"]] == [
            (some[3], "moved: somebody changed comments")
        ]


def test_it_can_be_interrupted_again_and_again(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    for count in (1, 1, 1):
        interrupt(malsync, box, count, "resume")
    malsync.ok("resume")

    made = [id for _, _, id in written(box)]
    assert comments(box, some) == ["good"] * 5
    # The one in flight at each interruption was asked for twice, and done once.
    assert [made.count(id) for id in some] == [1, 2, 2, 2, 2]


@pytest.mark.comments
def test_which_of_several_runs_must_be_said(malsync: Malsync, box: Sandbox) -> None:
    both(malsync, box)
    some = vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    interrupt(malsync, box, 1, "migrate", "1", "--to", "second")
    sent = writes(box)

    error = malsync.error("resume", exit_code=2)
    assert "1 (default)" in error["message"]
    assert "2 (second)" in error["message"]
    assert writes(box) == sent

    had = len(box.requests)
    malsync.ok("resume", "--account", "second")
    assert {row["user"] for row in box.requests[had:] if row["kind"] == "api"} == {THEO}
    had = len(box.requests)
    malsync.ok("resume")
    assert {row["user"] for row in box.requests[had:] if row["kind"] == "api"} == {MIKA}
    assert comments(box, some) == ["good"] * 5
    assert [row["state"] for row in malsync.json("runs")] == ["finished", "finished"]


@pytest.mark.comments
@pytest.mark.parametrize("number", ["1", "2"])
def test_a_run_is_resumed_by_its_number_with_its_own_accounts_token(
    malsync: Malsync, box: Sandbox, number: str
) -> None:
    both(malsync, box)
    vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    interrupt(malsync, box, 1, "migrate", "1", "--to", "second")
    had = len(box.requests)

    malsync.ok("resume", number)

    assert {row["user"] for row in box.requests[had:] if row["kind"] == "api"} == {{"1": MIKA, "2": THEO}[number]}
    assert run(malsync, int(number))["state"] == "finished"


@pytest.mark.promise("writing-15")
def test_nobody_resumes_the_run_of_another(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    sent = writes(box)

    error = malsync.error("resume", "1", exit_code=3, env={"MALSYNC_ACCESS_TOKEN": box.token_for(THEO)})

    assert MIKA in error["message"]
    assert THEO in error["message"]
    assert writes(box) == sent


@pytest.mark.promise("writing-15")
@pytest.mark.parametrize("words", [("resume", "1"), ("undo", "1", "--yes")])
def test_nor_does_another_who_has_an_account_here(malsync: Malsync, box: Sandbox, words: tuple[str, ...]) -> None:
    theirs = {"MALSYNC_ACCESS_TOKEN": box.token_for(THEO)}
    malsync.ok("--account", "second", "backup", env=theirs)
    vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "2")
    sent = writes(box)

    error = malsync.error(*words, exit_code=3, env=theirs)

    assert error["message"].startswith(f"Run 1 wrote the lists of {MIKA} ")
    assert "--account default login" in error["hint"]
    assert writes(box) == sent


def test_another_malsync_at_work_comes_first(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    sent = writes(box)

    with FileLock(malsync.home / "malsync.lock"):
        malsync.error("resume", exit_code=7)
        malsync.error("undo", "--yes", exit_code=7)
        malsync.error("runs", "--abandon", "1", exit_code=7)

    assert writes(box) == sent
    assert run(malsync, 1)["state"] == "unfinished"
    malsync.ok("resume")


@pytest.mark.parametrize("command", [("resume",), ("runs", "--abandon", "1"), ("undo", "--yes")])
def test_a_run_that_another_malsync_has_ended_meanwhile_is_left_alone(
    malsync: Malsync, box: Sandbox, command: tuple[str, ...]
) -> None:
    """Two terminals: both saw that it was unfinished."""
    vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    other, now, done = Malsync(malsync.home, box), malsync.time.now, []

    def reading() -> datetime:
        if not done:
            done.append(True)
            other.time.moment = malsync.time.moment
            other.ok(*command)
            done.append(writes(box))
            malsync.time.moment = other.time.moment
        return now()

    malsync.time.now = reading  # type: ignore[method-assign]
    error = malsync.error("resume", "1", exit_code=2)

    assert "run 1" in error["message"]
    assert writes(box) == done[1]


@pytest.mark.parametrize("what", ["gone", "cut short", "another list"])
def test_a_wanted_file_that_is_no_more_what_it_was(malsync: Malsync, box: Sandbox, tmp_path: Path, what: str) -> None:
    """The plan is in the journal: it is carried out as it was shown, and judged by what it was to write."""
    file = tmp_path / "list.json"
    wanted = box.entries(box.user, "anime")
    write(file, mine(box, {"anime": wanted}))
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", file)
    if what == "gone":
        file.unlink()
    elif what == "cut short":
        file.write_bytes(file.read_bytes()[:-30])
    else:
        write(file, mine(box, {"anime": {id: {**one, "comments": "other", "score": 3} for id, one in wanted.items()}}))
    box.add_faults(f"invalid_content:method=PATCH,on=anime/{some[4]}/")

    document = malsync.json("resume", exit_code=5)

    assert comments(box, some) == ["good", "good", "good", "good", "vandal"]
    assert document["outcomes"] == outcomes(done=4, not_restorable=1)
    assert document["equal"] is False
    assert [left["id"] for left in document["left"]] == [some[4]]
    assert len(written(box)) == 3 + 3  # the one that was interrupted was asked for twice
    assert run(malsync, 1)["state"] == "finished"


def test_a_wanted_file_that_is_still_there_is_compared_whole(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    file = write(tmp_path / "list.json", mine(box, {"anime": box.entries(box.user, "anime")}))
    vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", file)
    another = ids(box)[10]
    box.edit(box.user, "anime", another, comments="mine")

    document = malsync.json("resume", exit_code=5)

    assert document["outcomes"] == outcomes(done=5)
    assert [(left["id"], left["why"]) for left in document["left"]] == [
        (another, "changed while the run was under way")
    ]


def test_what_the_journal_says_was_wanted_must_be_readable(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    with sqlite3.connect(malsync.home / FILE_NAME) as database:
        database.execute("""UPDATE run SET plan = json_set(plan, '$.intent.mode', 'sideways')""")
    database.close()
    sent = writes(box)

    error = malsync.error("resume", exit_code=6)

    assert "malsync runs --abandon 1" in error["hint"]
    assert writes(box) == sent
    malsync.ok("runs", "--abandon", "1")


# -- undo


def test_a_run_is_taken_back(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)
    harmed = lists(box)
    malsync.ok("restore", "1", "--mode", "exact", "--yes")

    document = malsync.json("undo", "--yes")

    assert lists(box) == harmed
    assert document["plan"] == {"add": 1, "update": 1, "remove": 1}
    assert document["outcomes"] == outcomes(done=3)
    assert document["equal"] is True
    assert [(row["kind"], row["undoes"], row["state"]) for row in malsync.json("runs")] == [
        ("restore", None, "finished"),
        ("undo", 1, "finished"),
    ]


def test_an_undo_can_be_undone(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    harm(box)
    harmed = lists(box)
    malsync.ok("restore", "1", "--mode", "exact", "--yes")
    for expected in (harmed, wanted, harmed):
        malsync.ok("undo", "--yes")
        assert lists(box) == expected

    assert "undo of 3" in malsync.ok("runs").stdout


def test_a_run_is_taken_back_by_its_number(malsync: Malsync, box: Sandbox) -> None:
    """And no more than it wrote: what a later run wrote stays."""
    some = vandalize(malsync, box, 4)
    malsync.ok("restore", "1", "--id", f"anime:{some[0]}", "--yes")
    malsync.ok("restore", "1", "--id", f"anime:{some[1]}", "--yes")

    assert keys(malsync.json("undo", "1", "--yes")) == {("update", "anime", some[0])}

    assert comments(box, some) == ["vandal", "good", "vandal", "vandal"]


def test_what_was_done_since_is_kept(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box, 4)
    malsync.ok("restore", "1", "--yes")
    box.edit(box.user, "anime", some[0], score=10)
    other, new = ids(box)[10], absent(box)
    box.edit(box.user, "anime", other, comments="mine")
    box.add(box.user, "anime", new, status="watching")

    malsync.ok("undo", "--yes")

    assert comments(box, some) == ["vandal"] * 4
    after = box.entries(box.user, "anime")
    assert (after[some[0]]["score"], after[other]["comments"], after[new]["status"]) == (10, "mine", "watching")


@pytest.mark.parametrize("resumed", [False, True])
def test_what_somebody_else_did_while_the_run_was_under_way_is_kept(
    malsync: Malsync, box: Sandbox, resumed: bool
) -> None:
    """It stands between the two readings of the run as well, and is none of its writes."""
    some = vandalize(malsync, box, 4)
    other = ids(box)[10]
    before = box.entries(box.user, "anime")[other]["score"]
    box.add_faults(f"edit:on=animelist,nth=2,id={other}")
    malsync.json("restore", "1", "--yes", exit_code=5)
    box.clear_faults()
    theirs = box.entries(box.user, "anime")[other]

    if resumed:
        interrupt(malsync, box, 2, "undo")
    document = malsync.json("resume") if resumed else malsync.json("undo", "--yes")

    assert keys(document) == {("update", "anime", id) for id in some}
    assert document["equal"] is True

    assert comments(box, some) == ["vandal"] * 4
    assert box.entries(box.user, "anime")[other] == theirs
    assert theirs["score"] != before


@pytest.mark.parametrize("force", [False, True])
def test_what_was_changed_again_is_a_conflict(malsync: Malsync, box: Sandbox, force: bool) -> None:
    some = vandalize(malsync, box, 4)
    malsync.ok("restore", "1", "--yes")
    box.edit(box.user, "anime", some[0], comments="mine")
    box.remove(box.user, "anime", some[1])

    document = malsync.json("undo", "--yes", *(["--force"] if force else []), exit_code=0 if force else 5)

    assert comments(box, some) == (["vandal"] * 4 if force else ["mine", "gone", "vandal", "vandal"])
    if not force:
        assert {left["id"]: left["why"] for left in document["left"]} == {
            some[0]: "conflict: edited, and edited again since",
            some[1]: "conflict: edited, and removed since",
        }
        assert document["left"][0]["fields"]["comments"].keys() == {"good", "bad", "live"}


def test_a_second_time_there_is_nothing_left_to_take_back(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    malsync.ok("undo", "1", "--yes")

    document = malsync.json("undo", "1")

    assert (document["run"], document["changes"]) == (None, [])
    assert document["outcomes"] == outcomes(already=5)
    assert len(malsync.json("runs")) == 2


def test_a_look_sends_nothing_but_get_and_keeps_nothing(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    sent, rows = writes(box), malsync.json("snapshots")
    file = tmp_path / "plan.json"

    for words in (("--dry-run",), ("--rehearse",), ("--plan", str(file)), ("--dry-run", "--rehearse", "--yes")):
        document = malsync.json("undo", *words)
        assert keys(document) == {("update", "anime", id) for id in some[:2]}

    assert writes(box) == sent
    assert malsync.json("snapshots") == rows
    assert (run(malsync, 1)["state"], run(malsync, 1)["after"]) == ("unfinished", None)


def test_an_undo_may_be_a_plan_file_too(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    some = vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    malsync.ok("undo", "--plan", tmp_path / "plan.json")
    assert comments(box, some) == ["good"] * 5

    assert malsync.json("apply", tmp_path / "plan.json")["outcomes"] == outcomes(done=5)

    assert comments(box, some) == ["vandal"] * 5


def test_it_asks_as_every_run_does(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    sent = writes(box)

    malsync.error("undo", exit_code=2)

    assert writes(box) == sent


@pytest.mark.comments
def test_taking_back_many_additions_needs_a_word(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for id in ids(box)[:11]:
        box.remove(box.user, "anime", id)
    malsync.ok("restore", "1", "--yes")
    sent = writes(box)

    assert "--max-deletes 11" in malsync.error("undo", "--yes", exit_code=7)["hint"]
    assert writes(box) == sent
    malsync.ok("undo", "--yes", "--max-deletes", "11")


def test_an_interrupted_run_is_taken_back(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")

    document = malsync.json("undo", "--yes")

    assert comments(box, some) == ["vandal"] * 5
    assert keys(document) == {("update", "anime", id) for id in some[:2]}
    rows = malsync.json("runs")
    assert [(row["kind"], row["state"]) for row in rows] == [("restore", "undone"), ("undo", "finished")]
    # What it left was read and kept before anything was sent.
    kept = {row["snapshot"]: row["source"] for row in malsync.json("snapshots")}
    assert kept[rows[0]["after"]] == "after-run"
    assert rows[0]["before"] < rows[0]["after"] <= rows[1]["before"]
    changed = malsync.json("diff", str(rows[0]["before"]), str(rows[0]["after"]))["changes"]
    assert {item["id"] for item in changed} == set(some[:2])
    malsync.ok("restore", "1", "--yes")
    assert comments(box, some) == ["good"] * 5


def test_an_interrupted_run_that_wrote_nothing_is_taken_back_without_a_write(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 0, "restore", "1")
    sent = writes(box)

    document = malsync.json("undo")

    assert (document["run"], document["changes"]) == (None, [])
    assert writes(box) == sent
    assert run(malsync, 1)["state"] == "undone"
    malsync.error("resume", exit_code=2)
    malsync.ok("restore", "1", "--yes")


@pytest.mark.parametrize("words", [["--dry-run"], ["--rehearse"]])
def test_a_look_at_the_undo_of_a_run_that_wrote_nothing_does_not_end_it(
    malsync: Malsync, box: Sandbox, words: list[str]
) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 0, "restore", "1")

    malsync.ok("undo", *words)

    assert run(malsync, 1)["state"] == "unfinished"


def test_an_unfinished_run_keeps_nobody_from_hearing_that_there_is_nothing_to_do(
    malsync: Malsync, box: Sandbox
) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")

    assert malsync.json("restore", "1", "--only", "manga", "--yes")["equal"] is True
    malsync.error("restore", "1", "--yes", exit_code=7)


def test_what_an_interrupted_run_wrote_later_is_taken_back_too(malsync: Malsync, box: Sandbox) -> None:
    """It was to be taken back once, nobody said yes, and it went on: what was read then is not what it left."""
    some = vandalize(malsync, box)
    interrupt(malsync, box, 1, "restore", "1")
    malsync.error("undo", exit_code=2)
    interrupt(malsync, box, 2, "resume")

    assert keys(malsync.json("undo", "--dry-run")) == {("update", "anime", id) for id in some[:3]}
    malsync.ok("undo", "--yes")

    assert comments(box, some) == ["vandal"] * 5


def test_what_was_done_after_a_first_question_is_kept(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    malsync.error("undo", exit_code=2)
    box.edit(box.user, "anime", some[0], comments="mine")

    document = malsync.json("undo", "--yes", exit_code=5)

    assert comments(box, some) == ["mine", "vandal", "vandal", "vandal", "vandal"]
    assert [left["id"] for left in document["left"]] == [some[0]]


@pytest.mark.promise("writing-18")
def test_what_mal_made_of_an_interrupted_runs_write_is_taken_back(home: Path, world: World) -> None:
    """What it sent and what it finds are two things then, and neither was done by anybody else."""
    with Sandbox(world, settings={"tag_spaces": "trim"}) as box:
        malsync = Malsync(home, box)
        first, second = ids(box)[:2]
        box.edit(box.user, "anime", first, tags=[" lent"])
        box.edit(box.user, "anime", second, comments="good")
        malsync.ok("backup")
        box.edit(box.user, "anime", first, tags=["vandal"])
        box.edit(box.user, "anime", second, comments="vandal")
        interrupt(malsync, box, 2, "restore", "1")
        assert box.entries(box.user, "anime")[first]["tags"] == ["lent"]

        document = malsync.json("undo", "--yes")

        assert document["left"] == []
        assert box.entries(box.user, "anime")[first]["tags"] == ["vandal"]


@pytest.mark.parametrize("end", [[], ["runs", "--abandon", "1"]])
def test_what_was_done_since_the_interruption_is_kept(malsync: Malsync, box: Sandbox, end: list[str]) -> None:
    """Nobody read the lists in between: what the run wrote says what is its own."""
    some = vandalize(malsync, box)
    interrupt(malsync, box, 3, "restore", "1")
    if end:
        malsync.ok(*end)
    box.edit(box.user, "anime", some[0], comments="mine")
    box.edit(box.user, "anime", some[1], score=10)

    document = malsync.json("undo", "1", "--yes", exit_code=5)

    assert comments(box, some) == ["mine", "vandal", "vandal", "vandal", "vandal"]
    assert box.entries(box.user, "anime")[some[1]]["score"] == 10
    assert [(left["id"], left["why"]) for left in document["left"]] == [
        (some[0], "conflict: edited, and edited again since")
    ]


def test_a_run_that_was_given_up_can_still_be_taken_back(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    said = malsync.ok("runs", "--abandon", "1").stderr
    assert "malsync undo 1" in said

    malsync.ok("undo", "1", "--yes")

    assert comments(box, some) == ["vandal"] * 5
    assert [row["state"] for row in malsync.json("runs")] == ["abandoned", "finished"]


def test_an_undo_that_is_interrupted_is_resumed(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    interrupt(malsync, box, 2, "undo")
    assert sorted(comments(box, some)) == ["good"] * 3 + ["vandal"] * 2
    box.edit(box.user, "anime", ids(box)[10], comments="mine")

    document = malsync.json("resume")

    assert comments(box, some) == ["vandal"] * 5
    assert document["outcomes"] == outcomes(done=5)
    assert document["equal"] is True
    malsync.ok("undo", "2", "--yes")
    assert comments(box, some) == ["good"] * 5


def test_an_undo_that_is_interrupted_is_undone(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    interrupt(malsync, box, 2, "undo")

    malsync.ok("undo", "--yes")

    assert comments(box, some) == ["good"] * 5
    assert [row["state"] for row in malsync.json("runs")] == ["finished", "undone", "finished"]


def test_an_unfinished_run_keeps_another_from_being_taken_back(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    for id in some:
        box.edit(box.user, "anime", id, score=1)
    interrupt(malsync, box, 1, "restore", "1")
    sent = writes(box)

    assert "malsync resume 2" in malsync.error("undo", "1", "--yes", exit_code=7)["hint"]
    assert writes(box) == sent


@pytest.mark.parametrize("column", ["before", "after"])
def test_without_the_lists_around_it_a_run_is_not_taken_back(malsync: Malsync, box: Sandbox, column: str) -> None:
    """What is there now is not what it left: what was done since would be taken for its work."""
    vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")
    with sqlite3.connect(malsync.home / FILE_NAME) as database:
        database.execute(f"UPDATE run SET {column} = NULL")
    database.close()
    sent, rows = writes(box), malsync.json("snapshots")

    error = malsync.error("undo", "--yes", exit_code=2)

    assert "cannot be undone" in error["message"]
    assert writes(box) == sent
    assert malsync.json("snapshots") == rows


# -- giving up


def test_a_run_is_given_up_and_the_account_is_free_again(malsync: Malsync, box: Sandbox) -> None:
    some = vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    sent, had = writes(box), len(box.requests)

    (row,) = malsync.json("runs", "--abandon", "1")

    assert (row["state"], row["pending"]) == ("abandoned", 3)
    assert row["ended_at"] is not None
    assert (writes(box), len(box.requests)) == (sent, had)
    assert comments(box, some) == ["good", "good", "vandal", "vandal", "vandal"]
    assert "abandoned" in malsync.error("resume", "1", exit_code=2)["message"]
    assert malsync.json("restore", "1", "--yes")["outcomes"] == outcomes(done=3)


def test_a_run_is_given_up_once(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")
    malsync.ok("runs", "--abandon", "1")

    assert "abandoned already" in malsync.error("runs", "--abandon", "1", exit_code=2)["message"]


def test_what_ended_or_never_was_is_not_given_up(malsync: Malsync, box: Sandbox) -> None:
    malsync.error("runs", "--abandon", "1", exit_code=2)
    vandalize(malsync, box)
    malsync.ok("restore", "1", "--yes")

    assert "finished already" in malsync.error("runs", "--abandon", "1", exit_code=2)["message"]
    for wrong in ("2", "0", "x"):
        malsync.error("runs", "--abandon", wrong, exit_code=2)
    assert run(malsync, 1)["state"] == "finished"


def test_quiet_and_json_hold_for_all_of_them(malsync: Malsync, box: Sandbox) -> None:
    vandalize(malsync, box)
    interrupt(malsync, box, 2, "restore", "1")

    for words in (("resume", "-q", "--dry-run"), ("resume", "-q"), ("undo", "-q", "--yes"), ("runs", "-q")):
        result = malsync.ok(*words)
        assert (result.stdout, result.stderr) == ("", ""), words
    assert {medium: len(lists(box)[medium]) for medium in MEDIA} == {"anime": 20, "manga": 5}
