-- name: select_pending
-- Runs that wait, are held or queued, with what decides their local times.
SELECT run.body, contact.attributes, contact.facts FROM run JOIN contact ON contact.contact = run.contact
WHERE run.status IN ('ACTIVE', 'HELD', 'WAITING') ORDER BY run.run_no;

-- name: select_contact_facts
-- What is known of every contact that was not erased.
SELECT facts FROM contact WHERE erased = 0 ORDER BY contact;
