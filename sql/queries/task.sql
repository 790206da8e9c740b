-- name: select_task_runs
-- Runs that wait for a person, in the order of enrolment.
SELECT body FROM run WHERE status = 'WAITING' AND json_extract(body, '$.block') = 'task' ORDER BY run_no;
