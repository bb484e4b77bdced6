-- title: Entries that are not on the {medium} list any more
-- about: What was on it once, as it stood last. Where MAL itself removed the title, `gone_at` says since when that is known.
WITH newest AS (
    SELECT snapshot.id, snapshot.series FROM snapshot JOIN series ON series.id = snapshot.series
    WHERE (:user = '' OR series.user = :user) AND snapshot.{medium} IS NOT NULL
    ORDER BY snapshot.taken_at DESC, snapshot.id DESC LIMIT 1
), last AS (
    SELECT version.media_id, version.status, version.score, version.until,
        row_number() OVER (PARTITION BY version.media_id ORDER BY version.since DESC) AS age
    FROM series JOIN {medium}_version AS version ON version.series = series.id
    WHERE (:user = '' OR series.user = :user) AND series.kind = 'own'
)
SELECT last.media_id AS id, title.title, last.status, last.score, last.until AS snapshot, snapshot.taken_at AS removed_at,
    title.gone_at
FROM last LEFT JOIN {medium} AS title ON title.id = last.media_id LEFT JOIN snapshot ON snapshot.id = last.until
WHERE last.age = 1 AND (title.gone_at IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM newest JOIN {medium}_version AS version ON version.series = newest.series
        AND version.media_id = last.media_id AND version.since <= newest.id
        AND (version.until IS NULL OR version.until > newest.id)
))
ORDER BY last.until DESC, title.title COLLATE NOCASE
LIMIT coalesce(nullif(:rows, ''), 200)
