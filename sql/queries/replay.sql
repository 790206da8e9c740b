-- name: select_inputs
-- The queue from a position on. Texts as bytes: a damaged file may hold some that are not UTF-8.
SELECT seq, tick, received, CAST(source AS BLOB), CAST(kind AS BLOB), CAST(payload AS BLOB) FROM input WHERE seq >= ? ORDER BY seq;

-- name: select_input_end
-- The last input.
SELECT coalesce(max(seq), 0) FROM input;

-- name: select_entries
-- The log from a position on, with its bytes as they are stored.
SELECT seq, CAST(body AS BLOB), leaf FROM audit WHERE seq >= ? ORDER BY seq;

-- name: select_entry_end
-- The last entry.
SELECT coalesce(max(seq), -1) FROM audit;

-- name: select_entry
-- One entry.
SELECT seq, CAST(body AS BLOB), leaf FROM audit WHERE seq = ?;

-- name: select_entries_holding
-- Entries whose body holds these bytes.
SELECT seq, CAST(body AS BLOB), leaf FROM audit WHERE instr(CAST(body AS BLOB), ?) > 0 ORDER BY seq;

-- name: select_all_given
-- Everything the shell computed, in the order of use.
SELECT seq, ordinal, CAST(body AS BLOB) FROM given ORDER BY seq, ordinal;

-- name: select_documents
-- Every document.
SELECT CAST(digest AS BLOB), CAST(kind AS BLOB), seq, CAST(body AS BLOB) FROM document ORDER BY digest;

-- name: select_document_named
-- One document.
SELECT CAST(digest AS BLOB), CAST(kind AS BLOB), seq, CAST(body AS BLOB) FROM document WHERE digest = ?;

-- name: select_marks
-- Every attempt that has this mark.
SELECT send_key, attempt, seq, tick FROM ledger WHERE mark = ? ORDER BY attempt_no;

-- name: select_mark_count
-- How many attempts have this mark.
SELECT count(*) FROM ledger WHERE mark = ?;

-- name: select_accepted_without_mark
-- Attempts that were accepted and never marked for dispatch.
SELECT a.send_key, a.attempt FROM attempt AS a
WHERE a.state = 'ACCEPTED' AND NOT EXISTS (
    SELECT 1 FROM ledger AS l WHERE l.attempt_no = a.attempt_no AND l.mark = 'DISPATCHING'
) ORDER BY a.attempt_no LIMIT 20;

-- name: select_run_counts
-- How many runs are in each status.
SELECT status, count(*) FROM run GROUP BY status ORDER BY status;

-- name: select_enrolment_sum
-- How often contacts have entered plans.
SELECT coalesce(sum(ordinal), 0) FROM enrolment;

-- name: select_run_bodies
-- Every run.
SELECT run, body FROM run ORDER BY run_no;

-- name: select_runs_by_name
-- Every run, sorted by its id.
SELECT run, body FROM run ORDER BY run;

-- name: select_head
-- How far a chain had come (in a throw-away database).
SELECT entry, value FROM setting WHERE key = ?;

-- name: select_any_head
-- One chain that is left (in a throw-away database).
SELECT key, entry, value FROM setting ORDER BY key LIMIT 1;

-- name: insert_head
-- Remember how far a chain has come (in a throw-away database).
INSERT INTO setting (key, entry, value) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET entry = excluded.entry, value = excluded.value;

-- name: delete_head
-- A chain has gone on from here (in a throw-away database).
DELETE FROM setting WHERE key = ?;

-- name: select_epoch_uses
-- Every change of the semantics epoch that was asked for. Cast so that a text which is not UTF-8 does not fail.
SELECT CAST(payload AS BLOB) FROM input WHERE kind = 'epoch.use' ORDER BY seq;

-- name: select_plans_of_schemas
-- Plan documents that may name another schema than the first, which goes unnamed. As bytes: a damaged file may hold no UTF-8.
SELECT CAST(body AS BLOB) FROM document WHERE kind = 'plan' AND instr(body, '"schema":') > 0 ORDER BY digest;
