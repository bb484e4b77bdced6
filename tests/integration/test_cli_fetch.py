"""fetch: what it asks for, what it keeps, and how it ends when MAL or the user does not go along."""

import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from malsync.mirror.catalogue import ANSWER_TABLES, TITLE_TABLES
from malsync.sandbox import Sandbox, World
from tests.support.catalogue import FEW, FIELDS, answer, assert_sound, change, few_titles, record, rows, whole
from tests.support.harness import ROOT, Malsync, until
from tests.support.servers import FarSide, Heard, Reply, entry, mal, page, told
from tests.support.signing import grants, sign_in
from tests.support.terminal import on_terminal

COLOUR = re.compile("\x1b\\[[0-9;]*m")
ALL = [*(f"/v2/anime/{id}" for id in FEW["anime"]), *(f"/v2/manga/{id}" for id in FEW["manga"])]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox with one account, of six anime and three manga."""
    with Sandbox(few_titles()) as running:
        yield running


@pytest.fixture
def malsync(home: Path, box: Sandbox) -> Malsync:
    """malsync with one backup."""
    made = Malsync(home, box)
    made.ok("backup")
    return made


def paths(box: Sandbox, since: int = 0) -> list[str]:
    """What the API was asked for, after so many requests."""
    return [row["path"] for row in box.requests[since:] if row["kind"] == "api"]


def details(malsync: Malsync, *arguments: str, exit_code: int = 0, **named: Any) -> Any:
    return malsync.json("fetch", "details", *arguments, exit_code=exit_code, **named)


def without_time(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of the catalogue but for its moments of reading."""
    found = {}
    for (table,) in rows(home, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%fts%'"):
        moments = {"fetched_at", "details_at", "gone_at", "posts_at"}
        names = [name for _, name, *_ in rows(home, f"PRAGMA table_info({table})") if name not in moments]
        if table not in {"fetch", "sqlite_sequence"}:
            found[table] = rows(home, f"SELECT {', '.join(names)} FROM {table} ORDER BY {', '.join(names)}")
    return found


# -- details: the tables hold what MAL says


def expected(medium: str, said: dict[str, Any]) -> Counter[tuple[Any, ...]]:
    """The rows that an answer should become, worked out by hand."""
    id = said["id"]
    names = said.get("alternative_titles", {})
    made: list[tuple[Any, ...]] = [
        *[("alternative_title", id, at, "synonym", name) for at, name in enumerate(names.get("synonyms", []), 1)],
        *[("alternative_title", id, 1, kind, names[kind]) for kind in ("en", "ja") if names.get(kind)],
        *[("genre", id, f"{medium}:{one['id']}") for one in said["genres"]],
        *[("picture", id, at, one.get("medium"), one.get("large")) for at, one in enumerate(said["pictures"], 1)],
        *[
            ("recommendation", id, at, one["node"]["id"], one["num_recommendations"])
            for at, one in enumerate(said["recommendations"], 1)
        ],
    ]
    for other in ("anime", "manga"):
        made += [
            (f"related_{other}", id, at, one["node"]["id"], one["relation_type"], one["relation_type_formatted"])
            for at, one in enumerate(said[f"related_{other}"], 1)
        ]
    if medium == "manga":
        made += [("author", id, at, one["node"]["id"], one["role"]) for at, one in enumerate(said["authors"], 1)]
        made += [("serialization", id, one["node"]["id"]) for one in said["serialization"]]
        return Counter(made)
    made += [("studio", id, one["id"]) for one in said["studios"]]
    made += [("statistic", id, status, number) for status, number in said["statistics"]["status"].items()]
    made.append(("statistic", id, "all", said["statistics"]["num_list_users"]))
    for kind in ("opening", "ending"):
        themes = enumerate(said.get(f"{kind}_themes", []), 1)
        made += [("theme", id, at, kind, one["id"], one["text"]) for at, one in themes]
    members = ("id", "title", "url", "thumbnail", "created_at", "updated_at")
    made += [("video", id, at, *map(one.get, members)) for at, one in enumerate(said["videos"], 1)]
    return Counter(made)


def own_row(said: dict[str, Any]) -> dict[str, Any]:
    """The columns of a title that an answer should fill, worked out by hand."""
    nested = {
        "alternative_titles", "main_picture", "start_season", "broadcast", "genres", "studios", "authors", "serialization",
        "pictures", "related_anime", "related_manga", "recommendations", "statistics", "opening_themes", "ending_themes",
        "videos",
    }  # fmt: skip
    picture, broadcast = said.get("main_picture", {}), said.get("broadcast", {})
    return {
        **{name: value for name, value in said.items() if name not in nested},
        "picture": picture.get("medium"),
        "picture_large": picture.get("large"),
        **(
            {
                "start_year": said.get("start_season", {}).get("year"),
                "start_season": said.get("start_season", {}).get("season"),
                "broadcast_day": broadcast.get("day_of_the_week"),
                "broadcast_time": broadcast.get("start_time"),
            }
            if "num_episodes" in said
            else {}
        ),
        "extra": None,
        "gone_at": None,
    }


@pytest.mark.parametrize("medium", ["anime", "manga"])
def test_every_table_holds_what_the_api_says(home: Path, medium: str) -> None:
    with Sandbox(World.demo()) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        details(malsync, "--only", medium)
        ids = [id for (id,) in rows(home, f"SELECT id FROM {medium} WHERE details_at IS NOT NULL ORDER BY id")]
        said = {id: answer(box, f"/{medium}/{id}", fields=FIELDS[medium]) for id in ids}

    assert ids == sorted(box.entries(box.user, medium))
    wanted: Counter[tuple[Any, ...]] = Counter()
    for id, one in said.items():
        row = record(home, medium, id)
        names = {name for name in row if name not in ("fetched_at", "details_at", "alternative_titles")}
        assert {name: row[name] for name in names} == {name: own_row(one).get(name) for name in names}
        wanted += expected(medium, one)
    tables = {name for name, *_ in wanted}
    held = Counter(
        (name, *row) for name in sorted(tables) for row in rows(home, f"SELECT {_columns(name)} FROM {medium}_{name}")
    )
    assert tables == {
        "anime": {"alternative_title", "genre", "picture", "recommendation", "related_anime", "statistic", "studio", "theme",
                  "video"},
        "manga": {"alternative_title", "author", "genre", "picture", "recommendation", "related_manga", "serialization"},
    }[medium]  # fmt: skip
    assert held == wanted
    for table, member in (("genre", "genres"), ("studio", "studios")):
        named = {(one["id"], one["name"]) for title in said.values() for one in title.get(member, [])}
        number = "mal_id" if table == "genre" else "id"
        assert set(rows(home, f"SELECT {number}, name FROM {table}")) == named
    people = {tuple(one["node"].get(name) for name in ("id", "first_name", "last_name"))
              for title in said.values() for one in title.get("authors", [])}  # fmt: skip
    assert set(rows(home, "SELECT id, first_name, last_name FROM person")) == people
    assert_sound(home)


def _columns(name: str) -> str:
    return {
        "alternative_title": "media_id, place, kind, title",
        "theme": "media_id, place, kind, theme, text",
    }.get(name, "*")


def test_one_request_a_title_and_none_the_second_time(malsync: Malsync, box: Sandbox) -> None:
    before = len(box.requests)

    document = details(malsync)
    first = paths(box, before)
    again = details(malsync)

    assert first == ALL
    assert document == {
        "what": "details",
        "fetched": {"anime": 6, "manga": 3},
        "gone": [],
        "failed": [],
        "remaining": 0,
        "requests": {"GET": 9},
    }
    assert again == {**document, "fetched": {"anime": 0, "manga": 0}, "requests": {}}
    assert len(box.requests) == before + 9


def test_all_and_max_age_ask_again_and_only_asks_for_one_medium(malsync: Malsync, box: Sandbox) -> None:
    details(malsync, "--only", "manga")
    malsync.time.moment += timedelta(days=10)
    details(malsync, "--only", "anime")
    malsync.time.moment += timedelta(days=10)
    asked = []
    for arguments in (
        ["--max-age", "30"],
        ["--max-age", "15.5"],
        ["--all"],
        ["--all", "--only", "anime"],
        ["--missing"],
    ):
        before = len(box.requests)
        details(malsync, *arguments)
        asked.append(paths(box, before))

    assert asked == [[], ALL[6:], ALL, ALL[:6], []]


def test_what_mal_tells_anew_takes_the_place_of_what_it_told(malsync: Malsync, box: Sandbox) -> None:
    details(malsync)
    before = without_time(malsync.home)
    details(malsync, "--all")
    assert without_time(malsync.home) == before

    change(box, "anime", 6, genres=[{"id": 1, "name": "Deeds"}], mean=9.99, alternative_titles={"en": "New Name"})
    details(malsync, "--all")

    assert rows(malsync.home, "SELECT genre FROM anime_genre WHERE media_id = 6") == [("anime:1",)]
    assert rows(malsync.home, "SELECT mean FROM anime WHERE id = 6") == [(9.99,)]
    assert rows(malsync.home, "SELECT rowid FROM anime_fts WHERE anime_fts MATCH '\"new name\"'") == [(6,)]
    assert_sound(malsync.home)


def test_what_nobody_knows_yet_is_kept(malsync: Malsync, box: Sandbox) -> None:
    change(box, "anime", 6, media_type="hologram", genres=[{"id": 1, "name": "Action", "new": True}], rank=None)
    with_new_member = {**answer(box, "/anime/6"), "id": 6}
    assert "rank" not in with_new_member

    details(malsync)

    row = record(malsync.home, "anime", 6)
    assert (row["media_type"], row["extra"], row["rank"]) == ("hologram", '{"genres":[{"new":true}]}', None)


def test_the_client_id_is_enough(malsync: Malsync, box: Sandbox) -> None:
    before = len(box.requests)

    document = details(malsync, env={"MALSYNC_ACCESS_TOKEN": None})

    assert document["fetched"] == {"anime": 6, "manga": 3}
    assert {row["user"] for row in box.requests[before:]} == {None}


def test_whoever_is_logged_in_asks_with_the_token(malsync: Malsync, box: Sandbox) -> None:
    before = len(box.requests)
    details(malsync)

    assert {row["user"] for row in box.requests[before:]} == {box.user}


def test_without_a_snapshot_there_is_nothing_to_fetch(home: Path, box: Sandbox) -> None:
    error = Malsync(home, box).error("fetch", "details", exit_code=2)

    assert error["hint"] == "Make one: malsync backup"
    assert box.requests == []


def test_a_list_that_was_never_read_has_no_titles(home: Path, world: World) -> None:
    with Sandbox(world) as box:
        box.set_private("sandbox_theo", "manga")
        malsync = Malsync(home, box)
        malsync.ok("backup", "--user", "sandbox_theo")

        error = malsync.error("fetch", "details", "--only", "manga", exit_code=2)

    assert error["message"] == "There is no snapshot of sandbox_theo's list of manga yet."
    assert error["hint"] == "Make one: malsync backup"


@pytest.mark.parametrize(
    "arguments", [["--all", "--missing"], ["--max-age", "3", "--all"], ["--missing", "--max-age", "0"]]
)
def test_the_three_ways_exclude_each_other(malsync: Malsync, box: Sandbox, arguments: list[str]) -> None:
    before = len(box.requests)

    malsync.error("fetch", "details", *arguments, exit_code=2)

    assert len(box.requests) == before


def test_an_age_beyond_all_time_asks_for_what_is_missing(malsync: Malsync) -> None:
    assert details(malsync, "--max-age", "1e300")["fetched"] == {"anime": 6, "manga": 3}
    assert details(malsync, "--max-age", "1e300")["requests"] == {}


def test_the_plan_comes_first_and_says_how_long_it_takes(malsync: Malsync) -> None:
    (malsync.home / "config.toml").write_text("requests_per_second = 0.1")
    first = malsync.ok("fetch", "details")
    second = malsync.ok("fetch", "details")

    assert first.stderr.splitlines()[0] == "9 titles, one request each: about 90 s at 0.1 requests a second."
    assert first.stdout == "Fetched the details of 6 anime, 3 manga.\n"
    assert second.stderr.splitlines() == ["There is nothing to fetch."]


# -- details: what goes wrong


def test_a_title_that_mal_has_no_more_is_marked_and_named(malsync: Malsync, box: Sandbox) -> None:
    details(malsync)
    known = record(malsync.home, "anime", 20)
    box.add_faults("gone:on=anime/20")

    result = malsync.ok("fetch", "details", "--all")
    gone = record(malsync.home, "anime", 20)
    missing = details(malsync)
    old = details(malsync, "--max-age", "0")
    box.clear_faults()
    back = details(malsync, "--all")

    assert "gone from MAL: anime 20 Naruto" in result.stderr
    assert gone == {**known, "gone_at": gone["gone_at"]}
    assert gone["gone_at"] is not None
    assert missing["requests"] == {}
    assert old["gone"] == [{"medium": "anime", "id": 20, "title": "Naruto"}]
    assert old["fetched"] == {"anime": 5, "manga": 3}
    assert back["gone"] == []
    assert record(malsync.home, "anime", 20)["gone_at"] is None


def test_where_nothing_is_no_title_is_gone(malsync: Malsync, box: Sandbox) -> None:
    box.add_faults("gone")

    error = malsync.error("fetch", "details", exit_code=4)
    box.clear_faults()

    assert "404" in error["message"]
    assert "MALSYNC_API_URL" in error["hint"]
    assert rows(malsync.home, "SELECT count(*) FROM anime WHERE gone_at IS NOT NULL") == [(0,)]
    assert details(malsync)["fetched"] == {"anime": 6, "manga": 3}


def test_the_first_title_may_be_gone(malsync: Malsync, box: Sandbox) -> None:
    box.add_faults("gone:nth=1")
    before = len(box.requests)

    document = details(malsync)

    assert [one["id"] for one in document["gone"]] == [1]
    assert document["fetched"] == {"anime": 5, "manga": 3}
    # One more, to learn whether anything is there at all.
    assert Counter(paths(box, before)) == Counter([*ALL, "/v2/anime/ranking"])


def test_what_left_the_list_is_asked_for_once_more_for_mal_may_have_removed_it(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("backup")
    malsync.ok("fetch", "details")
    box.withdraw("anime", 20)
    box.remove(box.user, "manga", 2)
    malsync.ok("backup")

    document = malsync.json("fetch", "details", schema="output-fetch")

    assert document["gone"] == [{"medium": "anime", "id": 20, "title": "Naruto"}]
    assert document["fetched"] == {"anime": 0, "manga": 1}
    assert record(malsync.home, "anime", 20)["gone_at"] is not None
    assert record(malsync.home, "manga", 2)["gone_at"] is None
    again = malsync.json("fetch", "details", schema="output-fetch")
    assert (again["gone"], again["fetched"]) == ([], {"anime": 0, "manga": 0})


FAULTS = ["500", "503", "429", "403", "html", "empty", "truncated", "cut", "cut:at=before", "bad_request", "redirect"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_title_that_cannot_be_read_does_not_stop_the_others(malsync: Malsync, box: Sandbox, fault: str) -> None:
    box.add_faults(f"{fault}{',' if ':' in fault else ':'}on=anime/20")

    document = details(malsync, exit_code=4)
    box.clear_faults()
    before = len(box.requests)
    again = details(malsync)

    (failed,) = document["failed"]
    assert (failed["medium"], failed["id"], failed["title"]) == ("anime", 20, "Naruto")
    assert "/anime/20" in failed["why"]
    assert (document["fetched"], document["remaining"]) == ({"anime": 5, "manga": 3}, 1)
    assert paths(box, before) == ["/v2/anime/20"]
    assert again["remaining"] == 0
    assert_sound(malsync.home)


@pytest.mark.parametrize("fault", ["500", "html", "truncated", "cut"])
def test_a_failure_that_passes_is_no_failure(malsync: Malsync, box: Sandbox, fault: str) -> None:
    box.add_faults(f"{fault}:on=anime/20,times=2")

    document = details(malsync)

    assert (document["failed"], document["requests"]) == ([], {"GET": 11})


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"genres": "none"}, "genres"),
        ({"num_episodes": "many"}, "num_episodes"),
        ({"start_season": {"year": "old"}}, "start_season"),
        ({"studios": [{"id": "x", "name": "y"}]}, "studios"),
    ],
)
def test_an_answer_of_another_form_is_a_failure_of_this_title(
    malsync: Malsync, box: Sandbox, members: dict[str, Any], named: str
) -> None:
    change(box, "anime", 20, **members)

    document = details(malsync, exit_code=4)

    (failed,) = document["failed"]
    assert failed["id"] == 20
    assert named in failed["why"]
    assert record(malsync.home, "anime", 20)["details_at"] is None


