"""Runs: each restore, revert, migration and undo, with its requests and their outcomes."""

import json
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse import filters
from malsync.browse.page_context import PageRequest, Row
from malsync.browse.pages.title import shown
from malsync.model.medium import MEDIA

PAGE = 100
OUTCOMES = ("done", "already", "skipped", "failed", "not_restorable", "open")

_RUN = """
    SELECT id, user, account, kind, state, before, after, undoes, started_at, ended_at, json_extract(plan, '$.lists') AS lists
    FROM run WHERE id = :run
"""


async def overview(request: PageRequest) -> Any:
    """GET /runs: every run."""
    rows = await request.rows("runs", user=request.user_id, rows=500)
    return await request.render(
        "runs.html", rows=rows, outcomes=OUTCOMES, data=request.data("runs", user=request.user_id)
    )


async def run(request: PageRequest) -> Any:
    """GET /runs/1: the requests of a run; with `state`, those with that outcome."""
    number, state = request.path_number("run"), request.text("state")
    row = await request.mirror.first(_RUN, run=number)
    if row is None:
        raise NotFound(f"There is no run {number}.")
    states = await request.mirror.query(
        "SELECT state, count(*) AS calls FROM run_call WHERE run = :run GROUP BY state ORDER BY calls DESC", run=number
    )
    total = sum(outcome["calls"] for outcome in states if state in ("", outcome["state"]))
    page, pages = request.page_number(total, PAGE)
    rows = await request.rows("calls", run=number, state=state, rows=PAGE, skip=(page - 1) * PAGE)
    return await request.render(
        "run.html",
        run=row,
        goal=_goal(json.loads(row["lists"] or "{}")),
        states=states,
        state=state,
        rows=[{**call, "changes": _changes(call)} for call in rows],
        total=total,
        page=page,
        pages=pages,
        data=request.data("calls", run=number, state=state),
    )


def _changes(row: Row) -> list[Row]:
    """Return the fields of a request, in words: each with its old and its requested value."""
    fields = MEDIA[row["medium"]].by_name
    return [
        {
            "field": filters.field(name),
            "from": shown(fields[name], pair[0]) if name in fields else str(pair[0]),
            "to": (shown(fields[name], pair[1]) if name in fields else str(pair[1])) or "none",
        }
        for name, pair in json.loads(row["fields"] or "{}").items()
    ]


def _goal(lists: dict[str, Any]) -> str:
    """Return what the run was planned to do, from the lists that its plan names."""
    named = {
        name: f"#{source['snapshot']}" if source.get("snapshot") else str(source.get("reference") or "a list")
        for name, source in lists.items()
        if isinstance(source, dict)
    }
    if "good" in named and "bad" in named:
        return f"Goal: undo the changes from {named['good']} to {named['bad']}."
    return f"Goal: make the live list match {named['wanted']}." if "wanted" in named else ""
