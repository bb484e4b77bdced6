-- title: Changes by day
-- about: How much changed from one snapshot to the next, added up by day, the newest first.
SELECT substr(snapshot.taken_at, 1, 10) AS day, count(*) AS snapshots, sum(added) AS added, sum(updated) AS updated,
    sum(removed) AS removed, max(snapshot.suspicious <> '[]') AS suspicious
FROM snapshot JOIN series ON series.id = snapshot.series
WHERE (:user = '' OR series.user = :user) AND source <> 'import'
GROUP BY day ORDER BY day DESC
LIMIT coalesce(nullif(:rows, ''), 200)
