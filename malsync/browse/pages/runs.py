"""Runs: each restore and revert, its calls, and what came of them."""

import json
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse import filters
from malsync.browse.page_context import Asked, Row
from malsync.browse.pages.title import shown
from malsync.model.medium import MEDIA

PAGE = 100
OUTCOMES = ("done", "already", "skipped", "failed", "not_restorable", "open")

_RUN = """
    SELECT id, user, account, kind, state, before, after, undoes, started_at, ended_at, json_extract(plan, '$.lists') AS lists
    FROM run WHERE id = :run
"""


async def every(asked: Asked) -> Any:
    """GET /runs."""
    rows = await asked.rows("runs", user=asked.user_id, rows=500)
    return await asked.page("runs.html", rows=rows, outcomes=OUTCOMES, data=asked.data("runs", user=asked.user_id))


async def one(asked: Asked) -> Any:
    """GET /runs/1, with `state` for the calls of one outcome."""
    number, state = asked.number_of("run"), asked.text("state")
    run = await asked.mirror.first(_RUN, run=number)
    if run is None:
        raise NotFound(f"There is no run {number}.")
    states = await asked.mirror.found(
        "SELECT state, count(*) AS calls FROM run_call WHERE run = :run GROUP BY state ORDER BY calls DESC", run=number
    )
    total = sum(row["calls"] for row in states if state in ("", row["state"]))
    page, pages = asked.leaf(total, PAGE)
    rows = await asked.rows("calls", run=number, state=state, rows=PAGE, skip=(page - 1) * PAGE)
    return await asked.page(
        "run.html",
        run=run,
        run_about=_about(json.loads(run["lists"] or "{}")),
        states=states,
        state=state,
        rows=[{**row, "changes": _changes(row)} for row in rows],
        total=total,
        page=page,
        pages=pages,
        data=asked.data("calls", run=number, state=state),
    )


def _changes(row: Row) -> list[Row]:
    """The fields of a call, in words: what each was, and what it was to be."""
    fields = MEDIA[row["medium"]].by_name
    return [
        {
            "field": filters.field(name),
            "from": shown(fields[name], pair[0]) if name in fields else str(pair[0]),
            "to": (shown(fields[name], pair[1]) if name in fields else str(pair[1])) or "none",
        }
        for name, pair in json.loads(row["fields"] or "{}").items()
    ]


def _about(lists: dict[str, Any]) -> str:
    """Which lists the run was planned from, as they were named."""
    named = {
        name: f"#{told['snapshot']}" if told.get("snapshot") else str(told.get("reference") or "a list")
        for name, told in lists.items()
        if isinstance(told, dict)
    }
    if "good" in named and "bad" in named:
        return f"Goal: undo the changes from {named['good']} to {named['bad']}."
    return f"Goal: make the live list match {named['wanted']}." if "wanted" in named else ""
