-- title: {medium}, by score
-- about: Entries of the list as of a snapshot, those with a score.
SELECT version.score AS name, count(*) AS entries
FROM {joins} WHERE {here} AND version.score > 0
GROUP BY 1 ORDER BY 1
