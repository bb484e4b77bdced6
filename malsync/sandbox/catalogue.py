"""The titles that the sandbox knows.

A title is a mapping under the API's own names (`id`, `title`, `media_type`, `num_episodes`, `nsfw`, ...). What is not in it
is not known, and the API then leaves it out. Three more members are the sandbox's own: `picture` (`none`, or `medium` for
one without `large`), `pending` (true: waits for approval, is found but cannot be put on a list) and `withdrawn` (true: a
moderator took it away).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from malsync.sandbox.errors import SandboxError
from malsync.sandbox.media import MEDIA

Title = Mapping[str, Any]


def fixtures_folder() -> Path:
    """Where the shipped data lies: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "fixtures", package / "fixtures"):
        if (folder / "catalogue").is_dir():
            return folder
    raise SandboxError(f"the sandbox's data is missing: there is no fixtures/catalogue beside or in {package}")


class Catalogue:
    """Titles by medium and id. Reading one back gives the very mapping that was put in."""

    def __init__(self, titles: Mapping[str, Iterable[Title]] | None = None) -> None:
        self._titles: dict[str, dict[int, Title]] = {name: {} for name in MEDIA}
        self._keys: dict[str, dict[int, tuple[str, int]]] = {name: {} for name in MEDIA}
        self.version = 0  # moves whenever a title does
        for medium, some in (titles or {}).items():
            for title in some:
                self.put(medium, title)

    @classmethod
    def shipped(cls) -> Catalogue:
        """A fresh catalogue of real titles: the few hundred that stand on most lists, most common first."""
        return cls(_shipped())

    def get(self, medium: str, id: int) -> Title | None:
        """The title, or None where there is none of that id, or no more."""
        title = self._titles[medium].get(id)
        return None if title is None or title.get("withdrawn") else title

    def known(self, medium: str, id: int) -> Title:
        """The title, even a withdrawn one; one that was never there has no name."""
        return self._titles[medium].get(id, {"id": id, "title": ""})

    def put(self, medium: str, title: Title) -> None:
        self._titles[medium][title["id"]] = title
        self._keys[medium][title["id"]] = (str(title["title"]).casefold(), title["id"])
        self.version += 1

    def titles(self, medium: str) -> list[Title]:
        """Every title that there is, in the order in which they came."""
        return [title for title in self._titles[medium].values() if not title.get("withdrawn")]

    def key(self, medium: str, id: int) -> tuple[str, int]:
        """What titles are ordered by: the title without regard to case, then the id."""
        return self._keys[medium].get(id, ("", id))

    def added(self, medium: str) -> list[Title]:
        """The titles that the shipped catalogue does not have, or has otherwise."""
        shipped = {title["id"]: title for title in _shipped()[medium]}
        return [title for id, title in self._titles[medium].items() if shipped.get(id) != title]


@cache
def _shipped() -> dict[str, list[Title]]:
    folder = fixtures_folder() / "catalogue"
    return {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in MEDIA}


def shipped(medium: str) -> Sequence[Title]:
    """The titles of the shipped catalogue, most common first."""
    return _shipped()[medium]


@cache
def places() -> Mapping[str, Mapping[int, int]]:
    """Where each title stands in the shipped catalogue, by medium and id: 0 is on most lists."""
    return {medium: {title["id"]: at for at, title in enumerate(titles)} for medium, titles in _shipped().items()}


@cache
def words() -> Mapping[str, Any]:
    """What the sandbox makes titles' details from; read when the first one is wanted."""
    found: dict[str, Any] = json.loads((fixtures_folder() / "catalogue" / "words.json").read_text("utf-8"))
    return found
