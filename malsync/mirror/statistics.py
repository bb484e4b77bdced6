"""Statistics of both lists: `stats` prints them and the browser draws them, from the rows of the same queries.

A row of such a query has a `name` (a status, score, month, genre, year or season) and its number of `entries`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from malsync.mirror.queries import sql
from malsync.mirror.snapshot_rows import SnapshotInfo
from malsync.model.medium import ANIME, Medium
from malsync.model.timestamps import timestamp

if TYPE_CHECKING:
    from malsync.mirror.snapshots import Mirror

Row = Mapping[str, Any]
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_YEAR = re.compile(r"[1-9][0-9]{3}")
GENRES, MONTHS, SNAPSHOTS = 12, 36, 400
"""The most genres (the most frequent), months (the latest) and snapshots (the newest) that are shown."""
YEARS = 150
"""A longer span of years contains a wrong one: MAL's oldest titles are from the 1890s and 1910s."""


def queries_of(medium: Medium) -> dict[str, str]:
    """The names of the queries that count a list, by what they count. Each takes a `snapshot`."""
    names = {what: f"{medium.name}_{what}" for what in ("by_status", "by_score", "by_month", "by_year", "by_genre")}
    return names | ({"by_season": "by_season"} if medium is ANIME else {})  # MAL has seasons of anime only


def list_statistics(mirror: "Mirror", medium: Medium, info: SnapshotInfo, now: datetime) -> dict[str, Any]:
    """One list in a snapshot, as in `output-stats.json`: `entries`, `mean_score`, and the rows of each of `queries_of`."""
    counted = {
        what: mirror.query(sql(name), snapshot=info.number, rows=-1) for what, name in queries_of(medium).items()
    }
    for rows in counted.values():
        for row in rows:
            row.pop("id", None)
    mean = mean_score(counted["by_score"])
    counted["by_month"] = every_month(counted["by_month"], now)
    return {
        "snapshot": info.number,
        "taken_at": timestamp(info.taken_at),
        "entries": info.counts[medium.name],
        "mean_score": None if mean is None else round(mean, 2),
        **counted,
    }


def growth(mirror: "Mirror", newest: SnapshotInfo) -> list[dict[str, Any]]:
    """The user's snapshots up to `newest`, oldest first, `SNAPSHOTS` at most: their counts and changes."""
    (series,) = mirror.query("SELECT user FROM series WHERE id = :id", id=newest.series)
    rows = mirror.query(sql("snapshots"), user=series["user"], rows=-1, skip="")
    until = timestamp(newest.taken_at)
    members = ("taken_at", "source", "anime", "manga", "added", "updated", "removed")
    return [
        {"snapshot": row["id"], **{name: row[name] for name in members}}
        for row in reversed([row for row in rows if row["taken_at"] <= until][:SNAPSHOTS])
    ]


def mean_score(by_score: Sequence[Row]) -> float | None:
    """The mean of all scores; None if there are none."""
    scored = sum(row["entries"] for row in by_score)
    return sum(row["name"] * row["entries"] for row in by_score) / scored if scored else None


def every_month(by_month: Sequence[Row], now: datetime) -> list[dict[str, Any]]:
    """The `MONTHS` months up to the newest one, empty ones included. Names that are not a month are left out.

    Months after `now` count only if there are no others: after a mistyped year, 2206 for 2026, no other month would show.
    """
    counts = {row["name"]: row["entries"] for row in by_month if _MONTH.fullmatch(row["name"])}
    if not counts:
        return []
    newest = max((name for name in counts if name <= f"{now:%Y-%m}"), default=max(counts))
    year, month = map(int, newest.split("-"))
    months = [divmod(year * 12 + month - 1 - back, 12) for back in range(MONTHS)][::-1]
    names = [f"{y:04}-{m + 1:02}" for y, m in months]
    return [{"name": name, "entries": counts.get(name, 0)} for name in names]


def every_year(by_year: Sequence[Row]) -> list[Row]:
    """The years from the first to the last, empty ones included; the rows unchanged if they are not a span of years."""
    counts = {row["name"]: row for row in by_year if _YEAR.fullmatch(row["name"])}
    span = range(int(min(counts)), int(max(counts)) + 1) if counts else range(0)
    if len(counts) < len(by_year) or len(span) > YEARS:
        return list(by_year)
    return [counts.get(f"{year}", {"name": f"{year}", "entries": 0}) for year in span]
