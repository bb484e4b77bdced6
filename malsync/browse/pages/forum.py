"""The forum, as far as `fetch` brought it: boards, topics, posts."""

from typing import Any

from datasette.utils.asgi import NotFound

from malsync.browse.page_context import Asked
from malsync.browse.pages.lists import words

PAGE = 50
_BOARDS = """
    SELECT board.id, board.title, board.category, board.description, count(topic.id) AS topics
    FROM forum_board AS board LEFT JOIN forum_category AS category ON category.title = board.category
    LEFT JOIN forum_topic AS topic ON topic.board = board.id
    WHERE board.title IS NOT NULL GROUP BY board.id ORDER BY category.place, board.place
"""

_OF_A_BOARD = "SELECT 1 AS one FROM forum_topic WHERE board = :board LIMIT 1"


async def topics(asked: Asked) -> Any:
    """GET /forum: topics of a board or of all, or those and the posts with the words that are searched."""
    search, board = asked.text("q"), asked.text("board")
    posts, is_known = [], True
    if search:
        leaf = {"rows": await asked.rows("found_topics", words=words(search), rows=PAGE), "page": 1, "more": False}
        posts = await asked.rows("found_posts", words=words(search), rows=PAGE)
        data = asked.data("found_posts", words=words(search))
    else:
        leaf = await asked.leafed("topics", PAGE, board=board)
        data = asked.data("topics", board=board)
        if board and await asked.mirror.first(_OF_A_BOARD, board=board) is None:
            is_known, leaf = False, await asked.leafed("topics", PAGE, board="unknown")
    return await asked.page(
        "forum.html", found=posts, search=search, board=board, is_known=is_known, data=data,
        boards=await asked.mirror.found(_BOARDS), **leaf,
    )  # fmt: skip


async def posts(asked: Asked) -> Any:
    """GET /forum/2000001: one topic."""
    number = asked.number_of("topic")
    topic = await asked.mirror.first("SELECT * FROM forum_topic WHERE id = :topic", topic=number)
    if topic is None:
        raise NotFound(f"The mirror knows no topic {number}.")
    return await asked.page(
        "topic.html", topic=topic, **await asked.leafed("posts", PAGE, topic=number),
        poll=await asked.mirror.first("SELECT * FROM forum_poll WHERE topic = :topic", topic=number),
        options=await asked.mirror.found(
            "SELECT text, votes FROM forum_poll_option WHERE topic = :topic ORDER BY place", topic=number
        ),
        data=asked.data("posts", topic=number),
    )  # fmt: skip
