-- name: select_last_entry
-- Where the chain ends.
SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1;

-- name: append_entry
-- One link of the chain.
INSERT INTO audit (seq, body, leaf) VALUES (?, ?, ?);

-- name: insert_run_trail
-- An entry belongs to a run.
INSERT INTO run_trail (run_no, seq) VALUES (?, ?);

-- name: insert_contact_trail
-- An entry speaks of a contact.
INSERT INTO contact_trail (contact, seq) VALUES (?, ?);
