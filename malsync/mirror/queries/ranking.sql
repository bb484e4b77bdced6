-- title: A ranking of {medium}
-- about: As it stood on the day on which it was fetched.
-- choose day: {ranked} SELECT DISTINCT day FROM found ORDER BY day DESC LIMIT 1000
-- choose type: {ranked} SELECT DISTINCT type FROM found ORDER BY type
SELECT ranking.rank, ranking.previous_rank, title.id, title.title, title.media_type, title.mean,
    substr(title.start_date, 1, 4) AS year, title.num_list_users, title.picture
FROM {medium}_ranking AS ranking JOIN {medium} AS title ON title.id = ranking.media_id
WHERE ranking.day = coalesce(nullif(:day, ''), (SELECT max(day) FROM {medium}_ranking)) AND ranking.type = :type
ORDER BY ranking.rank
LIMIT coalesce(nullif(:rows, ''), 200) OFFSET coalesce(nullif(:skip, ''), 0)
