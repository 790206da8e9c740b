-- name: select_holding
-- Whether a row still holds these bytes (given twice), in the vault or in the inbox.
SELECT EXISTS (SELECT 1 FROM vault WHERE instr(CAST(value AS BLOB), ?) > 0)
    OR EXISTS (SELECT 1 FROM inbox WHERE private IS NOT NULL AND instr(CAST(private AS BLOB), ?) > 0);

-- name: delete_staged_holding
-- Rows of unfinished imports that hold these bytes.
DELETE FROM inbox WHERE ready < 0 AND private IS NOT NULL AND instr(CAST(private AS BLOB), ?) > 0;
