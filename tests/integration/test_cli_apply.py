"""`--plan` and `apply`: a plan as a file, reviewed, edited, carried out; and believed no more than any stranger's."""

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from malsync.files import MAX_UNPACKED_BYTES
from malsync.sandbox import World
from malsync.schemas import find_problem
from tests.support.farside import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import write
from tests.support.signing import sign_in
from tests.support.writing import (
    absent,
    harm,
    ids,
    interrupt,
    keys,
    lists,
    mine,
    outcomes,
    small,
    someone,
    writes,
    written,
)

pytestmark = pytest.mark.writes

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def world() -> World:
    """Few titles: what a file says is not about how many there are."""
    return small(anime=40, manga=10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plan.json"


@pytest.fixture
def harmed(malsync: Malsync, box: Sandbox, file: Path) -> dict[str, int]:
    """A list that was harmed since the backup, and a plan that makes it what it was: an add, an update, and a removal."""
    malsync.ok("backup")
    found = harm(box)
    malsync.ok("restore", "latest", "--mode", "exact", "--plan", file)
    return found


def edited(file: Path, edit: Edit) -> Path:
    """The plan with something changed in it."""
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))
    return file


def call(document: dict[str, Any], op: str) -> dict[str, Any]:
    """The call of that kind."""
    (found,) = [one for one in document["calls"] if one["op"] == op]
    assert isinstance(found, dict)
    return found


# -- there and back