def test_a_member_that_is_null_is_as_one_that_is_missing(malsync: Malsync, box: Sandbox) -> None:
    simple = ("synopsis", "mean", "rank", "popularity", "rating", "source", "background", "nsfw", "start_date", "end_date",
              "average_episode_duration")  # fmt: skip
    nested = ("start_season", "main_picture", "broadcast", "alternative_titles", "statistics")
    details(malsync)
    change(box, "anime", 20, **dict.fromkeys((*simple, *nested)))

    document = details(malsync, "--all")

    row = record(malsync.home, "anime", 20)
    emptied = (*simple, "start_year", "start_season", "picture", "broadcast_day", "alternative_titles", "extra")
    assert document["fetched"] == {"anime": 6, "manga": 3}
    assert {name: row[name] for name in emptied} == dict.fromkeys(emptied)
    for table in ("anime_alternative_title", "anime_statistic"):
        assert rows(malsync.home, f"SELECT count(*) FROM {table} WHERE media_id = 20") == [(0,)]
        assert rows(malsync.home, f"SELECT count(*) FROM {table} WHERE media_id = 1") != [(0,)]


def test_an_id_is_answer_enough_and_another_id_is_none(home: Path) -> None:
    def told_of(heard: Heard) -> Reply:
        id = int(heard.target.partition("?")[0].rpartition("/")[2])
        return told({"id": 9 if id == 8 else id})

    lists = mal(lambda heard: page(entry(7), entry(8)))
    with FarSide(lambda heard: told_of(heard) if "/v2/anime/" in heard.target else lists(heard)) as far:
        malsync = Malsync(home, **far.environment())
        malsync.ok("backup")
        document = details(malsync, exit_code=4)

    assert document["fetched"] == {"anime": 1, "manga": 0}
    assert document["failed"] == [
        {"medium": "anime", "id": 8, "title": "Title 8", "why": "GET /anime/8: MAL told of 9 instead."}
    ]
    assert record(home, "anime", 7)["title"] == "Title 7"
    assert rows(home, "SELECT id FROM anime ORDER BY id") == [(7,), (8,)]


