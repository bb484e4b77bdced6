-- title: {medium}, by genre
-- about: Entries of the list as of a snapshot; a title counts for each of its genres.
SELECT genre.id, genre.name AS name, count(*) AS entries, round(avg(nullif(version.score, 0)), 2) AS mean_score
FROM {joins}
JOIN {medium}_genre AS held ON held.media_id = version.media_id JOIN genre ON genre.id = held.genre
WHERE {here}
GROUP BY genre.id ORDER BY entries DESC, name
LIMIT coalesce(nullif(:rows, ''), 200)
