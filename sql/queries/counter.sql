-- name: select_counter
-- One counter bucket.
SELECT settled, reserved FROM counter WHERE name = ? AND bucket = ?;

-- name: insert_counter
-- A counter bucket has a new value.
INSERT INTO counter (name, bucket, settled, reserved) VALUES (?, ?, ?, ?)
ON CONFLICT (name, bucket) DO UPDATE SET settled = excluded.settled, reserved = excluded.reserved;
