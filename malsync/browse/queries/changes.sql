-- title: What changed on the {medium} list between two snapshots
-- about: One row for each entry that was added, updated or removed. A blank and nothing at all are one value, and updated_at is the server's.
-- choose from: SELECT id, '#' || id || ', ' || substr(taken_at, 1, 10) FROM snapshot WHERE {medium} IS NOT NULL ORDER BY taken_at DESC, id DESC LIMIT 1000
-- choose to: SELECT id, '#' || id || ', ' || substr(taken_at, 1, 10) FROM snapshot WHERE {medium} IS NOT NULL ORDER BY taken_at DESC, id DESC LIMIT 1000
WITH changed (op, place, media_id, {was}, {now}) AS (
    SELECT iif(new.media_id IS NULL, 'remove', 'update'), iif(new.media_id IS NULL, 3, 2), old.media_id, {old}, {new}
    FROM snapshot AS a JOIN snapshot AS b ON b.id = :to
    JOIN {medium}_version AS old ON old.series = a.series AND old.since <= a.id AND (old.until IS NULL OR old.until > a.id)
    LEFT JOIN {medium}_version AS new ON new.series = b.series AND new.media_id = old.media_id
        AND new.since <= b.id AND (new.until IS NULL OR new.until > b.id)
    WHERE a.id = :from AND (new.media_id IS NULL OR (new.series, new.since) IS NOT (old.series, old.since) AND ({differs}))
    UNION ALL
    SELECT 'add', 1, new.media_id, {old}, {new}
    FROM snapshot AS b JOIN snapshot AS a ON a.id = :from
    JOIN {medium}_version AS new ON new.series = b.series AND new.since <= b.id AND (new.until IS NULL OR new.until > b.id)
    LEFT JOIN {medium}_version AS old ON old.series = a.series AND old.media_id = new.media_id
        AND old.since <= a.id AND (old.until IS NULL OR old.until > a.id)
    WHERE b.id = :to AND old.media_id IS NULL
)
SELECT changed.op, changed.media_id AS id, title.title, {was}, {now}
FROM changed LEFT JOIN {medium} AS title ON title.id = changed.media_id
ORDER BY changed.place, title.title COLLATE NOCASE, changed.media_id
LIMIT coalesce(nullif(:rows, ''), 200)