def test_three_in_a_row_stop_it_and_the_same_command_goes_on(malsync: Malsync, box: Sandbox) -> None:
    box.add_faults("bad_request:on=anime/,nth=3-5")
    before = len(box.requests)

    result = malsync.ok("fetch", "details", exit_code=4)
    stopped = paths(box, before)
    document = details(malsync)

    assert stopped == ALL[:5]
    assert "3 titles in a row" in result.stderr
    assert [line.split(":")[0] for line in result.stderr.splitlines()].count("failed") == 3
    assert result.stderr.splitlines()[-1] == "What came until then is stored; the same command goes on."
    assert document["fetched"] == {"anime": 4, "manga": 3}


@pytest.mark.parametrize(("third", "gone"), [("", []), (";gone:on=anime/20", [20])])
def test_failures_with_a_title_between_them_do_not_stop_it(
    malsync: Malsync, box: Sandbox, third: str, gone: list[int]
) -> None:
    box.add_faults(f"bad_request:on=anime/,nth=1-2{third};bad_request:on=anime/30;bad_request:on=anime/121")

    document = details(malsync, exit_code=4)

    assert [one["id"] for one in document["failed"]] == [1, 6, 30, 121]
    assert [one["id"] for one in document["gone"]] == gone
    assert document["fetched"] == {"anime": 2 - len(gone), "manga": 3}


