"""Time travel: every snapshot, what changed by day and between two, and what is not on a list any more."""

import json
from collections import Counter
from itertools import islice
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse import charts
from malsync.browse.charts import Bar
from malsync.browse.page_context import Asked, Row, medium_of
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
"""How many of the newest snapshots that differ from their predecessor are searched for changes."""
_ALL = "SELECT count(*) AS entries FROM snapshot JOIN series ON series.id = snapshot.series WHERE series.user = :user"
_TAKEN_BACK = """
    SELECT id, state, started_at, json_extract(plan, '$.lists.bad.snapshot') AS bad FROM run
    WHERE user = :user AND kind = 'revert' AND state <> 'abandoned' ORDER BY id
"""


async def snapshots(asked: Asked) -> Any:
    """GET /snapshots: every snapshot with what changed, the suspicious ones on top with the command that takes them back."""
    total = (await asked.mirror.found(_ALL, user=asked.user_id))[0]["entries"]
    page, pages = asked.leaf(total, PAGE)
    rows = await asked.rows("snapshots", user=asked.user_id, rows=PAGE, skip=(page - 1) * PAGE)
    return await asked.page(
        "snapshots.html",
        rows=[told(row) for row in rows],
        suspects=await suspects(asked, 20) if page == 1 else [],
        total=total,
        page=page,
        pages=pages,
        data=asked.data("snapshots", user=asked.user_id),
        suspects_data=asked.data("suspicious", user=asked.user_id),
    )


async def suspects(asked: Asked, most: int) -> list[Row]:
    """The snapshots at which suspiciously much changed, the newest first, each with what is left of that (`standing`), the
    command that undoes it, if that is worth it, and the runs that did."""
    rows = await asked.mirror.found(_SUSPECTS, user=asked.user_id, rows=most)
    runs = await asked.mirror.found(_TAKEN_BACK, user=asked.user_id) if rows else []
    return [
        {
            **told(row),
            **await advice(asked, row["before"], row["id"]),
            "runs": [run for run in runs if run["bad"] == row["id"]],
        }
        for row in rows
    ]


async def advice(asked: Asked, before: int, after: int) -> Row:
    """What is left of the changes between two snapshots: `standing`, and the command that undoes them (`revert`), empty where
    that would do no good."""
    standing = await asked.mirror.standing(before, after)
    return {
        "standing": standing,
        "revert": asked.typed(f"revert {before} {after}") if standing.is_worth_undoing else "",
    }


async def days(asked: Asked) -> Any:
    """GET /days: what changed, day by day."""
    rows = await asked.rows("days", user=asked.user_id, rows=_DAYS)
    first: dict[str, Row] = {}
    last: dict[str, Row] = {}
    for row in await asked.rows("snapshots", user=asked.user_id, rows=10 * _DAYS):
        if row["source"] != "import":  # an import says nothing of its day, which does not count it either
            first[row["taken_at"][:10]] = row
            last.setdefault(row["taken_at"][:10], row)
    standings: dict[str, list[Row]] = {}
    for suspect in await suspects(asked, 20):
        standings.setdefault(suspect["taken_at"][:10], []).append(suspect)
    found = [
        {
            **row,
            **_ends(first.get(row["day"]), last.get(row["day"])),
            "suspects": standings.get(row["day"], []),
        }
        for row in rows
    ]
    return await asked.page(
        "days.html",
        rows=found,
        chart=charts.columns("Changes by day", [_bar(asked, row) for row in found[:_BARS][::-1]]),
        data=asked.data("days", user=asked.user_id),
    )


def _ends(first: Row | None, last: Row | None) -> Row:
    """Between which two snapshots a day's changes lie; `before` is None for a day that has nothing to be compared with."""
    if first is None or last is None:  # beyond those that were read
        return {"before": None, "last": None}
    # On the first day of all, what changed is what changed since the first snapshot.
    before = first["before"] or (first["id"] if first["id"] != last["id"] else None)
    return {"before": before, "last": last["id"]}


def _bar(asked: Asked, row: Row) -> Bar:
    parts = [(name, row[name]) for name in PAST_TENSE.values()]
    tip = f"{row['day']}: " + ", ".join(f"{count} {name}" for name, count in parts)
    href = asked.link("/changes", **{"from": row["before"], "to": row["last"]}) if row["before"] else ""
    return Bar(row["day"], parts, href, tip)


async def changes(asked: Asked) -> Any:
    """GET /changes: what changed from one snapshot to another; by default the newest in which something did."""
    known = [told(row) for row in await asked.rows("snapshots", user=asked.user_id, rows=1000)]
    if not known:
        raise NotFound("There is no snapshot yet, so nothing to compare.")
    later = await asked.snapshot(asked.text("to") or str(await _to_compare(asked, known)))
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
        counts = Counter(PAST_TENSE[row["op"]] for row in entries)
        if len(rows) > len(entries):
            counts = Counter({PAST_TENSE[row["op"]]: row["entries"] for row in await _totals(asked, name, start, to)})
        lists[name] = {
            "rows": entries,
            "more": len(rows) > PAGE * 5,
            "data": asked.data(f"{name}_changes", **{"from": start, "to": to}),
            **{name: counts[name] for name in PAST_TENSE.values()},
        }
    step_back, step_on = _steps(known, start, to)
    is_own = asked.user is not None and asked.user["own"] and any(one["rows"] for one in lists.values())
    return await asked.page(
        "changes.html", known=known, start=start, to=to, lists=lists, earlier=step_back, later=step_on,
        advice=await advice(asked, start, to) if is_own else None, is_only=len(known) == 1,
    )  # fmt: skip


async def _to_compare(asked: Asked, known: list[Row]) -> int:
    """The snapshot to look at where none is named: the newest, or where the one before it is not named either, the newest in
    which something changed."""
    own = [row for row in known if row["source"] != "import"] or known
    if not asked.text("from"):
        # What a row counts is beside the snapshot that was before it then, which may have been pruned since.
        digests = {row["id"]: row["digest"] for row in known}
        differ = (row for row in own if row["before"] and digests.get(row["before"]) != row["digest"])
        for row in islice(differ, _TRIED):
            if (await asked.mirror.standing(row["before"], row["id"])).changes:
                return int(row["id"])
    return int(own[0]["id"])


async def _totals(asked: Asked, medium: str, start: int, to: int) -> list[Row]:
    """How many entries were added, updated and removed, however many they are."""
    sql = f"SELECT op, count(*) AS entries FROM ({queries.sql(f'{medium}_changes')}) GROUP BY op"
    return await asked.mirror.found(sql, **{"from": start, "to": to, "rows": -1})


def _steps(known: list[Row], start: int, to: int) -> tuple[Row | None, Row | None]:
    """The changes just before these, and those just after them."""
    before = next((row["before"] for row in known if row["id"] == start), None)
    after = next((row["id"] for row in known if row["before"] == to), None)
    return (
        {"from": before, "to": start} if before else None,
        {"from": to, "to": after} if after else None,
    )


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
