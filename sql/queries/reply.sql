-- name: select_reply
-- What became of one inbox row.
SELECT seq, outcome FROM reply WHERE inbox = ?;

-- name: select_outcomes
-- What became of a range of inbox rows, as far as they were admitted.
SELECT inbox, outcome FROM reply WHERE inbox BETWEEN ? AND ? ORDER BY inbox;
