"""Every page and every query over a mirror as it stands after years: each answers, and says what the lists really hold."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from threading import Event
from urllib.parse import urlsplit

import pytest

from malsync.mirror import Mirror, queries
from malsync.model.diff import diff
from malsync.model.entry import Entry
from malsync.model.medium import MEDIA
from malsync.model.snapshot import Snapshot
from tests.support.archive import SEASONS, THEO, Archive
from tests.support.browsing import Page, Visitor, data_pages, own_pages, query_pages, visiting
from tests.support.catalogue import rows as sql

NOTHING_FOUND = {
    "No entries",
    "No rows",
    "Not fetched yet",
    "Nothing is fetched yet",
    "The posts of this topic are not fetched yet",
}


@pytest.fixture(scope="module")
def visit(archived: Archive) -> Iterator[Visitor]:
    """A visitor of the archive."""
    with visiting(archived.path) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def pages(archived: Archive, visit: Visitor) -> list[Page]:
    """Every page of ours, seen once."""
    return visit.pages(own_pages(archived))


@pytest.fixture(scope="module")
def newest(archived: Archive) -> Snapshot:
    """The newest lists of the first user, as the mirror itself rebuilds them."""
    return loaded(archived, archived.snapshots)


def loaded(archived: Archive, number: int) -> Snapshot:
    with Mirror.open(archived.path) as mirror:
        return mirror.load(number)


def entries(snapshot: Snapshot, medium: str) -> dict[int, Entry]:
    return dict(snapshot.entries(MEDIA[medium]))


def told(visit: Visitor, address: str) -> list[dict[str, object]]:
    """The rows of a page of Datasette's as JSON."""
    path, _, query = address.partition("?")
    found = visit(f"{path}.json?{query}{'&' if query else ''}_shape=array&rows=-1")
    rows: list[dict[str, object]] = json.loads(found.body)
    return rows


# -- all of them


def test_every_page_of_ours_answers_with_one_heading_and_something_under_it(pages: list[Page]) -> None:
    for page in pages:
        assert page.status == 200, (page.address, page.text)
        assert [one.tag for one in page.elements].count("h1") == 1, page.address
        if "?" not in page.address:
            assert [words for words in NOTHING_FOUND if words in page.text] == [], page.address


def test_every_table_and_every_query_answers_as_a_page(archived: Archive, visit: Visitor) -> None:
    addresses = [*data_pages(archived.path), *query_pages(archived).values()]

    for page in visit.pages(addresses):
        assert page.status == 200, (page.address, page.text)
        assert "<h1" in page.body or "application/json" in page.headers["content-type"], page.address


def test_a_query_whose_form_was_not_filled_in_is_a_page_with_a_form(visit: Visitor) -> None:
    addresses = [f"/mirror/{name}" for name in queries.all_queries()]

    for page in visit.pages(addresses):
        assert page.status == 200, (page.address, page.text)
        assert any(one.tag == "button" for one in page.elements), page.address


def test_every_query_finds_something_and_says_the_same_as_csv_and_as_json(archived: Archive, visit: Visitor) -> None:
    as_json, as_csv = query_pages(archived, ".json"), query_pages(archived, ".csv")

    for name, address in as_json.items():
        rows = json.loads(visit(f"{address}&_shape=array").body)
        table = list(csv.DictReader(io.StringIO(visit(as_csv[name]).body)))

        assert rows, name
        assert [list(row) for row in table] == [list(row) for row in rows], name
        plain = [{column: "" if value is None else str(value) for column, value in row.items()} for row in rows]
        assert table == plain, name


def test_no_page_leads_to_one_that_is_not_there(pages: list[Page], visit: Visitor) -> None:
    """One link of each kind: the same address but for its numbers, with the same names in its query."""
    kinds: dict[tuple[str, tuple[str, ...]], str] = {}
    for page in pages:
        for link in page.links:
            if not urlsplit(link).netloc:
                address = link if not link.startswith("?") else page.address.partition("?")[0] + link
                path, _, query = address.partition("?")
                names = tuple(sorted(part.partition("=")[0] for part in query.split("&")))
                kinds.setdefault((re.sub(r"\d+", "1", path), names), address)

    found = visit.pages(kinds.values())

    assert len(kinds) > 60
    assert [(page.address, page.status) for page in found if page.status != 200] == []


