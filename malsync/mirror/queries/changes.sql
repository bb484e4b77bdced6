-- title: What changed on the {medium} list between two snapshots
-- about: One row for each entry that was added, updated or removed. A blank and nothing at all are one value, updated_at is the server's, and a field that one of the two does not know is not compared.
-- choose from: SELECT id, '#' || id || ', ' || substr(taken_at, 1, 10) FROM snapshot WHERE {medium} IS NOT NULL ORDER BY taken_at DESC, id DESC LIMIT 1000
-- choose to: SELECT id, '#' || id || ', ' || substr(taken_at, 1, 10) FROM snapshot WHERE {medium} IS NOT NULL ORDER BY taken_at DESC, id DESC LIMIT 1000
WITH pair AS MATERIALIZED (
    SELECT a.id AS a, a.series AS a_series, b.id AS b, b.series AS b_series, {both}
    FROM snapshot AS a JOIN snapshot AS b ON b.id = :to
    WHERE a.id = :from AND a.{medium} IS NOT NULL AND b.{medium} IS NOT NULL
), changed (op, place, media_id, {was}, {now}) AS (
    SELECT iif(new.media_id IS NULL, 'remove', 'update'), iif(new.media_id IS NULL, 3, 2), old.media_id, {old}, {new}
    FROM pair
    JOIN {medium}_version AS old ON old.series = a_series AND old.since <= a AND (old.until IS NULL OR old.until > a)
    LEFT JOIN {medium}_version AS new ON new.series = b_series AND new.media_id = old.media_id
        AND new.since <= b AND (new.until IS NULL OR new.until > b)
    WHERE new.media_id IS NULL OR ((new.series, new.since) IS NOT (old.series, old.since) AND ({differs}))
    UNION ALL
    SELECT 'add', 1, new.media_id, {old}, {new}
    FROM pair
    JOIN {medium}_version AS new ON new.series = b_series AND new.since <= b AND (new.until IS NULL OR new.until > b)
    LEFT JOIN {medium}_version AS old ON old.series = a_series AND old.media_id = new.media_id
        AND old.since <= a AND (old.until IS NULL OR old.until > a)
    WHERE old.media_id IS NULL
)
SELECT changed.op, changed.media_id AS id, title.title, {was}, {now}
FROM changed LEFT JOIN {medium} AS title ON title.id = changed.media_id
ORDER BY changed.place, title.title COLLATE NOCASE, changed.media_id
LIMIT coalesce(nullif(:rows, ''), 200)
