-- name: select_genesis
-- What the file was made as.
SELECT lineage, epoch, semantics, clock, seed FROM genesis ORDER BY one;

-- name: select_inputs
-- The queue.
SELECT seq, tick, received, source, kind, payload FROM input ORDER BY seq;

-- name: select_documents
-- Every document.
SELECT digest, kind, seq, body FROM document ORDER BY digest;

-- name: select_given
-- Everything the shell computed, in the order of use.
SELECT seq, ordinal, body FROM given ORDER BY seq, ordinal;

-- name: select_ledger
-- Every mark of every attempt.
SELECT attempt_no, mark, send_key, attempt, seq, tick FROM ledger ORDER BY attempt_no, mark;

-- name: select_entries
-- The log.
SELECT seq, body, leaf FROM audit ORDER BY seq;
