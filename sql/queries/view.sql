-- name: select_file
-- What the file was made as.
SELECT lineage, epoch, clock, semantics FROM genesis WHERE one = 1;

-- name: select_end
-- Where the log ends.
SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1;

-- name: select_last_tick
-- The tick of the newest input.
SELECT tick FROM input ORDER BY seq DESC LIMIT 1;

-- name: select_contact_ids
-- Every contact that was not erased.
SELECT contact FROM contact WHERE erased = 0 ORDER BY contact;

-- name: select_contact_id
-- One contact.
SELECT contact FROM contact WHERE contact = ?;

-- name: select_queued_private
-- What waiting rows bring beside their payload, of those that name this text: the id of a contact in quotes.
SELECT private FROM inbox WHERE private IS NOT NULL AND instr(private, ?) > 0 ORDER BY id;

-- name: select_input_tick
-- When an input was admitted.
SELECT tick FROM input WHERE seq = ?;

-- name: select_seen_token
-- The input that came with a dedupe token of a source.
SELECT seq FROM seen WHERE source = ? AND token = ?;
