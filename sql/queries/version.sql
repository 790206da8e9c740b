-- name: select_made_under
-- Under which epoch the file was made.
SELECT semantics FROM genesis WHERE one = 1;

-- name: select_in_force
-- Which epoch decides now, if another one was brought into use.
SELECT value FROM setting WHERE key = 'semantics';

-- name: select_schemas
-- Published plans that name their schema: nearly none, the first one goes unnamed.
SELECT plan.plan, plan.version, document.body FROM plan JOIN document ON document.digest = plan.digest
WHERE instr(document.body, '"schema":') > 0 ORDER BY plan.plan, plan.version;
