-- name: select_published
-- Every plan version with the tick at which it was published.
SELECT plan.plan, plan.version, plan.digest, json_extract(audit.body, '$.core.tick') FROM plan
JOIN audit ON audit.seq = plan.entry ORDER BY plan.plan, plan.version;
