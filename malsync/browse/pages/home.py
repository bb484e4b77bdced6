"""The home page: the user, both lists, the state of the last backup, recent changes, and links to the other pages."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from malsync.browse.page_context import PageRequest, Row
from malsync.browse.pages.charts import growth
from malsync.browse.pages.history import suspects, with_marks
from malsync.browse.pages.lists import by_status, progress, rows_sql, sorts
from malsync.mirror.statistics import SNAPSHOTS
from malsync.model.medium import MEDIA, Medium
from malsync.model.snapshot import BACKUPS
from malsync.text import ago

_RECENT = 8
_PATIENCE = 0.3
"""Seconds for which the page waits for verification. A long list takes longer; then the page says so."""
_COUNTS = ("anime", "manga", "forum_topic", "season_title", "suggestion", "anime_ranking", "manga_ranking")


async def page(request: PageRequest) -> Any:
    """GET /."""
    lists = {name: await _list(request, medium) for name, medium in MEDIA.items()}
    newest = [with_marks(row) for row in await request.rows("snapshots", user=request.user_id, rows=SNAPSHOTS)]
    by_date = sorted(newest, key=lambda row: row["is_ahead"])  # a wrong clock dates no backup the last one
    backup = next((row for row in by_date if row["source"] in BACKUPS), by_date[0] if by_date else None)
    newest_good = next((row["id"] for row in newest if row["source"] in BACKUPS and not row["doubts"]), 0)
    incidents = await suspects(request, 20)
    # An incident that was put right, or followed by a backup without doubts, is not current any more.
    current = [row for row in incidents if row["revert"] and row["id"] >= newest_good]
    return await request.render(
        "home.html",
        lists=lists,
        is_bare=not any(row["fetched_at"] for entries in lists.values() if entries for row in entries["recent"]),
        backup=backup,
        age=ago(datetime.fromisoformat(backup["taken_at"]), datetime.now(UTC)) if backup else "",
        verification=await verification(request, backup["id"]) if backup else None,
        suspects=current,
        earlier=len(incidents) - len(current),
        newest=newest[:_RECENT],
        kept={"count": len(newest), "first": newest[-1]["taken_at"] if newest else None},
        growth=growth(request, newest[::-1], small=True),
        has={name: bool(await request.mirror.query(f"SELECT 1 FROM {name} LIMIT 1")) for name in _COUNTS},
    )


async def _list(request: PageRequest, medium: Medium) -> Row | None:
    """Return one list's number of entries, also by status, and the entries updated last; None where no snapshot has it."""
    snapshot = await request.newest(medium)
    if snapshot is None:
        return None
    counted = await request.rows(f"{medium.name}_by_status", snapshot=snapshot["id"])
    recent = await request.mirror.query(
        rows_sql(medium, "snapshot.id = :snapshot", sorts(medium)["updated"]),
        snapshot=snapshot["id"], limit=_RECENT, offset=0,
    )  # fmt: skip
    return {
        "entries": snapshot[medium.name],
        "by_status": by_status(medium, counted, "name"),
        "recent": [{**row, "progress": progress(medium, row).values()} for row in recent],
    }


async def verification(request: PageRequest, snapshot: int) -> Row:
    """Return what is wrong with a snapshot (`problem`), whether that is `known` yet, and whether it is `verified` at all.

    The snapshot is rebuilt once, in another thread. A problem may be another program that locks the file, so it is shown once
    and then checked again.
    """
    browse = request.browse
    if browse.verify is None:
        return {"verified": False, "known": True, "problem": None}
    task = browse.verified.get(snapshot)
    if task is None:
        loop = asyncio.get_running_loop()
        task = browse.verified[snapshot] = loop.run_in_executor(None, browse.verify, snapshot)
    if not task.done():
        await asyncio.wait([task], timeout=_PATIENCE)
    problem = task.result() if task.done() else None
    if problem is not None:
        browse.verified.pop(snapshot, None)
    return {"verified": True, "known": task.done(), "problem": problem}