@pytest.mark.parametrize(
    "address",
    ["/anime/999999999", "/anime/999999999999999999", "/manga/20x", "/film", "/anime?at=999", "/anime?at=x", "/anime?at=-1",
     "/anime?user=99", "/anime?user=x", "/?user=99", "/runs/99", "/forum/1", "/changes?from=1&to=99", "/changes?from=a&to=b",
     "/rankings?medium=film", "/gone?medium=film", "/mirror/nothing", "/nothing", "/mirror/anime/999999999"],
)  # fmt: skip
def test_an_unknown_page_answers_404_and_says_so(visit: Visitor, address: str) -> None:
    page = visit(address, 404)

    page.says("Page not found", "Home")
    assert "bug" not in page.text


def test_an_error_names_the_unknown_address(visit: Visitor) -> None:
    visit("/nothing/at/all", 404).says("There is no page /nothing/at/all.")
    assert json.loads(visit("/nothing.json", 404).body)["error"] == "There is no page /nothing.json."


def test_a_row_address_with_half_a_key_names_what_is_missing(visit: Visitor) -> None:
    visit("/mirror/anime_version/1,1", 400).says("There is no such row. Its address needs a value for each column")


def test_a_query_that_stopped_at_its_limit_says_that_there_may_be_more(archived: Archive, visit: Visitor) -> None:
    address = f"/mirror/anime_list_at?snapshot={archived.snapshots}"
    assert len(json.loads(visit(address.replace("?", ".json?") + "&rows=-1&_shape=array").body)) > 200
    visit(address).says("200 rows (there may be more) as CSV")
    assert "there may be more" not in visit(f"{address}&rows=-1").text


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-3", "page=x", "page=99999999999999999999999999", "page=%D9%A3", "score=x", "score=-1", "year=''",
     "genre=nothing", "status=%00", "tag=%F0%9F%8D%A3", "sort=nothing", "q=%22", "q=%22%22*", "q=%00", "q=%25_%5C", "q=NEAR(",
     "q=" + "a" * 3000, "page=2&page=3", "status=completed&status=dropped", "user=", "at="],
)  # fmt: skip
def test_whatever_stands_in_the_address_the_library_is_a_page(visit: Visitor, query: str) -> None:
    page = visit(f"/anime?{query}")

    assert re.search(r"\d entr", page.text), page.text


@pytest.mark.parametrize(
    "address", ["/snapshots", "/forum", "/runs/1", "/rankings", "/seasons", "/suggestions", "/forum/{}"]
)
def test_a_page_far_behind_the_last_one_is_a_page(archived: Archive, visit: Visitor, address: str) -> None:
    for number in ("0", "x", "4000000000", "9" * 30):
        visit(f"{address.format(archived.topic)}?page={number}")


# -- the home page


def test_home_shows_the_user_the_number_of_titles_and_whether_the_backup_is_intact(
    archived: Archive, newest: Snapshot
) -> None:
    asked: list[int] = []

    def prove(number: int) -> str | None:
        asked.append(number)
        return None

    with visiting(archived.path, verify=prove) as visit:
        for _ in range(2):
            page = visit("/")
            page.says(
                "sandbox_mika", f"{len(entries(newest, 'anime'))} anime", f"{len(entries(newest, 'manga'))} manga"
            )
            page.says("Last backup", "Verified (checksum matches)", f"#{archived.snapshots}")

    assert asked == [archived.snapshots]  # once, not at every visit


def test_home_says_what_is_wrong_with_the_last_backup_and_looks_again(archived: Archive) -> None:
    problems = iter(["snapshot 12 does not rebuild to what was stored", None])

    with visiting(archived.path, verify=lambda _: next(problems)) as visit:
        first, second = visit("/"), visit("/")

    first.says("snapshot 12 does not rebuild to what was stored")
    assert "Verified" not in first.text
    second.says("Verified")


