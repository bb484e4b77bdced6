"""The charts: statistics of both lists, and how they grew."""

from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from malsync.browse import charts
from malsync.browse.charts import Bar, Point
from malsync.browse.page_context import PageRequest, Row
from malsync.mirror.statistics import GENRES, SNAPSHOTS, every_month, every_year, mean_score, queries_of
from malsync.model.medium import MEDIA, Medium


async def page(request: PageRequest) -> Any:
    """GET /charts: statistics of both lists."""
    media = {name: data for name, medium in MEDIA.items() if (data := await _medium(request, medium)) is not None}
    rows = (await request.rows("snapshots", user=request.user_id, rows=SNAPSHOTS))[::-1]
    return await request.render(
        "charts.html",
        media=media,
        first=rows[0] if rows else None,
        last=rows[-1] if rows else None,
        growth=growth(request, rows),
        changes=charts.columns("Changes per snapshot", [_change(request, row) for row in rows]),
        data=request.data("snapshots", user=request.user_id),
    )


async def _medium(request: PageRequest, medium: Medium) -> Row | None:
    snapshot = await request.newest(medium)
    if snapshot is None:
        return None
    at, queries = {"snapshot": snapshot["id"]}, queries_of(medium)
    counted = {what: await request.rows(query, **at) for what, query in queries.items()}
    scores = {row["name"]: row["entries"] for row in counted["by_score"]}
    years, months = every_year(counted["by_year"]), every_month(counted["by_month"], datetime.now(UTC))
    path = f"/{medium.name}"
    return {
        "entries": snapshot[medium.name],
        "mean": mean_score(counted["by_score"]),
        "status": counted["by_status"],
        "scores": charts.columns(
            "Scores",
            [
                Bar(str(score), [("plain", scores.get(score, 0))], request.link(path, score=score))
                for score in range(1, 11)
            ],
        ),
        "years": years
        and charts.columns(
            "Years",
            [Bar(row["name"], [("plain", row["entries"])], request.link(path, year=row["name"])) for row in years],
        ),
        "months": months
        and charts.columns("Finished by month", [Bar(row["name"], [("plain", row["entries"])]) for row in months]),
        "genres": counted["by_genre"][:GENRES],
        "seasons": counted.get("by_season", ()),
        "data": {what: request.data(query, **at) for what, query in queries.items()},
    }


def growth(request: PageRequest, rows: list[Row], *, small: bool = False) -> Markup:
    """Return a chart of the number of entries over the snapshots, which are in order of time, with a line for each medium."""
    if not rows:
        return Markup("")
    begin, *_, end = [datetime.fromisoformat(row["taken_at"]).timestamp() for row in (*rows, rows[-1])]
    lines = [
        (
            name,
            [
                Point(
                    (datetime.fromisoformat(row["taken_at"]).timestamp() - begin) / ((end - begin) or 1),
                    row[name],
                    f"{row['taken_at'][:10]}: {row[name]:,} {name}",
                    request.link(f"/{name}", at=row["id"]),
                )
                for row in rows
                if row[name] is not None
            ],
        )
        for name in MEDIA
    ]
    return charts.line("Entries per snapshot", lines, small=small)


def _change(request: PageRequest, row: Row) -> Bar:
    tip = f"#{row['id']}, {row['taken_at'][:10]}: {row['added']} added, {row['updated']} updated, {row['removed']} removed"
    parts = [("added", row["added"]), ("updated", row["updated"]), ("removed", row["removed"])]
    href = request.link("/changes", **{"from": row["before"], "to": row["id"]}) if row["before"] else ""
    return Bar(row["taken_at"][:10], parts, href, tip)
