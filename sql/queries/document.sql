-- name: select_document
-- One document.
SELECT kind, seq, body FROM document WHERE digest = ?;
