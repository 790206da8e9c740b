-- name: select_inputs
-- The queue from a position on.
SELECT seq, tick, received, source, kind, payload FROM input WHERE seq >= ? ORDER BY seq;
