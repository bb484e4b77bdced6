"""The home page: who, how many titles, how good the last backup is, and where to go from here."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from malsync.browse.frame import Asked, Row
from malsync.browse.pages.library import progress, rows_sql, sorts
from malsync.browse.pages.travel import told
from malsync.medium import MEDIA, Medium

_RECENT = 8
_COUNTS = ("anime", "manga", "forum_topic", "season_title", "suggestion", "anime_ranking", "manga_ranking")


async def page(asked: Asked) -> Any:
    """GET /."""
    lists = {name: await _list(asked, medium) for name, medium in MEDIA.items()}
    newest = await asked.rows("snapshots", user=asked.user_id, rows=8)
    backup = next((told(row) for row in newest if row["source"] in ("backup", "public")), None)
    if backup is None and newest:
        backup = told(newest[0])
    return await asked.page(
        "home.html",
        lists=lists,
        backup=backup,
        age=_age(backup["taken_at"]) if backup else "",
        problem=await proof(asked, backup["id"]) if backup else None,
        proves=asked.browse.prove is not None,
        suspects=[told(row) for row in await asked.rows("suspicious", user=asked.user_id, rows=3)],
        newest=[told(row) for row in newest],
        has={name: await _has(asked, name) for name in _COUNTS},
    )


async def _has(asked: Asked, table: str) -> bool:
    return await asked.mirror.first(f"SELECT 1 AS one FROM {table} LIMIT 1") is not None


async def _list(asked: Asked, medium: Medium) -> Row | None:
    """How one list stands: entries, by status, the mean of the scores, and what was updated last."""
    snapshot = await asked.newest(medium)
    if snapshot is None:
        return None
    by_status = await asked.rows(f"{medium.name}_by_status", snapshot=snapshot["id"])
    recent = await asked.mirror.found(
        rows_sql(medium, "snapshot.id = :snapshot", sorts(medium)["updated"]),
        snapshot=snapshot["id"], limit=_RECENT, offset=0,
    )  # fmt: skip
    order = {status: place for place, status in enumerate(medium.statuses)}
    by_status.sort(key=lambda row: order.get(row["name"], len(order)))
    return {
        "entries": snapshot[medium.name],
        "by_status": by_status,
        "recent": [{**row, "progress": progress(medium, row)} for row in recent],
    }


async def proof(asked: Asked, snapshot: int) -> str | None:
    """What is wrong with a snapshot, None when it is whole. It is rebuilt once and beside the pages, for it takes a moment."""
    browse = asked.browse
    if browse.prove is None or snapshot in browse.proven:
        return None
    problem = await asyncio.get_running_loop().run_in_executor(None, browse.prove, snapshot)
    if problem is None:
        # What is wrong may be another program that holds the file just now: that is asked again.
        browse.proven.add(snapshot)
    return problem


def _age(taken_at: str) -> str:
    hours = (datetime.now(UTC) - datetime.fromisoformat(taken_at)).total_seconds() / 3600
    if hours < 1:
        return "Just now"
    for unit, size in (("day", 24), ("hour", 1)):
        count = int(hours // size)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return ""
