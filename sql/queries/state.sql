-- name: select_contact
-- One contact without its addresses.
SELECT attributes, facts, erased FROM contact WHERE contact = ?;

-- name: select_contact_chain
-- Length and head of a contact's own chain.
SELECT cs, cp FROM contact WHERE contact = ?;

-- name: insert_contact
-- Add or change a contact.
INSERT INTO contact (contact, attributes, facts, erased, cs, cp) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (contact) DO UPDATE SET attributes = excluded.attributes, facts = excluded.facts, erased = excluded.erased;

-- name: update_contact_chain
-- The contact's own chain has a new head.
UPDATE contact SET cs = ?, cp = ? WHERE contact = ?;

-- name: select_tokens
-- The address tokens of a contact.
SELECT kind, token FROM address WHERE contact = ? ORDER BY kind, token;

-- name: select_address
-- Whose address this is.
SELECT contact FROM address WHERE token = ?;

-- name: insert_address
-- An address belongs to this contact from now on.
INSERT INTO address (token, kind, contact) VALUES (?, ?, ?) ON CONFLICT (token) DO UPDATE SET contact = excluded.contact;

-- name: delete_address
-- An address is no longer this contact's.
DELETE FROM address WHERE token = ? AND contact = ?;

-- name: select_consents
-- Consents and revocations of a contact.
SELECT channel, purpose, granted, class, expires, entry, basis, obtained, address FROM consent WHERE contact = ? ORDER BY channel, purpose;

