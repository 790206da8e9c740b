-- name: select_log_size
-- How many entries the log has.
SELECT coalesce(max(seq) + 1, 0) FROM audit;

-- name: select_entry_at
-- The body of one entry.
SELECT body FROM audit WHERE seq = ?;
