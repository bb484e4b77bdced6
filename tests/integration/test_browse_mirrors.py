"""The site over every mirror that there can be: empty, old, of several people, of lists that know little, damaged."""

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from malsync.browse.filters import day, moment
from malsync.browse.pages.title import shown
from malsync.mirror import Mirror
from malsync.model.medium import ANIME, MEDIA
from malsync.model.snapshot import User
from tests.support.browsing import Page, Visitor, visiting
from tests.support.harness import ROOT
from tests.support.lists import MIKA, THEO, many, snapshot, watched
from tests.support.mirrors import at, made

PAGES = ("/", "/anime", "/manga", "/charts", "/snapshots", "/changes", "/gone", "/gone?medium=manga", "/runs", "/rankings",
         "/rankings?medium=manga", "/seasons", "/suggestions", "/forum", "/forum?q=x", "/mirror")  # fmt: skip


def rows(visit: Visitor, address: str) -> list[dict[str, Any]]:
    path, _, query = address.partition("?")
    found: list[dict[str, Any]] = json.loads(visit(f"{path}.json?{query}&_shape=array&rows=-1").body)
    return found


# -- nothing, or little


def test_an_empty_mirror_says_what_to_type(tmp_path: Path) -> None:
    with visiting(made(tmp_path / "mirror.db", [])) as visit:
        for address in PAGES:
            page = visit(address, 404 if address == "/changes" else 200)
            assert "bug" not in page.text, address
        visit("/").says("Nothing here yet", "malsync backup")
        visit("/charts").says("malsync backup")
        visit("/runs").says("No runs yet")
        for address, command in {
            "/rankings": "malsync fetch ranking all",
            "/seasons": "malsync fetch season",
            "/suggestions": "malsync fetch suggestions",
            "/forum": "malsync fetch forum",
        }.items():
            visit(address).says(command)


@pytest.mark.parametrize("lists", [({}, {}), ({1: watched(3)}, {}), ({}, {2: {}}), ({1: {}}, {2: {}})])
def test_short_lists_and_empty_ones_have_every_page(
    tmp_path: Path, lists: tuple[dict[int, Any], dict[int, Any]]
) -> None:
    with visiting(made(tmp_path / "mirror.db", [snapshot(*lists)])) as visit:
        for address in PAGES:
            visit(address)
        visit("/").says("mika", f"{len(lists[0])} anime", f"{len(lists[1])} manga")
        for medium, titles in zip(MEDIA, lists, strict=True):
            visit(f"/{medium}").says("No entries" if not titles else "1 entry")


def test_a_list_that_nobody_covered_is_unknown_and_not_empty(tmp_path: Path) -> None:
    days = [snapshot({1: watched(1)}, {2: {}}, at=at(1)), snapshot({1: watched(2)}, None, at=at(2))]
    with visiting(made(tmp_path / "mirror.db", days)) as visit:
        for address in PAGES:
            visit(address)
        visit("/").says("1 anime", "1 manga")
        visit("/manga").says("1 entry")
        visit("/manga?at=2", 404).says("Snapshot 2 has no manga list")
        changes = visit("/changes?from=1&to=2")
        changes.says("Snapshot #2 does not include this list")
        changes.says("episodes watched 1 → 2")
        assert rows(visit, "/mirror/manga_list_at?snapshot=2") == []
        assert rows(visit, "/mirror/manga_changes?from=1&to=2") == []
        assert rows(visit, "/mirror/manga_gone?user=1") == []
        visit("/manga/2").says("first seen")
        assert "removed" not in visit("/manga/2").text