def test_a_refused_token_stops_it_at_once(malsync: Malsync, box: Sandbox) -> None:
    box.add_faults("expire:on=anime/20")
    before = len(box.requests)

    malsync.error("fetch", "details", exit_code=3)

    assert paths(box, before) == ALL[:3]
    assert rows(malsync.home, "SELECT count(*) FROM anime WHERE details_at IS NOT NULL") == [(2,)]


def test_a_token_that_expires_meanwhile_is_renewed_once(malsync: Malsync, box: Sandbox) -> None:
    sign_in(malsync, box)
    box.add_faults("expire:on=anime/20,times=1")

    document = details(malsync)

    assert document["fetched"] == {"anime": 6, "manga": 3}
    assert document["requests"] == {"GET": 10}
    assert grants(box) == ["refresh_token"]


def test_a_wait_that_is_too_long_stops_it_at_once(malsync: Malsync, box: Sandbox) -> None:
    box.add_faults("429:retry_after=3000,on=anime/20")

    malsync.error("fetch", "details", exit_code=4)

    assert rows(malsync.home, "SELECT count(*) FROM anime WHERE details_at IS NOT NULL") == [(2,)]


# -- details: interrupted


@pytest.mark.parametrize("nth", [1, 5, 9])
def test_killed_at_any_title_it_goes_on_and_asks_for_none_twice(malsync: Malsync, box: Sandbox, nth: int) -> None:
    box.add_faults(f"stall:nth={nth},method=GET")
    before = len(box.requests)

    process = malsync.process("fetch", "details")
    try:
        until(lambda: box.stalled or process.poll() is not None)
        process.kill()
    finally:
        process.communicate()
    until(lambda: not box.stalled)
    box.clear_faults()
    assert_sound(malsync.home)
    stored = rows(malsync.home, "SELECT count(*) FROM (SELECT details_at FROM anime UNION ALL SELECT details_at FROM manga)"
                  " WHERE details_at IS NOT NULL")  # fmt: skip
    document = details(malsync)

    assert stored == [(nth - 1,)]
    assert document["requests"] == {"GET": 10 - nth}
    # The one that was under way had no answer yet.
    assert Counter(paths(box, before)) == Counter([*ALL, ALL[nth - 1]])


