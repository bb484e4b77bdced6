"""What both lists come to in figures: `stats` prints them and the browser draws them, from rows of the same queries."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from malsync.model.medium import ANIME, Medium

Row = Mapping[str, Any]
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_YEAR = re.compile(r"[1-9][0-9]{3}")
GENRES, MONTHS, SNAPSHOTS = 12, 36, 400
"""At most so many genres (the most frequent), months (the last) and snapshots (the newest) are told."""
YEARS = 150
"""A longer span has a year that is none: the oldest titles of MAL are of the 1890s and 1910s."""


def queries_of(medium: Medium) -> dict[str, str]:
    """What is counted of a list, and the query that counts it. Every query takes a `snapshot`."""
    counted = {what: f"{medium.name}_{what}" for what in ("by_status", "by_score", "by_month", "by_year", "by_genre")}
    # MAL tells the season of anime alone.
    return counted | ({"by_season": "by_season"} if medium is ANIME else {})


def mean_score(by_score: Sequence[Row]) -> float | None:
    """The mean of the scores that were given; None where none was."""
    scored = sum(row["entries"] for row in by_score)
    return sum(row["name"] * row["entries"] for row in by_score) / scored if scored else None


def every_month(by_month: Sequence[Row], now: datetime) -> list[dict[str, Any]]:
    """The last `MONTHS` months up to the newest one, those without anything too. What is no month is left out.

    Months after `now` count only where there are no others: a year that was mistyped, 2206 for 2026, would leave nothing
    else to see.
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
    """The years from the first to the last, those without anything too; the rows as they are where that is no span of years."""
    counts = {row["name"]: row for row in by_year if _YEAR.fullmatch(row["name"])}
    span = range(int(min(counts)), int(max(counts)) + 1) if counts else range(0)
    if len(counts) < len(by_year) or len(span) > YEARS:
        return list(by_year)
    return [counts.get(f"{year}", {"name": f"{year}", "entries": 0}) for year in span]


def kept(snapshots: Sequence[Row], name: str) -> list[int]:
    """The entries of a list at each snapshot, oldest first; one that does not cover it leaves it as it was."""
    found: list[int] = []
    for row in snapshots:
        found.append(row[name] if row[name] is not None else found[-1] if found else 0)
    return found