def test_a_field_that_one_snapshot_does_not_know_is_no_change(tmp_path: Path) -> None:
    """A file of another program knows no comments: that the list has some is not news."""
    few = {"anime": ("status", "score"), "manga": None}
    days = [
        snapshot({1: watched(5, score=7, comments="mine")}, {}, at=at(1)),
        snapshot({1: {"status": "watching", "score": 7}}, None, at=at(2), source="import", covers=few),
        snapshot({1: {"status": "watching", "score": 9}}, None, at=at(3), source="import", covers=few),
    ]
    with visiting(made(tmp_path / "mirror.db", days)) as visit:
        assert rows(visit, "/mirror/anime_changes?from=1&to=2") == []
        (change,) = rows(visit, "/mirror/anime_changes?from=1&to=3")
        assert {name: value for name, value in change.items() if name not in ("id", "title") and value is not None} == {
            "op": "update", "status_was": "watching", "status_now": "watching", "score_was": 7, "score_now": 9,
        }  # fmt: skip
        visit("/changes?from=1&to=3").says("score 7 → 9")


def test_titles_of_which_nothing_is_known_are_shown_by_their_numbers(tmp_path: Path) -> None:
    named = {5: {"title": "", **watched(1)}, 6: {"title": "Known", **watched(2)}}
    path = made(tmp_path / "mirror.db", [snapshot(named, {}, at=at(1)), snapshot({6: named[6]}, {}, at=at(2))])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM anime WHERE id = 5")
        connection.commit()
    with visiting(path) as visit:
        visit("/anime?at=1").says("#5", "Known")
        visit("/anime?at=1&q=known").says("1 of 2 entr")
        visit("/anime/5").says("#5", "first seen", "removed")
        visit("/gone").says("#5")
        visit("/changes").says("#5")


# -- several people


def test_pages_show_the_lists_of_the_chosen_user(tmp_path: Path) -> None:
    both = [
        snapshot({1: watched(1), 3: {"title": "Mika's own"}}, {}, at=at(1)),
        snapshot({2: {"title": "Theo's own"}}, {4: {"title": "Theo's manga"}}, at=at(2), user=THEO),
        snapshot({1: watched(2), 3: {"title": "Mika's own"}}, {}, at=at(3)),
    ]
    path = made(tmp_path / "mirror.db", both)
    with visiting(path) as visit:  # the newest own list comes first
        visit("/").says("2 anime", "#3")
        visit("/anime").says("2 entries", "Mika's own")
        visit("/anime?user=2").says("1 entry", "Theo's own")
        assert "Mika's own" not in visit("/anime?user=2").text
        visit("/snapshots").says("2 snapshot")
        visit("/snapshots?user=2").says("1 snapshot")
        visit("/anime?at=2", 404)
        visit("/changes?from=1&to=2", 404).says("There is no snapshot 2 of mika")
        visit("/changes?from=1&to=2&user=2", 404).says("There is no snapshot 1 of theo")
        visit("/changes").says("episodes watched 1 → 2")
        # A title of the other's is known, and on nobody's list here.
        visit("/anime/2").says("Theo's own", "Not on your list now", "Never on your list")
        visit("/anime/2?user=2").says("first seen")
        visit("/manga/4?user=2").says("Theo's manga")
        visit("/gone?user=2").says("Nothing has been removed")
    with visiting(path, user=THEO) as visit:
        visit("/anime").says("Theo's own")
        assert "Mika's own" not in visit("/anime").text
        visit("/anime?user=1").says("Mika's own")
    with visiting(path, user=User("https://elsewhere.example", 1, "nobody")) as visit:
        visit("/anime").says("Mika's own")


def test_suggestions_before_the_first_backup_are_shown(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [])
    with Mirror.open(path, write=True) as mirror:
        number = mirror.catalogue.keep_user(MIKA)
        told = [{"id": 9, "title": "Try this"}]
        mirror.catalogue.keep(
            "suggestions", {"data": told}, datetime(2026, 11, 1, tzinfo=UTC), titles=[(ANIME, told[0])], user=number
        )
    with visiting(path) as visit:
        visit("/suggestions").says("Try this")
        visit("/").says("Nothing here yet")