def asked_or_ended(box: Sandbox, number: int, process: subprocess.Popen[str]) -> bool:
    return len(box.requests) >= number or process.poll() is not None


def test_killed_again_and_again_in_the_midst_of_storing_it_loses_nothing(home: Path) -> None:
    kills, titles = 4, 50
    with Sandbox(World.generated(entries=titles, seed=1)) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        malsync.time.moment = datetime.now(UTC)
        before, stored = len(box.requests), 0
        for number in range(1, kills + 1):
            process = malsync.process("fetch", "details", "--all", "-q")
            try:
                # At no matter which moment between two answers: most of it is the storing.
                until(partial(asked_or_ended, box, before + 10 * number, process))
                process.kill()
            finally:
                process.communicate()
            assert_sound(home)
            now = sum(count for (count,) in rows(home, "SELECT count(details_at) FROM anime UNION ALL"
                      " SELECT count(details_at) FROM manga"))  # fmt: skip
            assert now >= stored
            stored = now
        malsync.time.moment = datetime.now(UTC)
        document = details(malsync, "--all")

    assert sum(document["fetched"].values()) == titles - stored
    asked = Counter(paths(box, before))
    assert len(asked) == titles
    # A title is asked for again only where a kill came between its answer and its row.
    assert asked.total() <= titles + kills


def test_ctrl_c_says_what_to_type_and_all_goes_on_where_it_was(malsync: Malsync, box: Sandbox) -> None:
    details(malsync)
    malsync.time.moment = datetime.now(UTC)
    box.add_faults("stall:nth=5,method=GET")
    before = len(box.requests)

    process = malsync.process("fetch", "details", "--all")
    try:
        until(lambda: box.stalled or process.poll() is not None)
        process.send_signal(signal.SIGINT)
    finally:
        _, told = process.communicate(timeout=20)
    box.clear_faults()
    malsync.time.moment = datetime.now(UTC)  # the process took some
    result = malsync.ok("fetch", "details", "--all")

    assert process.returncode == 130, told
    assert told.splitlines()[-1] == "To go on: malsync fetch details --all"
    assert Counter(paths(box, before)) == Counter([*ALL, ALL[4]])
    assert result.stderr.splitlines()[0].endswith(", 4 of 9 done.")
    assert result.stderr.startswith("Going on with the fetch of ")


def test_all_begins_anew_when_it_was_done_and_when_it_is_long_ago(malsync: Malsync, box: Sandbox) -> None:
    box.add_faults("bad_request:on=anime/5114")
    details(malsync, "--all", exit_code=4)
    soon = details(malsync, "--all", exit_code=4)  # one is left
    malsync.time.moment += timedelta(days=2, hours=1)
    late = details(malsync, "--all", exit_code=4)
    box.clear_faults()
    end = details(malsync, "--all")
    anew = details(malsync, "--all")

    made = [document["requests"] for document in (soon, late, end, anew)]
    assert made == [{"GET": 1}, {"GET": 9}, {"GET": 1}, {"GET": 9}]


def test_a_backup_does_not_wait_for_a_fetch(malsync: Malsync, box: Sandbox) -> None:
    box.add_faults("stall:nth=4,method=GET,on=anime/")

    process = malsync.process("fetch", "details")
    try:
        until(lambda: box.stalled or process.poll() is not None)
        other = malsync.error("fetch", "ranking", "all", exit_code=7)
        kept = malsync.json("backup", "--wait", "0")
        box.release()
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()

    assert "at work" in other["message"]
    assert kept["snapshot"] == 2
    assert process.returncode == 0
    assert rows(malsync.home, "SELECT count(*) FROM anime WHERE details_at IS NOT NULL") == [(6,)]
    assert malsync.json("verify")["ok"]


def test_another_malsync_that_does_not_end_ends_the_fetch(malsync: Malsync, box: Sandbox) -> None:
    before = len(box.requests)
    with FileLock(malsync.home / "malsync.lock"):
        malsync.error("fetch", "details", "--wait", "0", exit_code=7)

    assert paths(box, before) == ALL[:1]
    assert details(malsync)["fetched"] == {"anime": 6, "manga": 3}


def test_a_fetch_changes_nothing_about_backups(home: Path) -> None:
    with Sandbox(few_titles()) as box:
        plain, fetched = Malsync(home / "plain", box), Malsync(home / "fetched", box)
        fetched.ok("backup")
        details(fetched)
        fetched.ok("fetch", "ranking", "all")
        plain.ok("backup")
        documents = []
        box.edit(box.user, "anime", 1, score=3)
        for one in (plain, fetched):
            documents.append(one.json("backup"))
            assert one.json("verify")["ok"]

    first, second = ({name: one[name] for name in ("digest", "requests", "counts", "changes")} for one in documents)
    assert first == second
    assert record(fetched.home, "anime", 1)["synopsis"]


