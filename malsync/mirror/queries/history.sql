-- title: One {medium} through every snapshot
-- about: A row for each snapshot, by the number of the title; empty where it was not on the list.
SELECT snapshot.id AS snapshot, snapshot.taken_at, snapshot.source, version.media_id IS NOT NULL AS here, {version}
FROM series JOIN snapshot ON snapshot.series = series.id
LEFT JOIN {medium}_version AS version ON version.series = snapshot.series AND version.media_id = :id
    AND version.since <= snapshot.id AND (version.until IS NULL OR version.until > snapshot.id)
WHERE (:user = '' OR series.user = :user) AND snapshot.{medium} IS NOT NULL
ORDER BY snapshot.taken_at, snapshot.id
