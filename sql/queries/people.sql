-- name: select_profiles
-- Every version of every profile.
SELECT contact, value FROM vault WHERE field = 'profile' AND contact > '' ORDER BY contact, seq;

-- name: select_contacts_with_prefix
-- Contacts whose id begins with a text.
SELECT contact FROM contact WHERE contact >= :text AND substr(contact, 1, length(:text)) = :text ORDER BY contact LIMIT :limit;

-- name: select_chain_of_contact
-- The contact's own chain: its length and head.
SELECT cs, cp FROM contact WHERE contact = ?;

-- name: select_suppression_list
-- Suppressions with the contact that has the address, for one scope and reason (empty: any).
SELECT s.subject, s.scope, s.reason, s.entry, a.kind, a.contact
FROM suppression AS s LEFT JOIN address AS a ON a.token = s.subject
WHERE (:scope = '' OR s.scope = :scope) AND (:reason = '' OR s.reason = :reason)
ORDER BY s.subject, s.scope, a.token LIMIT :limit;