def test_no_secret_gets_into_the_mirror(malsync: Malsync, box: Sandbox) -> None:
    details(malsync)
    malsync.ok("fetch", "suggestions")
    malsync.ok("mirror", "copy", malsync.home / "copy.db")

    held = (malsync.home / "copy.db").read_bytes()
    assert b"Cowboy Bebop" in held
    assert box.access_token.encode() not in held
    assert box.client_id.encode() not in held


# -- lists


def test_a_ranking_is_kept_by_day(malsync: Malsync, box: Sandbox) -> None:
    def held() -> list[tuple[Any, ...]]:
        return rows(malsync.home, "SELECT day, type, rank, media_id FROM anime_ranking ORDER BY day, type, rank")

    document = malsync.json("fetch", "ranking", "airing", "--limit", "3")
    said = answer(box, "/anime/ranking", ranking_type="airing", limit=3, nsfw="true")["data"]
    places = [(one["ranking"]["rank"], one["node"]["id"]) for one in said]
    malsync.time.moment += timedelta(days=1)
    malsync.ok("fetch", "ranking", "airing", "--limit", "2")
    malsync.ok("fetch", "ranking", "airing", "--limit", "1")

    assert document["type"] == "airing"
    assert [(one["rank"], one["id"]) for one in document["titles"]] == places
    assert document["requests"] == {"GET": 1}
    assert held() == [
        *(("2026-11-01", "airing", *place) for place in places),
        ("2026-11-02", "airing", *places[0]),
    ]


@pytest.mark.parametrize(("arguments", "media"), [(["all"], ["anime", "manga"]), (["favorite", "--only", "manga"], ["manga"]),
                                                  (["novels"], ["manga"])])  # fmt: skip
def test_a_ranking_is_of_the_media_that_have_it(
    malsync: Malsync, box: Sandbox, arguments: list[str], media: list[str]
) -> None:
    before = len(box.requests)

    document = malsync.json("fetch", "ranking", *arguments)

    assert paths(box, before) == [f"/v2/{medium}/ranking" for medium in media]
    assert list(dict.fromkeys(one["medium"] for one in document["titles"])) == media
    for medium in media:
        said = whole(box, f"/{medium}/ranking", ranking_type=arguments[0], nsfw="true")[:500]
        assert rows(malsync.home, f"SELECT media_id, rank FROM {medium}_ranking ORDER BY rank") == [
            (one["node"]["id"], one["ranking"]["rank"]) for one in said
        ]


@pytest.mark.parametrize("arguments", [["airing", "--only", "manga"], ["manhwa", "--only", "anime"], ["best"],
                                       ["all", "--limit", "0"]])  # fmt: skip
def test_a_ranking_that_there_is_not_asks_for_nothing(malsync: Malsync, box: Sandbox, arguments: list[str]) -> None:
    before = len(box.requests)

    malsync.error("fetch", "ranking", *arguments, exit_code=2)

    assert len(box.requests) == before


def test_a_season_and_suggestions_are_kept_in_their_order(malsync: Malsync, box: Sandbox) -> None:
    season = malsync.json("fetch", "season", "2020", "fall")
    malsync.ok("fetch", "suggestions", "--limit", "9")
    suggestions = malsync.json("fetch", "suggestions", "--limit", "5")
    of_season = [one["node"] for one in whole(box, "/anime/season/2020/fall", nsfw="true", fields="synopsis,mean")]
    suggested = [one["node"]["id"] for one in answer(box, "/anime/suggestions", limit=5, nsfw="true")["data"]]

    assert [one["id"] for one in season["titles"]] == [one["id"] for one in of_season]
    assert [one["id"] for one in suggestions["titles"]] == suggested
    assert rows(
        malsync.home, "SELECT place, media_id FROM season_title WHERE year = 2020 AND season = 'fall' ORDER BY 1"
    ) == [(at, one["id"]) for at, one in enumerate(of_season, 1)]
    assert rows(malsync.home, "SELECT mal_user.name, media_id FROM suggestion JOIN mal_user ON mal_user.id = user"
                " ORDER BY place") == [(box.user, id) for id in suggested]  # fmt: skip
    for one in of_season:
        row = record(malsync.home, "anime", one["id"])
        assert (row["synopsis"], row["mean"]) == (one["synopsis"], one.get("mean"))
        assert row["details_at"] is None
    assert_sound(malsync.home)


@pytest.mark.parametrize("arguments", [["1850", "fall"], ["2020", "monsoon"], ["now", "fall"], ["1850", "2020"]])
def test_a_season_that_there_is_not_is_wrong_usage(malsync: Malsync, arguments: list[str]) -> None:
    message = malsync.error("fetch", "season", *arguments, exit_code=2)["message"]

    assert re.match(r"Invalid value for '(YEAR|SEASON)': ", message)


@pytest.mark.parametrize("words", [["fall", "2020"], ["2020", "autumn"], ["Autumn", "2020"], ["2020", "FALL"]])
def test_a_season_may_be_written_either_way_round(malsync: Malsync, words: list[str]) -> None:
    document = malsync.json("fetch", "season", *words)

    assert (document["year"], document["season"]) == (2020, "fall")
    assert document["titles"] == malsync.json("fetch", "season", "2020", "fall")["titles"]


