-- title: The posts of a topic
-- about: By the number of the topic. `body` is HTML of strangers, as MAL sent it.
SELECT post.id, post.number, post.created_at, author.name AS author, post.body
FROM forum_post AS post LEFT JOIN forum_member AS author ON author.id = post.created_by
WHERE post.topic = :topic
ORDER BY post.number, post.id
LIMIT coalesce(nullif(:rows, ''), 200) OFFSET coalesce(nullif(:skip, ''), 0)
