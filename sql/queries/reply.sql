-- name: select_reply
-- What became of one inbox row.
SELECT seq, outcome FROM reply WHERE inbox = ?;
