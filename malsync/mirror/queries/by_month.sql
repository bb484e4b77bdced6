-- title: {medium} finished, by month
-- about: Entries of the list as of a snapshot, by the month of their finish date.
SELECT substr(version.finish_date, 1, 7) AS name, count(*) AS entries
FROM {joins} WHERE {here} AND length(version.finish_date) >= 7
GROUP BY 1 ORDER BY 1
