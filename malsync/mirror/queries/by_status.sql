-- title: {medium}, by status
-- about: Entries of the list as of a snapshot.
SELECT version.status AS name, count(*) AS entries, round(avg(nullif(version.score, 0)), 2) AS mean_score
FROM {joins} WHERE {here}
GROUP BY 1 ORDER BY entries DESC