def test_a_plan_that_was_looked_at_is_carried_out_as_it_stands(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    planned = json.loads(file.read_text())
    assert find_problem("plan-1", planned) is None
    assert file.stat().st_mode & 0o777 == 0o600
    assert (planned["account"], planned["user"], planned["mode"]) == (
        "default",
        {"id": box.world.first.id, "name": box.user},
        "exact",
    )
    assert (planned["wanted"]["reference"], planned["wanted"]["snapshot"]) == ("latest", 1)
    assert (planned["live"]["reference"], planned["live"]["snapshot"]) == ("live", None)
    assert writes(box) == {}

    document = malsync.json("apply", file)

    assert keys(document) == {
        ("add", "anime", harmed["gone"]),
        ("update", "anime", harmed["edited"]),
        ("remove", "manga", harmed["new"]),
    }
    assert document["outcomes"] == outcomes(done=3)
    assert document["equal"] is True
    assert [(row["kind"], row["state"]) for row in malsync.json("runs")] == [("apply", "finished")]
    assert malsync.json("diff", "1", "live")["changes"] == []


def test_it_does_not_ask_but_shows_what_it_does(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    said = malsync.ok("apply", file)

    assert "add 1, update 1, delete 1" in said.stdout
    assert f"(anime:{harmed['edited']})" in said.stdout
    assert "Run 1: 3 done." in said.stdout


def test_where_the_plan_went_is_said(malsync: Malsync, box: Sandbox, file: Path) -> None:
    malsync.ok("backup")
    harm(box)

    said = malsync.ok("restore", "latest", "--plan", file).stdout

    assert f"malsync apply {file}" in said
    assert malsync.json("restore", "latest", "--plan", file)["file"] == str(file)


@pytest.mark.promise("planning-10")
def test_the_same_lists_give_the_same_bytes(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    harm(box)
    malsync.ok("backup")
    someone(malsync, box)
    env: dict[str, str | None] = {"MALSYNC_ACCESS_TOKEN": None}
    sign_in(malsync, box)
    sign_in(malsync, box, "sandbox_theo", "second")
    commands = [
        ("restore", "1", "--mode", "exact"),
        ("restore", malsync.home / "latest" / "sandbox_mika.json.gz"),
        ("restore", "live"),
        ("revert", "1", "2"),
        ("revert", "1", "live"),
        ("migrate", "live", "--to", "second"),
    ]
    for number, command in enumerate(commands):
        texts = []
        for time in range(2):
            malsync.ok(*command, "--plan", tmp_path / f"{number}-{time}.json", env=env)
            texts.append((tmp_path / f"{number}-{time}.json").read_bytes())
            malsync.time.moment += timedelta(days=3)
        assert texts[0] == texts[1], command
        document = json.loads(texts[0])
        assert find_problem("plan-1", document) is None
        assert [one.get("reference") for one in (document["wanted"], document["live"])][1] == "live"


def test_another_list_gives_other_bytes(malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]) -> None:
    before = file.read_bytes()
    box.edit(box.user, "anime", harmed["edited"], score=2)

    malsync.ok("restore", "latest", "--mode", "exact", "--plan", file)

    assert file.read_bytes() != before


def test_an_empty_plan_is_a_plan(malsync: Malsync, box: Sandbox, file: Path) -> None:
    malsync.ok("backup")
    malsync.ok("restore", "latest", "--plan", file)

    document = malsync.json("apply", file)

    assert (document["run"], document["changes"], document["equal"]) == (None, [], True)
    assert malsync.json("runs") == []


@pytest.mark.parametrize("name", ["mirror.db", "tokens.json", "latest/plan.json"])
def test_no_plan_goes_over_what_is_malsyncs_own(malsync: Malsync, box: Sandbox, name: str) -> None:
    malsync.ok("backup")
    harm(box)

    error = malsync.error("restore", "latest", "--plan", malsync.home / name, exit_code=2)

    assert "malsync's own" in error["message"]
    assert malsync.json("verify")["ok"] is True


def test_a_plan_that_cannot_be_written_ends_with_2(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")

    malsync.error("restore", "latest", "--plan", tmp_path / "no such folder" / "plan.json", exit_code=2)


# -- edited


def test_a_call_that_was_taken_out_is_not_made(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    edited(file, lambda document: document["calls"].remove(call(document, "remove")))

    document = malsync.json("apply", file)

    assert keys(document) == {("add", "anime", harmed["gone"]), ("update", "anime", harmed["edited"])}
    assert document["equal"] is True
    assert harmed["new"] in box.entries(box.user, "manga")


def test_a_call_that_was_taken_out_is_not_made_by_resuming_either(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    """The list that was wanted is still there, but it is the file that says what is written."""
    edited(file, lambda document: document["calls"].remove(call(document, "update")))
    interrupt(malsync, box, 0, "apply", file)

    document = malsync.json("resume")

    assert keys(document) == {("add", "anime", harmed["gone"]), ("remove", "manga", harmed["new"])}
    assert (document["outcomes"], document["equal"]) == (outcomes(done=2), True)
    assert box.entries(box.user, "anime")[harmed["edited"]]["score"] == 1


def test_another_value_is_the_one_that_is_written(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    def edit(document: dict[str, Any]) -> None:
        call(document, "update")["fields"] = {"score": {"from": 1, "to": 10}, "comments": {"from": "", "to": "by hand"}}
        call(document, "add")["fields"]["status"]["to"] = "on_hold"

    document = malsync.json("apply", edited(file, edit))

    assert document["outcomes"] == outcomes(done=3)
    assert document["equal"] is True
    after = box.entries(box.user, "anime")
    assert (after[harmed["edited"]]["score"], after[harmed["edited"]]["comments"]) == (10, "by hand")
    assert after[harmed["edited"]]["tags"] == ["x", "y"]
    assert after[harmed["gone"]]["status"] == "on_hold"


def test_the_order_in_the_file_is_the_order_of_the_writes(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    edited(file, lambda document: document["calls"].reverse())

    malsync.ok("apply", file)

    assert written(box) == [
        ({"remove": "DELETE"}.get(one["op"], "PATCH"), one["medium"], one["id"])
        for one in json.loads(file.read_text())["calls"]
    ]


def test_what_is_left_in_the_file_is_told_again(malsync: Malsync, box: Sandbox, tmp_path: Path, file: Path) -> None:
    anime = box.entries(box.user, "anime")
    one, two = ids(box)[:2]
    wanted = {**anime, one: {**anime[one], "tags": ["a,b"]}, two: {**anime[two], "score": 10}}
    malsync.ok("restore", write(tmp_path / "list.json", mine(box, {"anime": wanted})), "--plan", file)

    document = malsync.json("apply", file, exit_code=5)

    assert [(left["id"], "comma" in left["why"]) for left in document["left"]] == [(one, True)]
    assert document["outcomes"] == outcomes(done=1)
    assert document["equal"] is False


@pytest.mark.parametrize(("words", "sent"), [((), "2021-12"), (("--round-dates",), "2021-12-01")])
def test_dates_are_rounded_when_that_is_asked_for(
    malsync: Malsync, box: Sandbox, file: Path, words: tuple[str, ...], sent: str
) -> None:
    malsync.ok("backup")
    id = next(id for id, one in box.entries(box.user, "anime").items() if "start_date" not in one)
    box.edit(box.user, "anime", id, score=box.entries(box.user, "anime")[id]["score"] % 10 + 1)
    malsync.ok("restore", "latest", "--plan", file)
    edited(file, lambda document: document["calls"][0]["fields"].update(start_date={"from": None, "to": "2021-12"}))

    assert malsync.json("apply", file, *words)["equal"] is True

    assert box.entries(box.user, "anime")[id]["start_date"] == sent


# -- moved since


@pytest.mark.parametrize("force", [False, True])
def test_what_moved_since_is_skipped_and_named(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int], force: bool
) -> None:
    box.edit(box.user, "anime", harmed["edited"], score=9)
    box.add(box.user, "anime", harmed["gone"], status="watching", score=1)
    box.edit(box.user, "manga", harmed["new"], score=9)
    mine_now = lists(box)

    if force:
        malsync.ok("apply", file, "--force")
        assert malsync.json("diff", "1", "live")["changes"] == []
        return
    document = malsync.json("apply", file, exit_code=5)

    assert document["outcomes"] == outcomes(skipped=3)
    assert {(left["medium"], left["id"]): left["why"] for left in document["left"]} == {
        ("anime", harmed["edited"]): "moved: somebody changed score",
        ("anime", harmed["gone"]): "moved: it is on the list again",
        ("manga", harmed["new"]): "moved: somebody changed it",
    }
    assert lists(box) == mine_now
    assert writes(box) == {}


def test_what_moved_is_foretold_by_a_dry_run(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    box.edit(box.user, "anime", harmed["edited"], score=9)

    document = malsync.json("apply", file, "--dry-run")

    assert document["run"] is None
    assert document["plan"] == {"add": 1, "update": 0, "remove": 1}
    assert [left["id"] for left in document["left"]] == [harmed["edited"]]
    assert writes(box) == {}
    assert malsync.json("runs") == []


def test_dry_run_with_force_shows_the_entries_that_force_overwrites(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    box.edit(box.user, "anime", harmed["edited"], score=9)
    box.edit(box.user, "manga", harmed["new"], score=9)

    document = malsync.json("apply", file, "--dry-run", "--force")

    assert (document["plan"], document["left"]) == ({"add": 1, "update": 1, "remove": 1}, [])
    (update,) = [change for change in document["changes"] if change["op"] == "update"]
    assert update["fields"]["score"]["from"] == 9


def test_dry_run_leaves_out_the_entries_that_are_as_wanted(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    malsync.ok("restore", "latest", "--yes")

    document = malsync.json("apply", file, "--dry-run")

    assert (document["plan"], document["left"]) == ({"add": 0, "update": 0, "remove": 1}, [])


def test_what_is_as_wanted_by_now_is_not_written(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    malsync.ok("restore", "latest", "--mode", "exact", "--yes")
    sent = writes(box)

    document = malsync.json("apply", file)

    assert document["outcomes"] == outcomes(already=3)
    assert document["equal"] is True
    assert writes(box) == sent


def test_a_removal_whose_entry_was_only_touched_is_skipped(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    edited(file, lambda document: call(document, "remove")["expect"].update(updated_at="2000-01-01T00:00:00+00:00"))

    document = malsync.json("apply", file, exit_code=5)

    assert document["outcomes"] == outcomes(done=2, skipped=1)
    assert harmed["new"] in box.entries(box.user, "manga")


def test_a_field_that_it_does_not_write_may_have_moved(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    box.edit(box.user, "anime", harmed["edited"], priority=2)

    assert malsync.json("apply", file)["outcomes"] == outcomes(done=3)
    assert box.entries(box.user, "anime")[harmed["edited"]]["priority"] == 2


# -- whose plan


@pytest.mark.promise("security-43")
@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document["user"].update(id=9_000_002, name="sandbox_theo"),
        lambda document: document["user"].update(id=2**70),
        lambda document: document["user"].update(id=-1),
        lambda document: document.update(origin="https://api.myanimelist.net"),
        lambda document: document.update(origin=""),
    ],
)
def test_another_users_plan_is_refused(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int], edit: Edit
) -> None:
    error = malsync.error("apply", edited(file, edit), "--force", exit_code=3)

    assert box.user in error["message"]
    assert "--account" in error["hint"]
    assert writes(box) == {}


def test_the_name_alone_says_nothing(malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]) -> None:
    edited(file, lambda document: document["user"].update(name="an_older_name"))

    malsync.ok("apply", file)


def test_a_plan_for_another_account_is_carried_out_as_that_account(malsync: Malsync, box: Sandbox, file: Path) -> None:
    sign_in(malsync, box)
    sign_in(malsync, box, "sandbox_theo", "second")
    malsync.ok("backup")
    malsync.ok("backup", "--account", "second")
    malsync.ok("migrate", "1", "--to", "second", "--status", "plan_to_read", "--plan", file)

    assert "sandbox_mika" in malsync.error("apply", file, "--account", "default", exit_code=3)["message"]
    assert writes(box) == {}
    malsync.ok("apply", file)

    assert written(box, "sandbox_theo") == written(box)
    assert malsync.json("runs")[0]["account"] == "second"


def test_an_account_of_which_nobody_knows_is_the_one_that_is_signed_in(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    """A plan from another machine, where the account has another name."""
    edited(file, lambda document: document.update(account="laptop"))

    malsync.ok("apply", file)

    assert malsync.json("runs")[0]["account"] == "default"


def test_who_is_not_signed_in_is_told_so(malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]) -> None:
    malsync.error("apply", file, exit_code=3, env={"MALSYNC_ACCESS_TOKEN": None})

    assert writes(box) == {}


# -- guards


@pytest.mark.promise("guards-2", "security-42")
@pytest.mark.parametrize("words", [(), ("--yes",), ("--force",), ("--yes", "--force", "--max-deletes", "10")])
def test_many_deletions_need_a_word_again(malsync: Malsync, box: Sandbox, file: Path, words: tuple[str, ...]) -> None:
    """Also where the plan was made with it: the file may be anyone's."""
    malsync.ok("backup")
    for _ in range(11):
        box.add(box.user, "anime", absent(box), status="dropped")
    malsync.ok("restore", "latest", "--mode", "exact", "--max-deletes", "11", "--plan", file)

    assert "--max-deletes 11" in malsync.error("apply", file, *words, exit_code=7)["hint"]
    assert writes(box) == {}

    assert malsync.json("apply", file, "--max-deletes", "11")["outcomes"] == outcomes(done=11)


def test_an_unfinished_run_comes_first(malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]) -> None:
    interrupt(malsync, box, 1, "apply", file)

    assert "malsync resume 1" in malsync.error("apply", file, exit_code=7)["hint"]
    assert malsync.json("resume")["outcomes"] == outcomes(done=3)
    assert malsync.json("diff", "1", "live")["changes"] == []


def test_another_malsync_at_work_comes_first(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    with FileLock(malsync.home / "malsync.lock"):
        malsync.error("apply", file, exit_code=7)

    assert writes(box) == {}


@pytest.mark.parametrize("words", [("--plan", "x"), ("--rehearse",), ("--only", "anime"), ("--mode", "exact")])
def test_what_plans_does_not_go_with_a_plan(malsync: Malsync, file: Path, words: tuple[str, ...]) -> None:
    malsync.error("apply", file, *words, exit_code=2)


# -- a stranger's file


def _score(to: Any) -> Edit:
    return lambda document: call(document, "update")["fields"].update(score={"from": 1, "to": to})


def _field(name: str, to: Any, of: Any = None) -> Edit:
    return lambda document: call(document, "update")["fields"].update({name: {"from": of, "to": to}})


def _call(op: str, /, **members: Any) -> Edit:
    return lambda document: call(document, op).update(members)


def _deep(depth: int) -> Any:
    item: Any = 1
    for _ in range(depth):
        item = [item]
    return item


HUGE = "x" * 50_000_000
LONG = "x" * 2_000_000  # longer than any text may be, and written and read in a moment
HOSTILE: dict[str, tuple[Edit, str]] = {
    "another format": (lambda document: document.update(format="malsync-snapshot"), "not a malsync plan"),
    "no format": (lambda document: document.pop("format"), "not a malsync plan"),
    "a newer version": (lambda document: document.update(version=2), "version 2"),
    "no version": (lambda document: document.pop("version"), "version"),
    "an unknown member": (lambda document: document.update(surprise=1), "surprise"),
    "an unknown member of a call": (_call("add", surprise=1), "surprise"),
    "an unknown member of a field": (
        lambda document: call(document, "update")["fields"]["score"].update(by="me"),
        "calls.",
    ),
    "an unknown member of the user": (lambda document: document["user"].update(admin=True), "user"),
    "a user without an id": (lambda document: document["user"].update(id=None), "user.id"),
    "no calls": (lambda document: document.pop("calls"), "calls"),
    "calls that are none": (lambda document: document.update(calls={}), "calls"),
    "a call that is none": (lambda document: document["calls"].append(None), "calls.3"),
    "an unknown mode": (lambda document: document.update(mode="everything"), "mode"),
    "an unknown medium": (_call("add", medium="novels"), "medium"),
    "the other medium": (
        _call("remove", medium="anime", fields={"num_volumes_read": {"from": 1, "to": None}}),
        "num_volumes_read",
    ),
    "an unknown op": (_call("add", op="replace"), "op"),
    "no op": (lambda document: call(document, "add").pop("op"), "op"),
    "id 0": (_call("add", id=0), "id"),
    "id -1": (_call("add", id=-1), "id"),
    "id 1.5": (_call("add", id=1.5), "id"),
    "id 2**63": (_call("add", id=2**63), "id"),
    "an id as a text": (_call("add", id="1/../2"), "id"),
    "an id twice": (lambda document: document["calls"].append(copy.deepcopy(document["calls"][0])), "twice"),
    "an unknown field": (_field("scores", 5, 1), "scores"),
    "PATCH's name of a field": (_field("num_watched_episodes", 5, 1), "num_watched_episodes"),
    "what MAL alone sets": (_field("updated_at", "2026-11-01T00:00:00+00:00", ""), "updated_at"),
    "a field of the other list": (_field("num_volumes_read", 5, 0), "num_volumes_read"),
    "a status that is none": (_field("status", "paused", "completed"), "status"),
    "a status of the other list": (_field("status", "reading", "completed"), "status"),
    "no status": (_field("status", None, "completed"), "status"),
    "an empty status": (_field("status", "", "completed"), "status"),
    "a comma in a tag": (_field("tags", ["a,b"], ["x", "y"]), "comma"),
    "an empty tag": (_field("tags", [""], ["x", "y"]), "tag"),
    "tags as a text": (_field("tags", "a", ["x", "y"]), "tags"),
    "a tag that is none": (_field("tags", ["a", 5], ["x", "y"]), "tags"),
    "a score of 2**63": (_score(2**63), "score"),
    "a score of 1e300": (_score(1e300), "score"),
    "a score below 0": (_score(-1), "score"),
    "a score of 7.5": (_score(7.5), "score"),
    "a score of 11": (_score(11), "score"),
    "a priority of 3": (_field("priority", 3), "priority"),
    "a rewatch value of 6": (_field("rewatch_value", 6), "rewatch_value"),
    "progress below 0": (_field("num_episodes_watched", -1), "num_episodes_watched"),
    "a day that does not exist": (_field("start_date", "2021-02-31"), "start_date"),
    "a date of another country": (_field("finish_date", "31.12.2021"), "finish_date"),
    "a month that does not exist": (_field("finish_date", "2021-13"), "finish_date"),
    "an empty date": (_field("finish_date", ""), "finish_date"),
    "a score that is true": (_score(True), "score"),
    "a score as a text": (_score("10&status=dropped"), "score"),
    "no score": (_score(None), "score"),
    "a flag that is none": (_field("is_rewatching", 1, False), "is_rewatching"),
    "a date that is a number": (_field("start_date", 2021), "start_date"),
    "comments that are none": (_field("comments", ["x"], ""), "comments"),
    "from that is not expected": (_field("score", 5, 2), "expects"),
    "from that is not expected of an add": (
        lambda document: call(document, "add")["fields"].update(score={"from": 5, "to": 6}),
        "expects",
    ),
    "an add that expects something": (_call("add", expect={"status": "watching"}), "expects"),
    "an update that expects nothing": (_call("update", expect=None), "expects"),
    "a removal that expects nothing": (_call("remove", expect=None), "expects"),
    "expect that is none": (_call("update", expect=[]), "expect"),
    "an add without a status": (lambda document: call(document, "add")["fields"].pop("status"), "status"),
    "an update of nothing": (_call("update", fields={}), "field"),
    "nested in a value": (_field("comments", _deep(500), ""), "nested"),
    "nested in from": (_field("score", 5, _deep(500)), "nested"),
    "nested in expect": (lambda document: call(document, "update")["expect"].update(x=_deep(500)), "nested"),
    "nested in a removal": (
        lambda document: call(document, "remove")["fields"].update(score={"from": _deep(500), "to": None}),
        "nested",
    ),
    "nested in what it was made from": (lambda document: document["wanted"].update(x=_deep(500)), "nested"),
    "nested in what is left": (
        lambda document: document.update(
            left=[{"medium": "anime", "id": 1, "title": "", "why": "", "fields": {"score": {"x": _deep(500)}}}]
        ),
        "nested",
    ),
    "50 MB of comments": (_field("comments", HUGE, ""), "50,000,000"),
    "2 MB of tags": (_field("tags", [LONG], ["x", "y"]), "2,000,000"),
    "2 MB of a status": (_field("status", LONG, "completed"), "2,000,000"),
    "half a MB of a status": (_field("status", "x" * 500_000, "completed"), "cannot become"),
    "2 MB of a title": (_call("update", title=LONG), "2,000,000"),
    "2 MB of a name": (_field(LONG, 1), ""),
    "2 MB of an unknown member": (lambda document: document.update({LONG: 1}), ""),
    "2 MB in a wrong place": (lambda document: document.update(calls=LONG), "calls"),
    "2 MB of a field's name and a wrong value": (
        lambda document: call(document, "update")["fields"].update({LONG: 1}),
        "calls",
    ),
}


@pytest.fixture(scope="module")
def untouched(
    comments_shown: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Malsync, Sandbox, bytes]]:
    """A good plan, and who would carry it out: for files of which nothing may come but an error."""
    folder = tmp_path_factory.mktemp("untouched")
    with Sandbox(small(anime=40, manga=10)) as box:
        malsync = Malsync(folder / "home", box)
        malsync.ok("backup")
        harm(box)
        malsync.ok("restore", "latest", "--mode", "exact", "--plan", folder / "plan.json")
        before = lists(box)
        yield malsync, box, (folder / "plan.json").read_bytes()
        assert writes(box) == {}
        assert lists(box) == before
        assert malsync.json("runs") == []


@pytest.mark.promise("guards-10", "security-42")
@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_plan_says_ends_with_2_and_nothing_is_sent(
    untouched: tuple[Malsync, Sandbox, bytes], file: Path, what: str
) -> None:
    malsync, box, content = untouched
    edit, words = HOSTILE[what]
    file.write_bytes(content)
    had = len(box.requests)

    error = malsync.error("apply", edited(file, edit), "--force", "--max-deletes", "99", exit_code=2)
    assert malsync.error("apply", file, "--dry-run", exit_code=2) == error

    assert str(file) in error["message"]
    assert words in error["message"]
    assert len(error["message"]) < 1000
    assert error["hint"]
    assert len(box.requests) == had


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing": (lambda _: b"", "is empty"),
    "no JSON": (lambda _: b"PLAN", "not JSON"),
    "an array": (lambda _: b"[]", "not a malsync plan"),
    "null": (lambda _: b"null", "not a malsync plan"),
    "cut short": (lambda content: content[:-20], "cut short"),
    "cut in the middle": (lambda content: content[: len(content) // 2], "cut short"),
    "not UTF-8": (lambda content: content.replace(b"default", b"d\xe9fault"), "not JSON"),
    "half a character": (lambda content: content.replace(b"default", rb"\ud800"), "not JSON"),
    "infinity": (lambda content: content.replace(b'"to":', b'"to":Infinity,"x":', 1), "not JSON"),
    "1e400": (lambda content: content.replace(b'"from":1,', b'"from":1e400,'), "not JSON"),
    "a packed file that is cut short": (lambda content: gzip.compress(content)[:-30], "cut short or damaged"),
    "a packed file that is damaged": (lambda content: gzip.compress(content)[:60] + b"?" * 60, "damaged"),
    "nested to the bottom": (lambda content: b"[" * 100_000 + b"]" * 100_000, "not JSON"),
}


@pytest.mark.parametrize("what", BYTES)
def test_bytes_that_are_no_plan_end_with_2_and_nothing_is_sent(
    untouched: tuple[Malsync, Sandbox, bytes], file: Path, what: str
) -> None:
    malsync, box, content = untouched
    change, words = BYTES[what]
    file.write_bytes(change(content))
    assert file.read_bytes() != content
    had = len(box.requests)

    error = malsync.error("apply", file, exit_code=2)

    assert str(file) in error["message"]
    assert words in error["message"]
    assert len(error["message"]) < 1000
    assert len(box.requests) == had


def test_the_plan_that_is_broken_above_is_whole(untouched: tuple[Malsync, Sandbox, bytes], file: Path) -> None:
    malsync, _, content = untouched
    file.write_bytes(content)

    assert malsync.json("apply", file, "--dry-run")["plan"] == {"add": 1, "update": 1, "remove": 1}


def test_a_bomb_does_not_go_off(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.json.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as packed:
        for _ in range((MAX_UNPACKED_BYTES >> 20) + 1):
            packed.write(b" " * 2**20)

    error = malsync.error("apply", bomb, exit_code=2)

    assert f"more than {MAX_UNPACKED_BYTES >> 20} MB" in error["message"]
    assert box.requests == []


def test_a_file_that_is_not_there_ends_with_2(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, "~nobody-of-this-name/plan.json"):
        malsync.error("apply", path, exit_code=2)
    malsync.error("apply", exit_code=2)
    assert box.requests == []


def test_a_snapshot_is_no_plan(malsync: Malsync, tmp_path: Path) -> None:
    malsync.ok("backup", "--file", str(tmp_path / "list.json"))

    assert "not a malsync plan" in malsync.error("apply", tmp_path / "list.json", exit_code=2)["message"]


def test_nothing_in_a_file_moves_the_cursor(malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]) -> None:
    def edit(document: dict[str, Any]) -> None:
        call(document, "add")["title"] = "\x1b[2Jevil\u202e"
        document["left"] = [
            {"medium": "anime", "id": 1, "title": "\x1b]0;", "why": "\x07", "fields": {"\x1b": {"\x1b[1m": "\x1b"}}}
        ]

    said = malsync.ok("apply", edited(file, edit), exit_code=5)

    assert not {"\x1b", "\x07", "\u202e"} & set(said.stdout + said.stderr)
    assert r"\x1b[2Jevil" in said.stderr


@pytest.mark.promise("security-42")
def test_a_file_cannot_hide_which_entry_it_means(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    """What is shown is MAL's title for what is on the list."""
    edited(file, lambda document: [one.update(title="Harmless") for one in document["calls"] if one["op"] != "add"])

    said = malsync.ok("apply", file, "--dry-run").stdout

    assert "Harmless" not in said
    for medium, id in (("anime", harmed["edited"]), ("manga", harmed["new"])):
        assert f"({medium}:{id})" in said
    assert (box.world.catalogue.get("manga", harmed["new"]) or {})["title"][:20] in said


@pytest.mark.comments
def test_a_value_is_sent_as_a_value_whatever_it_looks_like(
    malsync: Malsync, box: Sandbox, file: Path, harmed: dict[str, int]
) -> None:
    text = "10&status=dropped\r\nX-Evil: 1#?%00"
    edited(file, _field("comments", text, ""))

    malsync.ok("apply", file)

    assert box.entries(box.user, "anime")[harmed["edited"]]["comments"] == text
