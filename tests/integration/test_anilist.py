"""`import --from anilist`: what becomes of each thing that AniList says, against a stand-in over real HTTP."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from malsync.sandbox import Sandbox
from malsync.schemas import find_problem
from tests.support.anilist import DISABLED, AniListServer, Member, entry, fuzzy, refused, said, too_many
from tests.support.harness import Malsync
from tests.support.servers import Reply


@pytest.fixture
def kim() -> Member:
    """A user of AniList; the fixture's server knows them."""
    return Member("Kim")


@pytest.fixture
def anilist(kim: Member, offline: Malsync) -> Iterator[AniListServer]:
    """The stand-in, where `offline` asks it."""
    with AniListServer(kim, per_chunk=3) as server:
        offline.environment.update(server.environment_of_it)
        yield server


def statuses(malsync: Malsync, *options: str, ref: str = "1") -> dict[tuple[str, int], dict[str, Any]]:
    """Import kim's lists, and what the snapshot says of each title."""
    malsync.json("import", "--from", "anilist", "kim", *options)
    shown = malsync.json("show", ref)
    return {(one["medium"], one["id"]): one["list_status"] for one in shown["entries"]}


# -- what is converted


def test_an_entry_says_what_it_says_in_mals_words(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    kim.anime = [
        entry(
            5114,
            5114,
            title="Hagane no Renkinjutsushi",
            status="CURRENT",
            score=9,
            progress=12,
            repeat=2,
            notes="as good as\nthey say",
            startedAt=fuzzy(2021, 3, 9),
            completedAt=fuzzy(2022, 11),
            updatedAt=1_700_000_000,
        )
    ]
    kim.manga = [entry(30002, 2, status="PAUSED", progress=364, progressVolumes=41, completedAt=fuzzy(2019))]

    found = statuses(offline)

    assert found["anime", 5114] == {
        "status": "watching",
        "score": 9,
        "num_episodes_watched": 12,
        "is_rewatching": False,
        "num_times_rewatched": 2,
        "comments": "as good as\nthey say",
        "start_date": "2021-03-09",
        "finish_date": "2022-11",
        "updated_at": "2023-11-14T22:13:20+00:00",
    }
    assert found["manga", 2] == {
        "status": "on_hold",
        "score": 0,
        "num_volumes_read": 41,
        "num_chapters_read": 364,
        "is_rereading": False,
        "num_times_reread": 0,
        "comments": "",
        "finish_date": "2019",
        "updated_at": "2023-11-15T06:33:22+00:00",
    }


@pytest.mark.parametrize(
    ("theirs", "anime", "manga", "again"),
    [
        ("CURRENT", "watching", "reading", False),
        ("PLANNING", "plan_to_watch", "plan_to_read", False),
        ("COMPLETED", "completed", "completed", False),
        ("DROPPED", "dropped", "dropped", False),
        ("PAUSED", "on_hold", "on_hold", False),
        # As MAL has it: completed, and being watched again.
        ("REPEATING", "completed", "completed", True),
    ],
)
def test_every_status_has_one_of_mals(
    anilist: AniListServer, kim: Member, offline: Malsync, theirs: str, anime: str, manga: str, again: bool
) -> None:
    kim.anime, kim.manga = [entry(1, 11, status=theirs)], [entry(2, 12, status=theirs)]

    found = statuses(offline)

    assert (found["anime", 11]["status"], found["anime", 11]["is_rewatching"]) == (anime, again)
    assert (found["manga", 12]["status"], found["manga", 12]["is_rereading"]) == (manga, again)


@pytest.mark.parametrize(
    ("form", "scores"),
    [
        # Theirs, ours, and what is kept beside it where ours does not say all.
        ("POINT_10", [(0, 0, None), (1, 1, None), (7, 7, None), (10, 10, None)]),
        (
            "POINT_100",
            [(0, 0, None), (3, 1, "3/100"), (70, 7, None), (84, 8, "84/100"), (85, 9, "85/100"), (100, 10, None)],
        ),
        (
            "POINT_10_DECIMAL",
            [(0.4, 1, "0.4/10"), (7.0, 7, None), (7.4, 7, "7.4/10"), (7.5, 8, "7.5/10"), (10, 10, None)],
        ),
        ("POINT_5", [(0, 0, None), (1, 2, None), (3, 6, None), (5, 10, None)]),
        ("POINT_3", [(0, 0, None), (1, 4, "1/3"), (2, 6, "2/3"), (3, 9, "3/3")]),
    ],
)
def test_scores_come_to_ten_points(
    anilist: AniListServer, kim: Member, offline: Malsync, form: str, scores: list[tuple[float, int, str | None]]
) -> None:
    kim.score_format = form
    kim.anime = [entry(place, place, score=theirs) for place, (theirs, _, _) in enumerate(scores, 1)]

    found = statuses(offline)

    assert [
        (found["anime", place]["score"], found["anime", place].get("anilist_score"))
        for place in range(1, len(scores) + 1)
    ] == [(ours, kept) for _, ours, kept in scores]


@pytest.mark.parametrize(
    ("said", "date", "kept"),
    [
        ((2021, 3, 9), "2021-03-09", None),
        ((2021, 3, None), "2021-03", None),
        ((2021, None, None), "2021", None),
        ((None, None, None), None, None),
        ((2021, None, 9), "2021", "2021-00-09"),
        ((None, 3, 9), None, "0000-03-09"),
        ((2021, 2, 31), "2021-02", "2021-02-31"),
        ((2021, 13, 1), "2021", "2021-13-01"),
    ],
)
def test_no_part_of_a_date_is_invented_and_none_is_lost(
    anilist: AniListServer,
    kim: Member,
    offline: Malsync,
    said: tuple[int | None, int | None, int | None],
    date: str | None,
    kept: str | None,
) -> None:
    kim.anime = [entry(1, 1, startedAt=fuzzy(*said))]

    found = statuses(offline)["anime", 1]

    assert (found.get("start_date"), found.get("anilist_start_date")) == (date, kept)


# -- custom lists


def test_an_entry_of_several_lists_comes_once_and_one_that_is_hidden_comes_too(
    anilist: AniListServer, kim: Member, offline: Malsync
) -> None:
    kim.anime = [entry(1, 1, custom=("Best", "Cried, twice")), entry(2, 2, custom=("Best",), hidden=True)]

    found = statuses(offline)

    assert sorted(found) == [("anime", 1), ("anime", 2)]
    assert found["anime", 1]["anilist_custom_lists"] == ["Best", "Cried, twice"]
    assert "tags" not in found["anime", 1]


def test_custom_lists_are_tags_where_that_is_asked_for(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    """A tag of MAL's can hold no comma, so a list's name with one is kept beside it."""
    kim.anime = [entry(1, 1, custom=("Best", " Cried,  twice")), entry(2, 2, custom=("Best",)), entry(3, 3)]

    found = statuses(offline, "--custom-lists-as-tags")

    assert [found["anime", id]["tags"] for id in (1, 2, 3)] == [["Best", "Cried twice"], ["Best"], []]
    assert found["anime", 1]["anilist_custom_lists"] == ["Best", " Cried,  twice"]
    assert "anilist_custom_lists" not in found["anime", 2]


@pytest.mark.parametrize(("options", "tags"), [((), set[str]()), (("--custom-lists-as-tags",), {"tags"})])
def test_a_list_of_anilists_covers_what_anilist_knows(
    anilist: AniListServer, kim: Member, offline: Malsync, options: tuple[str, ...], tags: set[str]
) -> None:
    offline.ok("import", "--from", "anilist", "kim", *options)

    (info,) = offline.json("snapshots")
    assert set(info["covers"]["anime"]) == tags | {
        "status", "score", "num_episodes_watched", "is_rewatching", "start_date", "finish_date", "num_times_rewatched",
        "comments", "updated_at",
    }  # fmt: skip
    assert set(info["covers"]["manga"]) >= {"num_volumes_read", "num_chapters_read", "is_rereading"}
    assert {"priority", "reread_value"}.isdisjoint(info["covers"]["manga"])


# -- what has no place on MAL


def test_what_mal_does_not_have_is_named_and_written_down(
    anilist: AniListServer, kim: Member, offline: Malsync
) -> None:
    kim.anime = [
        entry(1, 1),
        entry(2, None, title="Only There", score=8, notes="a \x1b[31mfine\x1b[0m thing"),
        entry(3, 3, status="PONDERING", title="Undecided"),
        entry(4, 1, title="Newer Half of One", updatedAt=1_800_000_000),
        entry(5, None, media=None),
    ]

    document = offline.json("import", "--from", "anilist", "Kim")

    assert document["counts"] == {"anime": 1, "manga": 0}
    assert document["from"] == {"service": "anilist", "user": "Kim"}
    left = {one["anilist_id"]: one for one in document["left_out"]}
    assert left[2] == {
        "medium": "anime",
        "anilist_id": 2,
        "title": "Only There",
        "why": "AniList knows no MAL id of it",
    }
    assert "PONDERING" in left[3]["why"]
    # MAL has one title for two of AniList's: the one that was updated last stands for it.
    assert "one title (1) for it and Newer Half of One" in left[1]["why"]
    assert left[5]["title"] == "AniList 5"
    path = Path(document["report"])
    assert path.parent == offline.home / "left-out"
    assert path.stat().st_mode & 0o777 == 0o600
    report = json.loads(path.read_text())
    assert find_problem("left-out-1", report) is None
    assert report["from"] == "Kim on AniList"
    assert {one["anilist_id"] for one in report["left_out"]} == {1, 2, 3, 5}
    (only_there,) = (one for one in report["left_out"] if one["anilist_id"] == 2)
    assert (only_there["list_status"]["score"], only_there["list_status"]["status"]) == (8, "completed")
    assert only_there["list_status"]["comments"] == "a \x1b[31mfine\x1b[0m thing"


def test_what_was_left_out_is_told_by_title(
    anilist: AniListServer, kim: Member, offline: Malsync, tmp_path: Path
) -> None:
    kim.manga = [entry(id, None, title=f"Unheard Of {id:02}\x1b[2J") for id in range(1, 26)]
    report = tmp_path / "report.json"

    said = offline.ok("import", "--from", "anilist", "kim", "--report", report)

    assert "25 entries were left out" in said.stderr
    assert "Unheard Of 25\\x1b[2J: AniList knows no MAL id of it" in said.stderr
    assert "and 5 more" in said.stderr
    assert str(report) in said.stderr
    assert "\x1b[2J" not in said.stderr
    assert len(json.loads(report.read_text())["left_out"]) == 25
    assert not (offline.home / "left-out").exists()


def test_where_nothing_is_left_out_there_is_no_report(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    kim.anime = [entry(1, 1)]

    document = offline.json("import", "--from", "anilist", "kim")

    assert (document["left_out"], document["report"]) == ([], None)
    assert not (offline.home / "left-out").exists()


def test_without_its_report_nothing_is_stored(
    anilist: AniListServer, kim: Member, offline: Malsync, tmp_path: Path
) -> None:
    kim.anime = [entry(1, 1), entry(2)]

    offline.error("import", "--from", "anilist", "kim", "--report", tmp_path / "no such folder" / "x.json", exit_code=2)

    assert offline.json("snapshots") == []


# -- whose it is, and where it may go


def test_the_snapshot_is_nobodys(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    kim.anime = [entry(1, 1)]

    document = offline.json("import", "--from", "anilist", "https://anilist.co/user/kim/animelist")

    assert (document["user"], document["account"], document["source"]) == ("", None, "import")
    (info,) = offline.json("snapshots")
    assert info["note"] == "Kim on AniList"
    assert "Imported as snapshot 2 of Kim on AniList" in offline.ok("import", "--from", "anilist", "kim").stdout


@pytest.mark.parametrize("rest", ["", "/", "?tab=stats", "#top", "/animelist/Watching"])
def test_any_address_of_a_profile_names_its_user(
    anilist: AniListServer, kim: Member, offline: Malsync, rest: str
) -> None:
    kim.anime = [entry(1, 1)]

    assert offline.json("import", "--from", "anilist", f"https://anilist.co/user/Kim{rest}")["from"]["user"] == "Kim"


def test_two_users_lists_are_two_series(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    """What changed since the import before it is told of one user's lists, never between two."""
    kim.anime = [entry(1, 1), entry(2, 2)]
    anilist.members["lou"] = Member("Lou", anime=[entry(7, 7)])
    for name in ("kim", "lou"):
        assert offline.json("import", "--from", "anilist", name)["changes"] == {"add": 0, "update": 0, "remove": 0}
    kim.anime.pop()

    assert offline.json("import", "--from", "anilist", "kim")["changes"] == {"add": 0, "update": 0, "remove": 1}


def test_it_may_be_restored_into_any_account_and_leaves_alone_what_anilist_does_not_know(
    anilist: AniListServer, kim: Member, malsync: Malsync, box: Sandbox
) -> None:
    malsync.environment.update(anilist.environment_of_it)
    id, other = sorted(box.entries(box.user, "anime"))[:2]
    box.edit(box.user, "anime", id, status="watching", score=3, priority=2, tags=["mine", "own"], comments="old words")
    untouched = dict(box.entries(box.user, "anime")[other])
    kim.anime = [entry(1, id, status="PAUSED", score=9, notes="new words", custom=("Best",))]
    malsync.ok("import", "--from", "anilist", "kim")

    document = malsync.json("restore", "1", "--yes")

    assert document["equal"] is True
    assert document["outcomes"]["done"] == 1
    now = box.entries(box.user, "anime")[id]
    assert (now["status"], now["score"], now["comments"]) == ("on_hold", 9, "new words")
    assert (now["priority"], now["tags"]) == (2, ["mine", "own"])
    assert box.entries(box.user, "anime")[other] == untouched
    (change,) = document["changes"]
    assert {"status", "score", "comments"} <= change["fields"].keys()
    assert not [name for name in change["fields"] if name.startswith("anilist_")]


def test_a_list_from_elsewhere_does_not_ask_whose_list_is_meant(
    anilist: AniListServer, kim: Member, malsync: Malsync, box: Sandbox
) -> None:
    malsync.environment.update(anilist.environment_of_it)
    malsync.ok("backup", "--user", "sandbox_theo")
    malsync.ok("import", "--from", "anilist", "kim")

    assert malsync.json("show", "latest", env={"MALSYNC_ACCESS_TOKEN": None})["from"]["snapshot"] == 1


def test_it_goes_on_to_mals_xml(anilist: AniListServer, kim: Member, offline: Malsync, tmp_path: Path) -> None:
    kim.anime = [entry(1, 11, score=8), entry(2, 12, custom=("Best",))]
    offline.ok("import", "--from", "anilist", "kim")

    document = offline.json("export", "1", "--format", "xml", "--output", tmp_path / "list.xml.gz", "--only", "anime")

    content = gzip.decompress((tmp_path / "list.xml.gz").read_bytes()).decode()
    assert "<series_animedb_id>11</series_animedb_id>" in content
    assert "<my_score>8</my_score>" in content
    assert "my_priority" not in content
    assert document["losses"] == ["anilist_custom_lists of anime 12: MAL's XML has no element for it"]


# -- how AniList is asked


def test_one_request_reads_a_list_and_no_more_than_30_leave_in_a_minute(
    anilist: AniListServer, kim: Member, offline: Malsync
) -> None:
    kim.anime = [entry(id, id) for id in range(1, 8)]
    before = offline.time.moment

    document = offline.json("import", "--from", "anilist", "kim")

    assert document["counts"] == {"anime": 7, "manga": 0}
    # Seven in chunks of three, read twice since they may change meanwhile; and the manga, in one.
    assert document["requests"] == {"POST": 3 + 3 + 1}
    assert len(anilist.heard) == 7
    assert (offline.time.moment - before).total_seconds() >= (7 - 1) * 2
    assert max(offline.time.slept) <= 2
    chunks = [json.loads(heard.body)["variables"] for heard in anilist.heard]
    assert [one["chunk"] for one in chunks] == [1, 2, 3, 1, 2, 3, 1]
    assert {one["perChunk"] for one in chunks} == {500}
    assert "notes" not in anilist.heard[3].body


def test_nothing_of_mals_is_told_to_anilist(anilist: AniListServer, kim: Member, malsync: Malsync) -> None:
    malsync.environment.update(anilist.environment_of_it)

    malsync.ok("import", "--from", "anilist", "kim")

    token, client = malsync.environ()["MALSYNC_ACCESS_TOKEN"], malsync.environ()["MALSYNC_CLIENT_ID"]
    assert anilist.heard
    for heard in anilist.heard:
        assert "authorization" not in heard.headers
        assert token not in str(heard)
        assert client not in str(heard)
        assert heard.headers["user-agent"].startswith("malsync/")


def test_a_list_that_changes_while_it_is_read_is_read_again(
    anilist: AniListServer, kim: Member, offline: Malsync
) -> None:
    kim.anime = [entry(id, id) for id in range(1, 5)]

    def edited(number: int) -> Reply | None:
        if number == 3:
            kim.anime[0]["updatedAt"] += 1
            kim.anime[0]["progress"] = 5
        return None

    anilist.instead = edited

    assert statuses(offline)["anime", 1]["num_episodes_watched"] == 5
    assert len(anilist.heard) == 2 * 4 + 1


def test_a_list_that_goes_on_changing_is_not_stored(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    kim.anime = [entry(id, id) for id in range(1, 5)]

    def edited(number: int) -> Reply | None:
        kim.anime[0]["updatedAt"] += 1
        return None

    anilist.instead = edited

    assert "changed while it was read" in offline.error("import", "--from", "anilist", "kim", exit_code=4)["message"]
    assert offline.json("snapshots") == []


def test_a_next_chunk_that_brings_nothing_new_is_the_end(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    collection = {
        "hasNextChunk": True,
        "user": {"name": "Kim", "mediaListOptions": {"scoreFormat": "POINT_10"}},
        "lists": [{"name": "Completed", "isCustomList": False, "entries": [entry(1, 1)]}],
    }
    anilist.instead = lambda number: said({"MediaListCollection": collection})

    assert offline.json("import", "--from", "anilist", "kim")["requests"] == {"POST": 2 * (2 + 2)}


def test_a_list_as_long_as_anilist_tells_is_said_to_be_perhaps_not_all(
    anilist: AniListServer, kim: Member, offline: Malsync
) -> None:
    """MediaListCollection answers the 11,000 entries that were updated last, and does not say that there are more."""
    entries = [entry(id, id) for id in range(1, 11_001)]
    collection = {
        "hasNextChunk": False,
        "user": {"name": "Kim", "mediaListOptions": {"scoreFormat": "POINT_10"}},
        "lists": [{"name": "Completed", "isCustomList": False, "entries": entries}],
    }
    anilist.instead = lambda number: said({"MediaListCollection": collection}) if number == 1 else None

    said_of_it = offline.ok("import", "--from", "anilist", "kim").stderr

    assert "at most 11,000 entries of a list, those updated last: older anime may be missing" in said_of_it


# -- when AniList says no


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({"Retry_After": "30"}, 30), ({"X_RateLimit_Reset": "soon"}, 1), ({"X_RateLimit_Reset": "+45"}, 45)],
)
def test_too_many_requests_are_waited_for(
    anilist: AniListServer, kim: Member, offline: Malsync, headers: dict[str, str], wait: int
) -> None:
    """By Retry-After, else by X-RateLimit-Reset, a time; else by malsync's own back-off."""
    kim.anime = [entry(1, 1)]

    def once(number: int) -> Reply | None:
        told = {
            name: str(int(offline.time.moment.timestamp()) + int(text)) if text.startswith("+") else text
            for name, text in headers.items()
        }
        return too_many(**told) if number == 1 else None

    anilist.instead = once

    result = offline.ok("import", "--from", "anilist", "kim")

    assert "AniList asks for fewer requests (Too Many Requests)." in result.stderr
    assert any(abs(slept - wait) <= 3 for slept in offline.time.slept)
    assert offline.json("snapshots")[0]["counts"] == {"anime": 1, "manga": 0}


def test_a_wait_that_is_too_long_ends_with_4(anilist: AniListServer, offline: Malsync) -> None:
    anilist.instead = lambda number: too_many(Retry_After="3600")

    error = offline.error("import", "--from", "anilist", "kim", exit_code=4)

    assert "AniList asks to wait 60 minutes" in error["message"]
    assert len(anilist.heard) == 1


HTML = Reply("<html><title>Just a moment</title></html>", 200, {"Content-Type": "text/html"})
FAILURES: dict[str, tuple[Reply, int, str, int]] = {
    # What is answered, the exit code, what is said, and how often it is asked.
    "nobody of that name": (refused("User not found", 404), 2, "AniList knows no user 'kim'", 1),
    "private": (refused("Private User", 404), 3, "shows their AniList lists to nobody", 1),
    "private, with HTTP's 200": (refused("Private User", 404, 200), 3, "shows their AniList lists to nobody", 1),
    "a query that it does not understand": (refused('Cannot query field "x".', 400), 4, 'Cannot query field "x"', 1),
    "the same with HTTP's 200": (refused('Cannot query field "x".', 400, 200), 4, 'Cannot query field "x"', 1),
    "private, with 403": (refused("Private User", 403), 3, "shows their AniList lists to nobody", 1),
    "closed for now": (refused(DISABLED, 403), 4, "AniList has switched off its API for now", 1),
    "closed for now, with HTTP's 200": (refused(DISABLED, 403, 200), 4, "AniList has switched off its API for now", 1),
    "closed in other words": (refused("The API has been Temporarily Disabled", 403), 4, "switched off its API", 1),
    "refused": (refused("Forbidden", 403), 4, "AniList refuses this request (403) (Forbidden)", 1),
    "broken": (refused("Internal Server Error", 500), 4, "AniList answered 500 (Internal Server Error)", 5),
    "broken, with HTTP's 200": (refused("Internal Server Error", 500, 200), 4, "AniList answered 500", 5),
    "a page": (HTML, 4, "is not JSON but text/html", 5),
    "a block page": (Reply("<html>no</html>", 403), 4, "AniList answered 403", 5),
    "nothing": (Reply(b""), 4, "the answer is empty", 5),
    "no data": (said(None), 4, "the answer has no data", 5),
    "another page": (Reply(b"", 302, {"Location": "https://elsewhere.example/"}), 4, "AniList answered 302", 1),
    "no such address": (Reply("<html>?</html>", 404), 4, "AniList answered 404", 1),
    "another API": (Reply('{"error": "not_found", "message": ""}', 404), 4, "AniList answered 404", 1),
    "another form": (said({"MediaListCollection": {"lists": []}}), 4, "another form", 1),
    "no collection": (said({"MediaListCollection": None}), 4, "another form", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_says_what_happened_and_stores_nothing(
    anilist: AniListServer, kim: Member, offline: Malsync, name: str
) -> None:
    reply, exit_code, words, times = FAILURES[name]
    kim.anime = [entry(1, 1)]
    anilist.instead = lambda number: reply

    error = offline.error("import", "--from", "anilist", "kim", exit_code=exit_code)

    assert words in error["message"]
    assert len(anilist.heard) == times
    assert not (offline.home / "mirror.db").exists()


def test_every_request_says_honestly_where_it_comes_from(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    kim.anime = [entry(id, id) for id in range(1, 4)]

    offline.ok("import", "--from", "anilist", "kim")

    referers = {heard.headers.get("referer", "") for heard in anilist.heard}
    assert len(referers) == 1
    (referer,) = referers
    assert "malsync" in referer
    assert "anilist.co" not in referer
    assert "kim" not in referer


def test_an_api_that_is_switched_off_is_not_taken_for_a_private_list(anilist: AniListServer, offline: Malsync) -> None:
    anilist.instead = lambda number: refused(DISABLED, 403)

    error = offline.error("import", "--from", "anilist", "kim", exit_code=4)

    assert "Nothing is wrong with your list" in error["message"]
    assert "Try again in some hours" in error["hint"]
    assert "MALSYNC_ANILIST_URL" not in error["hint"]


def test_a_failure_in_the_middle_stores_nothing(anilist: AniListServer, kim: Member, offline: Malsync) -> None:
    kim.anime = [entry(id, id) for id in range(1, 8)]
    anilist.instead = lambda number: refused("Internal Server Error", 500) if number >= 3 else None

    offline.error("import", "--from", "anilist", "kim", exit_code=4)

    assert not (offline.home / "mirror.db").exists()


def test_no_network_ends_with_4(offline: Malsync) -> None:
    with AniListServer() as gone:
        address = gone.origin

    error = offline.error("import", "--from", "anilist", "kim", exit_code=4, env={"MALSYNC_ANILIST_URL": address})

    assert error["message"].startswith(
        f"POST {address.removeprefix('http://')}: no complete answer (connection refused)."
    )
    assert "AniList is up" in error["hint"]


@pytest.mark.parametrize(
    "value",
    [
        {"score": -1},
        {"progress": "12"},
        {"notes": 5},
        {"startedAt": {"year": "2021"}},
        {"updatedAt": 10**15},
        {"id": 0},
    ],
)
def test_an_entry_of_another_form_is_an_error_in_words(
    anilist: AniListServer, kim: Member, offline: Malsync, value: dict[str, Any]
) -> None:
    kim.anime = [entry(1, 1), entry(2, 2, **value)]

    assert "another form" in offline.error("import", "--from", "anilist", "kim", exit_code=4)["message"]


def test_a_form_of_scores_that_nobody_knows_is_an_error_in_words(
    anilist: AniListServer, kim: Member, offline: Malsync
) -> None:
    kim.score_format = "POINT_12"

    assert "POINT_12" in offline.error("import", "--from", "anilist", "kim", exit_code=4)["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "anilist"),
        ("--from", "anilist", "kim", "lou"),
        ("--from", "anilist", "kim", "--repair"),
        ("--from", "kitsu", "kim"),
        ("--from", "anilist", " "),
        ("--from", "anilist", "https://anilist.co/user/"),
        ("list.json", "--custom-lists-as-tags"),
        ("list.json", "--report", "x.json"),
    ],
)
def test_wrong_words_end_with_2_and_ask_nobody(
    anilist: AniListServer, offline: Malsync, arguments: tuple[str, ...]
) -> None:
    offline.error("import", *arguments, exit_code=2)

    assert anilist.heard == []


def test_an_address_that_is_not_safe_is_refused(offline: Malsync) -> None:
    error = offline.error(
        "import", "--from", "anilist", "kim", exit_code=2, env={"MALSYNC_ANILIST_URL": "http://anilist.example"}
    )

    assert "MALSYNC_ANILIST_URL" in error["message"]
