-- How Postgres answers the questions of PostgresReader.cs, in the database of fill.sql. The texts are copies of
-- those; the parameters come last. Plans are generic ones: what a prepared statement ends with.
VACUUM (ANALYZE) plans, plan_history, task_history, errors, users;
CREATE OR REPLACE FUNCTION ids_of(first bigint, count bigint) RETURNS uuid[] LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg(id_of(first + n)) FROM generate_series(1, count) AS n $$;
SET jit = off;
-- As the node's connections have it: PostgresReader.SessionSql.
SET enable_seqscan = off;
SET max_parallel_workers_per_gather = 0;
SET plan_cache_mode = force_generic_plan;

\set analyze 'EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY ON)'

-- One plan.
PREPARE plan (uuid) AS
SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body FROM plans WHERE id = $1
UNION ALL
SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body FROM plan_history WHERE id = $1 LIMIT 1;
:analyze EXECUTE plan (id_of(4000000));

-- 1,024 plans, most of them in history.
PREPARE plans (uuid[]) AS
SELECT plan.id, plan.memo, plan.body FROM unnest($1) AS wanted (id) CROSS JOIN LATERAL (
  SELECT id, memo, body FROM plans WHERE id = wanted.id
  UNION ALL
  SELECT id, memo, body FROM plan_history WHERE id = wanted.id LIMIT 1) AS plan;
:analyze EXECUTE plans (ids_of(4999000, 1024));

-- A plan with its descendants.
PREPARE family (uuid) AS
WITH RECURSIVE family (id) AS (
  (SELECT id FROM plans WHERE id = $1 UNION ALL SELECT id FROM plan_history WHERE id = $1 LIMIT 1)
  UNION
  SELECT child.id FROM family CROSS JOIN LATERAL (
    SELECT id FROM plans WHERE parent_id = family.id
    UNION ALL
    SELECT id FROM plan_history WHERE parent_id = family.id OFFSET 0) AS child)
SELECT plan.id, plan.memo, plan.body FROM family CROSS JOIN LATERAL (
  SELECT id, memo, body FROM plans
  WHERE id = family.id AND (id = $1 OR status < 2 OR wake_ms IS NOT NULL)
  UNION ALL
  SELECT id, memo, body FROM plan_history WHERE id = $1 AND family.id = $1 LIMIT 1) AS plan;
:analyze EXECUTE family (id_of(3999993));

-- The second page of a user who has 6,000 plans.
PREPARE plans_of_user (uuid, bigint, bigint) AS
SELECT plan.* FROM (
  SELECT id FROM (
    SELECT id, user_id FROM plans UNION ALL SELECT id, user_id FROM plan_history) AS both_tables
  WHERE user_id = $1 ORDER BY id DESC LIMIT $3 OFFSET $2) AS found
CROSS JOIN LATERAL (
  SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body FROM plans WHERE id = found.id
  UNION ALL
  SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body FROM plan_history WHERE id = found.id LIMIT 1) AS plan
ORDER BY found.id DESC;
:analyze EXECUTE plans_of_user (user_of(7), 20, 20);

-- The page below a plan of a user who has 6,000 of them.
PREPARE plans_of_user_below (uuid, uuid, bigint) AS
SELECT plan.* FROM (
  SELECT id FROM (
    SELECT id, user_id FROM plans UNION ALL SELECT id, user_id FROM plan_history) AS both_tables
  WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3) AS found
CROSS JOIN LATERAL (
  SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body FROM plans WHERE id = found.id
  UNION ALL
  SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body FROM plan_history WHERE id = found.id LIMIT 1) AS plan
ORDER BY found.id DESC;
:analyze EXECUTE plans_of_user_below (user_of(7), id_of(2500007), 20);

-- The last tasks of a plan below one; all of them are below the largest numbers.
PREPARE tasks (uuid, bigint, integer, bigint) AS
SELECT task.*, NULL::bytea FROM (
  SELECT occurrence, hook FROM task_history
  WHERE plan_id = $1 AND (occurrence, hook) < ($2, $3)
  ORDER BY occurrence DESC, hook DESC LIMIT $4) AS found
