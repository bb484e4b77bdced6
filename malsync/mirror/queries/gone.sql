-- title: Entries that are not on the {medium} list any more
-- about: What was on it once, as it stood last. Where MAL itself removed the title, `gone_at` says since when that is known.
WITH newest AS MATERIALIZED (
    SELECT snapshot.id, snapshot.series, snapshot.taken_at, series.user
    FROM snapshot JOIN series ON series.id = snapshot.series
    WHERE (:user = '' OR series.user = :user) AND series.kind <> 'import' AND snapshot.{medium} IS NOT NULL
    ORDER BY snapshot.taken_at DESC, snapshot.id DESC LIMIT 1
), last AS (
    SELECT version.series, version.media_id, version.status, version.score, version.since, version.until, row_number() OVER (
        PARTITION BY version.media_id ORDER BY version.series = newest.series DESC, version.since DESC
    ) AS age
    -- CROSS: in this order, or SQLite begins with every version of everybody.
    FROM newest CROSS JOIN series ON series.user = newest.user AND series.kind <> 'import'
    CROSS JOIN {medium}_version AS version ON version.series = series.id
), went AS (
    SELECT last.*, last.series = newest.series AND last.since <= newest.id
        AND (last.until IS NULL OR last.until > newest.id) AS is_here, title.title, title.gone_at
    FROM newest JOIN last ON last.age = 1 LEFT JOIN {medium} AS title ON title.id = last.media_id
    WHERE NOT is_here OR title.gone_at IS NOT NULL
), dated AS (
    -- The first snapshot without it that is still here; where its series ended before it went, the newest one.
    SELECT went.*, iif(is_here, NULL, coalesce(
        (SELECT id FROM snapshot WHERE id >= went.until AND series = went.series AND {medium} IS NOT NULL ORDER BY id LIMIT 1),
        newest.id
    )) AS snapshot
    FROM newest JOIN went
)
SELECT dated.media_id AS id, dated.title, dated.status, dated.score, dated.snapshot, snapshot.taken_at AS removed_at,
    dated.gone_at
FROM dated LEFT JOIN snapshot ON snapshot.id = dated.snapshot
ORDER BY dated.snapshot DESC, dated.title COLLATE NOCASE
LIMIT coalesce(nullif(:rows, ''), 200)
