"""The rows and columns of the fault matrix: what goes wrong, on which command, and what a command is for."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import orjson

from malsync.mirror import FILE_NAME
from malsync.sandbox import Sandbox
from tests.support.catalogue import rows
from tests.support.harness import Malsync, Result

MIKA, THEO = "sandbox_mika", "sandbox_theo"
MEDIA = ("anime", "manga")
FROM_THEN_ON = " from then on"
SUSPENDED = " and suspended"

FAULTS: tuple[str, ...] = (
    "500",
    "502",
    "503",
    "503:done=yes",
    "504",
    "429",
    "429:retry_after=20",
    "429:retry_after=3600",
    "403",
    "cut",
    "cut:at=before",
    "cut:at=before,done=no",
    "stall:seconds=0.01",
    "stall:seconds=0.01,done=no",
    "truncated",
    "empty",
    "html",
    "overlap",
    "edit:on=animelist",
    "add:on=animelist",
    "remove:on=animelist",
    "expire",
    "meanwhile",
    "meanwhile:what=comments",
    "meanwhile:what=remove",
    "unstored:shows=kept",
    "unstored:field=comments,shows=kept",
    "unstored",
    "unstored:method=DELETE",
    "stale:on=animelist",
    "recoded:on=animelist",
    "recoded:on=my_list_status",
    "bad_request",
    "invalid_content",
    "gone",
    "forbidden",
    "redirect",
    "wrong_type",
    "endless",
    "foreign_next",
)
"""What goes wrong with one request, and is over then."""
LASTING: tuple[str, ...] = (
    "503",
    "503:done=yes",
    "cut",
    "html",
    "403",
    "429:retry_after=3600",
    "forbidden",
    "bad_request",
)
"""What goes wrong with one request, and with every one after it."""
WAITS: tuple[str, ...] = ("503", "429:retry_after=20", "cut:at=before,done=no")
"""What makes a command wait, the machine being suspended for two hours in each wait."""
ROWS = (*FAULTS, *(f"{spec}{FROM_THEN_ON}" for spec in LASTING), *(f"{spec}{SUSPENDED}" for spec in WAITS))
MOVING = {"edit", "add", "remove", "meanwhile", "recoded"}
"""Faults that make the lists others than they were, if only in how they are shown: so there is nothing to be equal to but
themselves."""
TAKEN_AT_ITS_WORD = {("backup --user", "forbidden"), ("fetch details", "gone")}
"""What MAL says of a private list, and of a title that it has no more: no error, and nobody can know better."""
TELLS_LESS = (
    "taken_at",
    "details_at",
    "fetched_at",
    "gone_at",
    "posts_at",
    "snapshot",
    "requests",
    "run",
    "file",
    "number",
)


@dataclass
class Place:
    """A home folder beside an account: what a command is run in."""

    malsync: Malsync
    box: Sandbox

    @property
    def lists(self) -> dict[str, Any]:
        """Both accounts' lists as the far side has them, without what MAL alone can set."""
        return {
            f"{user} {medium} {id}": {name: value for name, value in status.items() if name != "updated_at"}
            for user in (MIKA, THEO)
            for medium in MEDIA
            for id, status in self.box.entries(user, medium).items()
        }

    @property
    def snapshots(self) -> list[tuple[Any, ...]]:
        """The newest snapshot of each user and source: its digest and counts."""
        found = {
            (row["user"], row["source"]): (row["user"], row["source"], row["digest"], row["suspicious"])
            for row in self.malsync.json("snapshots")
        }
        return sorted(found.values())

    @property
    def numbers(self) -> list[int]:
        """The numbers of all snapshots."""
        return [number for (number,) in rows(self.malsync.home, "SELECT id FROM snapshot ORDER BY id")]

    @property
    def catalogue(self) -> dict[str, Any]:
        """Every table of the catalogue, without the moments of reading."""
        found = {}
        with closing(sqlite3.connect(self.malsync.home / FILE_NAME)) as mirror:
            for (name,) in mirror.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if re.search(r"fts|sqlite_|^fetch$|^run|snapshot|series|_version|mal_user|migrations", name):
                    continue
                columns = [c for _, c, *_ in mirror.execute(f"PRAGMA table_info({name})") if c not in TELLS_LESS]
                found[name] = sorted(map(repr, mirror.execute(f"SELECT {', '.join(columns)} FROM {name}")))
        return found


