-- name: select_status_counts
-- Runs by status and plan.
SELECT status, plan, count(*) FROM run GROUP BY status, plan ORDER BY status, plan;

-- name: select_stuck_groups
-- Runs of a status (FAILED, HELD) by plan, reason and step, with the first of each and the tick at which one moves by itself.
SELECT plan, json_extract(body, '$.reason') AS reason, json_extract(body, '$.step') AS step, count(*), min(run_no),
       min(json_extract(body, '$.due'))
FROM run WHERE status = ? GROUP BY plan, reason, step ORDER BY plan, reason, step;

-- name: select_inbox_depth
-- What waits to be admitted by a tick.
SELECT count(*), min(received) FROM inbox WHERE ready > 0 AND received <= ?;

-- name: select_inbox_later
-- What is to be admitted after a tick.
SELECT count(*) FROM inbox WHERE ready > 0 AND received > ?;

-- name: select_oldest_timer
-- The timer that is due first.
SELECT t.due, r.run, r.plan FROM timer AS t JOIN run AS r ON r.run_no = t.run_no ORDER BY t.due, t.run_no LIMIT 1;

-- name: select_overdue_count
-- How many timers are due by a tick.
SELECT count(*) FROM timer WHERE due <= ?;

-- name: select_queue_depth
-- Sends that could be pulled, by channel and plan.
SELECT channel, plan, count(*), min(ready) FROM attempt
WHERE state = 'INTENDED' GROUP BY channel, plan ORDER BY channel, plan;

-- name: select_open_attempts
-- Attempts in flight and attempts whose outcome nobody knows.
SELECT state, count(*) FROM attempt WHERE state IN ('DISPATCHING', 'ONGOING', 'UNKNOWN') GROUP BY state ORDER BY state;

-- name: select_recent_buckets
-- The newest buckets of a counter.
SELECT bucket, settled, reserved FROM counter WHERE name = ? ORDER BY bucket DESC LIMIT ?;
