-- name: select_counter
-- One counter bucket.
SELECT settled, reserved FROM counter WHERE name = ? AND bucket = ?;

-- name: insert_counter
-- A counter bucket has a new value.
INSERT INTO counter (name, bucket, settled, reserved) VALUES (?, ?, ?, ?)
ON CONFLICT (name, bucket) DO UPDATE SET settled = excluded.settled, reserved = excluded.reserved;

-- name: select_recent
-- The seconds of a rate in which something was sent.
SELECT bucket, settled FROM counter WHERE name = ? AND bucket >= ? ORDER BY bucket;

-- name: select_sum
-- What a counter comes to over a span of dates.
SELECT coalesce(sum(settled), 0), coalesce(sum(reserved), 0) FROM counter WHERE name = ? AND bucket BETWEEN ? AND ?;
