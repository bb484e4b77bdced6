"""The titles that the sandbox knows.

A title is a mapping under the API's own names (`id`, `title`, `media_type`, `num_episodes`, `nsfw`, ...). Four more members are
the sandbox's own and never shown: `picture` (`none`, or `medium` for a title without `large`), `picture_count`, `pending`
(true: waits for approval, can be found but not put on a list) and `withdrawn` (true: a moderator removed it).

The catalogue itself holds what lists and writes need (BASICS) and whatever a state says of a title. All other members come
from `members`: real are the ids, titles, types and totals; the rest is invented and fixed in fixtures/catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from malsync.sandbox.errors import SandboxError
from malsync.sandbox.media import MEDIA

Title = Mapping[str, Any]

BASICS = ("id", "title", "media_type", "num_episodes", "num_volumes", "num_chapters", "nsfw", "picture", "pending")

_RUN = ("status", "start_date", "end_date")
_UNKNOWN: Title = {
    "media_type": "unknown",
    "nsfw": "white",
    "num_episodes": 0,
    "num_volumes": 0,
    "num_chapters": 0,
}
"""What the API shows of a title about which nothing is known."""

_PERSONAL = {
    *BASICS,
    "alternative_titles",
    "related_anime",
    "related_manga",
    "opening_themes",
    "ending_themes",
    "videos",
}
"""Members that name a title or carry its id: no other title borrows them."""


def fixtures_folder() -> Path:
    """Return the folder of the shipped data: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "fixtures", package / "fixtures"):
        if (folder / "catalogue").is_dir():
            return folder
    raise SandboxError(f"the sandbox's data is missing: there is no fixtures/catalogue beside or in {package}")


def fixture(name: str) -> Any:
    """Return the JSON of a file in the fixtures, such as `catalogue/anime`."""
    return json.loads((fixtures_folder() / f"{name}.json").read_text("utf-8"))


class Catalogue:
    """Titles by medium and id. Reading a title back gives the very mapping that was put in."""

    def __init__(self, titles: Mapping[str, Iterable[Title]] | None = None) -> None:
        self._titles: dict[str, dict[int, Title]] = {name: {} for name in MEDIA}
        self._keys: dict[str, dict[int, tuple[str, int]]] = {name: {} for name in MEDIA}
        self.version = 0  # changes with every title
        for medium, rows in (titles or {}).items():
            for title in rows:
                self.put(medium, title)

    @classmethod
    def shipped(cls) -> Catalogue:
        """Return a new catalogue of the shipped titles: a few hundred real ones, in order of popularity."""
        return cls({medium: titles.values() for medium, titles in _shipped().items()})

    def get(self, medium: str, id: int) -> Title | None:
        """Return the title, or None if it does not exist or was withdrawn."""
        title = self._titles[medium].get(id)
        return None if title is None or title.get("withdrawn") else title

    def known(self, medium: str, id: int) -> Title:
        """Return the title even if it was withdrawn; a title that never existed has an empty name."""
        return self._titles[medium].get(id, {"id": id, "title": ""})

    def put(self, medium: str, title: Title) -> None:
        """Add the title, or replace the title of its id."""
        self._titles[medium][title["id"]] = title
        self._keys[medium][title["id"]] = (str(title["title"]).casefold(), title["id"])
        self.version += 1

    def titles(self, medium: str) -> list[Title]:
        """Return all titles that are not withdrawn, in the order in which they were added."""
        return [title for title in self._titles[medium].values() if not title.get("withdrawn")]

    def key(self, medium: str, id: int) -> tuple[str, int]:
        """Return the sort key of a title: its name without regard to case, then the id."""
        return self._keys[medium].get(id, ("", id))

    def added(self, medium: str) -> list[Title]:
        """Return the titles that the shipped catalogue does not have or has differently."""
        shipped = _shipped()[medium]
        return [title for id, title in self._titles[medium].items() if shipped.get(id) != title]


_STANDS_AT = "2026-11"
"""The month that the fixtures stand at: what starts later is only announced."""


def is_white(title: Title) -> bool:
    """Return whether the title is shown without `nsfw=true`."""
    return bool(title.get("nsfw", "white") == "white")


def members(medium: str, title: Title) -> dict[str, Any]:
    """Return every member of a title: its own, then those of the fixtures, then those of a title that is not known.

    A title that is not shipped borrows the members of a shipped one, chosen by its id, apart from those that name it. If it
    states a part of its run (status and dates), it borrows none of the run.
    """
    fixture = details(medium, title["id"])
    if any(name in title for name in _RUN):
        fixture = {name: value for name, value in fixture.items() if name not in _RUN}
    if str(title.get("start_date", "")) > _STANDS_AT:  # nobody has seen it yet
        fixture = {name: value for name, value in fixture.items() if name not in ("mean", "rank")}
    return {**_UNKNOWN, **fixture, **title}


def details(medium: str, id: int) -> Title:
    """Return the members that the fixtures give this id; for an id that is not shipped, those it borrows."""
    rows = _rows(medium)
    if (row := rows.get(id)) is not None:
        return row
    lenders = _lenders(medium)
    return lenders[id % len(lenders)]


@cache
def _rows(medium: str) -> Mapping[int, Title]:
    """The shipped titles with all members, by id, in order of popularity."""
    return {row["id"]: row for row in fixture(f"catalogue/{medium}")}


@cache
def _shipped() -> Mapping[str, Mapping[int, Title]]:
    """The shipped titles as the catalogue holds them, by medium and id."""
    return {
        medium: {id: {name: row[name] for name in BASICS if name in row} for id, row in _rows(medium).items()}
        for medium in MEDIA
    }


@cache
def _lenders(medium: str) -> list[Title]:
    no_names = {"alternative_titles": {"synonyms": [], "en": "", "ja": ""}}
    return [{name: row[name] for name in row if name not in _PERSONAL} | no_names for row in _rows(medium).values()]