CROSS JOIN LATERAL (
  SELECT t.plan_id, t.occurrence, t.hook, t.occurrence_to, t.state, t.reason, t.created_ms, t.due_ms, t.started_ms,
t.finished_ms, t.attempts, octet_length(t.result) FROM task_history AS t
  WHERE t.plan_id = $1 AND t.occurrence = found.occurrence AND t.hook = found.hook LIMIT 1) AS task
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, tasks FROM plans
WHERE id = $1 AND tasks IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, tasks FROM plan_history
WHERE id = $1 AND tasks IS NOT NULL;
:analyze EXECUTE tasks (id_of(5000001), 8, 0, 5);

-- One task.
PREPARE task (uuid, bigint, integer) AS
(SELECT t.plan_id, t.occurrence, t.hook, t.occurrence_to, t.state, t.reason, t.created_ms, t.due_ms, t.started_ms,
t.finished_ms, t.attempts, octet_length(t.result), NULL::bytea FROM task_history AS t
 WHERE t.plan_id = $1 AND t.occurrence = $2 AND t.hook = $3 LIMIT 1)
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, tasks FROM plans
WHERE id = $1 AND tasks IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, tasks FROM plan_history
WHERE id = $1 AND tasks IS NOT NULL;
:analyze EXECUTE task (id_of(5000001), 3, 0);

-- The result of a task.
PREPARE result (uuid, bigint, integer) AS
SELECT result FROM task_history WHERE plan_id = $1 AND occurrence = $2 AND hook = $3 LIMIT 1;
:analyze EXECUTE result (id_of(5000001), 3, 0);

-- The last errors of a plan below one.
PREPARE errors (uuid, bigint, integer, integer, bigint) AS
SELECT error.* FROM (
  SELECT occurrence, hook, attempt FROM errors
  WHERE plan_id = $1 AND (occurrence, hook, attempt) < ($2, $3, $4)
  ORDER BY occurrence DESC, hook DESC, attempt DESC LIMIT $5) AS found
CROSS JOIN LATERAL (
  SELECT plan_id, occurrence, hook, attempt, at_ms, text FROM errors
  WHERE plan_id = $1 AND occurrence = found.occurrence AND hook = found.hook AND attempt = found.attempt
  LIMIT 1) AS error
ORDER BY found.occurrence DESC, found.hook DESC, found.attempt DESC;
:analyze EXECUTE errors (id_of(5000001), 8, 0, 1, 5);

-- A page of 100,000 dead letters.
PREPARE dead (uuid, bigint, integer, bigint) AS
SELECT task.*, NULL::bytea FROM (
  SELECT plan_id, occurrence, hook FROM task_history
  WHERE state = 3 AND (plan_id, occurrence, hook) < ($1, $2, $3)
  ORDER BY plan_id DESC, occurrence DESC, hook DESC LIMIT $4) AS found
CROSS JOIN LATERAL (
  SELECT t.plan_id, t.occurrence, t.hook, t.occurrence_to, t.state, t.reason, t.created_ms, t.due_ms, t.started_ms,
t.finished_ms, t.attempts, octet_length(t.result) FROM task_history AS t
  WHERE t.state = 3
    AND t.plan_id = found.plan_id AND t.occurrence = found.occurrence AND t.hook = found.hook LIMIT 1) AS task
ORDER BY found.plan_id DESC, found.occurrence DESC, found.hook DESC;
:analyze EXECUTE dead (id_of(5100000), 1, 0, 20);

-- A user by name.
PREPARE user_by_name (bytea) AS
SELECT id, name, created_ms FROM users
WHERE sha256(name) = sha256($1) AND name = $1 ORDER BY created_ms, id LIMIT 1;
:analyze EXECUTE user_by_name ('user 7');

-- The first slice of what is due within the horizon, and a later one; see DueLoad.cs.
BEGIN;
SET LOCAL enable_sort = off;
SELECT min(wake_ms) AS first_ms FROM plans \gset
PREPARE first_slice (bigint, bigint, bigint) AS
SELECT (SELECT wake_ms FROM plans WHERE wake_ms >= $1 AND wake_ms < $2 ORDER BY wake_ms LIMIT 1),
  (SELECT wake_ms FROM plans WHERE wake_ms >= $1 AND wake_ms < $2 ORDER BY wake_ms OFFSET $3 LIMIT 1);
:analyze EXECUTE first_slice (0, 9223372036854775807, 4096);
SET LOCAL enable_indexscan = off;
:analyze SELECT id, memo, body FROM plans WHERE wake_ms >= :first_ms AND wake_ms < :first_ms + 15000;
:analyze SELECT id, memo, body FROM plans WHERE wake_ms >= :first_ms + 135000 AND wake_ms < :first_ms + 1095000;
COMMIT;
