-- name: select_ready
-- The staging rows of a lane that may be admitted up to a tick, in the order of admission.
SELECT id, source, dedupe, received, kind, payload, private FROM inbox
WHERE ready = ? AND received <= ? ORDER BY received, id LIMIT ?;

-- name: select_older_about
-- The staging rows of a lane that came before another one and name this text: the id of a contact in quotes.
SELECT id, source, dedupe, received, kind, payload, private FROM inbox
WHERE ready = ? AND (received, id) < (?, ?) AND instr(payload, ?) > 0 ORDER BY received, id;

-- name: select_next_received
-- When the next row of a lane may be admitted.
SELECT received FROM inbox WHERE ready = ? ORDER BY received, id LIMIT 1;

-- name: delete_admitted
-- A staging row has been admitted (or was a duplicate).
DELETE FROM inbox WHERE id = ?;

-- name: insert_reply
-- Tell the command what became of its row.
INSERT INTO reply (inbox, seq, outcome) VALUES (?, ?, ?);

-- name: delete_old_replies
-- Commands read their reply within seconds; older ones are of no use.
DELETE FROM reply WHERE inbox < ?;
