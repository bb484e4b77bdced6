"""How tests look at the site: its pages by Datasette's own client, and what a browser would make of them."""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from malsync.browse.app import Browse
from malsync.mirror import queries
from malsync.model.snapshot import User
from tests.support.archive import SEASONS, Archive

_LOADS = {("img", "src"), ("img", "srcset"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"),
          ("video", "src"), ("audio", "src"), ("embed", "src"), ("object", "data"), ("use", "href"), ("image", "href"),
          ("body", "background"), ("input", "src"), ("video", "poster")}  # fmt: skip


@dataclass
class Element:
    """One element of a page with its attributes."""

    tag: str
    attributes: dict[str, str]


@dataclass
class Page:
    """An answer: its status and headers, and for HTML its elements and its text, as a browser sees them."""

    address: str
    status: int
    headers: dict[str, str]
    body: str

    @cached_property
    def _read(self) -> "_Reader":
        # Half of the time that a page takes; many are only asked for.
        reader = _Reader()
        if self.is_html:
            reader.feed(self.body)
            reader.close()
        return reader

    @property
    def elements(self) -> list[Element]:
        """Every element, in order."""
        return self._read.elements

    @property
    def text(self) -> str:
        """What a person reads, any white space as one blank."""
        return self._read.text

    @property
    def is_html(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/html")

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return [one.attributes["href"] for one in self.elements if one.tag == "a" and "href" in one.attributes]

    @property
    def loads(self) -> list[str]:
        """What a browser asks for by itself."""
        return [
            text
            for one in self.elements
            for name, text in one.attributes.items()
            if (one.tag, name) in _LOADS and not (one.tag == "link" and "canonical" in one.attributes.get("rel", ""))
        ]

    def says(self, *words: str) -> None:
        """Fail unless the page says each of these, in capitals or not."""
        said = self.text.casefold()
        for one in words:
            assert one.casefold() in said, (self.address, one, self.text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.text = ""
        self._silent = 0
        self._texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: text or "" for name, text in attrs}))
        self._silent += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._texts.append(data)

    def close(self) -> None:
        super().close()
        self.text = re.sub(r"\s+", " ", "".join(self._texts))


def page(address: str, status: int, headers: Iterable[tuple[str, str]], body: str) -> Page:
    """An answer."""
    return Page(address, status, {name.lower(): text for name, text in headers}, body)


class Visitor:
    """Looks at pages of the mirror at `path` through Datasette's own client: no socket, no key."""

    def __init__(self, browse: Browse) -> None:
        self.browse = browse

    def pages(self, addresses: Iterable[str]) -> list[Page]:
        """Each page, in this order."""

        async def look() -> list[Page]:
            found = []
            for address in addresses:
                answer = await self.browse.client.get(address)
                found.append(page(address, answer.status_code, answer.headers.items(), answer.text))
            return found

        return asyncio.run(look())

    def __call__(self, address: str, status: int = 200) -> Page:
        """One page, which must have that status."""
        (found,) = self.pages([address])
        assert found.status == status, (address, found.status, found.text)
        return found


@contextmanager
def visiting(
    path: Path, *, pictures: bool = True, user: User | None = None, verify: Callable[[int], str | None] | None = None
) -> Iterator[Visitor]:
    """A visitor of the mirror at `path`."""
    browse = Browse(path, pictures=pictures, user=user, verify=verify)
    try:
        yield Visitor(browse)
    finally:
        browse.close()


def own_pages(archive: Archive) -> list[str]:
    """The address of every page of ours over an archive, with what can be chosen there."""
    found = ["/", "/charts", "/snapshots", "/snapshots?page=2", "/changes", "/runs", f"/runs/{archive.run}",
             f"/runs/{archive.run}?state=done", f"/runs/{archive.run}?page=2", "/seasons", "/suggestions", "/forum",
             "/forum?board=1", "/forum?q=the", f"/forum/{archive.topic}", f"/forum/{archive.topic}?page=2", "/?user=2",
             f"/changes?from=1&to={archive.snapshots}",
             f"/changes?from={archive.vandalised - 1}&to={archive.vandalised}", "/anime?user=2", "/charts?user=2"]  # fmt: skip
    found += [f"/seasons?year={year}&season={season}" for year, season in SEASONS]
    found.append(f"/anime/{archive.gone}")
    for medium in ("anime", "manga"):
        kept = sorted(archive.world.first.entries(medium))
        found += [f"/{medium}/{id}" for id in (kept[0], kept[-1])]
        found += [
            f"/gone?medium={medium}",
            f"/rankings?medium={medium}",
            f"/rankings?medium={medium}&type=bypopularity",
        ]
        chosen = ("", "page=2", "page=9999999", "q=the", "status=completed", "media_type=tv", "score=8", "year=2010",
                  f"genre={medium}:1", "tag=favourite", "status=completed&score=8&q=a", "at=3")  # fmt: skip
        sorts = ("title", "score", "progress", "mean", "year", "started", "finished")
        found += [f"/{medium}?{query}" for query in (*chosen, *(f"sort={name}" for name in sorts))]
    return found


PARAMETER = re.compile(r"(?<!\w):([a-z_]+)")


def query_pages(archive: Archive, form: str = "") -> dict[str, str]:
    """The address of every canned query with its parameters filled in, by its name; `form` is .csv or .json."""
    values: dict[str, Any] = {
        "snapshot": archive.snapshots, "from": 1, "to": archive.snapshots, "run": archive.run, "topic": archive.topic,
        "words": "the", "type": "all", "year": SEASONS[0][0], "season": SEASONS[0][1], "user": 1, "board": 1,
    }  # fmt: skip
    found = {}
    for name, query in queries.all_queries().items():
        medium = "manga" if name.startswith("manga") else "anime"
        mine = {**values, "id": min(archive.world.first.entries(medium))}
        chosen = {one: mine.get(one, "") for one in PARAMETER.findall(query.sql)} | ({"rows": -1} if form else {})
        found[name] = f"/mirror/{name}{form}?{urlencode(chosen)}"
    return found


def data_pages(path: Path) -> list[str]:
    """Datasette's own pages: the mirror, each table and view, a row of each table, its settings."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as connection:
        # Not the tables in which SQLite's full-text search keeps its own.
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE '%_fts_%'"
        ).fetchall()
    return ["/mirror", *(f"/mirror/{name}" for (name,) in tables), "/-/versions", "/-/plugins", "/-/databases"]
