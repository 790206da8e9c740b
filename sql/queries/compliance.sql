-- name: select_bodies
-- The log up to a position, oldest first.
SELECT seq, body FROM audit WHERE seq < ? ORDER BY seq;

-- name: select_cause
-- The input that an entry follows from.
SELECT kind, payload, received, source FROM input WHERE seq = ?;
