-- title: Runs
-- about: Every restore, revert, migration and undo, with what came of its calls.
SELECT run.id, mal_user.name AS user, run.account, run.kind, run.state, run.undoes, run.before, run.after,
    run.started_at, run.ended_at, count(run_call.seq) AS calls, sum(run_call.state = 'done') AS done,
    sum(run_call.state = 'already') AS already, sum(run_call.state = 'skipped') AS skipped,
    sum(run_call.state = 'failed') AS failed, sum(run_call.state = 'not_restorable') AS not_restorable,
    sum(run_call.state IN ('planned', 'sent')) AS open
FROM run JOIN mal_user ON mal_user.id = run.user LEFT JOIN run_call ON run_call.run = run.id
WHERE :user = '' OR run.user = :user
GROUP BY run.id ORDER BY run.id DESC
LIMIT coalesce(nullif(:rows, ''), 200)
