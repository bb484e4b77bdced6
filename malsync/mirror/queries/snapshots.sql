-- title: Snapshots
-- about: Every list that was ever kept, the newest first, with what changed since the one before it.
SELECT snapshot.id, mal_user.name AS user, snapshot.taken_at, snapshot.source, snapshot.anime, snapshot.manga,
    snapshot.added, snapshot.updated, snapshot.removed, snapshot.suspicious, snapshot.note, snapshot.digest,
    ({previous}) AS before
FROM snapshot JOIN series ON series.id = snapshot.series JOIN mal_user ON mal_user.id = series.user
WHERE :user = '' OR series.user = :user
ORDER BY snapshot.taken_at DESC, snapshot.id DESC
LIMIT coalesce(nullif(:rows, ''), 200) OFFSET coalesce(nullif(:skip, ''), 0)
