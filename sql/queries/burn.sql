-- name: select_first_holding
-- The first entry between two positions whose body holds a text.
SELECT body FROM audit WHERE seq >= ? AND seq < ? AND instr(body, ?) > 0 ORDER BY seq LIMIT 1;

-- name: select_all_holding
-- Every entry from a position on whose body holds a text.
SELECT body FROM audit WHERE seq >= ? AND instr(body, ?) > 0 ORDER BY seq;
