"""`restore`: the live list becomes what a reference says, and no more than that; and all that keeps it from being harmful."""

import io
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest
from filelock import FileLock

from malsync.formats import snapshot_file
from malsync.mirror import FILE_NAME, Mirror
from malsync.sandbox import World
from tests.support import harness
from tests.support.farside import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import write
from tests.support.servers import FarSide, Heard, Reply, entry, mal, page
from tests.support.signing import sign_in
from tests.support.terminal import on_terminal
from tests.support.writing import (
    MEDIA,
    Lists,
    absent,
    empty,
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

DRY = ("--dry-run", "--plan", "--rehearse")


# -- the far side, and what is done to it


@pytest.fixture
def world() -> World:
    """Enough titles of each status, and few enough for a hundred tests."""
    return small(anime=100, manga=45)


# -- modes


@pytest.mark.parametrize("mode", ["merge", "exact", "missing"])
def test_the_list_becomes_what_was_wanted_of_it(malsync: Malsync, box: Sandbox, mode: str) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    harmed = harm(box)
    gone, edited, new = (harmed[name] for name in ("gone", "edited", "new"))
    before = lists(box)

    document = malsync.json("restore", "latest", "--mode", mode, "--yes")

    expected: Lists = {"anime": dict(before["anime"]), "manga": dict(before["manga"])}
    expected["anime"][gone] = wanted["anime"][gone]
    planned = {("add", "anime", gone)}
    if mode != "missing":
        expected["anime"][edited] = wanted["anime"][edited]
        planned |= {("update", "anime", edited)}
    if mode == "exact":
        del expected["manga"][new]
        planned |= {("remove", "manga", new)}
        assert expected == wanted
    assert lists(box) == {medium: dict(sorted(expected[medium].items())) for medium in MEDIA}
    assert keys(document) == planned
    assert document["outcomes"] == outcomes(done=len(planned))
    assert (document["run"], document["before"], document["after"]) == (1, 2, 3)
    assert (document["equal"], document["left"]) == (True, [])
    assert document["plan"] == {"add": 1, "update": int(mode != "missing"), "remove": int(mode == "exact")}
    assert document["requests"] == {
        "GET": 5,
        "PATCH": document["plan"]["add"] + document["plan"]["update"],
        "DELETE": document["plan"]["remove"],
    }
    assert writes(box) == {method: n for method, n in document["requests"].items() if n and method != "GET"}


def test_merge_is_what_happens_where_nothing_is_said(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)

    assert malsync.json("restore", "1", "--dry-run") == malsync.json("restore", "1", "--dry-run", "--mode", "merge")
    assert malsync.json("restore", "1", "--dry-run")["plan"] == {"add": 1, "update": 1, "remove": 0}


def test_only_what_differs_is_sent_and_a_blank_clears(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    blank = next(id for id, one in lists(box)["anime"].items() if not one["comments"] and not one["tags"])
    box.edit(box.user, "anime", blank, comments="not mine", tags=["spam"])

    malsync.ok("restore", "latest", "--yes")

    (row,) = [row for row in box.requests if row["method"] == "PATCH"]
    assert row["form"] == {"tags": "", "comments": ""}


@pytest.mark.comments
def test_what_was_updated_last_is_written_last(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    updated = {
        ("PATCH", medium, id): one["updated_at"]
        for medium in MEDIA
        for id, one in box.entries(box.user, medium).items()
    }
    for medium in MEDIA:
        for id in ids(box, medium)[::20]:
            box.edit(box.user, medium, id, comments="vandal")

    malsync.ok("restore", "latest", "--yes")

    order = written(box)
    assert len(order) == 8
    assert [updated[one] for one in order] == sorted(updated[one] for one in order)


@pytest.mark.promise("planning-3")
def test_the_plan_is_shown_before_and_what_came_of_it_after(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harmed = harm(box)

    said = malsync.ok("restore", "good", "--mode", "exact", "--yes")

    assert f"Plan for the lists of {box.user}: add 1, update 1, delete 1 (3 writes" in said.stdout
    assert said.stdout.count('MAL sets "last updated" itself') == 1
    assert f"(anime:{harmed['gone']})" in said.stdout
    assert said.stdout.index("Will be deleted:") < said.stdout.index(f"(manga:{harmed['new']})")
    assert "Run 1: 3 done. Verified: your lists now match." in said.stdout
    assert "before: snapshot 2, after: snapshot 3" in said.stdout
    assert "malsync undo 1" in said.stdout
    assert said.stderr.startswith("good is snapshot 1, of ")


def test_a_long_plan_is_folded_unless_all_of_it_is_asked_for(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for id in ids(box)[:30]:
        box.edit(box.user, "anime", id, comments="vandal")

    short, long = (malsync.ok("restore", "1", "--dry-run", *more).stdout for more in ((), ("-v",)))

    assert short.count("(anime:") == 20
    assert "... and 10 more." in short
    assert long.count("(anime:") == 30
    assert "more." not in long


@pytest.mark.promise("security-26")
def test_a_title_or_a_value_cannot_move_the_cursor(malsync: Malsync, box: Sandbox) -> None:
    evil = "\x1b[2Jevil\u202e"
    with box.world.lock:
        box.world.catalogue.put("anime", {"id": 777_001, "title": evil})
    box.add(box.user, "anime", 777_001, status="dropped", comments=evil, tags=[evil])
    malsync.ok("backup")
    box.remove(box.user, "anime", 777_001)
    box.add_faults("gone:method=PATCH")

    said = malsync.ok("restore", "1", "--yes", exit_code=5)

    assert not {"\x1b", "\u202e"} & set(said.stdout + said.stderr)
    assert r"\x1b[2Jevil" in said.stdout
    assert r"\x1b[2Jevil" in said.stderr


# -- filters


def _change_much(box: Sandbox) -> None:
    """Entries of every status, gone, edited, moved from one status to another, and new ones, on both lists."""
    for medium, planned in (("anime", "plan_to_watch"), ("manga", "plan_to_read")):
        by_status: dict[str, list[int]] = {}
        for id, one in sorted(box.entries(box.user, medium).items()):
            by_status.setdefault(one["status"], []).append(id)
        for number, some in enumerate(by_status.values()):
            box.remove(box.user, medium, some[0])
            box.edit(box.user, medium, some[1], comments=f"changed {number}", score=(number + 1) % 11)
            box.edit(box.user, medium, some[2], status="dropped", priority=2)
        box.add(box.user, medium, absent(box, medium), status=planned)
        box.add(box.user, medium, absent(box, medium), status="completed", score=3)


@pytest.mark.comments
@pytest.mark.parametrize(
    "filters",
    [
        "--only anime",
        "--only manga",
        "--id anime:{0}",
        "--id anime:{0} --id manga:{1} --id anime:{2}",
        "--status completed",
        "--status dropped",
        "--status watching --status reading",
        "--field comments",
        "--field comments --field status",
        "--field num_volumes_read",
        "--only manga --status dropped",
        "--only anime --id anime:{0} --id anime:{2}",
        "--status dropped --field priority",
        "--only anime --status dropped --field status --field score",
        "--id anime:{2} --field comments --only anime --status completed",
        "--id anime:{0} --status plan_to_watch",
    ],
)
def test_filters_let_pass_what_they_name_and_work_together(malsync: Malsync, box: Sandbox, filters: str) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    _change_much(box)
    live = lists(box)
    everything = malsync.json("restore", "1", "--mode", "exact", "--dry-run")["changes"]
    named = [
        next(item["id"] for item in everything if (item["medium"], item["op"]) == what)
        for what in (("anime", "update"), ("manga", "update"), ("anime", "add"))
    ]
    words = filters.format(*named).split()
    said = {flag: {words[n + 1] for n, word in enumerate(words) if word == flag} for flag in words if flag[0] == "-"}

    found = malsync.json("restore", "1", "--mode", "exact", *words, "--yes", "--max-deletes", "99")

    expected = []
    for item in everything:
        medium, id = item["medium"], item["id"]
        statuses = {one[medium][id]["status"] for one in (wanted, live) if id in one[medium]}
        fields = {name: pair for name, pair in item["fields"].items() if name in said.get("--field", {name})}
        if (
            medium in said.get("--only", {medium})
            and f"{medium}:{id}" in said.get("--id", {f"{medium}:{id}"})
            and statuses & said.get("--status", statuses)
            and ("--field" not in said or (item["op"] == "update" and fields))
        ):
            expected.append({**item, "fields": fields})
    in_order = sorted(found["changes"], key=lambda item: (item["medium"], item["id"]))
    assert in_order == sorted(expected, key=lambda item: (item["medium"], item["id"]))
    assert found["equal"] is True
    assert sum(writes(box).values()) == len(expected)


def test_filters_that_let_nothing_pass_make_an_empty_plan(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    gone = harm(box)["gone"]

    document = malsync.json("restore", "1", "--id", f"anime:{gone}", "--field", "score")

    assert (document["run"], document["changes"], writes(box)) == (None, [], {})


def test_filters_narrow_a_plan_before_the_guards_count(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    new = [absent(box)]
    box.add(box.user, "anime", new[0], status="dropped")
    for _ in range(12):
        box.add(box.user, "manga", absent(box, "manga"), status="dropped")

    assert malsync.json("restore", "1", "--mode", "exact", "--only", "anime", "--yes")["plan"]["remove"] == 1
    assert written(box) == [("DELETE", "anime", new[0])]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--only anime --id manga:2", "manga:2"),
        ("--only anime --status reading", "reading"),
        ("--only manga --status completed --status plan_to_watch", "plan_to_watch"),
        ("--id manga:2 --status watching", "watching"),
        ("--mode missing --field score", "--field"),
    ],
)
def test_filters_that_nothing_can_pass_end_with_2(malsync: Malsync, box: Sandbox, words: str, named: str) -> None:
    """An empty plan would look as if the lists were equal."""
    assert named in malsync.error("restore", "1", *words.split(), "--yes", exit_code=2)["message"]
    assert box.requests == []


@pytest.mark.parametrize("title", ["anime:123456789", "manga:1", "anime:99999999999999999999999"])
def test_a_title_that_is_on_no_list_ends_with_2(malsync: Malsync, box: Sandbox, title: str) -> None:
    malsync.ok("backup")
    harm(box)

    error = malsync.error("restore", "1", "--id", title, "--yes", exit_code=2)

    assert title in error["message"].replace("anime ", "anime:").replace("manga ", "manga:")
    assert writes(box) == {}


@pytest.mark.parametrize(
    "title", ["", "anime", "anime:", ":1", "novel:1", "anime:x", "anime:-1", "anime:1.0", "anime:１", "1"]
)
def test_what_names_no_title_ends_with_2(malsync: Malsync, box: Sandbox, title: str) -> None:
    error = malsync.error("restore", "1", "--id", title, "--yes", exit_code=2)

    assert "anime:5114" in error["hint"]
    assert box.requests == []


@pytest.mark.parametrize("field", ["scores", "updated_at", "num_watched_episodes", "", "title"])
def test_a_field_that_cannot_be_written_ends_with_2(malsync: Malsync, box: Sandbox, field: str) -> None:
    error = malsync.error("restore", "1", "--field", field, "--yes", exit_code=2)

    assert repr(field) in error["message"]
    assert "num_episodes_watched" in error["hint"]
    assert "updated_at" not in error["hint"]
    assert box.requests == []


def test_a_field_of_the_other_list_alone_ends_with_2(malsync: Malsync, box: Sandbox) -> None:
    error = malsync.error("restore", "1", "--only", "anime", "--field", "num_volumes_read", exit_code=2)

    assert "num_volumes_read" not in error["hint"]


@pytest.mark.parametrize(
    "words",
    [
        ("--mode", "all"),
        ("--only", "novels"),
        ("--status", "paused"),
        ("--max-deletes", "-1"),
        ("--max-deletes", "many"),
        ("--prefer", "source"),
    ],
)
def test_what_no_flag_takes_ends_with_2(malsync: Malsync, box: Sandbox, words: tuple[str, ...]) -> None:
    malsync.error("restore", "1", *words, exit_code=2)

    assert box.requests == []


# -- references


@pytest.fixture
def three(malsync: Malsync, box: Sandbox, tmp_path: Path) -> int:
    """Three backups, a day apart, that differ in the score of one entry: 1, 2 and 3. It is 9 now."""
    id = ids(box)[0]
    for score in (1, 2, 3):
        box.edit(box.user, "anime", id, score=score)
        malsync.ok("backup", "--file", str(tmp_path / f"{score}.json.gz"))
        malsync.time.moment += timedelta(days=1)
    box.edit(box.user, "anime", id, score=9)
    return id


@pytest.mark.parametrize(
    ("reference", "score"),
    [
        ("latest", 3),
        ("latest~1", 2),
        ("latest~2", 1),
        ("good", 3),
        ("1", 1),
        ("2", 2),
        ("2026-11-01", 1),
        ("2026-11-02", 2),
        ("2026-11-02T23:59:59Z", 2),
        ("2026-11", 3),
        ("yesterday", 3),
        ("default@latest~1", 2),
        ("sandbox_mika@1", 1),
        ("{folder}/2.json.gz", 2),
    ],
)
def test_a_reference_says_which_list_is_wanted(
    malsync: Malsync, three: int, tmp_path: Path, reference: str, score: int
) -> None:
    document = malsync.json("restore", reference.format(folder=tmp_path), "--dry-run")

    assert document["changes"] == [
        {
            "op": "update",
            "medium": "anime",
            "id": three,
            "title": document["changes"][0]["title"],
            "fields": {"score": {"from": 9, "to": score}},
        }
    ]


@pytest.mark.parametrize(
    "reference",
    ["latest~3", "4", "0", "2026-10", "2026-10-31", "sometime", "nobody@latest", "second@1", "./none.json", ""],
)
def test_a_reference_that_names_no_list_ends_with_2(malsync: Malsync, box: Sandbox, three: int, reference: str) -> None:
    malsync.error("restore", reference, "--yes", exit_code=2)

    assert writes(box) == {}


def test_before_the_oldest_the_oldest_is_named(malsync: Malsync, three: int) -> None:
    assert "snapshot 1 of 2026-11-01 " in malsync.error("restore", "2026-10", exit_code=2)["hint"]


def test_the_live_list_is_as_wanted_beside_itself(malsync: Malsync, box: Sandbox) -> None:
    assert malsync.json("restore", "live")["changes"] == []


def test_latest_is_what_was_backed_up_whatever_runs_have_stored_since(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    for _ in range(2):
        harm(box)
        document = malsync.json("restore", "latest", "--mode", "exact", "--yes")
        assert lists(box) == wanted
        assert document["equal"] is True

    rows = malsync.json("snapshots")
    assert [row["source"] for row in rows] == ["backup", "before-run", "after-run", "before-run", "after-run"]
    assert malsync.json("show", "latest")["from"]["snapshot"] == 1


# -- a look, and nothing else


@pytest.mark.promise("guards-1")
@pytest.mark.parametrize("flags", [words for words in product(*[(flag, "") for flag in DRY]) if any(words)])
def test_a_look_sends_nothing_but_get(malsync: Malsync, box: Sandbox, tmp_path: Path, flags: tuple[str, ...]) -> None:
    malsync.ok("backup")
    harm(box)
    before, had, file = lists(box), box.counts["GET"], tmp_path / "plan.json"
    words = [word for flag in flags if flag for word in ((flag, str(file)) if flag == "--plan" else (flag,))]

    document = malsync.json("restore", "latest", "--mode", "exact", *words, "--yes")
    said = malsync.ok("restore", "latest", "--mode", "exact", *words)

    assert writes(box) == {}
    assert lists(box) == before
    assert (document["run"], document["plan"]) == (None, {"add": 1, "update": 1, "remove": 1})
    assert document["requests"] == {"GET": 3, "PATCH": 0, "DELETE": 0}
    assert box.counts["GET"] == had + 6
    assert document["equal"] is ("--rehearse" in words)
    assert ("rehearsal" in document, "file" in document) == ("--rehearse" in words, "--plan" in words)
    assert file.exists() is ("--plan" in words)
    assert "Nothing was sent" in said.stdout
    assert malsync.json("runs") == []
    assert len(malsync.json("snapshots")) == 1
    if "--rehearse" in words:
        assert document["rehearsal"]["PATCH"] == 2
        assert document["rehearsal"]["DELETE"] == 1
        assert document["outcomes"] == outcomes(done=3)


def test_a_look_says_what_a_guard_would_say(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for _ in range(11):
        box.add(box.user, "anime", absent(box), status="dropped")

    said = malsync.ok("restore", "1", "--mode", "exact", "--dry-run").stderr

    assert "This would be refused: This would delete 11 entries." in said
    assert "--max-deletes 11" in said


# -- the question


@pytest.mark.promise("guards-7")
def test_where_nobody_can_answer_nothing_is_sent(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)

    error = malsync.error("restore", "latest", exit_code=2)
    answered = malsync("restore", "latest", stdin="y\n")

    assert "--yes" in error["hint"]
    assert "--dry-run" in error["hint"]
    assert answered.exit_code == 2
    assert writes(box) == {}
    assert len(malsync.json("snapshots")) == 1
    assert malsync.json("runs") == []


@pytest.mark.parametrize(("typed", "code", "sent"), [("n\n", 7, 0), ("\n", 7, 0), ("y\n", 0, 2)])
def test_on_a_terminal_it_asks(malsync: Malsync, box: Sandbox, typed: str, code: int, sent: int) -> None:
    malsync.ok("backup")
    harm(box)

    exit_code, screen = on_terminal(malsync, "restore", "latest", typed=typed, prompt="[y/N]")

    assert exit_code == code, screen
    assert f"Write to the lists of {box.user}: add 1, update 1? [y/N]" in " ".join(screen.split())
    assert sum(writes(box).values()) == sent
    assert len(malsync.json("runs")) == (1 if sent else 0)


def test_an_empty_plan_needs_no_yes_and_makes_no_run(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    said = malsync.ok("restore", "latest", "--mode", "exact")
    document = malsync.json("restore", "latest", "--mode", "exact", "--yes")

    assert "Nothing to do: your lists already match." in said.stdout
    assert document == {
        "run": None,
        "plan": {"add": 0, "update": 0, "remove": 0},
        "requests": {"GET": 3, "PATCH": 0, "DELETE": 0},
        "outcomes": outcomes(),
        "equal": True,
        "left": [],
        "changes": [],
    }
    assert malsync.json("runs") == []
    assert len(malsync.json("snapshots")) == 1


# -- guards


def _with_more(malsync: Malsync, box: Sandbox, number: int) -> Lists:
    malsync.ok("backup")
    before = lists(box)
    for _ in range(number):
        box.add(box.user, "anime", absent(box), status="dropped")
    return before


@pytest.mark.promise("guards-2")
def test_ten_deletes_need_no_word(malsync: Malsync, box: Sandbox) -> None:
    wanted = _with_more(malsync, box, 10)

    assert malsync.json("restore", "latest", "--mode", "exact", "--yes")["outcomes"] == outcomes(done=10)
    assert lists(box) == wanted


@pytest.mark.promise("guards-2")
@pytest.mark.parametrize("more", [[], ["--force"], ["--max-deletes", "10"], ["--max-deletes", "0"]])
def test_eleven_deletes_are_refused_by_name(malsync: Malsync, box: Sandbox, more: list[str]) -> None:
    _with_more(malsync, box, 11)

    error = malsync.error("restore", "latest", "--mode", "exact", "--yes", *more, exit_code=7)

    assert "11 entries" in error["message"]
    assert "--max-deletes 11" in error["hint"]
    assert writes(box) == {}
    assert malsync.json("runs") == []


def test_eleven_deletes_go_when_so_many_are_allowed(malsync: Malsync, box: Sandbox) -> None:
    wanted = _with_more(malsync, box, 11)

    malsync.ok("restore", "latest", "--mode", "exact", "--yes", "--max-deletes", "11")

    assert lists(box) == wanted
    assert writes(box) == {"DELETE": 11}


def test_fewer_allowed_than_there_are_is_a_refusal_below_ten_too(malsync: Malsync, box: Sandbox) -> None:
    _with_more(malsync, box, 3)

    error = malsync.error("restore", "latest", "--mode", "exact", "--yes", "--max-deletes", "2", exit_code=7)

    assert "--max-deletes 3" in error["hint"]
    malsync.ok("restore", "latest", "--mode", "exact", "--yes", "--max-deletes", "3")


@pytest.mark.promise("guards-2")
def test_every_entry_of_a_list_is_refused_though_there_are_few(malsync: Malsync, home: Path, tmp_path: Path) -> None:
    with Sandbox(small(anime=3)) as box:
        malsync = Malsync(home, box)
        other = {absent(box): {"status": "completed"}}
        file = write(tmp_path / "other.json", mine(box, {"anime": other, "manga": box.entries(box.user, "manga")}))
        restore = ("restore", file, "--mode", "exact", "--yes")

        error = malsync.error(*restore, exit_code=7)
        assert "every entry of the anime list" in error["message"]
        assert "--max-deletes 3" in error["hint"]
        assert writes(box) == {}

        malsync.ok(*restore, "--max-deletes", "3")
        assert list(lists(box)["anime"]) == list(other)


@pytest.mark.promise("guards-4")
def test_an_empty_list_is_refused_with_exact_unless_it_is_meant(malsync: Malsync, home: Path, tmp_path: Path) -> None:
    with Sandbox(small(anime=3, manga=2)) as box:
        malsync = Malsync(home, box)
        file = write(tmp_path / "empty.json", mine(box, {"anime": {}, "manga": {}}))

        error = malsync.error("restore", file, "--mode", "exact", "--yes", exit_code=7)
        assert "no anime and no manga" in error["message"]
        assert "--force" in error["hint"]
        assert (
            "--max-deletes 5"
            in malsync.error("restore", file, "--mode", "exact", "--yes", "--force", exit_code=7)["hint"]
        )
        assert malsync.json("restore", file)["changes"] == []
        assert writes(box) == {}

        malsync.ok("restore", file, "--mode", "exact", "--yes", "--force", "--max-deletes", "5")
        assert lists(box) == {"anime": {}, "manga": {}}


@pytest.mark.promise("guards-4")
def test_one_empty_list_is_refused_with_exact_unless_the_other_is_meant(
    malsync: Malsync, home: Path, tmp_path: Path
) -> None:
    with Sandbox(small(anime=3, manga=2)) as box:
        malsync = Malsync(home, box)
        fewer = dict(list(box.entries(box.user, "anime").items())[:2])
        file = write(tmp_path / "half.json", mine(box, {"anime": fewer, "manga": {}}))

        assert "no manga" in malsync.error("restore", file, "--mode", "exact", "--yes", exit_code=7)["message"]
        assert writes(box) == {}
        assert malsync.json("restore", file, "--mode", "exact", "--only", "anime", "--yes")["plan"]["remove"] == 1


@pytest.mark.comments
@pytest.mark.promise("guards-4")
def test_a_suspicious_list_is_refused_with_exact_unless_it_is_meant(malsync: Malsync, home: Path) -> None:
    with Sandbox(small(anime=9)) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        wanted = lists(box)
        for id in ids(box)[:7]:
            box.remove(box.user, "anime", id)
        left = lists(box)
        malsync.ok("backup", exit_code=8)
        malsync.ok("restore", "good", "--yes")
        assert lists(box) == wanted

        error = malsync.error("restore", "latest", "--mode", "exact", "--yes", exit_code=7)
        assert "suspicious (anime: 7 of 9 entries are gone)" in error["message"]
        assert malsync.json("restore", "latest", "--yes")["changes"] == []
        assert lists(box) == wanted

        malsync.ok("restore", "latest", "--mode", "exact", "--yes", "--force")
        assert lists(box) == left


@pytest.mark.promise("guards-6")
def test_an_unfinished_run_comes_first(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)
    interrupt(malsync, box, 1, "restore", "latest")
    sent, count = writes(box), len(malsync.json("snapshots"))

    error = malsync.error("restore", "latest", "--yes", exit_code=7)

    assert "Run 1 (restore, begun 2026-11-01 " in error["message"]
    for words in ("malsync resume 1", "malsync undo 1", "malsync runs --abandon 1"):
        assert words in error["hint"]
    assert writes(box) == sent
    assert len(malsync.json("snapshots")) == count
    assert malsync.json("restore", "latest", "--dry-run")["plan"]["update"] == 1
    malsync.ok("resume")
    assert malsync.json("restore", "latest", "--yes")["changes"] == []


@pytest.mark.promise("guards-13")
def test_another_malsync_at_work_comes_first(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)
    with FileLock(malsync.home / "malsync.lock"):
        error = malsync.error("restore", "latest", "--yes", exit_code=7)
        assert "Another malsync is at work" in error["message"]
        assert "--wait" not in error["hint"]
        assert writes(box) == {}
        # Looking takes no lock.
        assert malsync.json("restore", "latest", "--dry-run", "--rehearse")["plan"]["add"] == 1

    assert malsync.json("runs") == []
    malsync.ok("restore", "latest", "--yes")


# -- whose list


@pytest.mark.promise("security-43")
def test_another_users_snapshot_is_refused_and_migrate_is_named(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    malsync.ok("backup")
    someone(malsync, box)
    malsync.ok("export", "second@latest", "--output", tmp_path / "theirs.json")

    for reference in ("2", "second@latest", "sandbox_theo@good", str(tmp_path / "theirs.json")):
        error = malsync.error("restore", reference, "--account", "default", "--yes", exit_code=3)
        assert "sandbox_theo" in error["message"]
        assert "sandbox_mika" in error["message"]
        assert f"malsync migrate {reference} --to default" in error["hint"]
    assert writes(box) == {}
    assert malsync.json("runs") == []


def test_the_same_number_at_another_address_is_another_user(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    from malsync.model.snapshot import User

    elsewhere = replace(mine(box, lists(box)), user=User("https://api.myanimelist.net", box.world.first.id, box.user))
    file = write(tmp_path / "elsewhere.json", elsewhere)

    error = malsync.error("restore", file, "--yes", exit_code=3)

    assert "https://api.myanimelist.net" in error["message"]


def test_what_a_file_says_of_its_owners_name_does_not_matter(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    made = mine(box, {"anime": box.entries(box.user, "anime"), "manga": None})
    renamed = replace(made, user=replace(made.user, name="an_older_name"))

    assert malsync.json("restore", write(tmp_path / "renamed.json", renamed))["changes"] == []


def test_ones_own_list_that_was_read_from_outside_is_ones_own(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--user", box.user.upper())
    wanted = lists(box)
    harm(box)

    document = malsync.json("restore", "1", "--mode", "exact", "--yes")

    assert malsync.json("snapshots")[0]["source"] == "public"
    assert document["equal"] is True
    assert lists(box) == wanted


def test_somebody_elses_public_list_is_not(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup", "--user", "sandbox_theo")

    assert "migrate" in malsync.error("restore", "1", "--yes", exit_code=3)["hint"]


def test_who_is_not_signed_in_is_told_so(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)
    had = len(box.requests)

    error = malsync.error("restore", "latest", "--yes", exit_code=3, env={"MALSYNC_ACCESS_TOKEN": None})

    assert "malsync login" in error["hint"]
    assert len(box.requests) == had


def test_a_token_that_mal_refuses_is_told_so(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)
    box.expire_tokens()

    malsync.error("restore", "latest", "--yes", exit_code=3)

    assert writes(box) == {}


def test_tokens_that_were_kept_are_refreshed_and_used(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box)
    malsync.ok("backup")
    wanted = lists(box)
    harm(box)
    box.expire_tokens()

    malsync.ok("restore", "latest", "--mode", "exact", "--yes")

    assert lists(box) == wanted


# -- what a list does not know


def test_what_a_file_does_not_cover_is_never_touched(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    anime = box.entries(box.user, "anime")
    known = ("status", "score", "num_episodes_watched")
    some = {id: {name: one[name] for name in known} for id, one in anime.items()}
    file = write(tmp_path / "known.json", mine(box, {"anime": some}, covers={"anime": known, "manga": None}))
    gone, edited = ids(box)[:2]
    box.remove(box.user, "anime", gone)
    box.edit(box.user, "anime", edited, score=anime[edited]["score"] % 10 + 1, comments="mine", tags=["mine"])
    box.edit(box.user, "manga", ids(box, "manga")[0], comments="mine")
    before = lists(box)

    document = malsync.json("restore", file, "--mode", "exact", "--yes")

    assert keys(document) == {("add", "anime", gone), ("update", "anime", edited)}
    assert document["equal"] is True
    after = lists(box)
    assert after["manga"] == before["manga"]
    assert after["anime"][edited] == {**before["anime"][edited], "score": anime[edited]["score"]}
    assert {name: after["anime"][gone][name] for name in known} == some[gone]
    assert all(
        row["form"].keys() <= {"status", "score", "num_watched_episodes"}
        for row in box.requests
        if row["method"] == "PATCH"
    )


@pytest.mark.promise("writing-8")
def test_what_did_not_arrive_is_sent_once_more_with_status_and_progress(malsync: Malsync, box: Sandbox) -> None:
    """Alone, progress was ignored at times."""
    one = ids(box)[0]
    box.edit(box.user, "anime", one, status="watching", num_episodes_watched=2, comments="good")
    malsync.ok("backup")
    box.edit(box.user, "anime", one, status="dropped", num_episodes_watched=1, comments="vandal")
    box.add_faults("unstored:field=comments,shows=kept,nth=1")

    malsync.ok("restore", "latest", "--yes")

    first, second = [row["form"] for row in box.requests if row["method"] == "PATCH"]
    assert first == {"status": "watching", "num_watched_episodes": "2", "comments": "good"}
    assert second == first


@pytest.mark.parametrize(
    "words", [("--only", "manga"), ("--field", "comments"), ("--field", "score", "--field", "tags")]
)
def test_a_filter_that_nothing_in_the_list_can_pass_ends_with_2(
    malsync: Malsync, box: Sandbox, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """An empty plan would look as if the lists were equal."""
    some = {id: {"status": one["status"], "score": 1} for id, one in box.entries(box.user, "anime").items()}
    covers = {"anime": ("status", "score"), "manga": None}
    file = write(tmp_path / "known.json", mine(box, {"anime": some}, covers=covers))

    error = malsync.error("restore", file, *words, "--yes", exit_code=2)

    assert words[-1] in error["message"]
    assert writes(box) == {}


def test_a_tag_with_a_comma_is_named_and_not_tried(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    anime = box.entries(box.user, "anime")
    tagged, plain = ids(box)[:2]
    wanted = {
        **anime,
        tagged: {**anime[tagged], "tags": ["a,b", "c"], "score": 10},
        plain: {**anime[plain], "score": 10},
    }
    file = write(tmp_path / "tags.json", mine(box, {"anime": wanted}))

    dry = malsync.json("restore", file, "--dry-run")
    done = malsync.json("restore", file, "--yes", exit_code=5)
    again = malsync.ok("restore", file, exit_code=5)

    for document in (dry, done):
        (left,) = document["left"]
        assert (left["medium"], left["id"]) == ("anime", tagged)
        assert "comma" in left["why"]
        assert left["fields"]["tags"]["to"] == ["a,b", "c"]
        assert document["equal"] is False
    assert f"! anime {tagged} " in again.stderr
    assert "comma" in again.stderr
    assert lists(box)["anime"][tagged] == {**lists(box)["anime"][tagged], "score": 10, "tags": anime[tagged]["tags"]}
    assert not [row for row in box.requests if "tags" in (row.get("form") or {})]
    assert writes(box) == {"PATCH": 2}


@pytest.mark.promise("planning-5")
def test_members_that_malsync_does_not_know_are_never_sent(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    anime = box.entries(box.user, "anime")
    first = ids(box)[0]
    wanted = {**anime, first: {**anime[first], "score": 10, "mood": "happy", "num_watched_episodes": 3}}
    file = write(tmp_path / "unknown.json", mine(box, {"anime": wanted}))

    document = malsync.json("restore", file, "--yes")

    assert document["equal"] is True
    assert [row["form"] for row in box.requests if row["method"] == "PATCH"] == [{"score": "10"}]
    assert malsync.json("restore", file)["changes"] == []


def test_a_status_or_a_number_that_mal_does_not_know_is_named_and_the_rest_goes_on(
    malsync: Malsync, box: Sandbox, tmp_path: Path
) -> None:
    """MAL would refuse the whole request for it."""
    anime = box.entries(box.user, "anime")
    one, two, new = *ids(box)[:2], absent(box)
    wanted = {
        **anime,
        one: {**anime[one], "status": "paused", "comments": "kept"},
        two: {**anime[two], "score": -1, "comments": "kept"},
        new: {"status": "paused", "score": 5},
    }

    document = malsync.json("restore", write(tmp_path / "odd.json", mine(box, {"anime": wanted})), "--yes", exit_code=5)

    assert {left["id"]: list(left["fields"]) for left in document["left"]} == {
        one: ["status"],
        two: ["score"],
        new: ["status"],
    }
    assert document["outcomes"] == outcomes(done=2)
    after = lists(box)["anime"]
    assert [after[id]["comments"] for id in (one, two)] == ["kept", "kept"]
    assert new not in after


# -- what is said, and what is kept


def test_quiet_is_silent_when_all_is_well(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)

    for words in (("--dry-run",), ("--rehearse",), ("--yes",), ()):
        result = malsync.ok("restore", "good", "-q", *words)
        assert (result.stdout, result.stderr) == ("", "")
    assert writes(box) == {"PATCH": 2}


def test_quiet_still_names_what_is_left(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    gone = harm(box)["gone"]
    box.add_faults(f"invalid_content:method=PATCH,on=anime/{gone}/")

    result = malsync.ok("restore", "good", "-q", "--yes", exit_code=5)

    assert result.stdout == ""
    assert f"anime {gone} " in result.stderr
    assert "MAL has no such title now" in result.stderr


def test_with_json_there_is_one_document_and_nothing_else(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    harm(box)

    for words in (("--dry-run",), ("--rehearse", "-v"), ("--yes", "-v")):
        result = malsync.ok("restore", "good", "--json", *words)
        document, end = json.JSONDecoder().raw_decode(result.stdout)
        assert result.stdout[end:] == "\n"
        assert document["plan"]["add"] == 1
        assert "good is snapshot 1" in result.stderr


@pytest.mark.promise("writing-1")
def test_the_lists_before_and_after_are_kept_as_snapshots(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    harm(box)
    harmed = lists(box)

    document = malsync.json("restore", "latest", "--mode", "exact", "--yes")

    rows = {row["snapshot"]: row for row in malsync.json("snapshots")}
    assert (rows[document["before"]]["source"], rows[document["after"]]["source"]) == ("before-run", "after-run")
    for number, expected in ((document["before"], harmed), (document["after"], wanted)):
        shown: Lists = {"anime": {}, "manga": {}}
        for item in malsync.json("show", str(number))["entries"]:
            shown[item["medium"]][item["id"]] = {n: v for n, v in item["list_status"].items() if n != "updated_at"}
        assert {medium: dict(sorted(shown[medium].items())) for medium in MEDIA} == expected
    assert malsync.json("verify")["ok"] is True
    assert malsync.json("diff", "1", str(document["after"]))["changes"] == []


def test_a_first_restore_needs_no_backup_of_this_home(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    file = write(tmp_path / "list.json", mine(box, {m: box.entries(box.user, m) for m in MEDIA}))
    wanted = lists(box)
    harm(box)

    malsync.ok("restore", file, "--mode", "exact", "--yes")

    assert lists(box) == wanted
    assert malsync.json("accounts")[0]["user"]["name"] == box.user


# -- a list that somebody has emptied


@pytest.mark.comments
def test_an_emptied_list_is_restored_without_fuss_and_good_stays_good(home: Path) -> None:
    with Sandbox(small()) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        wanted = lists(box)
        empty(box, "anime", "manga")
        malsync.ok("backup", exit_code=8)

        document = malsync.json("restore", "good", "--yes")

        assert document["equal"] is True
        assert lists(box) == wanted
        rows = {row["snapshot"]: row for row in malsync.json("snapshots")}
        assert [bool(row["suspicious"]) for row in rows.values()] == [False, True, True, False]
        assert malsync.json("show", "good")["from"]["counts"] == {"anime": 6, "manga": 3}
        assert malsync.json("restore", "good", "--mode", "exact")["changes"] == []
        malsync.ok("backup")


@pytest.mark.comments
@pytest.mark.parametrize("end", [("resume",), ("undo", "--yes", "--max-deletes", "2"), ("runs", "--abandon", "1")])
def test_good_stays_good_where_restoring_an_emptied_list_is_interrupted(home: Path, end: tuple[str, ...]) -> None:
    with Sandbox(small()) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        wanted = lists(box)
        empty(box, "anime", "manga")

        interrupt(malsync, box, 2, "restore", "good")
        assert malsync.json("show", "good")["from"]["snapshot"] == 1
        malsync.ok(*end)

        good = malsync.json("show", "good")["from"]
        assert good["counts"] == {"anime": 6, "manga": 3}
        if end[0] != "resume":
            assert good["snapshot"] == 1
            assert len(lists(box)["anime"]) + len(lists(box)["manga"]) == (0 if end[0] == "undo" else 2)
        malsync.ok("restore", "good", "--mode", "exact", "--yes")
        assert lists(box) == wanted


@pytest.mark.promise("guards-9")
def test_good_is_no_list_that_a_run_was_to_mend(malsync: Malsync, box: Sandbox) -> None:
    """Too little was harmed to look suspicious; and half of it was mended when the run was given up."""
    malsync.ok("backup")
    wanted = lists(box)
    for id in ids(box)[:4]:
        box.edit(box.user, "anime", id, comments="vandal")
    interrupt(malsync, box, 2, "restore", "good")
    malsync.ok("undo", "--yes")

    assert malsync.json("show", "good")["from"]["snapshot"] == 1
    malsync.ok("restore", "good", "--yes")
    assert lists(box) == wanted


# -- what the last reading shows


@pytest.fixture
def above(box: Sandbox) -> tuple[int, int, int]:
    """A title with more episodes watched than it has: its id, that progress, and its total."""
    for id, one in box.entries(box.user, "anime").items():
        total = (box.world.catalogue.get("anime", id) or {}).get("num_episodes") or 0
        if 0 < total < one["num_episodes_watched"]:
            return id, one["num_episodes_watched"], total
    raise AssertionError


@pytest.mark.parametrize("mode", ["merge", "exact", "missing"])
def test_what_mal_does_not_give_back_is_named_in_every_mode(
    malsync: Malsync, box: Sandbox, above: tuple[int, int, int], mode: str
) -> None:
    id, progress, total = above
    malsync.ok("backup")
    box.remove(box.user, "anime", id)

    document = malsync.json("restore", "latest", "--mode", mode, "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(not_restorable=1)
    assert document["equal"] is False
    (left,) = document["left"]
    assert left["id"] == id
    assert left["fields"] == {"num_episodes_watched": {"wanted": progress, "live": total}}
    assert "MAL keeps" in left["why"]


@pytest.mark.promise("writing-9", "security-37")
@pytest.mark.parametrize("mode", ["merge", "missing"])
def test_an_answer_that_lies_is_found_out(malsync: Malsync, box: Sandbox, mode: str) -> None:
    malsync.ok("backup")
    gone = next(id for id, one in lists(box)["anime"].items() if one["score"])
    box.remove(box.user, "anime", gone)
    box.add_faults("unstored:field=score")

    document = malsync.json("restore", "latest", "--mode", mode, "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(failed=1)
    assert [left["why"] for left in document["left"]] == ["the last reading does not show it as wanted"]


def test_one_failure_does_not_stop_the_rest(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    wanted = lists(box)
    some = ids(box)[:5]
    for id in some:
        box.edit(box.user, "anime", id, comments="vandal")
    box.add_faults(f"bad_request:method=PATCH,on=anime/{some[2]}/,message=invalid status")

    document = malsync.json("restore", "latest", "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(done=4, failed=1)
    assert [(left["id"], "invalid status" in left["why"]) for left in document["left"]] == [(some[2], True)]
    after = lists(box)["anime"]
    assert [id for id in some if after[id] == wanted["anime"][id]] == [id for id in some if id != some[2]]


# -- what others do meanwhile


def watched(malsync: Malsync, box: Sandbox, writes: int, then: Callable[[], object]) -> None:
    """A hundred seconds for each request; and `then` happens once so many writes have gone out."""
    malsync.home.mkdir(exist_ok=True)
    (malsync.home / "config.toml").write_text("requests_per_second = 0.01\n")
    sleep, happened = malsync.time.sleep, []

    def slept(seconds: float) -> None:
        sleep(seconds)
        if not happened and box.counts.get("PATCH", 0) >= writes:
            happened.append(then())

    malsync.time.sleep = slept  # type: ignore[method-assign]


@pytest.fixture
def six(malsync: Malsync, box: Sandbox) -> list[int]:
    """Six entries that were edited since the backup, in the order in which they will be written."""
    malsync.ok("backup")
    entries = box.entries(box.user, "anime")
    some = sorted(ids(box)[:6], key=lambda id: entries[id]["updated_at"])
    for id in some:
        box.edit(box.user, "anime", id, comments="vandal")
    return some


def test_an_entry_that_moved_since_is_skipped_and_named(malsync: Malsync, box: Sandbox, six: list[int]) -> None:
    watched(malsync, box, 2, lambda: box.edit(box.user, "anime", six[-1], comments="mine"))

    result = malsync.ok("restore", "latest", "--yes", "--json", exit_code=5)

    document = result.json
    assert document["outcomes"] == outcomes(done=5, skipped=1)
    assert document["requests"]["GET"] > 5
    (left,) = document["left"]
    assert (left["id"], left["why"]) == (six[-1], "moved: somebody changed comments")
    assert left["fields"]["comments"]["live"] == "mine"
    assert f"skipped: anime {six[-1]} " in result.stderr
    assert box.entries(box.user, "anime")[six[-1]]["comments"] == "mine"
    assert box.counts["PATCH"] == 5


def test_by_force_it_is_overwritten(malsync: Malsync, box: Sandbox, six: list[int]) -> None:
    watched(malsync, box, 2, lambda: box.edit(box.user, "anime", six[-1], comments="mine"))

    assert malsync.json("restore", "latest", "--yes", "--force")["outcomes"] == outcomes(done=6)
    assert box.entries(box.user, "anime")[six[-1]]["comments"] != "mine"


def test_what_somebody_set_right_meanwhile_is_not_written_again(malsync: Malsync, box: Sandbox, six: list[int]) -> None:
    wanted = {item["id"]: item["list_status"] for item in malsync.json("show", "1", "--only", "anime")["entries"]}
    comments = wanted[six[-1]].get("comments", "")
    watched(malsync, box, 2, lambda: box.edit(box.user, "anime", six[-1], comments=comments))

    document = malsync.json("restore", "latest", "--yes")

    assert document["outcomes"] == outcomes(done=5, already=1)
    assert ("PATCH", "anime", six[-1]) not in written(box)


@pytest.mark.promise("writing-6")
def test_an_entry_that_has_gone_is_not_made_of_a_few_fields(malsync: Malsync, box: Sandbox, six: list[int]) -> None:
    watched(malsync, box, 2, lambda: box.remove(box.user, "anime", six[-1]))

    document = malsync.json("restore", "latest", "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(done=5, skipped=1)
    assert [left["why"] for left in document["left"]] == ["moved: it is no longer on the list"]
    assert six[-1] not in box.entries(box.user, "anime")


@pytest.mark.promise("writing-6")
def test_what_was_added_again_meanwhile_is_left_alone(malsync: Malsync, box: Sandbox, six: list[int]) -> None:
    new = max(ids(box), key=lambda id: box.entries(box.user, "anime")[id]["updated_at"] if id not in six else "")
    box.remove(box.user, "anime", new)
    watched(malsync, box, 2, lambda: box.add(box.user, "anime", new, status="dropped", comments="mine"))

    document = malsync.json("restore", "latest", "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(done=6, skipped=1)
    assert box.entries(box.user, "anime")[new]["comments"] == "mine"


@pytest.mark.promise("writing-6")
def test_what_was_touched_meanwhile_is_not_deleted(malsync: Malsync, box: Sandbox, six: list[int]) -> None:
    new = absent(box)
    box.add(box.user, "anime", new, status="plan_to_watch")
    watched(malsync, box, 2, lambda: box.edit(box.user, "anime", new, score=8))

    document = malsync.json("restore", "latest", "--mode", "exact", "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(done=6, skipped=1)
    assert new in box.entries(box.user, "anime")
    assert writes(box) == {"PATCH": 6}


class Person(io.StringIO):
    """Somebody at a terminal, who takes their time, and does something else before they answer."""

    def __init__(self, answer: str, meanwhile: Callable[[], object]) -> None:
        super().__init__(f"{answer}\n")
        self.meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:
        self.meanwhile()
        return super().readline(-1 if size is None else size)


@pytest.mark.parametrize(("minutes", "reads"), [(1, 5), (6, 7)])
def test_a_question_that_was_pondered_for_minutes_is_no_ground_to_write_on(
    malsync: Malsync, box: Sandbox, monkeypatch: pytest.MonkeyPatch, six: list[int], minutes: int, reads: int
) -> None:
    def elsewhere() -> None:
        malsync.time.moment += timedelta(minutes=minutes)
        if minutes > 5:
            box.edit(box.user, "anime", six[0], comments="mine")

    monkeypatch.setattr(harness, "_stdin", lambda text: nullcontext())
    monkeypatch.setattr(sys, "stdin", Person("y", elsewhere))

    document = malsync.json("restore", "latest", exit_code=5 if minutes > 5 else 0)

    assert document["requests"]["GET"] == reads
    assert document["outcomes"] == (outcomes(done=5, skipped=1) if minutes > 5 else outcomes(done=6))
    if minutes > 5:
        assert box.entries(box.user, "anime")[six[0]]["comments"] == "mine"


def test_what_changes_under_the_very_write_is_reported(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    id = ids(box)[0]
    box.edit(box.user, "anime", id, comments="vandal")
    box.add_faults("meanwhile:nth=1,what=score")

    document = malsync.json("restore", "latest", "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(done=1)
    (left,) = document["left"]
    assert (left["id"], list(left["fields"])) == (id, ["score"])
    assert "changed while the run was under way" in left["why"]


def test_what_changes_under_the_very_write_is_told_where_the_run_has_no_business_with_it(
    malsync: Malsync, box: Sandbox
) -> None:
    """It is in the answer and in no plan: somebody else is at work on the list, and that is worth a word."""
    malsync.ok("backup")
    id = ids(box)[0]
    before = box.entries(box.user, "anime")[id]["score"]
    box.edit(box.user, "anime", id, comments="vandal")
    box.add_faults("meanwhile:nth=1,what=score")

    result = malsync.ok("restore", "latest", "--field", "comments", "--yes")

    now = box.entries(box.user, "anime")[id]["score"]
    assert f"changed meanwhile, and not by this run: score {now}, which was {before}" in result.stderr
    with Mirror.open(malsync.home / FILE_NAME) as mirror:
        (line,) = mirror.journal.lines(1)
    assert line.state == "done"
    assert "changed meanwhile" in line.why


# -- a far side that the sandbox never is


def test_an_answer_in_an_unknown_form_stops_the_run_in_words(offline: Malsync) -> None:
    def strange(heard: Heard) -> Reply:
        if heard.method == "PATCH":
            return Reply('{"status": 5}')
        return mal(anime=lambda _: page(entry(1, score=5)))(heard)

    with FarSide(strange) as far:
        offline.ok("backup", env=far.environment())
        wanted = snapshot_file.read(offline.home / "latest" / "far_user.json.gz")
        one = wanted.lists["anime"]
        assert one
        better = {1: one[1]._replace(list_status={**one[1].list_status, "score": 6})}
        file = offline.home / "wanted.json"
        snapshot_file.write(file, replace(wanted, lists={"anime": better, "manga": {}}))

        document = offline.json("restore", file, "--yes", exit_code=5, env=far.environment())

    assert document["outcomes"] == outcomes(failed=1)
    assert "status" in document["left"][0]["why"]
