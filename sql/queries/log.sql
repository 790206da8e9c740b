-- name: select_log_forward
-- The log between two positions, oldest first; bodies that begin with a text (empty: all).
SELECT seq, body, leaf FROM audit
WHERE seq >= :first AND seq < :end AND substr(body, 1, length(:start)) = :start ORDER BY seq LIMIT :limit;

-- name: select_log_backward
-- The log between two positions, newest first; bodies that begin with a text (empty: all).
SELECT seq, body, leaf FROM audit
WHERE seq >= :first AND seq < :end AND substr(body, 1, length(:start)) = :start ORDER BY seq DESC LIMIT :limit;

-- name: select_run_trail_forward
-- The entries of a run between two positions, oldest first.
SELECT a.seq, a.body, a.leaf FROM run_trail AS t JOIN audit AS a ON a.seq = t.seq
WHERE t.run_no = :subject AND t.seq >= :first AND t.seq < :end ORDER BY t.seq LIMIT :limit;

-- name: select_run_trail_backward
-- The entries of a run between two positions, newest first.
SELECT a.seq, a.body, a.leaf FROM run_trail AS t JOIN audit AS a ON a.seq = t.seq
WHERE t.run_no = :subject AND t.seq >= :first AND t.seq < :end ORDER BY t.seq DESC LIMIT :limit;

-- name: select_contact_trail_forward
-- The entries that speak of a contact between two positions, oldest first.
SELECT a.seq, a.body, a.leaf FROM contact_trail AS t JOIN audit AS a ON a.seq = t.seq
WHERE t.contact = :subject AND t.seq >= :first AND t.seq < :end ORDER BY t.seq LIMIT :limit;

-- name: select_contact_trail_backward
-- The entries that speak of a contact between two positions, newest first.
SELECT a.seq, a.body, a.leaf FROM contact_trail AS t JOIN audit AS a ON a.seq = t.seq
WHERE t.contact = :subject AND t.seq >= :first AND t.seq < :end ORDER BY t.seq DESC LIMIT :limit;

-- name: select_log_tick
-- When an entry was made.
SELECT json_extract(body, '$.core.tick') FROM audit WHERE seq = ?;

-- name: select_log_input
-- An input of the queue, to find whom it is about.
SELECT kind, payload FROM input WHERE seq = ?;

-- name: select_run_contact
-- Whose run this is.
SELECT contact FROM run WHERE run = ?;

-- name: select_run_numbers
-- The numbers of a contact's runs.
SELECT run_no FROM run WHERE contact = ? ORDER BY run_no;

-- name: select_run_number
-- The number of a run.
SELECT run_no FROM run WHERE run = ?;
