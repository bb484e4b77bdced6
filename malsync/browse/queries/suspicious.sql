-- title: Suspicious snapshots, and how to take them back
-- about: Lists that came out empty, halved or changed by a quarter, and those in which 50 entries and a tenth of the list changed or went at once.
SELECT snapshot.id, mal_user.name AS user, snapshot.taken_at, snapshot.source, snapshot.added, snapshot.updated,
    snapshot.removed, snapshot.suspicious, snapshot.anime, snapshot.manga, before.id AS before,
    'malsync revert ' || before.id || ' ' || snapshot.id AS revert
FROM snapshot JOIN series ON series.id = snapshot.series JOIN mal_user ON mal_user.id = series.user
JOIN snapshot AS before ON before.id =
    ({previous})
WHERE (:user = '' OR series.user = :user) AND snapshot.source IN ('backup', 'before-run')
    AND (snapshot.suspicious <> '[]' AND before.suspicious = '[]'
    OR (snapshot.updated + snapshot.removed >= 50
        AND (snapshot.updated + snapshot.removed) * 10 > coalesce(before.anime, 0) + coalesce(before.manga, 0)))
ORDER BY snapshot.taken_at DESC, snapshot.id DESC
LIMIT coalesce(nullif(:rows, ''), 200)
