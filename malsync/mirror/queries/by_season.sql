-- title: Anime, by the season in which it began
-- about: Entries of the list as of a snapshot, of whose titles the season is known.
SELECT title.start_season AS name, count(*) AS entries, round(avg(nullif(version.score, 0)), 2) AS mean_score
FROM {joins} WHERE {here} AND title.start_season IS NOT NULL
GROUP BY 1
ORDER BY CASE name WHEN 'winter' THEN 1 WHEN 'spring' THEN 2 WHEN 'summer' THEN 3 WHEN 'fall' THEN 4 ELSE 5 END, name
