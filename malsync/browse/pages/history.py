"""History: every snapshot, changes by day and between two snapshots, and titles that are no longer on a list."""

import json
from collections import Counter
from itertools import islice
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse import charts
from malsync.browse.charts import Bar
from malsync.browse.filters import is_ahead
from malsync.browse.page_context import PageRequest, Row, medium_of
from malsync.browse.pages.title import changes_between
from malsync.mirror import queries
from malsync.mirror.queries import ALARMING
from malsync.model.medium import MEDIA
from malsync.text import PAST_TENSE

_SUSPECTS = f"""
    SELECT snapshot.*, before.id AS before FROM {ALARMING} AND series.user = :user
    ORDER BY snapshot.taken_at DESC, snapshot.id DESC LIMIT :rows
"""
PAGE = 100
_DAYS, _BARS = 400, 60
_TRIED = 10
"""How many of the newest snapshots with another digest than the one before are searched for changes."""
_COUNT = "SELECT count(*) AS entries FROM snapshot JOIN series ON series.id = snapshot.series WHERE series.user = :user"
_REVERTS = """
    SELECT id, state, started_at, json_extract(plan, '$.lists.bad.snapshot') AS bad FROM run
    WHERE user = :user AND kind = 'revert' AND state <> 'abandoned' ORDER BY id
"""


async def snapshots(request: PageRequest) -> Any:
    """GET /snapshots: every snapshot with what changed; above them incidents, with the command that undoes each."""
    total = (await request.mirror.query(_COUNT, user=request.user_id))[0]["entries"]
    page, pages = request.page_number(total, PAGE)
    rows = await request.rows("snapshots", user=request.user_id, rows=PAGE, skip=(page - 1) * PAGE)
    return await request.render(
        "snapshots.html",
        rows=[with_marks(row) for row in rows],
        suspects=await suspects(request, 20) if page == 1 else [],
        total=total,
        page=page,
        pages=pages,
        data=request.data("snapshots", user=request.user_id),
        suspects_data=request.data("suspicious", user=request.user_id),
    )


async def suspects(request: PageRequest, most: int) -> list[Row]:
    """Return the snapshots in which suspiciously much changed, the newest first, each with `advice` and the runs that undid
    it."""
    rows = await request.mirror.query(_SUSPECTS, user=request.user_id, rows=most)
    runs = await request.mirror.query(_REVERTS, user=request.user_id) if rows else []
    return [
        {
            **with_marks(row),
            **await advice(request, row["before"], row["id"]),
            "runs": [run for run in runs if run["bad"] == row["id"]],
        }
        for row in rows
    ]


async def advice(request: PageRequest, before: int, after: int) -> Row:
    """Return the `status` of the changes between two snapshots, and the command that undoes them (`revert`); empty where
    undoing them is not recommended."""
    status = await request.mirror.change_status(before, after)
    return {"status": status, "revert": request.command(f"revert {before} {after}") if status.is_worth_undoing else ""}


async def days(request: PageRequest) -> Any:
    """GET /days: what changed, day by day."""
    rows = await request.rows("days", user=request.user_id, rows=_DAYS)
    first: dict[str, Row] = {}
    last: dict[str, Row] = {}
    for row in await request.rows("snapshots", user=request.user_id, rows=10 * _DAYS):
        if row["source"] != "import":  # the date of an import is not the day of its changes
            first[row["taken_at"][:10]] = row
            last.setdefault(row["taken_at"][:10], row)
    incidents: dict[str, list[Row]] = {}
    for suspect in await suspects(request, 20):
        incidents.setdefault(suspect["taken_at"][:10], []).append(suspect)
    by_day = [
        {
            **row,
            **_ends(first.get(row["day"]), last.get(row["day"])),
            "suspects": incidents.get(row["day"], []),
        }
        for row in rows
    ]
    return await request.render(
        "days.html",
        rows=by_day,
        chart=charts.columns("Changes by day", [_bar(request, row) for row in by_day[:_BARS][::-1]]),
        data=request.data("days", user=request.user_id),
    )


def _ends(first: Row | None, last: Row | None) -> Row:
    """Return the two snapshots around a day's changes; `before` is None for a day without an earlier snapshot."""
    if first is None or last is None:  # older than the snapshots that were read
        return {"before": None, "last": None}
    # On the very first day, changes count from its first snapshot.
    before = first["before"] or (first["id"] if first["id"] != last["id"] else None)
    return {"before": before, "last": last["id"]}