def test_of_a_forum_with_nothing_but_boards_it_says_which_topics_are_missing(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [])
    boards = {"title": "General", "boards": [{"id": 8, "title": "Introductions", "description": "", "subboards": []}]}
    with Mirror.open(path, write=True) as mirror:
        mirror.catalogue.keep("boards", {"data": [boards]}, datetime(2026, 11, 1, tzinfo=UTC))
    with visiting(path) as visit:
        visit("/forum").says("Introductions", "No topics are fetched yet", "malsync fetch forum topics --board")
        page = visit("/forum?board=8")
        page.says("No topics of this board are fetched yet", "malsync fetch forum topics --board 8")
        assert "fetch forum boards" not in page.text


def test_a_ranking_of_which_there_is_one_offers_no_choice(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [])
    node = {"id": 9, "title": "The first"}
    with Mirror.open(path, write=True) as mirror:
        for day, buttons in (("2026-11-01", 0), ("2026-11-02", 1)):
            mirror.catalogue.keep(
                "anime ranking", {"data": [{"node": node, "ranking": {"rank": 1}}]},
                datetime(2026, 11, 2, tzinfo=UTC), titles=[(ANIME, node)], day=day, type="all",
            )  # fmt: skip
            with visiting(path) as visit:
                page = visit("/rankings")
                page.says("The first")
                assert sum(one.tag == "button" for one in page.elements) == buttons, day


def test_tags_are_searched_for_what_they_say_and_not_for_how_they_are_kept(tmp_path: Path) -> None:
    tagged = {
        1: watched(tags=['the "best" one', "日本語"]),
        2: watched(tags=["a", "b"]),
        3: watched(comments="[draft]"),
    }
    with visiting(made(tmp_path / "mirror.db", [snapshot(tagged, {})])) as visit:
        found = {"%22best%22": (1,), "%E6%97%A5%E6%9C%AC": (1,), "%5B": (3,), "%22,%22": (), "b": (1, 2)}
        for words, ids in found.items():
            links = visit(f"/anime?q={words}").links
            assert {link for link in links if re.fullmatch(r"/anime/\d+", link)} == {f"/anime/{id}" for id in ids}, (
                words
            )


def test_years_in_which_nothing_began_have_their_place_in_the_chart(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [snapshot({1: watched(), 2: watched(), 3: watched()}, None)])

    def years() -> list[str]:
        with visiting(path) as visit:
            return re.findall(r"<title>(\d{4}: \d+)</title>", visit("/charts").body)

    with Mirror.open(path, write=True) as mirror:
        for id, began in {1: "1998-04-03", 2: "2001"}.items():
            mirror.catalogue.keep_details(ANIME, {"id": id, "title": "", "start_date": began}, datetime.now(UTC))
        assert years() == ["1998: 1", "1999: 0", "2000: 0", "2001: 1"]
        mirror.catalogue.keep_details(ANIME, {"id": 3, "title": "", "start_date": "9999"}, datetime.now(UTC))
        assert years() == ["1998: 1", "2001: 1", "9999: 1"]


# -- several series of one person


def test_an_import_is_history_and_not_the_list_as_it_is_now(tmp_path: Path) -> None:
    """It began another series, whose intervals say nothing of the first one."""
    days = [
        snapshot({1: watched(1), 2: watched(2)}, {}, at=at(5)),
        snapshot({1: watched(3)}, {}, at=at(1), source="import"),  # an older file
        snapshot({1: watched(4), 2: watched(2)}, {}, at=at(6)),
        snapshot({7: watched(9)}, {}, at=at(8), source="import"),  # a newer one, of who knows what
    ]
    with visiting(made(tmp_path / "mirror.db", days)) as visit:
        visit("/").says("2 anime")
        visit("/anime").says("2 entries", "Title 1", "Title 2")
        visit("/anime?at=4").says("1 entry as of", "Title 7")
        visit("/gone").says("Nothing has been removed")
        assert rows(visit, "/mirror/anime_gone?user=1") == []
        before = {row["id"]: row["before"] for row in rows(visit, "/mirror/snapshots?user=1")}
        assert before == {1: None, 2: None, 3: 1, 4: 2}
        times = [row["snapshot"] for row in rows(visit, "/mirror/anime_history?id=1&user=1")]
        assert times == [2, 1, 3, 4]  # by time, whatever the series
        visit("/anime/1").says("episodes watched")
        assert "Not on your list now" not in visit("/anime/1").text
        visit("/anime/7").says("Not on your list now")
        visit("/changes").says("episodes watched 1 → 4")
        visit("/changes?from=2&to=3").says("episodes watched 3 → 4", "Title 2")