Product = Callable[[Place, Result], Any]


def _lists(place: Place, _result: Result) -> Any:
    return place.lists


def kept(place: Place, _result: Result) -> Any:
    return place.snapshots


def _catalogue(place: Place, _result: Result) -> Any:
    return place.catalogue


def _said(_place: Place, result: Result) -> Any:
    return without_moments(result.json)


def without_moments(item: Any) -> Any:
    if isinstance(item, dict):
        return {name: without_moments(part) for name, part in item.items() if name not in TELLS_LESS}
    return [without_moments(part) for part in item] if isinstance(item, list) else item


@dataclass(frozen=True)
class Command:
    """A command line: what it is for, so that its product can be compared, and what is typed when it was stopped."""

    name: str
    words: tuple[str, ...]
    product: Product
    again: tuple[str, ...] = ()
    before: Callable[[Place], None] = field(default=lambda _place: None)
    writes: bool = False


EXACT = ("--mode", "exact", "--yes", "--max-deletes", "99")


def _interrupted(place: Place) -> None:
    """A restore that was stopped at its second write."""
    place.box.add_faults("429:method=PATCH,nth=2-99,retry_after=3600;429:method=DELETE,retry_after=3600")
    place.malsync.ok("restore", "1", *EXACT, exit_code=4)
    place.box.clear_faults()


def _restored(place: Place) -> None:
    place.malsync.ok("restore", "1", *EXACT)


def _planned(place: Place) -> None:
    place.malsync.ok("restore", "1", "--mode", "exact", "--plan", place.malsync.home / "plan.out")


COMMANDS: tuple[Command, ...] = (
    Command("login", ("login",), lambda place, _result: place.malsync.json("accounts")[0]["logged_in"]),
    Command("backup", ("backup",), kept),
    Command("backup --user", ("backup", "--user", THEO), kept),
    Command("show live", ("show", "live"), _said),
    Command("stats live", ("stats", "live"), _said),
    Command("diff", ("diff",), _said),
    Command("export live", ("export", "live", "--output", "HOME/live.out"), lambda place, _r: _exported(place)),
    Command("restore", ("restore", "1", *EXACT), _lists, writes=True),
    Command("restore --dry-run", ("restore", "1", "--mode", "exact", "--dry-run"), _said),
    Command("restore --rehearse", ("restore", "1", *EXACT, "--rehearse"), _said),
    Command("revert", ("revert", "1", "3", *EXACT[2:]), _lists, writes=True),
    Command("migrate", ("migrate", "1", "--to", "second", "--yes"), _lists, writes=True),
    Command("apply", ("apply", "HOME/plan.out", *EXACT[2:]), _lists, before=_planned, writes=True),
    Command("resume", ("resume",), _lists, ("restore", "1", *EXACT), _interrupted, writes=True),
    Command("undo", ("undo", "1", *EXACT[2:]), _lists, before=_restored, writes=True),
    Command("fetch details", ("fetch", "details"), _catalogue),
    Command("fetch ranking", ("fetch", "ranking", "all", "--limit", "5"), _catalogue),
    Command("fetch season", ("fetch", "season", "2013", "spring"), _catalogue),
    Command("fetch suggestions", ("fetch", "suggestions", "--limit", "5"), _catalogue),
    Command("fetch search", ("fetch", "search", "monster", "--limit", "5"), _catalogue),
    Command("fetch forum boards", ("fetch", "forum", "boards"), _catalogue),
    Command("fetch forum topics", ("fetch", "forum", "topics", "--limit", "5"), _catalogue),
    Command("fetch forum topic", ("fetch", "forum", "topic", "2000100"), _catalogue),
)


def _exported(place: Place) -> Any:
    return without_moments(orjson.loads((place.malsync.home / "live.out").read_bytes()))
