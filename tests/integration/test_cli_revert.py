"""`revert`: what changed from a good list to a bad one is taken back, and what was done after it stays."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import World
from tests.support.farside import Sandbox
from tests.support.harness import Malsync
from tests.support.lists import write
from tests.support.writing import (
    MEDIA,
    absent,
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

Status = dict[str, Any] | None
EARLY, LATE = "2026-11-01T08:00:00+00:00", "2026-11-20T21:14:03+00:00"


@pytest.fixture
def world() -> World:
    """A dozen anime and manga: too few changes to look suspicious."""
    return small(anime=12, manga=12)


def put(box: Sandbox, medium: str, id: int, status: Status, updated_at: str = EARLY) -> None:
    """Make this the entry, whatever was there."""
    with box.world.lock:
        box.world.first.put_entry(medium, id, None if status is None else {**status, "updated_at": updated_at})


def set_up(malsync: Malsync, box: Sandbox, medium: str, id: int, good: Status, bad: Status, live: Status) -> None:
    """Snapshot 1 has the entry as `good`, snapshot 2 as `bad`, and it is `live` now."""
    for status in (good, bad):
        put(box, medium, id, status)
        malsync.ok("backup", "--accept")
    put(box, medium, id, live, LATE)


# -- the table, row by row

GOOD = {"status": "completed", "score": 7, "comments": "theirs", "tags": ["a"]}
BAD = {"status": "dropped", "score": 1, "comments": "theirs", "tags": ["x"]}
LIVE = {"status": "on_hold", "score": 9, "comments": "mine", "tags": ["mine"]}
MIXED = {"status": "completed", "score": 1, "comments": "mine", "tags": ["mine"]}

# good, bad, live; what it becomes; the op; the conflict; what it becomes by force
ROWS: dict[str, tuple[Status, Status, Status, Status, str, str, Status]] = {
    "unchanged, edited since": (GOOD, GOOD, LIVE, LIVE, "", "", LIVE),
    "unchanged, removed since": (GOOD, GOOD, None, None, "", "", None),
    "on neither list, added since": (None, None, LIVE, LIVE, "", "", LIVE),
    "added, and gone again": (None, BAD, None, None, "already", "", None),
    "added": (None, BAD, BAD, None, "remove", "", None),
    "added, and edited since": (None, BAD, LIVE, LIVE, "", "added, and edited since", None),
    "removed": (GOOD, None, None, GOOD, "add", "", GOOD),
    "removed, and back again": (GOOD, None, GOOD, GOOD, "already", "", GOOD),
    "removed, and added again": (GOOD, None, LIVE, LIVE, "", "removed, and added again since", GOOD),
    "edited, and removed since": (GOOD, BAD, None, None, "", "edited, and removed since", GOOD),
    "edited": (GOOD, BAD, BAD, GOOD, "update", "", GOOD),
    "edited, and set right since": (GOOD, BAD, GOOD, GOOD, "already", "", GOOD),
    "edited, field by field": (
        GOOD,
        BAD,
        MIXED,
        MIXED | {"score": 7},
        "update",
        "edited, and edited again since",
        GOOD | {"comments": "mine"},
    ),
}


def shown(box: Sandbox, medium: str, id: int) -> Status:
    """The members of the entry that the table is about."""
    one = box.entries(box.user, medium).get(id)
    return None if one is None else {name: one[name] for name in GOOD}


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("row", ROWS)
def test_each_row_of_the_table(malsync: Malsync, box: Sandbox, row: str, medium: str) -> None:
    good, bad, live, becomes, op, conflict, _ = ROWS[row]
    id = absent(box, medium)
    set_up(malsync, box, medium, id, good, bad, live)

    document = malsync.json("revert", "1", "2", "--yes", exit_code=5 if conflict else 0)

    assert shown(box, medium, id) == becomes
    assert keys(document) == ({(op, medium, id)} if op not in ("", "already") else set())
    assert document["outcomes"] == outcomes(**{"already" if op == "already" else "done": 1} if op else {})
    assert [left["why"] for left in document["left"]] == ([f"conflict: {conflict}"] if conflict else [])
    assert document["equal"] is not bool(conflict)
    assert (document["run"] is not None) == (op not in ("", "already"))
    if conflict:
        (left,) = document["left"]
        assert (left["medium"], left["id"]) == (medium, id)
        for name, sides in left["fields"].items():
            blank = {"status": None, "score": 0, "comments": "", "tags": []}[name]
            assert sides == {
                side: None if one is None else one.get(name, blank)
                for side, one in (("good", good), ("bad", bad), ("live", live))
            }
    if row == "edited, field by field":
        assert list(document["changes"][0]["fields"]) == ["score"]
        assert list(document["left"][0]["fields"]) == ["tags"]


@pytest.mark.parametrize("row", [name for name, row in ROWS.items() if row[5]])
def test_by_force_a_conflict_becomes_what_was_good(malsync: Malsync, box: Sandbox, row: str) -> None:
    good, bad, live, *_, forced = ROWS[row]
    id = absent(box)
    set_up(malsync, box, "anime", id, good, bad, live)

    document = malsync.json("revert", "1", "2", "--yes", "--force")

    assert shown(box, "anime", id) == forced
    assert (document["outcomes"], document["equal"]) == (outcomes(done=1), True)


def test_every_row_at_once_and_the_rest_stays(malsync: Malsync, box: Sandbox) -> None:
    titles = dict(zip(ROWS, range(1_000_001, 2_000_000), strict=False))
    with box.world.lock:
        for medium in MEDIA:
            for row, id in titles.items():
                box.world.catalogue.put(medium, {"id": id, "title": row})
    untouched = lists(box)
    for place in range(3):
        for row, id in titles.items():
            for medium in MEDIA:
                put(box, medium, id, ROWS[row][place])  # type: ignore[arg-type]
        if place < 2:
            malsync.ok("backup", "--accept")

    document = malsync.json("revert", "1", "2", "--yes", exit_code=5)

    for medium in MEDIA:
        assert {row: shown(box, medium, id) for row, id in titles.items()} == {row: one[3] for row, one in ROWS.items()}
        assert lists(box)[medium].items() >= untouched[medium].items()
    assert document["outcomes"] == outcomes(done=8, already=6)
    assert len(document["left"]) == 8
    assert malsync.json("revert", "1", "2", exit_code=5)["changes"] == []


def test_a_conflict_is_told_with_all_three_values(malsync: Malsync, box: Sandbox) -> None:
    id = absent(box)
    title = (box.world.catalogue.get("anime", id) or {})["title"]
    set_up(malsync, box, "anime", id, GOOD, BAD, MIXED)

    for words in (("--dry-run",), ("--yes",)):
        said = malsync.ok("revert", "1", "2", *words, exit_code=5 if "--yes" in words else 0)
        lines = [line.strip() for line in said.stderr.splitlines()]
        assert f"! anime {id}  {title}: conflict: edited, and edited again since" in lines
        assert "tags  good a, bad x, live mine" in lines


def test_nothing_but_conflicts_is_no_run_and_needs_no_yes(malsync: Malsync, box: Sandbox) -> None:
    set_up(malsync, box, "anime", absent(box), GOOD, None, LIVE)

    malsync.ok("revert", "1", "2", exit_code=5)

    assert writes(box) == {}
    assert malsync.json("runs") == []


def test_when_mal_updated_an_entry_does_not_matter(malsync: Malsync, box: Sandbox) -> None:
    id = absent(box)
    set_up(malsync, box, "anime", id, None, BAD, BAD)
    one = ids(box)[0]
    box.edit(box.user, "anime", one)

    malsync.ok("revert", "1", "2", "--yes")

    assert written(box) == [("DELETE", "anime", id)]


# -- laws


@pytest.mark.comments
def test_what_changed_up_to_now_is_taken_back_whole(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    good = lists(box)
    for medium in MEDIA:
        box.add(box.user, medium, absent(box, medium), status="completed", score=1)
        edited, gone = sorted(good[medium])[:2]
        box.edit(box.user, medium, edited, comments="vandal", finish_date=None, tags=["spam"])
        box.remove(box.user, medium, gone)

    document = malsync.json("revert", "good", "live", "--yes")

    assert lists(box) == good
    assert document["plan"] == {"add": 2, "update": 2, "remove": 2}


@pytest.mark.parametrize("references", [("1", "1"), ("1", "2"), ("live", "live")])
def test_there_is_nothing_to_take_back(malsync: Malsync, box: Sandbox, references: tuple[str, str]) -> None:
    """From a list to itself; and where the live list is the good one again."""
    malsync.ok("backup")
    id = ids(box)[0]
    was = box.entries(box.user, "anime")[id]
    box.edit(box.user, "anime", id, comments="vandal")
    malsync.ok("backup")
    put(box, "anime", id, was)

    document = malsync.json("revert", *references)

    assert (document["changes"], document["left"], document["run"]) == ([], [], None)
    assert writes(box) == {}


def test_what_was_done_since_is_kept(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    good = lists(box)
    one, two, three = ids(box)[:3]
    box.edit(box.user, "anime", one, comments="vandal", score=1)
    box.remove(box.user, "anime", two)
    malsync.ok("backup")
    # One's own, afterwards: another field, another entry, a new one.
    box.edit(box.user, "anime", one, num_episodes_watched=5)
    box.edit(box.user, "anime", three, score=10)
    new = absent(box)
    box.add(box.user, "anime", new, status="watching")
    since = lists(box)

    malsync.ok("revert", "latest~1", "latest", "--yes")

    after = lists(box)["anime"]
    assert after[one] == {**good["anime"][one], "num_episodes_watched": 5}
    assert after[two] == good["anime"][two]
    assert (after[three], after[new]) == (since["anime"][three], since["anime"][new])


# -- a window


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nine hours before UTC, all year."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


TIMES = (
    "2026-10-31T23:59:59+00:00",
    "2026-11-01T00:00:00+00:00",
    "2026-11-20T18:59:59+00:00",
    "2026-11-20T19:00:00+00:00",
    "2026-11-20T23:00:00+00:00",
    "2026-11-20T23:00:59+00:00",
    "2026-11-20T23:01:00+00:00",
    "2026-11-21T00:00:00+00:00",
    "2026-12-01T00:00:00+00:00",
)


@pytest.fixture
def evening(malsync: Malsync, box: Sandbox) -> list[int]:
    """Nine entries, each edited at one of TIMES; and one that was removed."""
    malsync.ok("backup")
    some = ids(box)[:9]
    for id, moment in zip(some, TIMES, strict=True):
        put(box, "anime", id, {"status": "dropped", "comments": "vandal"}, moment)
    box.remove(box.user, "manga", ids(box, "manga")[0])
    malsync.ok("backup", "--accept")
    return some


@pytest.mark.parametrize(
    ("words", "inside"),
    [
        ("", range(9)),
        ("--since 2026-11-20T19:00Z", range(3, 9)),
        ("--since 2026-11-20T19:00:00Z", range(3, 9)),
        ("--since 2026-11-20T19:00:01Z", range(4, 9)),
        ("--until 2026-11-20T23:00Z", range(6)),
        ("--until 2026-11-20T23:00:00Z", range(5)),
        ("--since 2026-11-20T19:00Z --until 2026-11-20T23:00Z", range(3, 6)),
        ("--since 2026-11-20T20:00+01:00 --until 2026-11-20T18:00-05:00", range(3, 6)),
        ("--since 2026-11-20T19:00 --until 2026-11-20T23:00", range(3, 6)),
        ("--since 2026-11", range(1, 9)),
        ("--until 2026-11", range(8)),
        ("--since 2026-11 --until 2026-11", range(1, 8)),
        ("--since 2026-11-20 --until 2026-11-20", range(2, 7)),
        ("--since 2026-12-02", ()),
        ("--until 2026-10-30", ()),
    ],
)
def test_only_what_was_updated_in_that_time_is_taken_back(
    malsync: Malsync, box: Sandbox, evening: list[int], words: str, inside: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    document = malsync.json("revert", "1", "2", *words.split(), "--dry-run")

    assert [item["id"] for item in document["changes"] if item["medium"] == "manga"] == [ids_gone(malsync)]
    assert {item["id"] for item in document["changes"] if item["medium"] == "anime"} == {evening[n] for n in inside}


def ids_gone(malsync: Malsync) -> int:
    """The manga that snapshot 2 lacks."""
    (gone,) = [one["id"] for one in malsync.json("diff", "1", "2", "--only", "manga")["changes"]]
    return int(gone)


@pytest.mark.parametrize(
    ("words", "inside"),
    [
        ("--since 2026-11-21T04:00 --until 2026-11-21T08:00", range(3, 6)),
        ("--since 2026-11-21 --until 2026-11-21", range(2, 8)),
        ("--since 2026-11 --until 2026-11", range(8)),
        ("--since 2026-11-20T19:00Z --until 2026-11-20T23:00Z", range(3, 6)),
    ],
)
def test_times_are_local_unless_they_say_otherwise(
    malsync: Malsync, evening: list[int], tokyo: None, words: str, inside: range
) -> None:
    document = malsync.json("revert", "1", "2", *words.split(), "--dry-run", "--only", "anime")

    assert {item["id"] for item in document["changes"]} == {evening[n] for n in inside}


def test_an_entry_that_came_goes_by_its_time_too(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for moment in (EARLY, LATE):
        put(box, "anime", absent(box), BAD, moment)
    malsync.ok("backup")

    document = malsync.json("revert", "1", "2", "--since", "2026-11-20", "--yes")

    assert document["plan"]["remove"] == 1
    assert [one["updated_at"] for one in box.entries(box.user, "anime").values()].count(LATE) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026",
        "2026-13",
        "2026-11-31",
        "2026-11-20T25:00",
        "2026-11-20 19:00",
        "11/20/2026",
        "latest",
        "1",
        "live",
    ],
)
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_what_is_no_time_ends_with_2(malsync: Malsync, box: Sandbox, option: str, text: str) -> None:
    """An empty one too: a script whose variable is not set must not take back everything."""
    error = malsync.error("revert", "1", "2", option, text, "--yes", exit_code=2)

    assert f"{option} {text!r}" in error["message"]
    assert "2026-11-20T19:00" in error["hint"]
    assert box.requests == []


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-21", "2026-11-20"), ("2026-12", "2026-11"), ("2026-11-20T19:01Z", "2026-11-20T19:00Z")],
)
def test_a_window_that_ends_before_it_begins_ends_with_2(
    malsync: Malsync, box: Sandbox, since: str, until: str
) -> None:
    error = malsync.error("revert", "1", "2", "--since", since, "--until", until, "--yes", exit_code=2)

    assert since in error["message"]
    assert until in error["message"]
    assert box.requests == []


# -- filters, guards and looks are those of restore


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--only manga", {("update", "manga"), ("add", "manga")}),
        ("--status dropped", {("update", "anime"), ("update", "manga")}),
        ("--field comments", {("update", "anime"), ("update", "manga")}),
        ("--field num_volumes_read", set()),
        ("--status dropped --only anime --field score", {("update", "anime")}),
    ],
)
def test_filters_narrow_a_revert(malsync: Malsync, box: Sandbox, words: str, expected: set[tuple[str, str]]) -> None:
    edited = {medium: ids(box, medium)[0] for medium in MEDIA}
    gone = {medium: ids(box, medium)[1] for medium in MEDIA}
    for medium in MEDIA:
        put(box, medium, edited[medium], {"status": "dropped", "score": 8, "comments": "theirs"})
        put(box, medium, gone[medium], GOOD)
    malsync.ok("backup")
    for medium in MEDIA:
        put(box, medium, edited[medium], {"status": "dropped", "score": 1, "comments": "vandal"})
        put(box, medium, gone[medium], None)
    malsync.ok("backup")

    document = malsync.json("revert", "1", "2", *words.split(), "--yes")

    assert {(op, medium) for op, medium, _ in keys(document)} == expected
    assert document["equal"] is True
    if "--field" in words:
        assert all(set(item["fields"]) <= set(words.split()) for item in document["changes"])


def test_a_title_that_is_on_none_of_the_lists_ends_with_2(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")

    assert "anime 5" in malsync.error("revert", "1", "1", "--id", "anime:5", exit_code=2)["message"]


def test_a_title_is_chosen_by_its_id(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    some = ids(box)[:3]
    for id in some:
        box.edit(box.user, "anime", id, comments="vandal")
    malsync.ok("backup")

    document = malsync.json("revert", "1", "2", "--id", f"anime:{some[1]}", "--yes")

    assert keys(document) == {("update", "anime", some[1])}


def test_a_look_sends_nothing_but_get(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    id = absent(box)
    set_up(malsync, box, "anime", id, GOOD, BAD, MIXED)

    document = malsync.json(
        "revert", "1", "2", "--dry-run", "--rehearse", "--plan", tmp_path / "plan.json", "--yes", exit_code=5
    )

    assert writes(box) == {}
    assert document["run"] is None
    assert document["rehearsal"]["PATCH"] == 1
    assert shown(box, "anime", id) == MIXED
    # What came of the file: the same writes, and the conflict told again.
    applied = malsync.json("apply", tmp_path / "plan.json", exit_code=5)
    assert applied["left"] == document["left"]
    assert shown(box, "anime", id) == MIXED | {"score": 7}


def test_many_deletions_need_a_word(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for _ in range(11):
        put(box, "anime", absent(box), BAD)
    malsync.ok("backup")

    assert "--max-deletes 11" in malsync.error("revert", "1", "2", "--yes", exit_code=7)["hint"]
    assert writes(box) == {}
    malsync.ok("revert", "1", "2", "--yes", "--max-deletes", "11")


def test_where_nobody_can_answer_nothing_is_sent(malsync: Malsync, box: Sandbox) -> None:
    set_up(malsync, box, "anime", absent(box), GOOD, BAD, BAD)

    malsync.error("revert", "1", "2", exit_code=2)

    assert writes(box) == {}


def test_another_users_list_is_refused_on_either_side(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    someone(malsync, box)

    for references in (("1", "2"), ("2", "1"), ("2", "2")):
        error = malsync.error("revert", *references, "--account", "default", "--yes", exit_code=3)
        assert "sandbox_theo" in error["message"]
    assert writes(box) == {}


def test_an_unfinished_run_comes_first(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    for id in ids(box)[:3]:
        box.edit(box.user, "anime", id, comments="vandal")
    malsync.ok("backup")
    interrupt(malsync, box, 1, "revert", "1", "2")

    assert malsync.json("runs")[0]["kind"] == "revert"
    malsync.error("revert", "1", "2", "--yes", exit_code=7)
    assert malsync.json("resume")["outcomes"] == outcomes(done=3)
    assert malsync.json("diff", "1", "live", "--exit-code")["changes"] == []


def test_lists_may_be_files_that_know_little(malsync: Malsync, box: Sandbox, tmp_path: Path) -> None:
    anime = box.entries(box.user, "anime")
    one = ids(box)[0]
    scores = {id: {"status": entry["status"], "score": entry["score"]} for id, entry in anime.items()}
    worse = {**scores, one: {**scores[one], "score": 1}}
    files = [
        write(
            tmp_path / f"{number}.json",
            mine(box, {"anime": entries}, covers={"anime": ("status", "score"), "manga": None}),
        )
        for number, entries in enumerate((scores, worse))
    ]
    box.edit(box.user, "anime", one, score=1, comments="mine")

    document = malsync.json("revert", *files, "--yes")

    assert document["changes"][0]["fields"] == {"score": {"from": 1, "to": scores[one]["score"]}}
    assert box.entries(box.user, "anime")[one]["comments"] == "mine"
    malsync.error("revert", *files, "--field", "comments", exit_code=2)


def test_what_mal_made_of_the_write_is_not_taken_for_somebody_elses(malsync: Malsync, box: Sandbox) -> None:
    id = next(
        id for id in ids(box) if 0 < ((box.world.catalogue.get("anime", id) or {}).get("num_episodes") or 0) < 100
    )
    total = (box.world.catalogue.get("anime", id) or {})["num_episodes"]
    good, bad = (GOOD | {"num_episodes_watched": number} for number in (total + 5, 1))
    set_up(malsync, box, "anime", id, good, bad, bad)

    document = malsync.json("revert", "1", "2", "--yes", exit_code=5)

    assert document["outcomes"] == outcomes(not_restorable=1)
    (left,) = document["left"]
    assert left["fields"] == {"num_episodes_watched": {"wanted": total + 5, "live": total}}
    assert "conflict" not in left["why"]