def test_a_day_leads_to_what_changed_on_it_the_first_one_too_and_never_to_an_import(tmp_path: Path) -> None:
    days = [
        snapshot({1: watched(1)}, {}, at="2026-11-05T08:00:00Z"),
        snapshot({1: watched(2)}, {}, at="2026-11-05T20:00:00Z"),
        snapshot({1: watched(3)}, {}, at="2026-11-06T08:00:00Z"),
        snapshot({9: watched(1)}, {}, at="2026-11-06T09:00:00Z", source="import"),
    ]
    with visiting(made(tmp_path / "mirror.db", days)) as visit:
        page = visit("/days")
        # Once in the chart, once in the table.
        for link in ("/changes?from=1&to=2", "/changes?from=2&to=3"):
            assert page.links.count(link) == 2, (link, page.links)
        assert not [link for link in page.links if "to=4" in link or "from=4" in link]
        assert "first" not in page.text

    with visiting(made(tmp_path / "one.db", days[:1])) as visit:
        visit("/days").says("2026-11-05", "first")


def test_what_went_is_found_across_series_and_after_pruning(tmp_path: Path) -> None:
    days = [
        snapshot({1: watched(1), 2: watched(1), 3: watched(1)}, {}, at=at(5)),
        snapshot({1: watched(1), 2: watched(1)}, {}, at=at(6)),  # 3 went
        snapshot({1: watched(1)}, {}, at=at(7)),  # 2 went
        snapshot({1: watched(1)}, {}, at=at(8)),
    ]
    path = made(tmp_path / "mirror.db", days)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM snapshot WHERE id = 3")  # as pruning does; intervals stay
        connection.commit()
    with visiting(path) as visit:
        went = {
            row["id"]: (row["snapshot"], row["removed_at"][:10]) for row in rows(visit, "/mirror/anime_gone?user=1")
        }
        visit("/gone").says("removed from the list", "8 Nov 2026", "6 Nov 2026")
        visit("/changes").says("Title 2")
        visit("/anime/2").says("removed", "#4")

    assert went == {2: (4, "2026-11-08"), 3: (2, "2026-11-06")}


def test_a_list_that_was_only_ever_read_in_public_has_all_its_pages(tmp_path: Path) -> None:
    someone = User(MIKA.origin, None, "somebody")
    days = [
        snapshot({1: watched(1), 2: watched(1)}, None, at=at(1), user=someone, source="public"),
        snapshot({1: watched(2)}, None, at=at(2), user=someone, source="public"),
    ]
    with visiting(made(tmp_path / "mirror.db", days)) as visit:
        for address in PAGES:
            visit(address)
        visit("/").says("somebody", "1 anime", "#2")
        visit("/gone").says("Title 2", "removed from the list")


def test_snapshots_that_are_dated_in_the_future_are_marked_and_none_is_the_last_backup(tmp_path: Path) -> None:
    days = [
        snapshot({1: watched(1)}, at=at(1)),
        snapshot({1: watched(2)}, at=at(2)),
        snapshot({1: watched(3)}, at="2199-01-01T12:00:00Z"),
    ]
    with visiting(made(tmp_path / "mirror.db", days)) as visit:
        home = visit("/")
        home.says("snapshot #2")
        marked = {address: visit(address).text.count("dated in the future") for address in (*PAGES, "/days")}
        title = visit("/anime/1").text

    assert marked["/snapshots"] == marked["/days"] == 1
    assert marked["/changes"] == 2  # From and To
    assert marked["/anime"] == marked["/"] == title.count("dated in the future") == 1


# -- values that nobody expects

