-- name: select_run_bodies_by_name
-- Every run by its id, so that two courses can be read side by side.
SELECT run, body FROM run ORDER BY run;

-- name: select_attempt_bodies
-- Every attempt.
SELECT body FROM attempt ORDER BY attempt_no;
