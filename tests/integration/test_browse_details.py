"""Small things on the pages: whole totals, sensible defaults, values in words, and what a screen reader needs."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from malsync.browse import charts
from malsync.browse.charts import Bar, Point
from malsync.browse.filters import link_text
from malsync.mirror import FILE_NAME, Mirror
from malsync.model.medium import ANIME
from malsync.sandbox import Sandbox
from tests.support.archive import Archive
from tests.support.browsing import Page, Visitor, own_pages, visiting
from tests.support.harness import Malsync
from tests.support.lists import MIKA, THEO, many, snapshot, watched
from tests.support.mirrors import at, made


@pytest.fixture(scope="module")
def visit(archived: Archive) -> Iterator[Visitor]:
    """A visitor of the archive, which has two users."""
    with visiting(archived.path) as visitor:
        yield visitor


def tags(page: Page, *names: str) -> list[dict[str, str]]:
    """The attributes of each element of these kinds."""
    return [one.attributes for one in page.elements if one.tag in names]


def texts_of_links(page: Page) -> list[tuple[str, str]]:
    """Each link's opening tag, and its text, a picture's name included."""
    body = re.sub(r'aria-label="([^"]+)">', r">\1", page.body)
    found = re.findall(r"(<a\b[^>]*>)(.*?)</a>", body, re.DOTALL)
    return [(tag, re.sub(r"<[^>]+>", "", text)) for tag, text in found]


# -- what changed


def test_totals_are_whole_however_many_changes_there_are(tmp_path: Path) -> None:
    before = many(1400)
    after = {id: {**entry, "score": 3} for id, entry in before.items() if id > 600} | {5000 + id: {} for id in range(7)}
    path = made(tmp_path / "mirror.db", [snapshot(before, at=at(1)), snapshot(after, at=at(2))])
    with visiting(path) as visit:
        page = visit("/changes?from=1&to=2")

    page.says("Anime +7~800−600 ", "Only the first 500 of 1,407 are shown; the CSV has all of them.")
    assert len([one for one in tags(page, "li") if one.get("class") in ("add", "update", "remove")]) == 500


def test_one_snapshot_is_nothing_to_compare(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [snapshot(many(3), {}), snapshot(many(3), {}, user=THEO, at=at(2))])
    with visiting(path) as visit:
        for address in ("/changes", "/changes?user=1", "/changes?user=2", "/changes?from=1&to=1&user=1"):
            page = visit(address)
            page.says("There is only one snapshot so far")
            assert "no change" not in page.text
            assert "revert" not in page.text


def test_after_quiet_days_the_last_changes_are_shown(tmp_path: Path) -> None:
    days = [many(3), {**many(3), 1: watched(9)}, {**many(3), 1: watched(9)}, {**many(3), 1: watched(9)}]
    path = made(tmp_path / "mirror.db", [snapshot(lists, at=at(day)) for day, lists in enumerate(days, 1)])
    with visiting(path) as visit:
        page = visit("/changes")
        page.says("Title 1", "episodes watched 1 → 9")
        assert [one["value"] for one in tags(page, "option") if "selected" in one] == ["1", "2"]
        # Whoever names one of the two gets that.
        visit("/changes?to=4").says("no change")
        visit("/changes?from=3").says("no change")


def test_where_nothing_ever_changed_the_newest_two_are_shown(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [snapshot(many(3), at=at(day)) for day in (1, 2, 3)])
    with visiting(path) as visit:
        page = visit("/changes")
    page.says("no change")
    assert [one["value"] for one in tags(page, "option") if "selected" in one] == ["2", "3"]


# -- values in words


def test_a_run_shows_values_as_people_write_them(malsync: Malsync, box: Sandbox) -> None:
    id = min(box.entries(box.user, "anime"))
    box.edit(box.user, "anime", id, tags=["cinema", "cried"], is_rewatching=True, score=7, comments="")
    malsync.ok("backup")
    box.edit(box.user, "anime", id, tags=[], is_rewatching=False, score=0, comments="theirs")
    malsync.ok("restore", "1", "--yes")
    with visiting(malsync.home / FILE_NAME) as visit:
        page = visit("/runs/1")

    page.says("tags cinema, cried", "rewatching yes", "score 7", "comments theirs → none")
    for python in ("['", "True", "False", "None", "nothing"):
        assert python not in page.text, python


@pytest.mark.parametrize(
    ("text", "shown"), [(" ", "(blank)"), ("", "(blank)"), ("\u200b", "(blank)"), (None, "(blank)"), (" a ", " a ")]
)
def test_a_blank_name_has_something_to_see(text: str | None, shown: str) -> None:
    assert link_text(text) == shown


def test_no_link_is_without_a_name(tmp_path: Path) -> None:
    blank = {1: watched(1, title=" ", tags=[" ", "a", "\u3000"]), 2: watched(2, title="", tags=[""])}
    path = made(tmp_path / "mirror.db", [snapshot(blank, at=at(1)), snapshot({2: watched(3, title="")}, at=at(2))])
    with visiting(path) as visit:
        for address in ("/", "/anime", "/anime?at=1", "/anime/1", "/anime/2", "/changes", "/gone"):
            for tag, text in texts_of_links(visit(address)):
                assert text.strip() or "aria-hidden" in tag, (address, tag)
        visit("/anime?at=1").says("(blank)", "#1", "#2")


# -- what was fetched


def test_suggestions_have_a_column_of_yours_only_where_one_is_on_the_list(tmp_path: Path) -> None:
    path = made(tmp_path / "mirror.db", [snapshot({5: watched(1)}, {})])

    def suggest(*ids: int) -> None:
        told = [{"id": id, "title": f"Try {id}"} for id in ids]
        with Mirror.open(path, write=True) as mirror:
            mirror.catalogue.keep(
                "suggestions", {"data": told}, datetime(2026, 11, 1, tzinfo=UTC), titles=[(ANIME, one) for one in told],
                user=mirror.catalogue.keep_user(MIKA),
            )  # fmt: skip

    suggest(9)
    with visiting(path) as visit:
        assert "Yours" not in visit("/suggestions").text
        suggest(9, 5)
        visit("/suggestions").says("Yours", "watching")


def test_a_board_shows_the_topics_that_may_be_of_it(malsync: Malsync, box: Sandbox) -> None:
    malsync.ok("fetch", "forum", "boards")
    malsync.ok("fetch", "forum", "topics", "--limit", "100")
    with visiting(malsync.home / FILE_NAME) as visit:
        forum, board = visit("/forum"), visit("/forum?board=5")
        assert not [one for one in tags(forum, "a") if "empty" in one.get("class", "")]
        board.says("No topics of this board are fetched yet.", "malsync fetch forum topics --board 5")
        board.says("Topics of unknown boards")
        topics = {link for link in forum.links if re.match(r"/forum/\d", link)}
        assert topics
        assert {link for link in board.links if re.match(r"/forum/\d", link)} == topics

        malsync.ok("fetch", "forum", "topics", "--board", "5")
        board = visit("/forum?board=5")
        assert "not known" not in board.text
        assert [link for link in board.links if re.match(r"/forum/\d", link)]


# -- the same head everywhere


@pytest.mark.parametrize(
    "address", ["/mirror", "/mirror/anime", "/mirror/anime_list_at", "/mirror?sql=select+1", "/-/versions"]
)
def test_the_users_can_be_changed_from_the_data_too(visit: Visitor, address: str) -> None:
    page = visit(address)

    page.says("sandbox_mika", "sandbox_theo")
    users = [link for link in page.links if re.search(r"\?user=\d+$", link)]
    assert users == ["/?user=1", "/?user=2"]
    visit(users[1]).says("sandbox_theo")


def test_one_user_has_no_menu_of_users(tmp_path: Path) -> None:
    with visiting(made(tmp_path / "mirror.db", [snapshot(many(3))])) as visit:
        for address in ("/", "/mirror", "/mirror/anime"):
            assert not tags(visit(address), "details"), address


# -- what a screen reader needs


def test_no_chart_is_a_picture_with_links_in_it(visit: Visitor, archived: Archive) -> None:
    for page in visit.pages(["/charts", "/days", "/", f"/changes?from=1&to={archived.snapshots}"]):
        for svg in re.findall(r"<svg\b.*?</svg>\s*(?:</svg>)?", page.body, re.DOTALL):
            assert not ('role="img"' in svg and "<a " in svg), (page.address, svg[:200])
    linked, plain = Bar("a", [("plain", 1)], "/x"), Bar("a", [("plain", 1)])
    assert 'role="group"' in charts.columns("t", [linked])
    assert 'role="img"' in charts.columns("t", [plain])
    assert 'role="group"' in charts.line("t", [("anime", [Point(0, 1, "tip", "/x")])])


@pytest.mark.parametrize(
    "address", ["/mirror/anime?_facet=media_type&_size=5", "/mirror/anime?status__exact=x", "/mirror/run"]
)
def test_every_field_of_a_tables_page_has_a_name(visit: Visitor, address: str) -> None:
    page = visit(address)
    labelled = {one["for"] for one in tags(page, "label") if "for" in one}

    fields = [one for one in tags(page, "select", "input") if one.get("type") not in ("hidden", "submit", "checkbox")]
    assert fields
    assert all("aria-label" in one or one.get("id") in labelled for one in fields)
    levels = [int(one) for one in re.findall(r"<h(\d)", page.body)]
    assert levels[0] == 1
    assert all(now <= before + 1 for before, now in pairwise(levels))


def test_every_checkbox_has_a_name_and_no_page_reloads_itself(archived: Archive) -> None:
    with visiting(archived.path, verify=lambda number: None) as visit:
        for page in visit.pages(own_pages(archived)):
            for one in tags(page, "input"):
                if one.get("type") == "checkbox":
                    assert one.get("aria-label"), page.address
            assert not [one for one in tags(page, "meta") if one.get("http-equiv") == "refresh"], page.address


def styled(visit: Visitor, name: str) -> str:
    return visit(f"/-/malsync/{name}").body


def test_links_inside_text_are_underlined(visit: Visitor) -> None:
    assert re.search(
        r"^p a, footer a, [^{]*\{[^}]*text-decoration: underline", styled(visit, "malsync.css"), re.MULTILINE
    )
    rule = r"^\.datasette p a:link, [^{]*footer a:link[^{]*\{[^}]*text-decoration: underline"
    assert re.search(rule, styled(visit, "datasette.css"), re.MULTILINE)
