"""What `fetch` brought of MAL's own lists: rankings by day, seasons, suggestions."""

import json
from typing import Any

from malsync.browse.page_context import Asked, Row, medium_of
from malsync.mirror import queries
from malsync.model.medium import MEDIA, SEASONS, Medium

PAGE = 60


async def rankings(asked: Asked) -> Any:
    """GET /rankings: of a medium, a type and a day."""
    medium = medium_of(asked.text("medium", "anime"))
    query = f"{medium.name}_ranking"
    known = await asked.mirror.found(
        f"{queries.pairs(query, 'day', 'type')} SELECT day, type FROM found ORDER BY day DESC, type"
    )
    days = list(dict.fromkeys(row["day"] for row in known))
    day = asked.text("day") or next(iter(days), "")
    types = [row["type"] for row in known if row["day"] == day]
    kind = asked.text("type") or next(iter(types), "")
    return await _listed(
        asked, query, {"day": day, "type": kind},
        heading=f"{medium.name.capitalize()} ranking", kind="rankings", medium=medium.name,
        selects={"type": (types, kind), "day": (days, day)},
        fetch=f"malsync fetch ranking {kind if kind in medium.ranking_types else 'all'}",
        tabs=[(asked.link("/rankings", medium=name), name, name == medium.name) for name in MEDIA],
    )  # fmt: skip


async def seasons(asked: Asked) -> Any:
    """GET /seasons: one season of anime."""
    known = await asked.mirror.found(
        f"{queries.pairs('season_title', 'year', 'season')} SELECT year, season FROM found"
    )
    known.sort(key=lambda row: (-row["year"], -SEASONS.index(row["season"]) if row["season"] in SEASONS else 0))
    newest: Row = next(iter(known), {"year": "", "season": ""})
    year = asked.text("year") or str(newest["year"])
    in_year = [row["season"] for row in known if str(row["year"]) == year]
    season = asked.text("season") or next(iter(in_year), "")
    return await _listed(
        asked, "season", {"year": year, "season": season},
        heading=f"{season} {year}".strip().capitalize() or "Seasons", kind="seasons", medium="anime",
        selects={"season": (list(SEASONS), season), "year": (list(dict.fromkeys(str(row["year"]) for row in known)), year)},
        fetch="malsync fetch season 2026 fall",
        tabs=[(asked.link("/seasons", year=row["year"], season=row["season"]), f"{row['season']} {row['year']}",
               (str(row["year"]), row["season"]) == (year, season)) for row in known[:8]],
    )  # fmt: skip


async def suggestions(asked: Asked) -> Any:
    """GET /suggestions: what MAL suggested to the user."""
    return await _listed(
        asked, "suggestions", {"user": asked.user_id}, heading="Suggestions", kind="suggestions", medium="anime",
        selects={}, fetch="malsync fetch suggestions", tabs=[],
    )  # fmt: skip


async def _listed(asked: Asked, query: str, values: Row, **context: Any) -> Any:
    leaf = await asked.leafed(query, PAGE, **values)
    return await asked.page(
        "listed.html", data=asked.data(query, **values),
        mine=await _mine(asked, medium_of(context["medium"]), [row["id"] for row in leaf["rows"]]),
        about=queries.all_queries()[query].about, **leaf, **context,
    )  # fmt: skip


async def _mine(asked: Asked, medium: Medium, ids: list[int]) -> dict[int, str]:
    """The user's own status of those of these titles that are on the newest list."""
    newest = await asked.newest(medium)
    if newest is None or not ids:
        return {}
    sql = (
        f"SELECT media_id, version.status FROM {queries.joins(medium)}"
        " WHERE snapshot.id = :snapshot AND media_id IN (SELECT value FROM json_each(:ids))"
    )
    rows = await asked.mirror.found(sql, snapshot=newest["id"], ids=json.dumps(ids))
    return {row["media_id"]: row["status"] for row in rows}
