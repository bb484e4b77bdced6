"""The account that tests of writing commands write to: what is done to it behind malsync's back, and what came of a command."""

from pathlib import Path
from typing import Any

from malsync.model.snapshot import Snapshot, User
from malsync.sandbox import Sandbox, World
from malsync.urls import origin_of
from tests.support.harness import Malsync
from tests.support.lists import snapshot

MEDIA = ("anime", "manga")
Lists = dict[str, dict[int, dict[str, Any]]]


def small(anime: int = 6, manga: int = 3) -> World:
    """The demo, but `sandbox_mika` has only so many titles: those with the lowest ids."""
    world = World.demo()
    for medium, number in zip(MEDIA, (anime, manga), strict=True):
        world.first.put_list(medium, dict(sorted(world.first.kept(medium).items())[:number]))
    return world


def lists(box: Sandbox, user: str = "") -> Lists:
    """Both lists as the far side has them, without what MAL alone can set."""
    return {
        medium: {
            id: {name: value for name, value in status.items() if name != "updated_at"}
            for id, status in sorted(box.entries(user or box.user, medium).items())
        }
        for medium in MEDIA
    }


def writes(box: Sandbox) -> dict[str, int]:
    """How many requests changed something, or could have."""
    return {method: number for method, number in box.counts.items() if method != "GET"}


def written(box: Sandbox, user: str = "") -> list[tuple[str, str, int]]:
    """The writes in order: method, medium and id. With `user`, those with that user's token."""
    return [
        (row["method"], row["path"].split("/")[2], int(row["path"].split("/")[3]))
        for row in box.requests
        if row["kind"] == "api" and row["method"] != "GET" and user in ("", row["user"])
    ]


def ids(box: Sandbox, medium: str = "anime") -> list[int]:
    """The ids of the first user's list, the lowest first."""
    return sorted(box.entries(box.user, medium))


def absent(box: Sandbox, medium: str = "anime", user: str = "") -> int:
    """The lowest id of a title that is not on the list."""
    there = box.entries(user or box.user, medium).keys()
    return min(int(title["id"]) for title in box.world.catalogue.titles(medium) if title["id"] not in there)


def harm(box: Sandbox) -> dict[str, int]:
    """Behind malsync's back: one anime goes, one is edited, and a manga comes."""
    gone, edited = ids(box)[:2]
    new = absent(box, "manga")
    box.remove(box.user, "anime", gone)
    box.edit(box.user, "anime", edited, score=1, comments="", tags=["x", "y"])
    box.add(box.user, "manga", new, status="reading", num_chapters_read=3)
    return {"gone": gone, "edited": edited, "new": new}


def empty(box: Sandbox, *media: str) -> None:
    """Take every entry off those lists."""
    for medium in media:
        for id in box.entries(box.user, medium):
            box.remove(box.user, medium, id)


def interrupt(malsync: Malsync, box: Sandbox, after: int, *command: str | Path) -> str:
    """Run `command` until it has made so many writes and MAL asks for an hour's patience: what it said."""
    box.add_faults(f"429:method=PATCH,nth={after + 1}-99,retry_after=3600;429:method=DELETE,retry_after=3600")
    said = malsync.ok(*command, "--yes", exit_code=4).stderr
    box.clear_faults()
    return said


def mine(box: Sandbox, lists: Lists, *, at: str = "2026-10-01T12:00:00Z", **named: Any) -> Snapshot:
    """A snapshot of these lists under the sandbox's titles, which says that they are its first user's."""
    user = User(origin_of(box.api_url), box.world.first.id, box.user)
    titled: dict[str, Any] = {
        name: entries and {id: {"title": title_of(box, name, id), **entry} for id, entry in entries.items()}
        for name, entries in lists.items()
    }
    return snapshot(titled.get("anime"), titled.get("manga"), user=user, at=at, **named)


def title_of(box: Sandbox, medium: str, id: int) -> str:
    """What the sandbox calls a title."""
    return str(box.world.catalogue.known(medium, id)["title"])


def someone(
    malsync: Malsync, box: Sandbox, account: str = "second", user: str = "sandbox_theo"
) -> dict[str, str | None]:
    """A token of the other user, for an account that is bound to them by a backup."""
    env: dict[str, str | None] = {"MALSYNC_ACCESS_TOKEN": box.token_for(user)}
    malsync.ok("backup", "--account", account, env=env)
    return env


def keys(document: dict[str, Any]) -> set[tuple[str, str, int]]:
    """What a document says was planned."""
    return {(item["op"], item["medium"], item["id"]) for item in document["changes"]}


def outcomes(**named: int) -> dict[str, int]:
    """The counts of outcomes, all others being none."""
    return {"done": 0, "already": 0, "skipped": 0, "failed": 0, "not_restorable": 0} | named
