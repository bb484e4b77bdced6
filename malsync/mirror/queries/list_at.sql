-- title: The {medium} list as of a snapshot
-- about: Every entry as it stood then. Without a snapshot, the newest one.
-- choose snapshot: SELECT id, '#' || id || ', ' || substr(taken_at, 1, 10) || ', ' || {medium} || ' entries' FROM snapshot WHERE {medium} IS NOT NULL ORDER BY taken_at DESC, id DESC LIMIT 1000
SELECT version.media_id AS id, title.title, {readable}
FROM {joins}
WHERE {here}
ORDER BY version.media_id
LIMIT coalesce(nullif(:rows, ''), 200)
