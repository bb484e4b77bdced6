"""Reading lists: what is asked for, when two passes agree, and that what is stored is what stands on the far side."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync, TestTime
from tests.support.servers import FarSide, Heard, Reply, entry, mal, page, rest_of

# Typed again from docs/mal.md#members-of-a-list-status: what the far side must be asked for by name.
ANIME_FIELDS = (
    "status,score,num_episodes_watched,is_rewatching,start_date,finish_date,priority,num_times_rewatched,"
    "rewatch_value,tags,comments,updated_at"
)
MANGA_FIELDS = (
    "status,score,num_volumes_read,num_chapters_read,is_rereading,start_date,finish_date,priority,num_times_reread,"
    "reread_value,tags,comments,updated_at"
)
FIELDS = {"anime": ANIME_FIELDS, "manga": MANGA_FIELDS}
SEVERAL_PAGES = 1_300
"""Of these 1,193 are anime: two pages."""


def queries(box: Sandbox, medium: str) -> list[dict[str, str]]:
    """What each request for that list asked, in order."""
    rows = [row for row in box.requests if row["path"].endswith(f"/{medium}list")]
    return [{name: texts[0] for name, texts in parse_qs(row["query"]).items()} for row in rows]


def held(malsync: Malsync, medium: str, reference: str = "latest") -> dict[int, dict[str, Any]]:
    """A stored list: list statuses by id."""
    entries = malsync.json("show", reference, "--only", medium)["entries"]
    found = {item["id"]: item["list_status"] for item in entries}
    assert len(found) == len(entries)
    return found


@pytest.fixture
def long(home: Path) -> Any:
    """malsync beside a sandbox whose first user has an anime list of two pages, and whose clock goes on at each look."""
    with Sandbox(World.generated(entries=SEVERAL_PAGES, seed=1, clock=TestTime().now)) as box:
        yield Malsync(home, box)


# -- what is asked for


@pytest.mark.promise("reading-1", "security-10")
@pytest.mark.parametrize("medium", ["anime", "manga"])
def test_a_list_is_asked_for_with_every_field_hidden_titles_and_no_filter(
    malsync: Malsync, box: Sandbox, medium: str
) -> None:
    malsync.ok("backup")

    assert queries(box, medium) == [
        {"fields": f"list_status{{{FIELDS[medium]}}}", "limit": "1000", "nsfw": "true"},
    ]


@pytest.mark.promise("reading-12")
def test_the_second_pass_asks_for_times_alone(long: Malsync) -> None:
    assert long.box is not None
    long.ok("backup")

    whole, lean = f"list_status{{{ANIME_FIELDS}}}", "list_status{updated_at}"
    asked = queries(long.box, "anime")
    assert [(one["fields"], one.get("offset")) for one in asked] == [
        (whole, None),
        (whole, "1000"),
        (lean, None),
        (lean, "1000"),
    ]
    assert all(one["nsfw"] == "true" and one["limit"] == "1000" and "status" not in one for one in asked)
    assert len(queries(long.box, "manga")) == 1


@pytest.mark.promise("reading-11")
@pytest.mark.parametrize(
    ("entries", "pages"), [(1_090, 1), (1_091, 4)], ids=["exactly one page", "one more than a page"]
)
def test_a_list_of_one_page_is_read_once_and_a_longer_one_twice(home: Path, entries: int, pages: int) -> None:
    with Sandbox(World.generated(entries=entries, seed=1)) as box:
        malsync = Malsync(home, box)
        counts = malsync.json("backup")["counts"]

        assert counts == {"anime": entries - 90, "manga": 90}
        assert len(queries(box, "anime")) == pages
        assert held(malsync, "anime") == box.entries(box.user, "anime")


@pytest.mark.promise("reading-2")
def test_ten_thousand_anime_and_nine_hundred_manga_cost_at_most_22_requests(home: Path) -> None:
    with Sandbox(World.generated(entries=10_900, seed=1)) as box:
        malsync = Malsync(home, box)
        document = malsync.json("backup")

        assert document["counts"] == {"anime": 10_000, "manga": 900}
        assert document["requests"] == box.counts
        assert box.counts["GET"] <= 22
        for medium in ("anime", "manga"):
            assert held(malsync, medium) == box.entries(box.user, medium)


# -- what is stored


@pytest.mark.parametrize("medium", ["anime", "manga"])
@pytest.mark.parametrize("user", ["sandbox_mika", "sandbox_theo"])
def test_every_entry_is_stored_as_it_stands_on_the_far_side(home: Path, box: Sandbox, user: str, medium: str) -> None:
    malsync = Malsync(home, box, MALSYNC_ACCESS_TOKEN=box.token_for(user))

    assert malsync.json("backup")["user"] == user

    assert held(malsync, medium) == box.entries(user, medium)


@pytest.mark.promise("reading-1")
def test_gray_and_black_titles_are_read_too(malsync: Malsync, box: Sandbox) -> None:
    def colour(medium: str, id: int) -> str:
        return str(box.world.catalogue.known(medium, id).get("nsfw", "white"))

    hidden = {
        (medium, id): colour(medium, id)
        for medium in ("anime", "manga")
        for id in box.entries(box.user, medium)
        if colour(medium, id) != "white"
    }
    assert set(hidden.values()) == {"gray", "black"}

    malsync.ok("backup")

    stored = {(medium, id) for medium in ("anime", "manga") for id in held(malsync, medium)}
    assert hidden.keys() <= stored


@pytest.mark.parametrize("setting", [{"comment_entities": "raw"}, {"next_user": "name"}])
def test_comments_are_kept_as_received_and_shown_plain_and_pages_followed_under_either_name(
    home: Path, setting: dict[str, str]
) -> None:
    with Sandbox(World.generated(entries=SEVERAL_PAGES, seed=1), settings=setting) as box:
        id = next(iter(box.entries(box.user, "anime")))
        box.edit(box.user, "anime", id, comments='<b>"me" & you</b>')
        malsync = Malsync(home, box)
        malsync.ok("backup")

        plain = '<b>"me" & you</b>'
        received = plain if "comment_entities" in setting else "&lt;b&gt;&quot;me&quot; &amp; you&lt;/b&gt;"
        assert held(malsync, "anime")[id]["comments"] == plain
        exported = orjson.loads(malsync.ok("export", "latest").stdout)["anime"]
        kept = next(item for item in exported if item["node"]["id"] == id)
        assert kept["list_status"]["comments"] == received
        assert held(malsync, "anime").keys() == box.entries(box.user, "anime").keys()


def test_empty_lists_are_lists(home: Path) -> None:
    with Sandbox(World.holding("newcomer", {"anime": [], "manga": []})) as box:
        malsync = Malsync(home, box)
        document = malsync.json("backup")

        assert document["counts"] == {"anime": 0, "manga": 0}
        assert document["suspicious"] == []
        assert document["requests"] == {"GET": 3}


@pytest.mark.promise("reading-15")
def test_members_that_nobody_knows_yet_are_kept_as_they_came(offline: Malsync) -> None:
    extra = {"mood": "glad", "seasons": [{"number": 1}], "rating": None, "hours": 1.5}
    with FarSide(mal(anime=lambda heard: page(entry(1, **extra)))) as far:
        offline.ok("backup", env=far.environment())

    assert held(offline, "anime")[1].items() >= extra.items()


def test_absent_and_null_stay_apart(offline: Malsync) -> None:
    with FarSide(mal(manga=lambda heard: page(entry(1, score=None), entry(2)))) as far:
        offline.ok("backup", env=far.environment())

    manga = held(offline, "manga")
    assert manga[1]["score"] is None
    assert "score" not in manga[2]


# -- lists that change while they are read


@pytest.mark.promise("reading-11")
@pytest.mark.parametrize(
    ("fault", "nth", "requests"),
    [
        # Between the pages of the first pass: the second sees the list as it is now, the third agrees with it.
        ("edit", 2, 6),
        ("add", 2, 6),
        ("remove", 2, 6),
        # Between the passes.
        ("edit", 3, 6),
        ("add", 3, 6),
        ("remove", 3, 6),
        # Between the pages of the second pass: one entry slips from its second page to the first, which was read already.
        ("remove", 4, 8),
    ],
)
def test_a_list_that_changes_while_it_is_read_is_read_until_two_passes_agree(
    long: Malsync, fault: str, nth: int, requests: int
) -> None:
    box = long.box
    assert box is not None
    before = box.entries(box.user, "anime")
    box.add_faults(f"{fault}:on=animelist,nth={nth}")

    long.ok("backup")

    after = box.entries(box.user, "anime")
    assert after != before
    assert held(long, "anime") == after
    assert len(queries(box, "anime")) == requests
    assert len(queries(box, "manga")) == 1


@pytest.mark.parametrize("fault", ["edit", "add"])
def test_a_change_behind_the_last_page_but_one_belongs_to_the_next_backup(long: Malsync, fault: str) -> None:
    """Both passes saw the list as it was, so it stood like that while it was read."""
    box = long.box
    assert box is not None
    before = box.entries(box.user, "anime")
    box.add_faults(f"{fault}:on=animelist,nth=4")

    long.ok("backup")
    assert held(long, "anime") == before

    long.ok("backup")
    after = box.entries(box.user, "anime")
    assert after != before
    assert held(long, "anime") == after


EDITS: dict[str, list[Any]] = {
    "score": [1, 2],
    "comments": ["first", "second"],
    "tags": [["first"], ["second"]],
    "rewatch_value": [1, 2],
    "finish_date": [None, "2020-01-01"],
}


@pytest.mark.promise("reading-12")
@pytest.mark.parametrize(
    ("field", "page", "date"),
    [
        pytest.param(
            field, page, date, marks=[] if field == "score" or (page, date) == (2, "on") else pytest.mark.nightly
        )
        for field in EDITS
        for page in (1, 2, 3, 4)
        for date in ("on", "off")
    ],
)
def test_two_edits_within_a_second_are_never_torn_apart(home: Path, field: str, page: int, date: str) -> None:
    """They share `updated_at`. The second comes after some page, together with one of the other end of the list."""
    edits = [0]

    def edit_both(_: Any = None) -> None:
        order = sorted(box.entries(box.user, "anime"), key=lambda id: box.world.catalogue.key("anime", id))
        for id in (order[0], order[-1]):
            box.edit(box.user, "anime", id, **{field: EDITS[field][edits[0]]})
        edits[0] += 1

    def heard(row: dict[str, Any]) -> None:
        if edits[0] == 1 and row["path"].endswith("/animelist") and len(queries(box, "anime")) == page:
            edit_both()

    moment = TestTime().moment
    world = World.generated(entries=SEVERAL_PAGES, seed=1, clock=lambda: moment)
    with Sandbox(world, heard=heard, settings={"date": date}) as box:
        edit_both()
        before = box.entries(box.user, "anime")
        malsync = Malsync(home, box)
        malsync.ok("backup")

        after = box.entries(box.user, "anime")
        assert edits[0] == 2
        assert held(malsync, "anime") in ([after] if page < 4 else [before, after])
        assert len(queries(box, "anime")) == {1: 6, 2: 6, 3: 8, 4: 4}[page]
        lean = [one for one in queries(box, "anime") if "comments" not in one["fields"]]
        assert lean == []


def test_a_list_whose_entries_are_all_older_is_read_with_all_fields_once(long: Malsync) -> None:
    """An edit of the second before the reading began is older than that."""
    box = long.box
    assert box is not None
    box.edit(box.user, "anime", next(iter(box.entries(box.user, "anime"))), comments="just now")

    long.ok("backup")

    assert ["comments" in one["fields"] for one in queries(box, "anime")] == [True, True, False, False]
    assert held(long, "anime") == box.entries(box.user, "anime")


def test_a_recent_edit_that_the_second_pass_brought_is_read_once_more(home: Path) -> None:
    """The third pass agrees with the second about its time, which says nothing of what was edited within that second."""
    moment = TestTime().moment
    with Sandbox(World.generated(entries=SEVERAL_PAGES, seed=1, clock=lambda: moment)) as box:
        malsync = Malsync(home, box)
        box.add_faults("edit:on=animelist,nth=2")
        malsync.ok("backup")

        assert held(malsync, "anime") == box.entries(box.user, "anime")
        full = ["comments" in one["fields"] for one in queries(box, "anime")]
        assert full == [True, True, False, False, True, True, True, True]


def test_entries_without_a_time_that_is_understood_are_read_twice_with_all_fields(offline: Malsync) -> None:
    def two_pages(heard: Heard) -> Reply:
        there = f"{far.api_url}/users/@me/animelist?{rest_of(heard)}&offset=1"
        return page(entry(2)) if "offset=1" in heard.target else page(entry(1, updated_at=None), then=there)

    with FarSide(mal(anime=two_pages)) as far:
        far.tells_time = True
        offline.ok("backup", env=far.environment())

    asked = [heard.target for heard in far.heard if "animelist" in heard.target]
    assert len(asked) == 4
    assert all("comments" in target for target in asked)


@pytest.mark.promise("reading-13")
def test_a_list_that_never_stands_still_ends_with_4_after_four_passes(long: Malsync) -> None:
    box = long.box
    assert box is not None
    box.add_faults("edit:on=animelist")

    error = long.error("backup", exit_code=4)

    assert "GET /users/@me/animelist" in error["message"]
    assert "4 readings" in error["message"]
    assert len(queries(box, "anime")) == 8
    assert long.json("snapshots") == []
    assert not (long.home / "latest").exists()


def test_pages_that_overlap_hold_each_entry_once(long: Malsync) -> None:
    box = long.box
    assert box is not None
    box.add_faults("overlap:on=animelist")

    counts = long.json("backup")["counts"]

    assert counts["anime"] == len(box.entries(box.user, "anime"))
    assert held(long, "anime") == box.entries(box.user, "anime")
    assert len(queries(box, "anime")) == 4


@pytest.mark.promise("reading-14")
def test_an_id_twice_with_the_same_data_is_one_entry(offline: Malsync) -> None:
    with FarSide(mal(anime=lambda heard: page(entry(1, score=7), entry(1, score=7), entry(2)))) as far:
        offline.ok("backup", env=far.environment())

    assert held(offline, "anime").keys() == {1, 2}
    assert sum("animelist" in heard.target for heard in far.heard) == 1


@pytest.mark.promise("reading-14")
def test_an_id_twice_with_other_data_fails_the_pass_and_the_next_one_counts(offline: Malsync) -> None:
    def torn_once(heard: Heard) -> Reply:
        first = sum("animelist" in one.target for one in far.heard) == 1
        return page(entry(1, score=7), entry(1, score=8)) if first else page(entry(1, score=8), entry(2))

    with FarSide(mal(anime=torn_once)) as far:
        offline.ok("backup", env=far.environment())

    assert {id: one.get("score") for id, one in held(offline, "anime").items()} == {1: 8, 2: None}
    asked = [heard.target for heard in far.heard if "animelist" in heard.target]
    assert len(asked) == 2
    assert all("comments" in target for target in asked)


def test_an_id_twice_with_other_data_each_time_ends_with_4(offline: Malsync) -> None:
    with FarSide(mal(manga=lambda heard: page(entry(1, score=7), entry(1, score=8)))) as far:
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert "GET /users/@me/mangalist" in error["message"]
    assert sum("mangalist" in heard.target for heard in far.heard) == 4
    assert offline.json("snapshots") == []


@pytest.mark.promise("reading-7")
def test_the_end_is_where_no_next_page_is_named_whatever_the_pages_hold(offline: Malsync) -> None:
    def four_pages(heard: Heard) -> Reply:
        there = f"{far.api_url}/users/@me/animelist?{rest_of(heard)}&offset="
        if "offset=3" in heard.target:
            return page()
        if "offset=2" in heard.target:
            return page(entry(3), entry(4), then=f"{there}3")
        if "offset=1" in heard.target:
            return page(entry(2), then=f"{there}2")
        return page(entry(1), entry(2), then=f"{there}1")

    with FarSide(mal(anime=four_pages)) as far:
        offline.ok("backup", env=far.environment())

    assert held(offline, "anime").keys() == {1, 2, 3, 4}


@pytest.mark.promise("reading-3")
@pytest.mark.parametrize("passes", [{1}, {1, 2, 3, 4}])
@pytest.mark.parametrize("empty", [0, 1, 2])
@pytest.mark.parametrize("medium", ["anime", "manga"])
def test_a_page_without_entries_before_the_last_one_fails_the_pass(
    offline: Malsync, medium: str, empty: int, passes: set[int]
) -> None:
    begun = [0]

    def pages(heard: Heard) -> Reply:
        there = f"{far.api_url}/users/@me/{medium}list?{rest_of(heard)}&offset="
        number = next((n for n in (1, 2, 3) if f"offset={n}" in heard.target), 0)
        begun[0] += number == 0
        shown = [] if number == empty and begun[0] in passes else [entry(number + 1)]
        return page(*shown, then=f"{there}{number + 1}" if number < 3 else None)

    with FarSide(mal(**{medium: pages})) as far:
        if passes == {1}:
            offline.ok("backup", env=far.environment())
            assert held(offline, medium).keys() == {1, 2, 3, 4}
            return
        error = offline.error("backup", exit_code=4, env=far.environment())

    assert f"/users/@me/{medium}list" in error["message"]
    assert "without entries" in error["message"]
    assert offline.json("snapshots") == []
    assert not (offline.home / "latest").exists()


# -- whose clock a snapshot is dated by


@pytest.mark.promise("reading-5")
@pytest.mark.parametrize(
    ("ahead", "is_mals"), [(0, False), (45, False), (-45, False), (90, True), (-90, True), (400 * 86400, True)]
)
def test_a_snapshot_is_dated_by_mals_clock_where_this_machines_is_wrong(
    home: Path, world: World, ahead: int, is_mals: bool
) -> None:
    malsync = Malsync(home)
    theirs = malsync.time.moment
    world.clock = lambda: theirs
    malsync.time.moment += timedelta(seconds=ahead)
    with Sandbox(world) as box:
        malsync.box = box
        taken_at = datetime.fromisoformat(malsync.json("backup")["taken_at"])

    assert (taken_at == theirs) is is_mals
    assert abs(taken_at - theirs) < timedelta(seconds=90)


@pytest.mark.promise("security-5")
@pytest.mark.parametrize("ahead", [timedelta(hours=5), -timedelta(hours=5), timedelta(days=400), -timedelta(days=400)])
def test_where_this_machines_clock_is_wrong_the_newest_list_is_the_newest_all_the_same(
    home: Path, world: World, ahead: timedelta
) -> None:
    malsync = Malsync(home)
    theirs = TestTime()
    world.clock = lambda: theirs.moment
    malsync.time.moment += ahead
    with Sandbox(world) as box:
        malsync.box = box
        said = malsync.ok("backup").stderr
        theirs.moment += timedelta(minutes=30)
        malsync.time.moment += timedelta(minutes=30)
        box.edit(box.user, "anime", next(iter(box.entries(box.user, "anime"))), score=1)
        malsync.ok("backup")

    assert f"clock is {'5 hours' if abs(ahead) < timedelta(days=1) else '400 days'} " in said
    assert ("ahead of" if ahead > timedelta() else "behind") in said
    for reference in ("latest", "good", "2026-11-01"):
        found = malsync.ok("show", reference, "--json")
        assert found.json["from"]["snapshot"] == 2
        assert "in the future" not in found.stderr


def test_once_the_clock_is_set_what_was_known_of_it_is_forgotten(home: Path, world: World) -> None:
    malsync = Malsync(home)
    malsync.time.moment += timedelta(hours=2)
    with Sandbox(world) as box:
        malsync.box = box
        world.clock = lambda: datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
        malsync.ok("backup")
        assert (home / "clock.json").exists()

        malsync.time.moment = datetime(2026, 11, 1, 12, 0, 5, tzinfo=UTC)
        found = malsync.ok("show", "latest", "--json")
        assert found.json["from"]["snapshot"] == 1
        assert "in the future" not in found.stderr
        malsync.ok("backup")
        assert not (home / "clock.json").exists()


def test_where_mal_does_not_say_what_time_it_is_the_machines_clock_counts(home: Path, world: World) -> None:
    malsync = Malsync(home)
    world.clock = lambda: datetime(2031, 1, 1, tzinfo=UTC)
    with Sandbox(world, settings={"date": "off"}) as box:
        malsync.box = box
        assert malsync.json("backup")["taken_at"].startswith("2026-11-01T12:")


@pytest.mark.parametrize("fault", ["503", "cut:at=middle", "truncated"])
def test_a_page_that_fails_once_is_asked_for_again_alone(long: Malsync, fault: str) -> None:
    box = long.box
    assert box is not None
    kind, _, own = fault.partition(":")
    box.add_faults(f"{kind}:on=animelist,nth=2{',' if own else ''}{own}")

    long.ok("backup")

    assert [one.get("offset") for one in queries(box, "anime")] == [None, "1000", "1000", None, "1000"]
    assert held(long, "anime") == box.entries(box.user, "anime")


@pytest.mark.promise("storing-1")
def test_a_failure_in_one_list_stores_nothing_of_the_other(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    box.add_faults("500:on=mangalist")
    box.edit(box.user, "anime", next(iter(box.entries(box.user, "anime"))), score=1)

    malsync.error("backup", exit_code=4)

    box.clear_faults()
    assert [row["snapshot"] for row in malsync.json("snapshots")] == [1]
    assert malsync.json("diff")["counts"] == {"add": 0, "update": 1, "remove": 0}


def test_a_list_that_is_refused_does_not_wait_for_the_other_one(home: Path, world: World) -> None:
    """In real time: the manga list is to be asked for again in some minutes, the anime list never."""
    with Sandbox(world, latency=0.05, faults="429:on=mangalist,retry_after=200;redirect:on=animelist,nth=2") as box:
        box.add_faults("503:on=animelist,nth=1,retry_after=0")
        process = Malsync(home, box).process("backup")
        _, err = process.communicate(timeout=10)

    assert process.returncode == 4
    assert "GET /users/@me/animelist: the API redirects" in err
