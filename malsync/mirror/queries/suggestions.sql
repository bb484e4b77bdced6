-- title: What MAL suggests
-- about: In MAL's own order, best first.
SELECT listed.place AS rank, title.id, title.title, title.media_type, title.mean, title.num_episodes,
    title.num_list_users, substr(title.start_date, 1, 4) AS year, title.picture
FROM suggestion AS listed JOIN anime AS title ON title.id = listed.media_id
WHERE :user = '' OR listed.user = :user
ORDER BY listed.place
LIMIT coalesce(nullif(:rows, ''), 200) OFFSET coalesce(nullif(:skip, ''), 0)
