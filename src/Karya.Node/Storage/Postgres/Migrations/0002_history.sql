-- The ranges of the history, and how they come and go. Run with search_path set to Karya's schema.
-- All functions run with the rights of whoever owns the schema, so that a node needs none to create or drop tables.

-- A range has three partitions: plan_history_F, task_history_F and errors_F, where F is its first instant.
CREATE TABLE history_range (
  first_ms bigint PRIMARY KEY,
  end_ms   bigint NOT NULL CHECK (end_ms > first_ms)
);

-- Adds a range; nothing when it is there. KF005 when it overlaps another one, KF006 when rows of it were written
-- already and lie in the rest: they cannot be moved without stopping everybody, so that range stays without partitions.
-- A partition is made on its own and attached when it is complete, so that its parent is locked for an instant.
CREATE FUNCTION add_history_range(new_first_ms bigint, new_end_ms bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  parent text;
BEGIN
  LOCK TABLE history_range IN SHARE ROW EXCLUSIVE MODE;
  IF EXISTS (SELECT 1 FROM history_range WHERE first_ms = new_first_ms AND end_ms = new_end_ms) THEN
    RETURN;
  END IF;
  IF EXISTS (SELECT 1 FROM history_range WHERE first_ms < new_end_ms AND end_ms > new_first_ms) THEN
    RAISE EXCEPTION 'The range % to % overlaps another one.', new_first_ms, new_end_ms USING ERRCODE = 'KF005';
  END IF;

  IF EXISTS (SELECT 1 FROM plan_history_rest WHERE updated_ms >= new_first_ms AND updated_ms < new_end_ms)
    OR EXISTS (SELECT 1 FROM task_history_rest WHERE finished_ms >= new_first_ms AND finished_ms < new_end_ms)
    OR EXISTS (SELECT 1 FROM errors_rest WHERE at_ms >= new_first_ms AND at_ms < new_end_ms) THEN
    RAISE EXCEPTION 'Rows of the range % to % are stored already.', new_first_ms, new_end_ms USING ERRCODE = 'KF006';
  END IF;

  INSERT INTO history_range VALUES (new_first_ms, new_end_ms);
  FOREACH parent IN ARRAY ARRAY['plan_history', 'task_history', 'errors'] LOOP
    EXECUTE format('CREATE TABLE %1$I (LIKE %2$I INCLUDING ALL)', parent || '_' || new_first_ms, parent);
  END LOOP;
  FOREACH parent IN ARRAY ARRAY['plan_history', 'task_history', 'errors'] LOOP
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
      parent, parent || '_' || new_first_ms, new_first_ms, new_end_ms);
  END LOOP;
EXCEPTION
  -- A row of it was written to the rest since the look above; attaching looks again, under a lock.
  WHEN check_violation THEN
    RAISE EXCEPTION 'Rows of the range % to % are stored already.', new_first_ms, new_end_ms USING ERRCODE = 'KF006';
END $$;

