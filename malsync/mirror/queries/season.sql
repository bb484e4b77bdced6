-- title: A season of anime
-- about: What began in it, in the order in which MAL told it.
-- choose year: {in_season} SELECT DISTINCT year FROM found ORDER BY year DESC
-- choose season: {in_season} SELECT DISTINCT season FROM found ORDER BY season
SELECT listed.place AS rank, title.id, title.title, title.media_type, title.mean, title.num_episodes, title.num_list_users,
    substr(title.start_date, 1, 4) AS year, title.picture
FROM season_title AS listed JOIN anime AS title ON title.id = listed.media_id
WHERE listed.year = :year AND listed.season = :season
ORDER BY listed.place
LIMIT coalesce(nullif(:rows, ''), 200) OFFSET coalesce(nullif(:skip, ''), 0)
