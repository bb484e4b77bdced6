-- title: Posts with words in them
-- about: As SQLite's full-text search understands them; the best first.
SELECT post.id, post.topic, topic.title, post.number, post.created_at, author.name AS author,
    snippet(forum_post_fts, 0, '', '', ' … ', 30) AS text
FROM forum_post_fts JOIN forum_post AS post ON post.id = forum_post_fts.rowid
JOIN forum_topic AS topic ON topic.id = post.topic LEFT JOIN forum_member AS author ON author.id = post.created_by
WHERE forum_post_fts MATCH coalesce(nullif(:words, ''), '""')
ORDER BY forum_post_fts.rank
LIMIT coalesce(nullif(:rows, ''), 50)