def test_what_is_wrong_is_told_too_where_the_proof_takes_longer_than_a_page_waits(archived: Archive) -> None:
    may_end, ended = Event(), Event()

    def prove(number: int) -> str | None:
        may_end.wait(10)
        ended.set()
        return f"snapshot {number} does not rebuild to what was stored"

    def twice() -> Iterator[str]:
        yield "/"
        may_end.set()
        assert ended.wait(10)
        may_end.clear()  # one that was begun anew would come to no end
        yield "/"
        may_end.set()

    with visiting(archived.path, verify=prove) as visit:
        first, second = visit.pages(twice())

    assert "does not rebuild" not in first.text
    second.says("does not rebuild to what was stored")


def test_the_history_tells_of_the_day_on_which_too_much_changed_with_the_command_to_type(
    archived: Archive, visit: Visitor
) -> None:
    command = f"malsync revert {archived.vandalised - 1} {archived.vandalised}"
    visit("/").says("One earlier day with unusually many changes")
    visit("/snapshots").says("entries were changed or removed at once", command)
    assert [row["revert"] for row in told(visit, "/mirror/suspicious?user=1")] == [command]


# -- the lists


@pytest.mark.parametrize("medium", MEDIA)
def test_the_library_counts_and_filters_as_the_list_itself(visit: Visitor, newest: Snapshot, medium: str) -> None:
    mine = [entry.list_status for entry in entries(newest, medium).values()]
    tag, uses = Counter(tag for status in mine for tag in status.get("tags", [])).most_common(1)[0]
    done = [status for status in mine if status["status"] == "completed"]
    eights = [status for status in done if status.get("score") == 8]
    named = [id for id, entry in entries(newest, medium).items() if entry.title.startswith("T")]

    visit(f"/{medium}").says(f"{len(mine)} entries")
    visit(f"/{medium}?status=completed").says(f"{len(done)} of {len(mine)} entries")
    visit(f"/{medium}?status=completed&score=8").says(f"{len(eights)} of {len(mine)} entr")
    visit(f"/{medium}?tag={tag}").says(f"{uses} of {len(mine)} entr")
    for id in named[:3]:
        title = entries(newest, medium)[id].title
        found = visit.pages([f"/{medium}?q={title.replace(' ', '+').replace('&', '%26').replace('#', '%23')}"])[0]
        assert f"/{medium}/{id}" in found.links, title


