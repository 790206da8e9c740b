-- name: insert_inbox
-- Append one row; ready is 1, or minus the job number while it is staged.
INSERT INTO inbox (source, dedupe, received, ready, kind, payload, private) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id;

-- name: insert_unanswered
-- Append one row of the loop's own.
INSERT INTO inbox (source, received, kind, payload, private) VALUES (?, ?, ?, ?, ?);

-- name: update_staged_to_ready
-- Let the loop take every row of one staged job, in this lane.
UPDATE inbox SET ready = ? WHERE ready = ? RETURNING id;

-- name: delete_staged
-- Give one staged job up.
DELETE FROM inbox WHERE ready = ? RETURNING id;

-- name: delete_staged_before
-- Give up staged jobs whose importer has died.
DELETE FROM inbox WHERE ready < 0 AND received < ? RETURNING id;

-- name: select_staged
-- Which jobs are staged: minus the job number, rows, time of the first row.
SELECT ready, count(*), min(received) FROM inbox WHERE ready < 0 GROUP BY ready ORDER BY ready;

-- name: select_replies
-- What became of a range of inbox rows.
SELECT inbox, seq, outcome FROM reply WHERE inbox BETWEEN ? AND ? ORDER BY inbox;
