"""browse, as a person sees it: a walk through the pages in Debian's Chromium, on a desk and on a telephone.

Without Chromium these tests are left out, and say so. Whatever they look at, the console stays silent and every request
goes to 127.0.0.1.
"""

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from malsync.sandbox import Sandbox, World
from tests.support.harness import Malsync, TestTime
from tests.support.lively import EDGERUNNERS, POLL, VANDALISED, Year

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: apt-get install chromium")

SIZES = {"desk": (1280, 800), "telephone": (390, 844)}
SPOILT = VANDALISED + 1
PAGES = (
    "/", "/anime", "/manga?status=reading", f"/anime/{EDGERUNNERS}", "/charts", "/snapshots", "/days", "/changes", "/gone",
    "/runs", "/runs/1", "/rankings", "/forum", f"/forum/{POLL}", "/anime?q=no+such+title", "/anime/77777777", "/mirror",
    "/mirror/anime_changes?from=1&to=5", "/mirror/suspicious", "/mirror/anime?_facet=media_type&_size=5", "/mirror/anime/1",
    "/mirror?sql=select+*+from+snapshot",
)  # fmt: skip


@dataclass(frozen=True)
class Lived:
    """A mirror in which somebody lived for a year, what the far side holds at the end of it, and where it is served."""

    malsync: Malsync
    lists: dict[str, dict[int, dict[str, Any]]]
    titles: dict[int, str]
    vandal: int
    url: str

    def at(self, path: str) -> str:
        return self.url.partition("/?")[0] + path


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The year, and `malsync browse` over it as a process of its own. The sandbox stays: it draws the covers."""
    time = TestTime()
    with Sandbox(World.demo(clock=lambda: time.moment)) as box:
        malsync = Malsync(tmp_path_factory.mktemp("lived") / "home", box, TZ="UTC")
        malsync.time = time
        Year(malsync, box, datetime(2026, 11, 28, 12, tzinfo=UTC)).live()
        snapshots = malsync.json("snapshots")
        vandal = next(one["snapshot"] for one in snapshots if one["suspicious"])
        titles = {title["id"]: title["title"] for title in box.world.catalogue.titles("anime")}
        lists = {medium: box.entries(box.user, medium) for medium in ("anime", "manga")}
        process = malsync.process("browse", stderr=subprocess.DEVNULL)
        try:
            assert process.stdout is not None
            yield Lived(malsync, lists, titles, vandal, process.stdout.readline().strip())
        finally:
            process.terminate()
            process.communicate(timeout=10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--headless", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=SIZES)
def window(request: pytest.FixtureRequest, chromium: Browser, lived: Lived) -> Iterator[BrowserContext]:
    """A browser of that size, let in by the key, which it keeps as a cookie."""
    width, height = SIZES[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height}, timezone_id="UTC")
    context.set_default_timeout(15_000)
    entrance = context.new_page()
    entrance.goto(lived.url)
    entrance.wait_for_url(lived.at("/"))
    entrance.close()
    yield context
    context.close()


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """A page to look at. At the end: no word was on the console, and nobody but 127.0.0.1 was asked for anything."""
    page = window.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda one: asked.append(one.url))
    yield page
    # Chromium's own word on the one page that is not there.
    assert [text for text in said if "404" not in text] == []
    assert {urlsplit(address).hostname for address in asked} == {"127.0.0.1"}
    page.close()


def texts(found: Locator) -> list[str]:
    return [text.strip() for text in found.all_inner_texts()]


def is_narrow(page: Page) -> bool:
    return bool(page.viewport_size and page.viewport_size["width"] < 700)


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def is_above_the_fold(page: Page, row: Locator) -> bool:
    box = row.bounding_box()
    assert box is not None
    assert page.viewport_size is not None
    return box["y"] + box["height"] <= page.viewport_size["height"]


def facet(page: Page, value: str) -> Locator:
    """A value of a facet; on a telephone the facets are opened first."""
    if is_narrow(page) and not page.locator(".facets").is_visible():
        page.get_by_text("Filters", exact=False).first.click()
    return page.locator(".facets").get_by_role("link", name=value).first


def test_home_says_who_how_much_and_whether_the_last_backup_is_whole(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/"))
    expect(page.get_by_role("heading", level=1)).to_have_text("sandbox_mika")
    expect(page.get_by_text("Verified (checksum matches)")).to_be_visible()
    for medium, entries in lived.lists.items():
        expect(page.get_by_role("link", name=f"{len(entries)} {medium}")).to_be_visible()
        shelf = page.locator("section", has=page.get_by_role("heading", name=f"Recently updated {medium}"))
        newest = max(entries.values(), key=lambda entry: entry["updated_at"])["updated_at"]
        first = shelf.locator("li a").first.get_attribute("href") or ""
        assert entries[int(first.rpartition("/")[2])]["updated_at"] == newest
    expect(page.get_by_text("One earlier day with unusually many changes")).to_be_visible()

    page.get_by_role("link", name="Time travel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("History")


def test_the_library_has_its_rows_above_the_fold_with_all_that_one_looks_for(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/anime"))
    row = page.locator(".entries tbody tr").first
    assert is_above_the_fold(page, row)
    assert page.locator(".entries tbody tr").count() == 60

    id = int((row.locator("a.name").get_attribute("href") or "").rpartition("/")[2])
    entry = lived.lists["anime"][id]
    expect(row.locator(".status")).to_have_text(entry["status"].replace("_", " "))
    assert texts(row.locator(".count"))[0].startswith(f"{entry['num_episodes_watched']} / ")
    assert row.get_by_role("link", name="MAL").get_attribute("href") == f"https://myanimelist.net/anime/{id}"
    page.wait_for_function("document.querySelector('.entries img').naturalWidth > 0")
    colours = {
        kind: page.evaluate("kind => getComputedStyle(document.querySelector(kind)).color", kind)
        for kind in (".status.completed", ".status.doing", ".entries .name")
    }
    assert len(set(colours.values())) == 3


def test_searching_narrowing_and_sorting_the_library(page: Page, lived: Lived) -> None:
    anime = lived.lists["anime"]
    page.goto(lived.at("/anime"))
    page.get_by_role("searchbox").fill("monogatari")
    page.get_by_role("searchbox").press("Enter")
    names = texts(page.locator(".entries a.name"))
    assert names
    assert all("monogatari" in name.lower() for name in names)
    assert sorted(names) == sorted(lived.titles[id] for id in anime if "monogatari" in lived.titles[id].lower())

    page.goto(lived.at("/anime"))
    dropped = sum(entry["status"] == "dropped" for entry in anime.values())
    facet(page, "dropped").click()
    page.wait_for_url("**status=dropped*")
    assert texts(page.locator(".entries .status")) == ["dropped"] * dropped
    expect(page.locator(".lede")).to_have_text(f"{dropped} of {len(anime)} entries")
    page.get_by_label("Sort by").select_option("title")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**sort=title*")
    names = texts(page.locator(".entries a.name"))
    assert len(names) == dropped
    assert names == sorted(names, key=str.lower)
    facet(page, "dropped").click()
    page.wait_for_url(lambda url: "status" not in url)
    expect(page.locator(".lede")).to_have_text(f"{len(anime)} entries")


def test_a_title_tells_its_list_status_and_its_way_through_the_snapshots(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/anime?q=Edgerunners"))
    page.locator(".entries a.name").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cyberpunk: Edgerunners")
    mine = page.locator(".mine")
    expect(mine.locator(".status")).to_have_text("completed")
    expect(mine.locator(".count")).to_have_text("10 / 10")
    assert texts(mine.locator(".pill")) == ["cyberpunk", "short but good"]

    happened = texts(page.locator(".timeline > li strong"))
    assert happened == ["Changed"] * 6 + ["First seen"]
    scores = [text for text in texts(page.locator(".timeline .changes li")) if text.startswith("score")]
    # Put right, spoilt again, put right, spoilt; and long before that it was scored.
    assert [text.split()[1:] for text in scores] == [["1", "→", "9"], ["9", "→", "1"]] * 2 + [["9"]]
    assert [text.partition(",")[0] for text in texts(page.locator(".past .plain li a"))] == ["run 3", "run 2", "run 1"]


def test_time_travel_to_a_snapshot_and_between_two(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/anime"))
    page.get_by_label("As of").select_option("1")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".lede")).to_contain_text("280 entries as of 3 Dec 2025, 22:00 (snapshot #1)")
    page.get_by_role("link", name="Back to the newest list").click()
    expect(page.locator(".lede")).to_have_text(f"{len(lived.lists['anime'])} entries")

    page.get_by_role("link", name="History", exact=True).click()
    alarm = page.locator(".alarm")
    expect(alarm).to_contain_text("14 Nov 2026, 22:00: 127 entries were changed or removed at once.")
    expect(alarm).to_contain_text("Run 1 undid it on 15 Nov 2026.")
    # A tag with a comma in it could not be restored.
    expect(alarm).to_contain_text("1 of 127 still in force.")
    expect(alarm.locator("code")).to_have_text(f"malsync revert {lived.vandal - 1} {lived.vandal}")
    alarm.get_by_role("link", name="what changed").click()
    expect(page.locator("h2 .deltas").first).to_have_text(f"~{SPOILT}−6")
    ops = Counter(row.get_attribute("class") for row in page.locator(".diff > li").all())
    assert ops == {"update": SPOILT, "remove": 6}
    spoilt = page.locator(".diff > li", has_text="Cyberpunk: Edgerunners")
    assert texts(spoilt.locator("del")) == ["9", "cyberpunk, short but good", "Cried on the bus. Would do it again."]
    expect(page.locator("pre.command")).to_have_text(f"malsync revert {lived.vandal - 1} {lived.vandal}")
    page.get_by_role("link", name="← Previous").click()
    expect(page.locator("h2 .deltas").first).to_have_text("−2")

    page.get_by_role("link", name="No longer listed").click()
    why = dict(zip(texts(page.locator(".grid .main")), texts(page.locator(".grid td:last-child")), strict=True))
    assert Counter(why.values()) == {"removed by MAL": 1, "removed from the list": 1}


def test_days_lead_to_what_changed_on_them(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/days"))
    day = page.locator(".grid tr", has_text="2026-11-14")
    expect(day.locator(".flag")).to_have_text("suspicious")
    expect(day.locator(".deltas")).to_have_text(f"~{SPOILT}−6")
    day.get_by_role("link").click()
    expect(page.locator("h2 .deltas").first).to_have_text(f"~{SPOILT}−6")


def test_a_query_has_a_form_with_what_there_is_to_choose_and_gives_csv_and_json(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/mirror"))
    page.get_by_role("link", name="The manga list as of a snapshot").click()
    first = page.get_by_label("snapshot").locator("option", has_text="#1,")
    expect(first).to_have_text("#1, 2025-12-03, 90 entries")
    page.get_by_label("snapshot").select_option("1")
    page.get_by_role("button", name="Run").click()
    assert page.locator(".rows-and-columns tbody tr").count() == 90
    assert page.locator(".rows-and-columns .status.doing").first.inner_text() == "reading"
    rows = page.request.get(lived.at("/mirror/manga_list_at.json?snapshot=1&rows=-1&_shape=array")).json()
    assert len(rows) == 90
    csv = page.locator(".data").get_by_role("link", name="CSV").get_attribute("href") or ""
    lines = page.request.get(lived.at(csv)).text().splitlines()
    assert lines[0].startswith("id,title,status,score,num_volumes_read")
    assert lines[1].split(",")[:2] == [str(rows[0]["id"]), rows[0]["title"]]
    title = page.locator(".rows-and-columns .col-title a").first
    assert title.get_attribute("href") == f"/manga/{rows[0]['id']}"


def test_a_run_tells_its_calls_and_what_came_of_them(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/runs"))
    assert texts(page.locator(".grid .main")) == ["restore", "undo of run 2", "undo of run 1", "revert"]
    page.get_by_role("link", name="revert").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run 1: revert")
    expect(page.get_by_text("Goal: undo the changes from")).to_contain_text(f"to #{lived.vandal}.")
    expect(page.get_by_role("link", name="All", exact=True)).to_be_visible()
    assert page.locator(".calls tbody tr").count() == 100
    page.get_by_role("link", name="Next →").click()
    page.wait_for_url("**page=2*")
    assert page.locator(".calls tbody tr").count() == SPOILT + 6 - 100
    call = page.locator(".calls tr", has_text="Cyberpunk: Edgerunners")
    expect(call.locator(".outcome")).to_have_text("done")
    assert texts(call.locator("ins"))[0] == "9"
    page.get_by_role("link", name="what it changed").click()
    expect(page.locator("h2 .deltas").first).to_have_text(f"+6~{SPOILT}")


def test_charts_are_drawn_from_the_list(page: Page, lived: Lived) -> None:
    anime = lived.lists["anime"].values()
    page.goto(lived.at("/charts"))
    scores = page.get_by_role("group", name="Scores").first
    told = Counter(entry["score"] for entry in anime)
    tips = scores.locator("title").all_text_contents()
    assert tips == [f"{score}: {told[score]}" for score in range(1, 11)]
    heights = [box["height"] for bar in scores.locator("rect").all() if (box := bar.bounding_box())]
    assert len(heights) == sum(1 for score in range(1, 11) if told[score])
    tallest = max(range(1, 11), key=lambda score: told[score])
    assert heights.index(max(heights)) == sorted(score for score in range(1, 11) if told[score]).index(tallest)
    for name in ("Entries per snapshot", "Changes per snapshot", "Years", "Finished by month"):
        assert (page.locator(f"svg[aria-label='{name}']").first.bounding_box() or {})["height"] > 100, name
    assert page.locator(".scored").first.locator("li").count() == 12
    scores.locator("a").last.click()
    expect(page.locator(".lede")).to_have_text(f"{told[10]} of {len(anime)} entries")


def test_what_was_fetched_is_there_to_look_at(page: Page, lived: Lived) -> None:
    page.goto(lived.at("/rankings"))
    assert [row.split()[0] for row in texts(page.locator(".ranked .c-rank"))[1:4]] == ["1", "2", "3"]
    page.get_by_label("day").select_option("2026-11-26")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**day=2026-11-26*")
    assert page.locator(".ranked tbody tr").count() == 60
    page.goto(lived.at("/seasons"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Fall 2026")
    page.get_by_role("link", name="Summer 2026").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Summer 2026")
    page.goto(lived.at("/suggestions"))
    assert page.locator(".ranked tbody tr").count() > 10
    page.goto(lived.at("/forum"))
    page.get_by_role("link", name="Which opening do you never skip?").click()
    assert texts(page.locator(".poll .n"))[:2] == ["41", "17"]
    assert page.locator(".posts > li").count() > 1


def test_no_page_is_wider_than_the_window(page: Page, lived: Lived) -> None:
    wide = {}
    for path in PAGES:
        answer = page.goto(lived.at(path))
        assert answer is not None
        assert answer.status == (404 if path.endswith("77777777") else 200), path
        if over := overflow(page):
            wide[path] = over
    assert wide == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(chromium: Browser, lived: Lived, scheme: Any) -> None:
    """WCAG's 4.5 to 1, for the quiet words and the coloured ones too, on the page and on a card."""
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(lived.url)
    page.wait_for_url(lived.at("/"))
    names = ("ink", "soft", "link", "doing", "completed", "held", "dropped", "planned", "added", "updated", "removed")
    grounds = {name: _shade(page, name) for name in ("ground", "card", "tint")}
    assert (grounds["ground"] > 0.5) == (scheme == "light")
    faint = {
        f"{name} on {ground}": round(_contrast(_shade(page, name), behind), 2)
        for name in names
        for ground, behind in grounds.items()
        if _contrast(_shade(page, name), behind) < 4.5
    }
    context.close()
    assert faint == {}


def _shade(page: Page, name: str) -> float:
    """The relative luminance of one of the style sheet's colours, as WCAG 2 reckons it."""
    colour = page.evaluate(
        """name => {
            const probe = document.body.appendChild(document.createElement("i"));
            probe.style.color = `var(--${name})`;
            return getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
        }""",
        name,
    )
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
