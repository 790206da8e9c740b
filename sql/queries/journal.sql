-- name: select_genesis
-- What the file was made as.
SELECT lineage, epoch, semantics, clock, seed FROM genesis WHERE one = 1;

-- name: append_genesis
-- The first row of a file.
INSERT INTO genesis (one, lineage, epoch, semantics, clock, seed) VALUES (1, ?, ?, ?, ?, ?);

-- name: select_last_input
-- Where the queue ends.
SELECT seq, tick FROM input ORDER BY seq DESC LIMIT 1;

-- name: append_input
-- Admit one input.
INSERT INTO input (seq, tick, received, source, kind, payload) VALUES (?, ?, ?, ?, ?, ?);

-- name: select_seen
-- Whether a token was admitted before.
SELECT seq FROM seen WHERE source = ? AND token = ?;

-- name: append_seen
-- Remember a token for ever.
INSERT INTO seen (source, token, seq) VALUES (?, ?, ?);

-- name: append_document
-- Keep a document under its digest.
INSERT INTO document (digest, kind, seq, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: append_given
-- What the shell computed for an input.
INSERT INTO given (seq, ordinal, body) VALUES (?, ?, ?);

-- name: insert_vault
-- Personal data that came with an input.
INSERT INTO vault (contact, field, seq, value) VALUES (?, ?, ?, ?);

-- name: delete_vault
-- Forget a contact.
DELETE FROM vault WHERE contact = ?;
