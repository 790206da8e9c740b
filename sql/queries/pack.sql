-- name: select_contact_facts
-- What is known of every contact that was not erased.
SELECT facts FROM contact WHERE erased = 0 ORDER BY contact;

-- name: select_intended_runs
-- Runs whose send is queued or held, or that are somewhere else in an active step.
SELECT body FROM run WHERE status IN ('ACTIVE', 'HELD') ORDER BY run_no;
