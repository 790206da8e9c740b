-- name: select_bodies_from
-- The log from a position on.
SELECT body FROM audit WHERE seq >= ? ORDER BY seq;

-- name: select_outcomes
-- How the runs of a plan stand.
SELECT run, status, body FROM run WHERE plan = ? ORDER BY run_no;
