"""The forum, as far as it was fetched: boards, topics, posts."""

from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse.page_context import PageRequest
from malsync.browse.pages.lists import words

PAGE = 50
_BOARDS = """
    SELECT board.id, board.title, board.category, board.description, count(topic.id) AS topics
    FROM forum_board AS board LEFT JOIN forum_category AS category ON category.title = board.category
    LEFT JOIN forum_topic AS topic ON topic.board = board.id
    WHERE board.title IS NOT NULL GROUP BY board.id ORDER BY category.place, board.place
"""

_TOPIC_OF_BOARD = "SELECT 1 FROM forum_topic WHERE board = :board LIMIT 1"


async def overview(request: PageRequest) -> Any:
    """GET /forum: topics, all or of one board, or the topics and posts that contain the words of a search."""
    search, board = request.text("q"), request.text("board")
    posts, is_known = [], True
    if search:
        page = {"rows": await request.rows("found_topics", words=words(search), rows=PAGE), "page": 1, "more": False}
        posts = await request.rows("found_posts", words=words(search), rows=PAGE)
        data = request.data("found_posts", words=words(search))
    else:
        page = await request.uncounted_page("topics", PAGE, board=board)
        data = request.data("topics", board=board)
        if board and await request.mirror.first(_TOPIC_OF_BOARD, board=board) is None:
            is_known, page = False, await request.uncounted_page("topics", PAGE, board="unknown")
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
        "topic.html", topic=row, **await request.uncounted_page("posts", PAGE, topic=number),
        poll=await request.mirror.first("SELECT * FROM forum_poll WHERE topic = :topic", topic=number),
        options=await request.mirror.query(
            "SELECT text, votes FROM forum_poll_option WHERE topic = :topic ORDER BY place", topic=number
        ),
        data=request.data("posts", topic=number),
    )  # fmt: skip