def test_the_library_is_sorted_and_leafed_through_without_losing_or_doubling_anything(
    visit: Visitor, newest: Snapshot
) -> None:
    mine = entries(newest, "anime")
    seen: list[int] = []
    for page in visit.pages(f"/anime?sort=score&page={number}" for number in range(1, -(-len(mine) // 60) + 1)):
        found = [int(link.rpartition("/")[2]) for link in page.links if re.fullmatch(r"/anime/\d+", link)]
        seen += dict.fromkeys(found)

    assert sorted(seen) == sorted(mine)
    scores = [mine[id].list_status.get("score") or 0 for id in seen]
    assert scores == sorted(scores, reverse=True)


def test_the_progress_of_an_entry_stands_beside_how_much_there_is(visit: Visitor, newest: Snapshot) -> None:
    totals = dict(sql_of(visit, "SELECT id, num_episodes FROM anime"))
    id, entry = next(
        (id, entry)
        for id, entry in entries(newest, "anime").items()
        if entry.list_status["status"] == "watching" and totals.get(id)
    )

    page = visit(f"/anime?q={entry.title.replace(' ', '+').replace('&', '%26')}")

    page.says(f"{entry.list_status.get('num_episodes_watched', 0)} / {totals[id]}")


def sql_of(visit: Visitor, statement: str) -> list[tuple[object, ...]]:
    from pathlib import Path

    return sql(Path(visit.browse.mirror.path), statement)


@pytest.mark.parametrize("number", [1, 5])
def test_the_library_as_of_a_snapshot_is_the_list_of_that_snapshot(
    archived: Archive, visit: Visitor, number: int
) -> None:
    then = loaded(archived, number)
    for medium in MEDIA:
        rows = told(visit, f"/mirror/{medium}_list_at?snapshot={number}")

        visit(f"/{medium}?at={number}").says(f"{len(entries(then, medium))} entries as of", f"(snapshot #{number})")
        assert {row["id"]: (row["status"], row["score"], row["title"]) for row in rows} == {
            id: (entry.list_status["status"], entry.list_status.get("score", 0), entry.title)
            for id, entry in entries(then, medium).items()
        }


def test_charts_and_their_queries_count_what_is_on_the_list(visit: Visitor, newest: Snapshot) -> None:
    charts = visit("/charts")
    for medium in MEDIA:
        mine = [entry.list_status for entry in entries(newest, medium).values()]
        scores = [status["score"] for status in mine if status.get("score")]
        months = Counter(str(status.get("finish_date") or "")[:7] for status in mine)
        counted = {
            name: {row["name"]: row["entries"] for row in told(visit, f"/mirror/{medium}_by_{name}?snapshot=12")}
            for name in ("status", "score", "month")
        }

        assert counted["status"] == Counter(status["status"] for status in mine)
        assert counted["score"] == Counter(scores)
        assert counted["month"] == {name: count for name, count in months.items() if len(name) == 7}
        charts.says(f"{len(mine)} entries, mean score {sum(scores) / len(scores):,.2f}")


# -- through time


@pytest.mark.parametrize("pair", ["whole", "vandalised", "back"])
def test_what_changed_between_two_snapshots_is_what_diff_says(archived: Archive, visit: Visitor, pair: str) -> None:
    bad = archived.vandalised
    start, to = {"whole": (1, archived.snapshots), "vandalised": (bad - 1, bad), "back": (archived.snapshots, 2)}[pair]
    expected = diff(loaded(archived, start), loaded(archived, to))
    assert len(expected) > 20

    page = visit(f"/changes?from={start}&to={to}")
    listed = [
        one for one in page.elements if one.tag == "li" and one.attributes.get("class") in ("add", "update", "remove")
    ]

    assert len(listed) == len(expected)
    for medium in MEDIA:
        wanted = {(change.op, change.id): change for change in expected if change.medium.name == medium}
        rows = told(visit, f"/mirror/{medium}_changes?from={start}&to={to}")
        assert {(row["op"], row["id"]) for row in rows} == wanted.keys()
        for row in rows:
            change = wanted[str(row["op"]), int(str(row["id"]))]
            if "score" in change.fields and change.op == "update":
                assert (row["score_was"] or 0, row["score_now"] or 0) == change.fields["score"]
        counts = Counter(op for op, _ in wanted)
        signs = [f"{sign}{counts[op]}" for op, sign in (("add", "+"), ("update", "~"), ("remove", "−")) if counts[op]]
        page.says(f"{medium.capitalize()} {''.join(signs)}")


def test_gone_titles_show_the_day_and_who_removed_them(archived: Archive, visit: Visitor) -> None:
    rows = {row["id"]: row for row in told(visit, "/mirror/anime_gone?user=1")}

    assert rows.keys() == {archived.gone, archived.removed}
    assert rows[archived.gone]["gone_at"]
    assert rows[archived.removed]["gone_at"] is None
    assert (rows[archived.gone]["snapshot"], rows[archived.removed]["snapshot"]) == (11, 10)
    visit("/gone").says("removed by MAL", "removed from the list", "10 Jan 2026", "11 Jan 2026")
    visit(f"/anime/{archived.gone}").says("Removed by MAL", "Not on your list now", "removed")


def test_a_title_has_its_data_its_status_and_its_history(archived: Archive, visit: Visitor) -> None:
    with Mirror.open(archived.path) as mirror:
        versions = {id: mirror.history(mirror.info(1).user, MEDIA["anime"], id) for id in range(1, 60)}
    id, history = max(versions.items(), key=lambda pair: len(pair[1]))
    assert len(history) > 2

    page = visit(f"/anime/{id}")

    page.says(*(f"#{version.snapshot}" for version in history))
    synopsis = sql(archived.path, "SELECT title, synopsis FROM anime WHERE id = ?", id)[0]
    page.says(synopsis[0], re.sub(r"\s+", " ", synopsis[1])[:80])
    assert f"https://myanimelist.net/anime/{id}" in page.links


def test_a_run_shows_each_call_and_what_came_of_it(archived: Archive, visit: Visitor) -> None:
    counts = dict(sql(archived.path, "SELECT state, count(*) FROM run_call GROUP BY state"))

    page = visit(f"/runs/{archived.run}")
    failed = visit(f"/runs/{archived.run}?state=failed")
    beyond = visit(f"/runs/{archived.run}?page=99")

    page.says("Run 1: restore", "Finished", *(f"{state.replace('_', ' ')} {count}" for state, count in counts.items()))
    assert sum(one.tag == "tr" for one in failed.elements) == 1 + counts["failed"]
    assert sum(one.tag == "tr" for one in beyond.elements) > 1  # the last page that there is
    (row,) = told(visit, "/mirror/runs?user=1")
    assert (row["calls"], row["done"], row["open"]) == (sum(counts.values()), counts["done"], counts["planned"])


# -- what was fetched


def test_rankings_seasons_suggestions_and_the_forum_show_what_was_fetched(archived: Archive, visit: Visitor) -> None:
    ranked = "SELECT title FROM anime_ranking AS one JOIN anime ON anime.id = media_id WHERE type = 'all'"
    first = sql(archived.path, f"{ranked} ORDER BY day DESC, one.rank")[0][0]
    suggested = sql(archived.path, "SELECT title FROM suggestion JOIN anime ON anime.id = media_id ORDER BY place")[0][
        0
    ]
    posted = (
        "SELECT title, text FROM forum_topic AS one JOIN forum_post ON topic = one.id WHERE one.id = ? ORDER BY number"
    )
    topic, body = sql(archived.path, posted, archived.topic)[0]

    visit("/rankings").says("Anime ranking", first)
    visit("/rankings?medium=manga&type=bypopularity").says("Manga ranking")
    visit(f"/seasons?year={SEASONS[0][0]}&season={SEASONS[0][1]}").says("Spring 2009")
    visit("/suggestions").says("Suggestions", suggested)
    visit("/forum").says("Forum", topic)
    visit(f"/forum/{archived.topic}").says(topic, re.sub(r"\s+", " ", body)[:40])
    visit(f"/forum?q={topic.split()[0]}").says(topic)


def test_the_choices_of_a_ranking_are_its_days_and_types(visit: Visitor) -> None:
    page = visit("/mirror/anime_ranking?type=all&day=")

    said = [one.attributes["value"] for one in page.elements if one.tag == "option" and one.attributes.get("value")]
    assert said == ["2026-01-13", "2026-01-12", "all", "bypopularity"]


def test_another_user_is_one_click_away_and_stays_chosen(archived: Archive, visit: Visitor) -> None:
    theirs = len(archived.world.named(THEO.name).entries("anime"))

    page = visit("/anime?user=2")

    page.says(f"{theirs} entries", "sandbox_mika", "sandbox_theo")
    ours = [link for link in page.links if re.match(r"/(anime|manga|charts|snapshots|runs|rankings|forum)", link)]
    assert ours
    assert [link for link in ours if "user=2" not in link] == []
    for address in ("/rankings?user=2", "/seasons?user=2", "/forum?user=2"):
        kept = [one for one in visit(address).elements if one.attributes.get("name") == "user"]
        assert [one.attributes["value"] for one in kept] == ["2"], address
    visit(f"/anime?at={archived.snapshots + 1}", 404).says("no snapshot 13 of sandbox_mika")
