-- title: {medium}, by the year in which it began
-- about: Entries of the list as of a snapshot, of whose titles the year is known.
SELECT substr(title.start_date, 1, 4) AS name, count(*) AS entries, round(avg(nullif(version.score, 0)), 2) AS mean_score
FROM {joins} WHERE {here} AND title.start_date IS NOT NULL
GROUP BY 1 ORDER BY 1