ODD_TIMES = ("", "0000-00-00", "2026", "2026-13", "2026-11-31", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-12:00",
             "2026-11-01T25:00:00Z", "soon", "2026/11", "²²²²-²²", "2026-11-01T12:00:00", "-1", "20261101",
             "2026-W44-7T10:00")  # fmt: skip


def test_odd_dates_unknown_statuses_and_members_are_shown_as_they_are(tmp_path: Path) -> None:
    titles = {
        number: {
            "status": "binging" if number % 2 else None, "score": number * 7, "start_date": text, "finish_date": text,
            "updated_at": text, "num_episodes_watched": 10**12, "priority": -3, "tags": ["a,b", "", "x" * 300],
            "comments": text, "new_member": {"n": 1.5}, "is_rewatching": number,
        }
        for number, text in enumerate(ODD_TIMES, 1)
    }  # fmt: skip
    path = made(tmp_path / "mirror.db", [snapshot(titles, {}, at=at(1)), snapshot(titles, {}, at=at(2))])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE anime SET start_date = 'x', gone_at = 'y', fetched_at = 'z', mean = 'high', picture = 7"
        )
        connection.execute("UPDATE anime SET start_date = NULL, title = '' WHERE id = 3")
        connection.commit()
    with visiting(path) as visit:
        for address in (*PAGES, *(f"/anime/{number}" for number in titles), "/anime?sort=mean", "/anime?sort=year"):
            visit(address)
        visit("/anime").says("binging", "1000000000000", "soon", "0000-00-00")
        visit("/anime?status=binging").says("8 of 15 entries")
        visit("/anime?score=105").says("1 of 15 entr")
        visit("/charts").says("binging", "15 entries")


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock here is in that zone."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("text", ODD_TIMES)
def test_a_time_that_is_none_is_shown_as_it_came(text: str) -> None:
    for form in (moment, day):
        assert str(form(text)).strip()
        if not text.startswith(("2026-11-01T12", "2026-W44", "0001", "9999")):
            assert str(form(text)) == (text or "—")


def test_what_was_never_set_is_not_shown() -> None:
    for field in ANIME.fields:
        for blank in (None, "", 0, "[]"):
            assert shown(field, blank) == ""


# -- old files


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_mirror_of_an_older_version_has_every_page_once_malsync_opened_it(tmp_path: Path, version: int) -> None:
    path = tmp_path / "mirror.db"
    shutil.copy(ROOT / "fixtures" / "mirrors" / f"version-{version}.db", path)
    with Mirror.open(path):  # as `malsync browse` does first
        pass
    with visiting(path) as visit:
        for address in (*PAGES, "/anime/20", "/manga/2", "/changes?from=1&to=2", "/anime?at=1"):
            visit(address)
        visit("/snapshots").says("the first")
        visit("/anime/20").says("Naruto")


# -- files that change or break while they are looked at


def test_a_backup_beside_it_is_seen_at_once(tmp_path: Path) -> None:
    for mode in ("wal", "delete"):
        path = made(tmp_path / f"{mode}.db", [snapshot(many(3), {}, at=at(1))])
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
        with visiting(path) as visit:
            visit("/anime").says("3 entries")
            made(path, [snapshot(many(5), {}, at=at(2))])
            visit("/anime").says("5 entries")
            visit("/").says("#2")
            with Mirror.open(path, write=True) as mirror, mirror._file.transaction():
                visit("/anime").says("5 entries")  # not even an unfinished one is in the way


def test_a_mirror_that_breaks_is_told_in_words_on_every_page(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [snapshot(many(500), {}, at=at(1))])
    size = path.stat().st_size
    found: list[Page] = []
    with visiting(path) as visit:
        visit("/")
        path.write_bytes(b"no database at all".ljust(size, b"x"))
        (tmp_path / "mirror.db-wal").unlink(missing_ok=True)
    with visiting(path) as visit:
        found = visit.pages(["/", "/anime", "/charts", "/mirror/anime_list_at"])

    for page in found:
        assert page.status == 500, page.address
        page.says("The mirror could not be read", "malsync verify")
        assert "Traceback" not in page.body