-- Drops a range with all that is in it, and returns how many rows that were. A plan whose child stays is moved to the
-- rest instead, with its last tasks and their errors: cancelling it walks through to the child. So is the parent of
-- such a plan, and so on.
--
-- What takes time comes first, under a lock that stops writers to these partitions and no reader. The parents are
-- locked for detaching and what follows: their rows are gone and the counters changed at one instant for everybody.
-- Writers of history have to come to plan_history, task_history, errors and users in this order.
-- It reads whole tables, which sessions that only ask questions have switched off.
CREATE FUNCTION drop_history_range(old_first_ms bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = on AS $$
DECLARE
  plan_part text := format('%I', 'plan_history_' || old_first_ms);
  task_part text := format('%I', 'task_history_' || old_first_ms);
  error_part text := format('%I', 'errors_' || old_first_ms);
  old_end_ms bigint;
  kept uuid[];
  owners uuid[];
  owned bigint[];
  task_count bigint;
  error_count bigint;
  moved bigint;
BEGIN
  -- What the last step needs, so that nobody who adds a range comes in between and waits for us.
  LOCK TABLE history_range IN ROW EXCLUSIVE MODE;
  SELECT end_ms INTO old_end_ms FROM history_range WHERE first_ms = old_first_ms FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 0;
  END IF;
  EXECUTE format('LOCK TABLE %s, %s, %s IN SHARE MODE', plan_part, task_part, error_part);

  -- From the children's side: few plans have a parent, and an index has only those.
  EXECUTE format(
    'WITH RECURSIVE kept (id, parent_id) AS (
       SELECT id, parent_id FROM %1$s WHERE id IN (
         SELECT parent_id FROM plans WHERE parent_id IS NOT NULL
         UNION ALL
         SELECT parent_id FROM plan_history
         WHERE parent_id IS NOT NULL AND NOT (updated_ms >= $1 AND updated_ms < $2))
       UNION
       SELECT parent.id, parent.parent_id FROM kept JOIN %1$s AS parent ON parent.id = kept.parent_id)
     SELECT coalesce(array_agg(id), ''{}'') FROM kept', plan_part)
    INTO kept USING old_first_ms, old_end_ms;

  EXECUTE format(
    'SELECT coalesce(array_agg(user_id), ''{}''), coalesce(array_agg(plan_count), ''{}'') FROM (
       SELECT user_id, sum(step) AS plan_count FROM (
         SELECT user_id, 1 AS step FROM %1$s
         UNION ALL
         SELECT user_id, -1 FROM %1$s WHERE id = ANY ($1)) AS steps
       GROUP BY user_id HAVING sum(step) > 0) AS counted', plan_part)
    INTO owners, owned USING kept;
  EXECUTE format('SELECT count(*) FROM %s', task_part) INTO task_count;
  EXECUTE format('SELECT count(*) FROM %s', error_part) INTO error_count;

  EXECUTE format('ALTER TABLE plan_history DETACH PARTITION %s', plan_part);
  EXECUTE format('ALTER TABLE task_history DETACH PARTITION %s', task_part);
  EXECUTE format('ALTER TABLE errors DETACH PARTITION %s', error_part);

  IF cardinality(kept) > 0 THEN
    EXECUTE format('INSERT INTO plan_history_rest SELECT * FROM %s WHERE id = ANY ($1)', plan_part) USING kept;
    EXECUTE format(
      'INSERT INTO task_history_rest SELECT t.* FROM unnest($1) AS plan (id) JOIN %1$s AS t ON t.plan_id = plan.id
       WHERE NOT EXISTS (
           SELECT 1 FROM %1$s AS later WHERE later.plan_id = t.plan_id AND later.occurrence > t.occurrence)
         AND NOT EXISTS (
           SELECT 1 FROM task_history AS later WHERE later.plan_id = t.plan_id AND later.occurrence > t.occurrence)',
      task_part) USING kept;
    GET DIAGNOSTICS moved = ROW_COUNT;
    task_count := task_count - moved;
    EXECUTE format(
      'INSERT INTO errors_rest SELECT e.* FROM unnest($1) AS plan (id) JOIN %1$s AS e ON e.plan_id = plan.id
       WHERE NOT EXISTS (
           SELECT 1 FROM %1$s AS later WHERE later.plan_id = e.plan_id AND later.occurrence > e.occurrence)
         AND NOT EXISTS (
           SELECT 1 FROM task_history AS later WHERE later.plan_id = e.plan_id AND later.occurrence > e.occurrence)',
      error_part) USING kept;
    GET DIAGNOSTICS moved = ROW_COUNT;
    error_count := error_count - moved;
  END IF;

  EXECUTE format('DROP TABLE %s, %s, %s', plan_part, task_part, error_part);
  DELETE FROM history_range WHERE first_ms = old_first_ms;
  PERFORM uncount_plans(owners, owned);
  RETURN task_count + error_count + coalesce((SELECT sum(n) FROM unnest(owned) AS n), 0);
END $$;

-- Subtracts removed plans from the counters of their users, in one order for all who do that.
CREATE FUNCTION uncount_plans(owners uuid[], owned bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM users WHERE id = ANY (owners) ORDER BY id FOR NO KEY UPDATE;
  UPDATE users AS u SET plan_count = u.plan_count - removed.plan_count
  FROM unnest(owners, owned) AS removed (user_id, plan_count) WHERE u.id = removed.user_id;
END $$;

-- How many tasks the bytes in a plan's row hold; their format is in TaskBytes.cs.
CREATE FUNCTION count_inside(tasks bytea) RETURNS integer
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  at integer := 0;
  bytes integer := coalesce(length(tasks), 0);
  seen integer := 0;
  varints integer;
BEGIN
  WHILE at < bytes LOOP
    seen := seen + 1;
    FOR part IN 1 .. 3 LOOP
      -- Three varints and two bytes; two varints and one byte that says how many more; those.
      varints := CASE part WHEN 1 THEN 3 WHEN 2 THEN 2 ELSE varints END;
      FOR i IN 1 .. varints LOOP
        WHILE at < bytes AND get_byte(tasks, at) > 127 LOOP
          at := at + 1;
        END LOOP;
        at := at + 1;
      END LOOP;
      IF part = 1 THEN
        at := at + 2;
      ELSIF part = 2 AND at < bytes THEN
        varints := 2 + get_byte(tasks, at);
        at := at + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN seen;
END $$;

-- Removes ended plans from the rest, row by row, with their tasks and errors in the rest; at most about rows_max rows.
-- A plan stays while something that it started is stored. Such plans would be looked at again and again, so the caller
-- goes round: it says behind which plan to go on (the instant of its end, and its id), and is told so for the next
-- time; null at the end. One that has more than rows_max rows goes after its rows, over several calls.
CREATE FUNCTION prune_rest_plans(
  cutoff_ms bigint, rows_max integer, INOUT cursor_ms bigint, INOUT cursor_id uuid, OUT removed bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  seen integer;
  whole uuid[];
  whole_ms bigint[];
  large uuid;
  owners uuid[];
  owned bigint[];
BEGIN
  WITH candidate AS MATERIALIZED (
    SELECT p.id, p.updated_ms, p.tasks FROM plan_history_rest AS p
    WHERE p.updated_ms < cutoff_ms AND p.updated_ms >= cursor_ms AND (p.updated_ms, p.id) > (cursor_ms, cursor_id)
      AND NOT EXISTS (SELECT 1 FROM plans AS child WHERE child.parent_id = p.id)
      AND NOT EXISTS (SELECT 1 FROM plan_history AS child WHERE child.parent_id = p.id)
    ORDER BY p.updated_ms, p.id LIMIT rows_max FOR UPDATE OF p SKIP LOCKED),
  sized AS (
    SELECT id, updated_ms, sum(1 + count_inside(tasks) + task.rows + error.rows) OVER (ORDER BY updated_ms, id) AS rows
    FROM candidate
    CROSS JOIN LATERAL (SELECT count(*) AS rows FROM (
      SELECT 1 FROM task_history_rest WHERE plan_id = candidate.id LIMIT rows_max) AS few) AS task
    CROSS JOIN LATERAL (SELECT count(*) AS rows FROM (
      SELECT 1 FROM errors_rest WHERE plan_id = candidate.id LIMIT rows_max) AS few) AS error)
  SELECT count(*), coalesce(max(rows) FILTER (WHERE rows <= rows_max), 0),
    array_agg(id ORDER BY updated_ms, id) FILTER (WHERE rows <= rows_max),
    array_agg(updated_ms ORDER BY updated_ms, id) FILTER (WHERE rows <= rows_max),
    (array_agg(id ORDER BY updated_ms, id) FILTER (WHERE rows > rows_max))[1]
  INTO seen, removed, whole, whole_ms, large FROM sized;

  IF whole IS NOT NULL THEN
    DELETE FROM task_history_rest WHERE plan_id = ANY (whole);
    DELETE FROM errors_rest WHERE plan_id = ANY (whole);
    cursor_ms := whole_ms[cardinality(whole)];
    cursor_id := whole[cardinality(whole)];
  ELSIF large IS NOT NULL THEN
    DELETE FROM task_history_rest WHERE (plan_id, occurrence, hook) IN (
      SELECT plan_id, occurrence, hook FROM task_history_rest WHERE plan_id = large LIMIT rows_max);
    GET DIAGNOSTICS removed = ROW_COUNT;
    DELETE FROM errors_rest WHERE (plan_id, occurrence, hook, attempt) IN (
      SELECT plan_id, occurrence, hook, attempt FROM errors_rest WHERE plan_id = large LIMIT rows_max - removed);
    GET DIAGNOSTICS seen = ROW_COUNT;
    removed := removed + seen;
    IF removed > 0 THEN
      RETURN;
    END IF;

    -- All of its rows are inside it.
    whole := ARRAY[large];
    SELECT 1 + count_inside(tasks) INTO removed FROM plan_history_rest WHERE id = large;
  END IF;

  WITH gone AS (DELETE FROM plan_history_rest WHERE id = ANY (whole) RETURNING user_id)
  SELECT array_agg(user_id), array_agg(plan_count) INTO owners, owned
  FROM (SELECT user_id, count(*) AS plan_count FROM gone GROUP BY user_id) AS counted;
  PERFORM uncount_plans(owners, owned);

  -- Otherwise there are more, or some were left out because they would have been too many.
  IF seen < rows_max AND large IS NULL THEN
    cursor_ms := NULL;
    cursor_id := NULL;
  END IF;
END $$;

-- Whether a plan has ended and no later occurrence of it has a task of its own row.
CREATE FUNCTION is_last_of_ended(plan uuid, number bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (EXISTS (SELECT 1 FROM plans WHERE id = plan AND status >= 2)
      OR EXISTS (SELECT 1 FROM plan_history WHERE id = plan))
    AND NOT EXISTS (SELECT 1 FROM task_history WHERE plan_id = plan AND occurrence > number);
END $$;

-- Removes tasks and errors from the rest that are old enough; at most rows_max. But not the last tasks of a plan that
-- has ended: they are what an answer about it shows, and go with it.
CREATE FUNCTION prune_rest_tasks(cutoff_ms bigint, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  task_count bigint;
  error_count bigint;
BEGIN
  DELETE FROM task_history_rest WHERE (plan_id, occurrence, hook) IN (
    SELECT plan_id, occurrence, hook FROM task_history_rest
    WHERE finished_ms < cutoff_ms AND NOT is_last_of_ended(plan_id, occurrence)
    ORDER BY finished_ms LIMIT rows_max);
  GET DIAGNOSTICS task_count = ROW_COUNT;
  DELETE FROM errors_rest WHERE (plan_id, occurrence, hook, attempt) IN (
    SELECT plan_id, occurrence, hook, attempt FROM errors_rest
    WHERE at_ms < cutoff_ms AND NOT is_last_of_ended(plan_id, occurrence)
    ORDER BY at_ms LIMIT rows_max - task_count);
  GET DIAGNOSTICS error_count = ROW_COUNT;
  RETURN task_count + error_count;
END $$;
