"""What was fetched beside the lists: rankings by day, seasons, suggestions, the forum."""

import json
from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse.page_context import PageRequest, Row, medium_of
from malsync.browse.pages.lists import words
from malsync.mirror import queries
from malsync.model.medium import MEDIA, SEASONS, Medium

PAGE = 60
POSTS = 50
_BOARDS = """
    SELECT board.id, board.title, board.category, board.description, count(topic.id) AS topics
    FROM forum_board AS board LEFT JOIN forum_category AS category ON category.title = board.category
    LEFT JOIN forum_topic AS topic ON topic.board = board.id
    WHERE board.title IS NOT NULL GROUP BY board.id ORDER BY category.place, board.place
"""

_TOPIC_OF_BOARD = "SELECT 1 FROM forum_topic WHERE board = :board LIMIT 1"


async def rankings(request: PageRequest) -> Any:
    """GET /rankings: one type of ranking of a medium on one day."""
    medium = medium_of(request.text("medium", "anime"))
    query = f"{medium.name}_ranking"
    known = await request.mirror.query(
        f"{queries.pairs(query, 'day', 'type')} SELECT day, type FROM found ORDER BY day DESC, type"
    )
    days = list(dict.fromkeys(row["day"] for row in known))
    day = request.text("day") or next(iter(days), "")
    types = [row["type"] for row in known if row["day"] == day]
    kind = request.text("type") or next(iter(types), "")
    return await _render_list(
        request, query, {"day": day, "type": kind},
        heading=f"{medium.name.capitalize()} ranking", kind="rankings", medium=medium.name,
        selects={"type": (types, kind), "day": (days, day)},
        fetch=f"malsync fetch ranking {kind if kind in medium.ranking_types else 'all'}",
        tabs=[(request.link("/rankings", medium=name), name, name == medium.name) for name in MEDIA],
    )  # fmt: skip


async def seasons(request: PageRequest) -> Any:
    """GET /seasons: one season of anime."""
    known = await request.mirror.query(
        f"{queries.pairs('season_title', 'year', 'season')} SELECT year, season FROM found"
    )
    known.sort(key=lambda row: (-row["year"], -SEASONS.index(row["season"]) if row["season"] in SEASONS else 0))
    newest: Row = next(iter(known), {"year": "", "season": ""})
    year = request.text("year") or str(newest["year"])
    in_year = [row["season"] for row in known if str(row["year"]) == year]
    season = request.text("season") or next(iter(in_year), "")
    return await _render_list(
        request, "season", {"year": year, "season": season},
        heading=f"{season} {year}".strip().capitalize() or "Seasons", kind="seasons", medium="anime",
        selects={"season": (list(SEASONS), season), "year": (list(dict.fromkeys(str(row["year"]) for row in known)), year)},
        fetch="malsync fetch season 2026 fall",
        tabs=[(request.link("/seasons", year=row["year"], season=row["season"]), f"{row['season']} {row['year']}",
               (str(row["year"]), row["season"]) == (year, season)) for row in known[:8]],
    )  # fmt: skip


async def suggestions(request: PageRequest) -> Any:
    """GET /suggestions: the anime that MAL suggests to the user."""
    return await _render_list(
        request, "suggestions", {"user": request.user_id}, heading="Suggestions", kind="suggestions", medium="anime",
        selects={}, fetch="malsync fetch suggestions", tabs=[],
    )  # fmt: skip


async def _render_list(request: PageRequest, query: str, values: Row, **context: Any) -> Any:
    page = await request.uncounted_page(query, PAGE, **values)
    return await request.render(
        "listed.html", data=request.data(query, **values),
        mine=await _mine(request, medium_of(context["medium"]), [row["id"] for row in page["rows"]]),
        about=queries.all_queries()[query].about, **page, **context,
    )  # fmt: skip


async def _mine(request: PageRequest, medium: Medium, ids: list[int]) -> dict[int, str]:
    """Return the user's status of each of these titles that is on the newest list."""
    newest = await request.newest(medium)
    if newest is None or not ids:
        return {}
    sql = (
        f"SELECT media_id, version.status FROM {queries.joins(medium)}"
        " WHERE snapshot.id = :snapshot AND media_id IN (SELECT value FROM json_each(:ids))"
    )
    rows = await request.mirror.query(sql, snapshot=newest["id"], ids=json.dumps(ids))
    return {row["media_id"]: row["status"] for row in rows}


async def forum(request: PageRequest) -> Any:
    """GET /forum: topics, all or of one board, or the topics and posts that contain the words of a search."""
    search, board = request.text("q"), request.text("board")
    posts, is_known = [], True
    if search:
        page = {"rows": await request.rows("found_topics", words=words(search), rows=POSTS), "page": 1, "more": False}
        posts = await request.rows("found_posts", words=words(search), rows=POSTS)
        data = request.data("found_posts", words=words(search))
    else:
        page = await request.uncounted_page("topics", POSTS, board=board)
        data = request.data("topics", board=board)
        if board and await request.mirror.first(_TOPIC_OF_BOARD, board=board) is None:
            is_known, page = False, await request.uncounted_page("topics", POSTS, board="unknown")
    return await request.render(
        "forum.html", found=posts, search=search, board=board, is_known=is_known, data=data,
        boards=await request.mirror.query(_BOARDS), **page,
    )  # fmt: skip


async def topic(request: PageRequest) -> Any:
    """GET /forum/2000001: one topic with its posts."""
    number = request.path_number("topic")
    row = await request.mirror.first("SELECT * FROM forum_topic WHERE id = :topic", topic=number)
    if row is None:
        raise NotFound(f"There is no topic {number} in the mirror.")
    return await request.render(
        "topic.html", topic=row, **await request.uncounted_page("posts", POSTS, topic=number),
        poll=await request.mirror.first("SELECT * FROM forum_poll WHERE topic = :topic", topic=number),
        options=await request.mirror.query(
            "SELECT text, votes FROM forum_poll_option WHERE topic = :topic ORDER BY place", topic=number
        ),
        data=request.data("posts", topic=number),
    )  # fmt: skip
