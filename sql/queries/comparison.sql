-- name: select_contact_rows
-- Table contact, to be compared.
SELECT contact, attributes, facts, erased, cs, cp FROM contact ORDER BY contact;

-- name: select_address_rows
-- Table address, to be compared.
SELECT token, kind, contact FROM address ORDER BY token;

-- name: select_consent_rows
-- Table consent, to be compared.
SELECT contact, channel, purpose, granted, class, expires, basis, obtained, address, entry FROM consent ORDER BY contact, channel, purpose;

-- name: select_suppression_rows
-- Table suppression, to be compared.
SELECT subject, scope, reason, entry FROM suppression ORDER BY subject, scope;

-- name: select_plan_rows
-- Table plan, to be compared.
SELECT plan, version, digest, entry FROM plan ORDER BY plan, version;

-- name: select_enrolment_rows
-- Table enrolment, to be compared.
SELECT contact, plan, ordinal, tick FROM enrolment ORDER BY contact, plan;

-- name: select_run_rows
-- Table run, to be compared.
SELECT run_no, run, contact, plan, status, live, tick, body FROM run ORDER BY run_no;

-- name: select_timer_rows
-- Table timer, to be compared.
SELECT run_no, due FROM timer ORDER BY run_no;

-- name: select_attempt_rows
-- Table attempt, to be compared.
SELECT attempt_no, send_key, attempt, run_no, channel, plan, state, ready, body FROM attempt ORDER BY attempt_no;

-- name: select_counter_rows
-- Table counter, to be compared.
SELECT name, bucket, settled, reserved FROM counter ORDER BY name, bucket;

-- name: select_hold_rows
-- Table hold, to be compared.
SELECT scope, reason, until, entry FROM hold ORDER BY scope, reason;

-- name: select_setting_rows
-- Table setting, to be compared.
SELECT key, value, entry FROM setting ORDER BY key;

-- name: select_breaker_rows
-- Table breaker, to be compared.
SELECT channel, failures FROM breaker ORDER BY channel;

-- name: select_run_trail_rows
-- Table run_trail, to be compared.
SELECT run_no, seq FROM run_trail ORDER BY run_no, seq;

-- name: select_contact_trail_rows
-- Table contact_trail, to be compared.
SELECT contact, seq FROM contact_trail ORDER BY contact, seq;

-- name: select_ledger_rows
-- Table ledger, to be compared.
SELECT attempt_no, mark, send_key, attempt, seq, tick FROM ledger ORDER BY attempt_no, mark;

-- name: select_touch_rows
-- Table touch, to be compared.
SELECT contact, tick, attempt_no, what, entry, outcome, address, body FROM touch ORDER BY contact, tick, attempt_no, what;

-- name: select_listed_rows
-- Table listed, to be compared.
SELECT token, list, version FROM listed ORDER BY token, list, version;

-- name: select_list_version_rows
-- Table list_version, to be compared.
SELECT list, version, count, as_of, entry FROM list_version ORDER BY list, version;

-- name: select_run_name
-- The id of a run.
SELECT run FROM run WHERE run_no = ?;

-- name: select_attempt_run_name
-- The id of the run of an attempt.
SELECT r.run FROM attempt AS a JOIN run AS r ON r.run_no = a.run_no WHERE a.attempt_no = ?;
