-- title: Topics of the forum
-- about: Those that were fetched, the newest post first; of one board, or of all.
-- choose board: SELECT id, title FROM forum_board WHERE title IS NOT NULL ORDER BY place
SELECT topic.id, topic.title, topic.created_at, author.name AS author, topic.number_of_posts,
    topic.last_post_created_at, topic.is_locked, topic.posts_at, board.id AS board, board.title AS board_title
FROM (
    SELECT * FROM forum_topic WHERE :board = '' UNION ALL SELECT * FROM forum_topic WHERE board = nullif(:board, '')
    UNION ALL SELECT * FROM forum_topic WHERE :board = 'unknown' AND board IS NULL
) AS topic LEFT JOIN forum_member AS author ON author.id = topic.created_by
LEFT JOIN forum_board AS board ON board.id = topic.board
ORDER BY topic.last_post_created_at DESC, topic.id DESC
LIMIT coalesce(nullif(:rows, ''), 200) OFFSET coalesce(nullif(:skip, ''), 0)
