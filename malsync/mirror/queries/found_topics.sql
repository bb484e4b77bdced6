-- title: Topics with words in their title
-- about: As SQLite's full-text search understands them; the best first.
SELECT topic.id, topic.title, topic.created_at, author.name AS author, topic.number_of_posts, topic.last_post_created_at,
    topic.is_locked, topic.posts_at, board.id AS board, board.title AS board_title
FROM forum_topic_fts JOIN forum_topic AS topic ON topic.id = forum_topic_fts.rowid
LEFT JOIN forum_member AS author ON author.id = topic.created_by LEFT JOIN forum_board AS board ON board.id = topic.board
WHERE forum_topic_fts MATCH coalesce(nullif(:words, ''), '""')
ORDER BY forum_topic_fts.rank
LIMIT coalesce(nullif(:rows, ''), 50)
