-- name: select_run_contact
-- Whose run this is.
SELECT contact FROM run WHERE run = ?;

-- name: select_plan_digest
-- The document of a version of a plan.
SELECT digest FROM plan WHERE plan = ? AND version = ?;

-- name: select_contact_trail_between
-- The entries that speak of a contact, from one on and before another.
SELECT seq FROM contact_trail WHERE contact = ? AND seq >= ? AND seq < ? ORDER BY seq;
