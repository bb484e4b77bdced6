-- title: Suspicious snapshots, and how to undo them
-- about: Lists that came out empty, halved or changed by a quarter, and those in which 50 entries and a tenth of the list changed or went at once. Only changes that are still in force, and are no repair, come with the command that undoes them.
SELECT id, user, taken_at, source, before, standing,
    iif(standing LIKE '%still in force', 'malsync revert ' || before || ' ' || id, NULL) AS revert,
    added, updated, removed, suspicious, anime, manga
FROM (
    SELECT snapshot.id, mal_user.name AS user, snapshot.taken_at, snapshot.source, snapshot.added, snapshot.updated,
        snapshot.removed, snapshot.suspicious, snapshot.anime, snapshot.manga, before.id AS before,
        standing(before.id, snapshot.id) AS standing
    FROM {alarming} AND (:user = '' OR series.user = :user)
    ORDER BY snapshot.taken_at DESC, snapshot.id DESC
    LIMIT coalesce(nullif(:rows, ''), 200)
)