def test_a_season_may_be_in_capitals(malsync: Malsync) -> None:
    assert malsync.json("fetch", "season", "2020", "Fall")["season"] == "fall"


def test_whoever_has_suggestions_alone_has_no_lists_to_choose_from(home: Path, box: Sandbox) -> None:
    malsync = Malsync(home, box)
    malsync.ok("fetch", "suggestions")

    error = malsync.error("show", "latest", exit_code=2, schema="output-error")

    assert (error["message"], error["hint"]) == ("There is no snapshot yet.", "Make one: malsync backup")
    assert malsync.json("backup")["snapshot"] == 1


def test_suggestions_need_a_token(malsync: Malsync, box: Sandbox) -> None:
    before = len(box.requests)

    malsync.error("fetch", "suggestions", exit_code=3, env={"MALSYNC_ACCESS_TOKEN": None})

    assert len(box.requests) == before


def test_a_search_is_of_both_media_and_as_long_as_mal_wants_it(malsync: Malsync, box: Sandbox) -> None:
    document = malsync.json("fetch", "search", "naruto", "--limit", "3")
    said = {
        medium: [one["node"]["id"] for one in answer(box, f"/{medium}", q="naruto", limit=3, nsfw="true")["data"]]
        for medium in ("anime", "manga")
    }
    before = len(box.requests)
    malsync.error("fetch", "search", "x" * 65, exit_code=2)
    unsent = len(box.requests)
    assert "longer" in malsync.error("fetch", "search", "ab", exit_code=2)["hint"]

    assert [(one["medium"], one["id"]) for one in document["titles"]] == [
        (medium, id) for medium, ids in said.items() for id in ids
    ]
    assert said["anime"]
    assert (unsent, len(box.requests)) == (before, before + 1)
    assert record(malsync.home, "anime", said["anime"][0])["fetched_at"] is not None


@pytest.mark.parametrize("arguments", [["search", "\udcff\udcfeab"], ["forum", "topics", "--user", "\udcff"],
                                       ["forum", "topic", str(2**63)]])  # fmt: skip
def test_what_nobody_can_ask_for_is_wrong_usage(malsync: Malsync, box: Sandbox, arguments: list[str]) -> None:
    before = len(box.requests)

    malsync.error("fetch", *arguments, exit_code=2)

    assert len(box.requests) == before


def test_a_list_of_several_pages_is_stored_whole_or_not_at_all(malsync: Malsync, box: Sandbox) -> None:
    change(box, "anime", 21, genres="none")  # in every ranking, behind what details have
    malsync.ok("fetch", "ranking", "tv", "--limit", "1", exit_code=0)
    held = without_time(malsync.home)

    malsync.error("fetch", "ranking", "tv", exit_code=4)
    malsync.error("fetch", "season", "2020", "fall", exit_code=4)

    assert without_time(malsync.home) == held


# -- the forum


def test_boards_topics_and_posts_are_what_the_forum_says(malsync: Malsync, box: Sandbox) -> None:
    boards = malsync.json("fetch", "forum", "boards")
    topics = malsync.json("fetch", "forum", "topics", "--limit", "150")
    said = whole(box, "/forum/topics")[:150]
    long = max(said, key=lambda one: one["number_of_posts"])["id"]
    thread = malsync.json("fetch", "forum", "topic", str(long))
    posts = [post for data in _pages(box, long) for post in data["posts"]]

    assert boards["boards"] == answer(box, "/forum/boards")["categories"]
    assert rows(malsync.home, "SELECT category, id, title, description FROM forum_board ORDER BY id") == sorted(
        ((one["title"], board["id"], board["title"], board["description"])
         for one in boards["boards"] for board in one["boards"]), key=lambda row: row[1]
    )  # fmt: skip
    assert topics["topics"] == said
    assert topics["requests"] == {"GET": 2}
    members = ("id", "title", "created_at", "number_of_posts", "last_post_created_at", "is_locked")
    assert rows(
        malsync.home, f"SELECT {', '.join(members)}, created_by, last_post_created_by FROM forum_topic ORDER BY id"
    ) == [
        (*(one[name] for name in members), one["created_by"]["id"], one["last_post_created_by"]["id"])
        for one in sorted(said, key=lambda one: one["id"])
    ]
    assert len(posts) > 200
    assert thread["posts"] == posts
    columns = "id, topic, number, created_at, created_by, body, signature"
    assert rows(malsync.home, f"SELECT {columns} FROM forum_post ORDER BY id") == [
        (one["id"], long, one["number"], one["created_at"], one["created_by"]["id"], one["body"], one["signature"])
        for one in sorted(posts, key=lambda one: one["id"])
    ]
    assert_sound(malsync.home)


def _pages(box: Sandbox, topic: int) -> Iterator[dict[str, Any]]:
    for offset in range(0, 1000, 100):
        yield answer(box, f"/forum/topic/{topic}", limit=100, offset=offset)["data"]