-- name: insert_consent
-- Consent was granted or revoked.
INSERT INTO consent (contact, channel, purpose, granted, class, expires, entry, basis, obtained, address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (contact, channel, purpose) DO UPDATE SET
    granted = excluded.granted, class = excluded.class, expires = excluded.expires, entry = excluded.entry,
    basis = excluded.basis, obtained = excluded.obtained, address = excluded.address;

-- name: select_suppressions
-- Suppressions of a contact id or up to three address tokens.
SELECT subject, scope, reason, entry FROM suppression WHERE subject IN (?, ?, ?, ?) ORDER BY subject, scope;

-- name: insert_suppression
-- Suppress.
INSERT INTO suppression (subject, scope, reason, entry) VALUES (?, ?, ?, ?)
ON CONFLICT (subject, scope) DO UPDATE SET reason = excluded.reason, entry = excluded.entry;

-- name: delete_suppression
-- Lift a suppression.
DELETE FROM suppression WHERE subject = ? AND scope = ?;

-- name: select_plan_version
-- The digest of a plan version.
SELECT digest FROM plan WHERE plan = ? AND version = ?;

-- name: select_newest_plan
-- The newest version of a plan.
SELECT version, digest FROM plan WHERE plan = ? ORDER BY version DESC LIMIT 1;

-- name: select_plan_names
-- Every plan that has a version.
SELECT DISTINCT plan FROM plan ORDER BY plan;

-- name: insert_plan
-- A plan version was published.
INSERT INTO plan (plan, version, digest, entry) VALUES (?, ?, ?, ?);

-- name: select_enrolment
-- How often and when last a contact entered a plan.
SELECT ordinal, tick FROM enrolment WHERE contact = ? AND plan = ?;

-- name: insert_enrolment
-- A contact entered a plan.
INSERT INTO enrolment (contact, plan, ordinal, tick) VALUES (?, ?, ?, ?)
ON CONFLICT (contact, plan) DO UPDATE SET ordinal = excluded.ordinal, tick = excluded.tick;

-- name: select_last_run
-- The highest run number.
SELECT run_no FROM run ORDER BY run_no DESC LIMIT 1;

-- name: select_run
-- One run by its number.
SELECT body FROM run WHERE run_no = ?;

-- name: select_run_by_id
-- One run by its id.
SELECT body FROM run WHERE run = ?;

-- name: select_live_runs
-- The live runs of a contact.
SELECT body FROM run WHERE contact = ? AND live = 1 ORDER BY run_no;

-- name: insert_run
-- A new run.
INSERT INTO run (run_no, run, contact, plan, status, live, tick, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_run
-- A changed run.
UPDATE run SET status = ?, live = ?, tick = ?, body = ? WHERE run_no = ?;

-- name: insert_timer
-- A run is due at a tick.
INSERT INTO timer (run_no, due) VALUES (?, ?) ON CONFLICT (run_no) DO UPDATE SET due = excluded.due;

-- name: delete_timer
-- A run waits for nothing any more.
DELETE FROM timer WHERE run_no = ?;

-- name: select_due
-- The next due timers in their order.
SELECT run_no FROM timer WHERE due <= ? ORDER BY due, run_no LIMIT ?;

-- name: select_next_due
-- When the next timer is due.
SELECT due FROM timer ORDER BY due, run_no LIMIT 1;

-- name: select_attempt
-- One attempt.
SELECT body FROM attempt WHERE send_key = ? AND attempt = ?;

-- name: select_newest_attempt
-- The newest attempt of an intended send.
SELECT body FROM attempt WHERE send_key = ? ORDER BY attempt DESC LIMIT 1;

-- name: insert_attempt
-- A new attempt.
INSERT INTO attempt (attempt_no, send_key, attempt, run_no, channel, plan, state, ready, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_attempt
-- A changed attempt.
UPDATE attempt SET state = ?, ready = ?, body = ? WHERE attempt_no = ?;

-- name: select_last_attempt
-- The highest attempt number.
SELECT attempt_no FROM attempt ORDER BY attempt_no DESC LIMIT 1;

-- name: select_queue
-- The next intended sends of one channel and plan.
SELECT ready, run_no, attempt_no, send_key, attempt FROM attempt
WHERE state = 'INTENDED' AND channel = ? AND plan = ? ORDER BY ready, run_no, attempt_no LIMIT ?;

-- name: select_dispatching
-- What was in flight.
SELECT send_key, attempt FROM attempt WHERE state = 'DISPATCHING' ORDER BY attempt_no;

-- name: select_holds
-- Every shared hold.
SELECT scope, reason, until, entry FROM hold ORDER BY scope, reason;

-- name: insert_hold
-- A queue stops.
INSERT INTO hold (scope, reason, until, entry) VALUES (?, ?, ?, ?)
ON CONFLICT (scope, reason) DO UPDATE SET until = excluded.until, entry = excluded.entry;

-- name: delete_hold
-- A queue moves again.
DELETE FROM hold WHERE scope = ? AND reason = ?;

-- name: select_settings
-- Every setting.
SELECT key, value, entry FROM setting ORDER BY key;

-- name: insert_setting
-- Change a setting.
INSERT INTO setting (key, value, entry) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, entry = excluded.entry;

-- name: select_breakers
-- Failures in a row by channel.
SELECT channel, failures FROM breaker ORDER BY channel;

-- name: insert_breaker
-- A channel's failures in a row.
INSERT INTO breaker (channel, failures) VALUES (?, ?) ON CONFLICT (channel) DO UPDATE SET failures = excluded.failures;

-- name: append_mark
-- One mark of an attempt.
INSERT INTO ledger (attempt_no, mark, send_key, attempt, seq, tick) VALUES (?, ?, ?, ?, ?, ?);

-- name: select_touches
-- What happened to a contact since a tick, the newest first.
SELECT contact, tick, attempt_no, what, entry, outcome, address, body FROM touch
WHERE contact = ? AND tick >= ? ORDER BY tick DESC, attempt_no DESC, what DESC;

-- name: select_touches_of_address
-- What happened at an address since a tick, whoever had it, the newest first.
SELECT contact, tick, attempt_no, what, entry, outcome, address, body FROM touch
WHERE address = ? AND tick >= ? ORDER BY tick DESC, contact DESC, attempt_no DESC, what DESC;

-- name: insert_touch
-- Something happened to a contact; the same happening twice in a second is one.
INSERT INTO touch (contact, tick, attempt_no, what, entry, outcome, address, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (contact, tick, attempt_no, what) DO NOTHING;

-- name: update_touch
-- What became of an attempt is known.
UPDATE touch SET outcome = ? WHERE contact = ? AND tick = ? AND attempt_no = ? AND what = ?;

-- name: select_lists
-- Every suppression list that is in use.
SELECT list, version, as_of, entry FROM list_version WHERE as_of IS NOT NULL ORDER BY list, version;

-- name: select_list_version
-- How many addresses a version of a list has.
SELECT count FROM list_version WHERE list = ? AND version = ?;

-- name: select_newest_list_version
-- The highest version of a list, whether it is in use or not.
SELECT version FROM list_version WHERE list = ? ORDER BY version DESC LIMIT 1;

-- name: insert_list_version
-- Addresses were added to a version of a list, or it was brought into use.
INSERT INTO list_version (list, version, count, as_of, entry) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (list, version) DO UPDATE SET count = excluded.count, as_of = excluded.as_of, entry = excluded.entry;

-- name: delete_list_versions
-- Earlier versions of a list are of no use any more.
DELETE FROM list_version WHERE list = ? AND version < ?;

-- name: insert_listed
-- An address is on a version of a list.
INSERT INTO listed (token, list, version) VALUES (?, ?, ?) ON CONFLICT (token, list, version) DO NOTHING;

-- name: delete_listed
-- The addresses of earlier versions of a list.
DELETE FROM listed WHERE list = ? AND version < ?;

-- name: select_listed
-- The lists that an address is on.
SELECT list, version FROM listed WHERE token = ? ORDER BY list, version;
