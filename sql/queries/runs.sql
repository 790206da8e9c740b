-- name: select_runs_all
-- Runs in the order of enrolment that changed in a span of time, for one reason (empty: any).
SELECT run_no, tick, body FROM run
WHERE run_no >= :first AND tick >= :after AND tick < :before
AND (:reason = '' OR json_extract(body, '$.reason') = :reason)
ORDER BY run_no LIMIT :limit;

-- name: select_runs_of_status
-- As select_runs_all, for one status and plan.
SELECT run_no, tick, body FROM run
WHERE status = :status AND plan = :plan AND run_no >= :first AND tick >= :after AND tick < :before
AND (:reason = '' OR json_extract(body, '$.reason') = :reason)
ORDER BY run_no LIMIT :limit;

-- name: select_runs_of_contact
-- As select_runs_all, for one contact, and a status and plan (empty: any).
SELECT run_no, tick, body FROM run
WHERE contact = :contact AND run_no >= :first AND tick >= :after AND tick < :before
AND (:reason = '' OR json_extract(body, '$.reason') = :reason)
AND (:status = '' OR status = :status) AND (:plan = '' OR plan = :plan)
ORDER BY run_no LIMIT :limit;

-- name: select_run_row
-- One run with the tick of its last change.
SELECT run_no, tick, body FROM run WHERE run = ?;

-- name: select_run_by_number
-- The id of a run.
SELECT run FROM run WHERE run_no = ?;

-- name: select_send_run
-- Which run an intended send belongs to.
SELECT run_no FROM attempt WHERE send_key = ? ORDER BY attempt DESC LIMIT 1;

-- name: select_plan_heads
-- Every plan with its newest version.
SELECT plan, max(version) FROM plan GROUP BY plan ORDER BY plan;
