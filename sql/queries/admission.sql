-- name: select_ready
-- The staging rows that may be admitted, in the order of admission.
SELECT id, source, dedupe, received, kind, payload, private FROM inbox WHERE ready = 1 ORDER BY received, id LIMIT ?;

-- name: select_waiting
-- Whether any row waits for admission.
SELECT id FROM inbox WHERE ready = 1 ORDER BY id LIMIT 1;

-- name: delete_admitted
-- A staging row has been admitted (or was a duplicate).
DELETE FROM inbox WHERE id = ?;

-- name: insert_reply
-- Tell the command what became of its row.
INSERT INTO reply (inbox, seq, outcome) VALUES (?, ?, ?);

-- name: delete_old_replies
-- Commands read their reply within seconds; older ones are of no use.
DELETE FROM reply WHERE inbox < ?;
