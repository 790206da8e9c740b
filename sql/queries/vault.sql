-- name: select_vault
-- The newest value of a field of a contact.
SELECT value FROM vault WHERE contact = ? AND field = ? ORDER BY seq DESC LIMIT 1;

-- name: select_vault_rows
-- Everything that is kept of a contact.
SELECT field, seq, value FROM vault WHERE contact = ? ORDER BY field, seq;
