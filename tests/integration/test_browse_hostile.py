"""Strangers wrote most of what the mirror holds: whatever it is, on a page it is text and nothing else."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from malsync.browse.filters import allowed, harmless
from tests.support.archive import Archive
from tests.support.browsing import Element, Page, Visitor, data_pages, own_pages, query_pages, visiting
from tests.support.browsing import page as read

EVIL = (
    "'\"><x-evil onmouseover=alert(1)><script>alert(1)</script><img src=https://evil.example/i onerror=alert(1)>"
    "</textarea></title></style>--><a href='javascript:alert(1)'>x</a>{{7*7}}{% raw %}\u202e\x00\x1b[31m"
)
ADDRESSES = (
    "javascript:alert(1)", "data:image/svg+xml,<svg onload=alert(1)>", "//evil.example/x.png", "https://evil.example/x.png",
    "https://cdn.myanimelist.net@evil.example/x.png", "https://cdn.myanimelist.net.evil.example/x", "http://[", "/-/logout",
    "https://cdn.myanimelist.net\\@evil.example/x", "http://cdn.myanimelist.net/x.png", 'https://cdn.myanimelist.net/x"' + EVIL,
)  # fmt: skip
BODY = (
    "<p>said <b>this</b></p><script>alert(1)</script><x-evil>x</x-evil><img src=https://evil.example/i onerror=alert(1)>"
    "<a href='javascript:alert(1)' onclick=alert(1) style='position:fixed' class=top id=key>a</a><iframe src=//evil.example>"
    "</iframe><style>*{display:none}</style><form action=//evil.example><input name=key><button>Log in</button></form>"
    "<svg><script>alert(1)</script></svg><math><mi xlink:href='data:x'></mi></math><meta http-equiv=refresh content=0>"
    "<base href=//evil.example><link rel=stylesheet href=//evil.example><div background=//evil.example>d</div></div></div>"
)
# What SQLite itself, or malsync when it opens a mirror, holds to words or forms of our own.
OURS = {
    "series.kind", "run.kind", "run.state", "run_call.op", "run_call.medium", "run_call.state", "snapshot.taken_at",
    "snapshot.covers", "snapshot.source", "snapshot.encoded",
}  # fmt: skip
# Columns that refer to each other by a text.
SAME = {
    "anime_genre.genre": "genre.id",
    "manga_genre.genre": "genre.id",
    "forum_board.category": "forum_category.title",
}
AS_JSON = {
    "tags": lambda text: [text, text + "2"],
    "suspicious": lambda text: [text],
    "fields": lambda text: {text: [text, [text]], "comments": [text, text + "2"], "score": [1, 9]},
    "extra": lambda text: {text: text},
    "unknown": lambda text: [text],
    "expect": lambda text: {text: text},
    "answer": lambda text: {text: text},
    "plan": lambda text: {text: text},
}
# Columns that no page of ours shows, and that Datasette's do.
LOADED_SCRIPTS = {"/-/malsync/facets.js", "/-/static/table.js"}


@dataclass(frozen=True)
class Poisoned:
    """A mirror with something hostile in every column of text, and the names of those columns."""

    archive: Archive
    columns: set[str]


@pytest.fixture(scope="module")
def poisoned(archived: Archive, tmp_path_factory: pytest.TempPathFactory) -> Poisoned:
    path = tmp_path_factory.mktemp("poisoned") / "mirror.db"
    shutil.copy(archived.path, path)
    columns = set()
    with closing(sqlite3.connect(path)) as connection:
        addresses = cycle(ADDRESSES)
        connection.create_function("address", 0, lambda: next(addresses))
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%_fts%' AND name NOT LIKE '%sqlite_%'"
        ).fetchall()
        for (table,) in tables:
            if not connection.execute(f"SELECT 1 FROM {table}").fetchone():
                continue
            for _, column, kind, _, _, place in connection.execute(f"PRAGMA table_info({table})").fetchall():
                if kind == "TEXT" and f"{table}.{column}" not in OURS:
                    columns.add(f"{table}.{column}")
                    _poison(connection, table, column, is_key=bool(place) or f"{table}.{column}" in SAME)
        connection.commit()
    whole = Archive(**{**vars(archived), "path": path})
    return Poisoned(whole, columns)


def _poison(connection: sqlite3.Connection, table: str, column: str, *, is_key: bool) -> None:
    name = f"{table}.{column}"
    text = f"¤{SAME.get(name, name)}¤{EVIL}"
    if column.startswith("picture") or column in ("url", "thumbnail"):
        connection.execute(f"UPDATE {table} SET {column} = address()")
    elif is_key or name == "mal_user.origin":
        connection.execute(f"UPDATE {table} SET {column} = {column} || ?", (text,))
    else:
        value = (
            BODY
            if name == "forum_post.body"
            else json.dumps(AS_JSON[column](text), ensure_ascii=False)
            if column in AS_JSON
            else text
        )
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))


@pytest.fixture(scope="module")
def visit(poisoned: Poisoned) -> Iterator[Visitor]:
    """A visitor of the poisoned mirror."""
    with visiting(poisoned.archive.path) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def ours(poisoned: Poisoned, visit: Visitor) -> list[Page]:
    """Every page of ours, and one of each kind that they lead to."""
    found = visit.pages(one for one in own_pages(poisoned.archive) if "sort=" not in one and "page=" not in one)
    kinds: dict[tuple[str, tuple[str, ...]], str] = {}
    for one in found:
        for link in one.links:
            if link.startswith("/") and not link.startswith("/mirror"):
                path, _, query = link.partition("?")
                names = tuple(sorted(part.partition("=")[0] for part in query.split("&")))
                kinds.setdefault((re.sub(r"\d+", "1", path), names), link)
    return found + visit.pages(kinds.values())


@pytest.fixture(scope="module")
def datasettes(poisoned: Poisoned, visit: Visitor) -> list[Page]:
    """Every query, every table, and a row of each."""
    pages = visit.pages([*data_pages(poisoned.archive.path), *query_pages(poisoned.archive).values()])
    rows: dict[str, str] = {}
    for one in pages:
        for link in one.links:
            if re.fullmatch(r"/mirror/\w+/[^?]+", link) and "_fts" not in link:
                rows.setdefault(link.split("/")[2], link)
    assert len(rows) > 20
    return [*pages, *visit.pages(rows.values())]


def assert_harmless(
    page: Page, hosts: tuple[str, ...] = ("https://cdn.myanimelist.net/", "https://api-cdn.myanimelist.net/")
) -> None:
    """That the page has nothing that a stranger put there: no element, no handler, nothing loaded, no address that acts."""
    assert page.status == 200, (page.address, page.text)
    assert "<x-evil" not in page.body.lower(), page.address
    for one in page.elements:
        _assert_harmless_element(page, one)
    for source in page.loads:
        assert (source.startswith("/") and not source.startswith("//")) or source.startswith(hosts), (
            page.address,
            source,
        )


def _assert_harmless_element(page: Page, one: Element) -> None:
    assert not [name for name in one.attributes if name.startswith("on")], (page.address, one)
    if one.tag == "script":
        assert urlsplit(one.attributes.get("src", "")).path in LOADED_SCRIPTS, (page.address, one)
    assert one.tag not in ("iframe", "object", "embed", "base", "math", "x-evil"), (page.address, one)
    for name in ("href", "src", "action", "formaction"):
        address = one.attributes.get(name, "").strip().lower()
        assert not address.startswith(("javascript:", "data:", "vbscript:")), (page.address, one)
    assert one.attributes.get("action", "/").startswith("/"), (page.address, one)


def said(pages: list[Page]) -> set[str]:
    """The columns of which something is read on these pages."""
    # Words of MAL's are shown with blanks for their underscores.
    return {name.replace(" ", "_") for page in pages for name in re.findall("¤([a-z_ .]+)¤", page.text)}


@pytest.mark.promise("security-27")
def test_on_no_page_of_ours_is_it_more_than_text(ours: list[Page]) -> None:
    for page in ours:
        assert_harmless(page)
        assert not [one for one in page.elements if one.tag in ("script", "style")], page.address
        assert not [one for one in page.elements if "style" in one.attributes], page.address
        assert "49" not in re.findall(r"{{(.*?)}}", page.text), page.address
    assert said(ours) >= {
        "mal_user.name", "anime.title", "manga.title", "anime.synopsis", "anime.background", "anime.media_type",
        "anime.status", "anime.source", "anime.rating", "anime_alternative_title.title", "genre.name", "studio.name",
        "person.first_name", "magazine.name", "anime_theme.text", "anime_version.status", "manga_version.status",
        "anime_version.tags", "anime_version.comments", "anime_version.start_date", "anime_version.updated_at",
        "snapshot.note", "snapshot.suspicious", "run.account", "run.started_at", "run_call.title", "run_call.why",
        "run_call.fields", "anime_ranking.day", "anime_ranking.type", "season_title.season", "forum_board.title",
        "forum_topic.title", "forum_member.name", "forum_post.created_at",
    }  # fmt: skip


def test_on_no_page_of_datasettes_is_it_more_than_text(poisoned: Poisoned, datasettes: list[Page]) -> None:
    for page in datasettes:
        assert_harmless(page)
    # Posts and pictures are poisoned otherwise.
    others = {name for name in poisoned.columns if re.search(r"\.(picture\w*|url|thumbnail|body)$", name)}
    assert said(datasettes) >= poisoned.columns - others - {
        "anime_genre.genre",
        "manga_genre.genre",
        "forum_board.category",
    }


def test_nothing_hostile_in_an_address_is_more_than_text(visit: Visitor, poisoned: Poisoned) -> None:
    evil = quote(EVIL)
    names = ("q", "status", "media_type", "score", "genre", "year", "tag", "sort", "page", "_extra", EVIL)
    addresses = [f"/anime?{quote(name)}={evil}" for name in names]
    addresses += [f"/rankings?type={evil}&day={evil}", f"/seasons?year={evil}&season={evil}", f"/forum?q={evil}",
                  f"/forum?board={evil}", f"/runs/1?state={evil}", f"/mirror/anime_list_at?snapshot={evil}&rows=3",
                  f"/mirror/found_posts?words={evil}", f"/mirror/anime?title__contains={evil}", f"/mirror/anime?_sort={evil}",
                  f"/mirror?sql={evil}", f"/mirror?sql=select+:x&x={evil}", f"/{evil}", f"/mirror/{evil}", f"/anime?at={evil}",
                  f"/?user={evil}", f"/changes?from={evil}", f"/gone?medium={evil}", f"/mirror/anime/{evil}",
                  f"/mirror/anime?_where={evil}", f"/mirror/{evil}.json", f"/mirror.json?sql={evil}"]  # fmt: skip
    statuses = set()
    for page in visit.pages(addresses):
        statuses.add(page.status)
        assert page.status in (200, 302, 400, 404), (page.address, page.status, page.text)
        # Datasette writes an odd address in its own way, and leads there.
        assert re.match(r"/[^/\\]", page.headers.get("location", "/~")), (page.address, page.headers)
        if page.is_html:
            page.status = 200
            assert_harmless(page)
        else:
            assert page.headers["content-type"].startswith("application/json"), page.address
    assert statuses == {200, 302, 400, 404}


HERE = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self'"
)


@pytest.mark.promise("security-12")
def test_covers_come_from_mals_hosts_only_and_without_referrer(ours: list[Page]) -> None:
    images = [one for page in ours for one in page.elements if one.tag == "img"]

    assert {one.attributes["src"] for one in images} == {ADDRESSES[-1]}
    assert {one.attributes["referrerpolicy"] for one in images} == {"no-referrer"}
    policies = {page.headers["content-security-policy"] for page in ours}
    assert policies == {f"{HERE} https://cdn.myanimelist.net https://api-cdn.myanimelist.net"}


@pytest.mark.promise("security-12")
def test_without_pictures_no_page_asks_another_host_for_anything(archived: Archive, poisoned: Poisoned) -> None:
    title = min(archived.world.first.entries("anime"))
    addresses = ("/", "/anime", "/manga", f"/anime/{title}", "/rankings", "/seasons", "/suggestions", "/charts")
    for path in (archived.path, poisoned.archive.path):
        with visiting(path, pictures=False) as visit:
            for page in visit.pages(addresses):
                assert [source for source in page.loads if not source.startswith("/-/")] == [], page.address
                assert page.headers["content-security-policy"] == HERE


def test_covers_of_a_sandbox_are_shown_while_its_lists_are_here(archived: Archive, tmp_path: Path) -> None:
    path = tmp_path / "mirror.db"
    shutil.copy(archived.path, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE mal_user SET origin = 'http://127.0.0.1:8123' WHERE id = 1")
        connection.execute("UPDATE mal_user SET origin = 'http://192.168.0.1:80' WHERE id = 2")
        connection.execute("UPDATE anime SET picture = 'http://127.0.0.1:8123/i/' || id, picture_large = picture")
        connection.execute("UPDATE manga SET picture = 'http://192.168.0.1:80/i/' || id, picture_large = picture")
        connection.commit()
    for pictures in (True, False):
        with visiting(path, pictures=pictures) as visit:
            pages = visit.pages(["/anime", "/manga", "/", "/rankings"])
        sources = {source.rpartition("/i/")[0] for page in pages for source in page.loads if "/i/" in source}
        assert sources == ({"http://127.0.0.1:8123"} if pictures else set())
        policy = pages[0].headers["content-security-policy"]
        assert ("http://127.0.0.1:8123" in policy) is pictures
        assert "192.168" not in policy


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_picture_is_allowed_by_its_host_alone(address: str) -> None:
    sources = "https://cdn.myanimelist.net https://api-cdn.myanimelist.net"

    assert allowed(address, sources) == (address if address == ADDRESSES[-1] else "")
    assert allowed(address, "") == ""


@pytest.mark.promise("security-27")
def test_a_post_keeps_its_words_and_loses_whatever_acts_or_asks_another_host() -> None:
    cleaned = read("/", 200, [("content-type", "text/html")], str(harmless(BODY)))

    cleaned.says("said this", "a", "d")
    assert "Log in" in cleaned.text
    assert {one.tag for one in cleaned.elements} == {"p", "b", "a", "div"}
    assert [one.attributes for one in cleaned.elements if one.attributes] == [{"rel": "noopener noreferrer nofollow"}]
    assert cleaned.loads == []
    assert "alert" not in cleaned.body
    assert "display:none" not in cleaned.body


@pytest.mark.parametrize("href", ["https://example.org/a?b=c", "http://example.org/"])
def test_a_post_keeps_its_links_to_elsewhere(href: str) -> None:
    assert f'href="{href}"' in str(harmless(f'<a href="{href}">there</a>'))


def test_a_post_cannot_end_the_page_around_it(ours: list[Page]) -> None:
    """The words of the posts stand within their list, the footer after it, and nothing is left open."""
    (topic,) = [one for one in ours if re.fullmatch(r"/forum/\d+", one.address)][:1]

    posts = [one for one in topic.elements if one.attributes.get("class") == "body"]
    assert posts
    topic.says("said this")
    assert topic.body.count("<div") == topic.body.count("</div>")
    assert topic.text.rstrip().endswith("Read-only.")