def test_a_poll_is_kept_and_shown(malsync: Malsync, box: Sandbox) -> None:
    with_poll = next(
        one["id"] for one in whole(box, "/forum/topics") if "poll" in answer(box, f"/forum/topic/{one['id']}")["data"]
    )
    poll = answer(box, f"/forum/topic/{with_poll}")["data"]["poll"]

    document = malsync.json("fetch", "forum", "topic", str(with_poll))
    shown = malsync.ok("fetch", "forum", "topic", str(with_poll)).stdout

    assert document["poll"] == poll
    assert poll["question"] in shown
    assert rows(malsync.home, "SELECT poll, question, closed FROM forum_poll") == [
        (poll["id"], poll["question"], poll["closed"])
    ]
    assert rows(malsync.home, "SELECT option, text, votes FROM forum_poll_option ORDER BY place") == [
        (one["id"], one["text"], one["votes"]) for one in poll["options"]
    ]
    assert all(one["text"] in shown for one in poll["options"])


def test_topics_are_chosen_as_asked(malsync: Malsync, box: Sandbox) -> None:
    somebody = answer(box, "/forum/topics", limit=1)["data"][0]["created_by"]["name"]
    choices = {"--board": ("board_id", "5"), "--subboard": ("subboard_id", "2"), "--search": ("q", "manga"),
               "--user": ("topic_user_name", somebody)}  # fmt: skip
    for flag, (name, value) in choices.items():
        document = malsync.json("fetch", "forum", "topics", flag, value)
        assert document["topics"] == whole(box, "/forum/topics", **{name: value}), flag

    assert rows(malsync.home, "SELECT DISTINCT board FROM forum_topic WHERE board IS NOT NULL") == [(5,)]
    assert rows(malsync.home, "SELECT DISTINCT subboard FROM forum_topic WHERE subboard IS NOT NULL") == [(2,)]


def test_a_topic_that_there_is_not_is_said_so(malsync: Malsync) -> None:
    assert "404" in malsync.error("fetch", "forum", "topic", "1", exit_code=4)["message"]


def test_what_strangers_wrote_moves_no_terminal(malsync: Malsync, box: Sandbox) -> None:
    for topic in whole(box, "/forum/topics"):
        result = malsync.ok("fetch", "forum", "topic", str(topic["id"]))
        assert all(line.isprintable() for line in result.stdout.splitlines()), topic
        assert "<script" not in result.stdout.partition("#")[2]  # titles are no HTML, and are told as they are
    bodies = [body for (body,) in rows(malsync.home, "SELECT body FROM forum_post")]
    assert any("<script" in body for body in bodies)
    assert_sound(malsync.home)


# -- on a terminal


@pytest.mark.parametrize(
    "arguments",
    [["ranking", "all", "--limit", "30"], ["season", "2020", "fall"], ["search", "naruto"], ["forum", "boards"],
     ["forum", "topics", "--limit", "30"]],
)  # fmt: skip
def test_tables_fit_a_terminal(malsync: Malsync, arguments: list[str]) -> None:
    from rich.cells import cell_len

    code, screen = on_terminal(malsync, "fetch", *arguments, env={"NO_COLOR": "1"})

    assert code == 0, screen
    lines = COLOUR.sub("", screen).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) > 3


def test_a_long_title_is_folded_and_never_cut(malsync: Malsync) -> None:
    titles = [one["title"] for one in malsync.json("fetch", "ranking", "airing", "--limit", "3")["titles"]]
    _, screen = on_terminal(malsync, "fetch", "ranking", "airing", "--limit", "3", env={"NO_COLOR": "1"})

    assert max(map(len, titles)) > 80
    shown = screen.split()
    assert [word for title in titles for word in title.split() if word not in shown] == []


def test_moments_are_shown_as_days(malsync: Malsync, box: Sandbox) -> None:
    (newest,) = answer(box, "/forum/topics", limit=1)["data"]

    line = malsync.ok("fetch", "forum", "topics", "--limit", "1").stdout.splitlines()[2]

    assert line.split()[0] == str(newest["id"])
    assert line.split()[-1] == newest["last_post_created_at"][:10]


def test_progress_is_shown_on_a_terminal_with_the_time_left(home: Path) -> None:
    with Sandbox(few_titles(), latency=0.1) as box:
        malsync = Malsync(home, box)
        malsync.ok("backup")
        code, screen = on_terminal(malsync, "fetch", "details")

    assert code == 0, screen
    assert re.search(r"fetching .* [1-8]/9 \d+\.\d/s 0:00:0\d left", COLOUR.sub("", screen)), screen
    assert "Fetched the details of 6 anime, 3 manga." in screen


def test_a_mirror_can_be_rebuilt_after_a_fetch(malsync: Malsync) -> None:
    details(malsync)
    shutil.copytree(malsync.home / "latest", malsync.home / "kept")
    malsync.ok("mirror", "rebuild", *sorted((malsync.home / "kept").iterdir()))

    assert malsync.json("verify")["ok"]
    assert_sound(malsync.home)


def test_the_queries_in_the_document_run_over_what_was_fetched(malsync: Malsync) -> None:
    details(malsync)
    malsync.ok("fetch", "ranking", "all")
    text = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    queries = re.findall(r"^    select .*(?:\n    .*)*", text, re.MULTILINE)

    answers = [rows(malsync.home, query.replace(">= 9", ">= 7")) for query in queries]

    assert len(answers) == 3
    assert answers[0] == [(1, "Cowboy Bebop")]
    assert all(answers)


def test_every_table_of_the_catalogue_is_documented(malsync: Malsync) -> None:
    text = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    filled = {row.table for some in (*TITLE_TABLES.values(), *ANSWER_TABLES.values()) for row in some}

    # Twins are named once in full.
    named = {name.replace("manga_", "anime_") if f"`{name}`" not in text else name for name in filled}
    assert [name for name in sorted(named) if f"`{name}`" not in text and "related" not in name] == []
