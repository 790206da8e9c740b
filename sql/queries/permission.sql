-- name: select_run_contact
-- Whose run this is.
SELECT contact FROM run WHERE run = ?;

-- name: select_plan_digest
-- The document of a version of a plan.
SELECT digest FROM plan WHERE plan = ? AND version = ?;

-- name: select_in_contact_trail
-- Whether an entry speaks of a contact, and stands before another.
SELECT 1 FROM contact_trail WHERE contact = ? AND seq = ? AND seq < ?;

-- name: select_contact_words
-- The entries that speak of a contact, from one on and before another, whose body holds one of two texts.
SELECT trail.seq, CAST(audit.body AS BLOB) FROM contact_trail AS trail JOIN audit ON audit.seq = trail.seq
WHERE trail.contact = ? AND trail.seq >= ? AND trail.seq < ?
AND (instr(CAST(audit.body AS BLOB), ?) > 0 OR instr(CAST(audit.body AS BLOB), ?) > 0) ORDER BY trail.seq;