def _bar(request: PageRequest, row: Row) -> Bar:
    parts = [(name, row[name]) for name in PAST_TENSE.values()]
    tip = f"{row['day']}: " + ", ".join(f"{count} {name}" for name, count in parts)
    href = request.link("/changes", **{"from": row["before"], "to": row["last"]}) if row["before"] else ""
    return Bar(row["day"], parts, href, tip)


async def changes(request: PageRequest) -> Any:
    """GET /changes: what changed from one snapshot to another; by default in the newest that has changes."""
    known = [with_marks(row) for row in await request.rows("snapshots", user=request.user_id, rows=1000)]
    if not known:
        raise NotFound("There is no snapshot yet, so there is nothing to compare.")
    later = await request.snapshot(request.text("to") or str(await _default_snapshot(request, known)))
    previous = next((row["before"] for row in known if row["id"] == later["id"]), None)
    earlier = await request.snapshot(request.text("from", str(previous or later["id"])))
    start, to = earlier["id"], later["id"]
    lists: dict[str, Row] = {}
    for name, medium in MEDIA.items():
        if unknown := [row["id"] for row in (earlier, later) if row[name] is None]:
            lists[name] = {"rows": [], "unknown": unknown[0]}
            continue
        rows = await request.rows(f"{name}_changes", **{"from": start, "to": to}, rows=PAGE * 5 + 1)
        entries = [
            {**row, "changes": changes_between(medium, row, row, was="_was", now="_now")} for row in rows[: PAGE * 5]
        ]
        counts = Counter(PAST_TENSE[row["op"]] for row in entries)
        if len(rows) > len(entries):
            counts = Counter({PAST_TENSE[row["op"]]: row["entries"] for row in await _totals(request, name, start, to)})
        lists[name] = {
            "rows": entries,
            "more": len(rows) > PAGE * 5,
            "data": request.data(f"{name}_changes", **{"from": start, "to": to}),
            **{name: counts[name] for name in PAST_TENSE.values()},
        }
    step_back, step_on = _steps(known, start, to)
    is_own = request.user is not None and request.user["own"] and any(changed["rows"] for changed in lists.values())
    return await request.render(
        "changes.html", known=known, start=start, to=to, lists=lists, earlier=step_back, later=step_on,
        advice=await advice(request, start, to) if is_own else None, is_only=len(known) == 1,
    )  # fmt: skip


async def _default_snapshot(request: PageRequest, known: list[Row]) -> int:
    """Return the snapshot to compare by default: the newest; without an earlier one in the address, the newest with
    changes."""
    own = [row for row in known if row["source"] != "import"] or known
    if not request.text("from"):
        # A row's counts are against the snapshot before it at the time, which may have been pruned since.
        digests = {row["id"]: row["digest"] for row in known}
        differ = (row for row in own if row["before"] and digests.get(row["before"]) != row["digest"])
        for row in islice(differ, _TRIED):
            if (await request.mirror.change_status(row["before"], row["id"])).changes:
                return int(row["id"])
    return int(own[0]["id"])


async def _totals(request: PageRequest, medium: str, start: int, to: int) -> list[Row]:
    """Return how many entries were added, updated and removed, without a limit."""
    sql = f"SELECT op, count(*) AS entries FROM ({queries.sql(f'{medium}_changes')}) GROUP BY op"
    return await request.mirror.query(sql, **{"from": start, "to": to, "rows": -1})


def _steps(known: list[Row], start: int, to: int) -> tuple[Row | None, Row | None]:
    """Return the `from` and `to` of the changes just before these, and of those just after."""
    before = next((row["before"] for row in known if row["id"] == start), None)
    after = next((row["id"] for row in known if row["before"] == to), None)
    return (
        {"from": before, "to": start} if before else None,
        {"from": to, "to": after} if after else None,
    )


async def gone(request: PageRequest) -> Any:
    """GET /gone: titles that are no longer on a list, and those that MAL itself removed."""
    medium = medium_of(request.text("medium", "anime"))
    rows = await request.rows(f"{medium.name}_gone", user=request.user_id, rows=500)
    return await request.render(
        "gone.html", medium=medium, rows=rows, data=request.data(f"{medium.name}_gone", user=request.user_id)
    )


def with_marks(row: Row) -> Row:
    """Return a snapshot's row with its `doubts` as sentences, and whether it is dated in the future (`is_ahead`)."""
    doubts = [str(doubt) for doubt in json.loads(row["suspicious"] or "[]")]
    return {**row, "doubts": doubts, "is_ahead": is_ahead(row["taken_at"])}
