"""The home page: who, how many titles, how good the last backup is, and where to go from here."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from malsync.browse.page_context import Asked, Row
from malsync.browse.pages.charts import growth
from malsync.browse.pages.history import suspects, told
from malsync.browse.pages.lists import by_status, progress, rows_sql, sorts
from malsync.mirror.statistics import SNAPSHOTS
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import BACKUPS
from malsync.text import ago

_RECENT = 8
_PATIENCE = 0.3
"""Seconds that the page waits for a proof; a long list takes longer, and the page says so and comes again."""
_COUNTS = ("anime", "manga", "forum_topic", "season_title", "suggestion", "anime_ranking", "manga_ranking")


async def page(asked: Asked) -> Any:
    """GET /."""
    lists = {name: await _list(asked, medium) for name, medium in MEDIA.items()}
    newest = [told(row) for row in await asked.rows("snapshots", user=asked.user_id, rows=SNAPSHOTS)]
    backup = next((row for row in newest if row["source"] in BACKUPS), newest[0] if newest else None)
    doubted = await suspects(asked, 20)
    # What was put right, or was followed by a backup that is as it should be, is history.
    acute = [row for row in doubted if row["revert"] and row["id"] >= _clean(newest)]
    return await asked.page(
        "home.html",
        lists=lists,
        is_bare=not any(row["fetched_at"] for found in lists.values() if found for row in found["recent"]),
        backup=backup,
        age=ago(datetime.fromisoformat(backup["taken_at"]), datetime.now(UTC)) if backup else "",
        proof=await proof(asked, backup["id"]) if backup else None,
        suspects=acute,
        earlier=len(doubted) - len(acute),
        newest=newest[:_RECENT],
        kept={"count": len(newest), "first": newest[-1]["taken_at"] if newest else None},
        growth=growth(asked, newest[::-1], small=True),
        has={name: await _has(asked, name) for name in _COUNTS},
    )


def _clean(newest: list[Row]) -> int:
    """The newest backup with which nothing is wrong; 0 where there is none."""
    return next((int(row["id"]) for row in newest if row["source"] in BACKUPS and not row["doubts"]), 0)


async def _has(asked: Asked, table: str) -> bool:
    return await asked.mirror.first(f"SELECT 1 AS one FROM {table} LIMIT 1") is not None


async def _list(asked: Asked, medium: Medium) -> Row | None:
    """How one list stands: entries, by status, the mean of the scores, and what was updated last."""
    snapshot = await asked.newest(medium)
    if snapshot is None:
        return None
    counted = await asked.rows(f"{medium.name}_by_status", snapshot=snapshot["id"])
    recent = await asked.mirror.found(
        rows_sql(medium, "snapshot.id = :snapshot", sorts(medium)["updated"]),
        snapshot=snapshot["id"], limit=_RECENT, offset=0,
    )  # fmt: skip
    return {
        "entries": snapshot[medium.name],
        "by_status": by_status(medium, counted, "name"),
        "recent": [{**row, "progress": progress(medium, row).values()} for row in recent],
    }


async def proof(asked: Asked, snapshot: int) -> Row:
    """Whether a snapshot is whole: what is wrong with it (`problem`), and whether that is `known` yet and proven at all.

    It is rebuilt once, beside the pages; until that is done nobody waits for it for longer than a moment. What is wrong may
    be another program that holds the file just now: once it was told, it is asked again.
    """
    browse = asked.browse
    if browse.prove is None:
        return {"proves": False, "known": True, "problem": None}
    proving = browse.proven.get(snapshot)
    if proving is None:
        loop = asyncio.get_running_loop()
        proving = browse.proven[snapshot] = loop.run_in_executor(None, browse.prove, snapshot)
    if not proving.done():
        await asyncio.wait([proving], timeout=_PATIENCE)
    problem = proving.result() if proving.done() else None
    if problem is not None:
        browse.proven.pop(snapshot, None)
    return {"proves": True, "known": proving.done(), "problem": problem}
