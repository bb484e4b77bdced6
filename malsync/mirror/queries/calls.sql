-- title: The calls of a run
-- about: Each write in the order in which it was sent, and its outcome.
-- choose run: SELECT id, '#' || id || ', ' || kind || ', ' || substr(started_at, 1, 10) FROM run ORDER BY id DESC LIMIT 1000
SELECT seq, op, medium, media_id, title, fields, state, tries, sent_at, http, why
FROM run_call WHERE run = :run AND (:state = '' OR state = :state)
ORDER BY seq
LIMIT coalesce(nullif(:rows, ''), 200) OFFSET coalesce(nullif(:skip, ''), 0)
