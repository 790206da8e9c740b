-- name: select_last_entry
-- Where the chain ends.
SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1;

-- name: append_entry
-- One link of the chain.
INSERT INTO audit (seq, body, leaf) VALUES (?, ?, ?);

-- name: insert_trail
-- An entry belongs to a run or to a contact's own chain.
INSERT INTO trail (subject, seq) VALUES (?, ?);
