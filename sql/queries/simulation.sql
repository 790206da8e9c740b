-- name: select_live_run_ids
-- Every run that has not ended.
SELECT run FROM run WHERE live = 1 ORDER BY run_no;
