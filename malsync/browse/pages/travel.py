"""Time travel: every snapshot, what changed between two, and what is not on a list any more."""

import json
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse.frame import Asked, Row, medium_of
from malsync.browse.pages.title import changes_between
from malsync.medium import MEDIA

PAGE = 100
_ALL = "SELECT count(*) AS entries FROM snapshot JOIN series ON series.id = snapshot.series WHERE series.user = :user"


async def snapshots(asked: Asked) -> Any:
    """GET /snapshots: every snapshot with what changed, the suspicious ones on top with the command that takes them back."""
    total = (await asked.mirror.found(_ALL, user=asked.user_id))[0]["entries"]
    pages = max(1, -(-total // PAGE))
    page = min(max(1, asked.number("page", 1)), pages)
    rows = await asked.rows("snapshots", user=asked.user_id, rows=PAGE, skip=(page - 1) * PAGE)
    suspects = await asked.rows("suspicious", user=asked.user_id, rows=20)
    return await asked.page(
        "snapshots.html",
        rows=[told(row) for row in rows],
        suspects=[told(row) for row in suspects],
        days=await asked.rows("days", user=asked.user_id, rows=60),
        total=total,
        page=page,
        pages=pages,
        data=asked.data("snapshots", user=asked.user_id),
        days_data=asked.data("days", user=asked.user_id),
        suspects_data=asked.data("suspicious", user=asked.user_id),
    )


async def changes(asked: Asked) -> Any:
    """GET /changes: what changed from one snapshot to another; the newest two by default."""
    known = [told(row) for row in await asked.rows("snapshots", user=asked.user_id, rows=1000)]
    if not known:
        raise NotFound("There is no snapshot yet, so nothing to compare.")
    newest = next((row for row in known if row["source"] != "import"), known[0])
    later = await asked.snapshot(asked.text("to", str(newest["id"])))
    previous = next((row["before"] for row in known if row["id"] == later["id"]), None)
    earlier = await asked.snapshot(asked.text("from", str(previous or later["id"])))
    start, to = earlier["id"], later["id"]
    lists: dict[str, Row] = {}
    for name, medium in MEDIA.items():
        if unknown := [row["id"] for row in (earlier, later) if row[name] is None]:
            lists[name] = {"rows": [], "unknown": unknown[0]}
            continue
        rows = await asked.rows(f"{name}_changes", **{"from": start, "to": to}, rows=PAGE * 5 + 1)
        entries = [
            {**row, "changes": changes_between(medium, row, row, was="_was", now="_now")} for row in rows[: PAGE * 5]
        ]
        lists[name] = {
            "rows": entries,
            "more": len(rows) > PAGE * 5,
            "data": asked.data(f"{name}_changes", **{"from": start, "to": to}),
        }
    return await asked.page("changes.html", known=known, start=start, to=to, lists=lists)


async def gone(asked: Asked) -> Any:
    """GET /gone: what was on a list once and is not now, and what MAL itself removed."""
    medium = medium_of(asked.text("medium", "anime"))
    rows = await asked.rows(f"{medium.name}_gone", user=asked.user_id, rows=500)
    return await asked.page(
        "gone.html", medium=medium, rows=rows, data=asked.data(f"{medium.name}_gone", user=asked.user_id)
    )


def told(row: Row) -> Row:
    """A snapshot's row with its doubts as sentences."""
    return {**row, "doubts": [str(doubt) for doubt in json.loads(row["suspicious"] or "[]")]}
