-- Several nodes on one schema: each process has journal streams of its own, and partitions move between them one by
-- one.

-- Which process writes a stream; empty for nobody.
ALTER TABLE journal_stream ADD COLUMN writer text NOT NULL DEFAULT '';

-- As before, and is this stream the writer's? KF003 when it is not. The old function goes, so that a process of an
-- older version, whose streams have no writer and could be taken from it, cannot write any more.
DROP FUNCTION fence(integer, integer[], bigint[]);
CREATE FUNCTION fence(my_stream integer, my_owner text, my_partitions integer[], my_epochs bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  stale record;
BEGIN
  PERFORM 1 FROM journal_stream WHERE stream = my_stream AND writer = my_owner FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'Journal stream % is another process''s.', my_stream USING ERRCODE = 'KF003';
  END IF;

  SELECT mine.partition, mine.epoch AS mine, f.epoch AS current INTO stale
  FROM unnest(my_partitions, my_epochs) AS mine (partition, epoch)
  LEFT JOIN partition_fence f ON f.partition = mine.partition
  WHERE f.epoch IS DISTINCT FROM mine.epoch LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'Epoch % of partition % is stale: it is %.', stale.mine, stale.partition, stale.current
      USING ERRCODE = 'KF001';
  END IF;

  RETURN (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
END $$;

-- As before, but each partition for itself: returns those that were taken. The others were renewed or claimed meanwhile.
CREATE OR REPLACE FUNCTION claim(
  new_owner text, new_lease_ms integer, wanted integer[], seen_epochs bigint[], seen_seqs bigint[],
  new_streams integer[])
RETURNS TABLE (claimed integer, new_epoch bigint)
LANGUAGE plpgsql AS $$
DECLARE
  taken integer[];
BEGIN
  PERFORM 1 FROM partition_lease WHERE partition = ANY (wanted) ORDER BY partition FOR UPDATE;
  WITH moved AS (
    UPDATE partition_lease l
    SET epoch = l.epoch + 1, renew_seq = l.renew_seq + 1, owner = new_owner, lease_ms = new_lease_ms, released = false
    FROM unnest(wanted, seen_epochs, seen_seqs) AS seen (partition, epoch, renew_seq)
    WHERE l.partition = seen.partition AND l.epoch = seen.epoch
      AND (l.released OR l.renew_seq = seen.renew_seq OR l.owner = new_owner)
    RETURNING l.partition)
  SELECT coalesce(array_agg(moved.partition), '{}') INTO taken FROM moved;

  -- The moment of truth: waits for the batches in flight, which hold these rows FOR SHARE.
  PERFORM 1 FROM journal_stream s
  WHERE s.stream IN (SELECT f.stream FROM partition_fence f WHERE f.partition = ANY (taken))
  ORDER BY s.stream FOR NO KEY UPDATE;
  UPDATE journal_stream s SET claims = claims + 1
  WHERE s.stream IN (SELECT f.stream FROM partition_fence f WHERE f.partition = ANY (taken));
  UPDATE partition_fence f SET epoch = l.epoch, stream = target.stream
  FROM partition_lease l, unnest(wanted, new_streams) AS target (partition, stream)
  WHERE f.partition = target.partition AND l.partition = target.partition AND f.partition = ANY (taken);

  RETURN QUERY SELECT l.partition, l.epoch FROM partition_lease l WHERE l.partition = ANY (taken) ORDER BY l.partition;
END $$;

-- As before, and which they are.
DROP FUNCTION renew(text);
CREATE FUNCTION renew(my_owner text) RETURNS TABLE (renewed integer[], clock_us bigint)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM partition_lease WHERE owner = my_owner AND NOT released ORDER BY partition FOR NO KEY UPDATE;
  WITH moved AS (
    UPDATE partition_lease SET renew_seq = renew_seq + 1 WHERE owner = my_owner AND NOT released RETURNING partition)
  SELECT coalesce(array_agg(moved.partition), '{}') INTO renewed FROM moved;
  clock_us := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
  RETURN NEXT;
END $$;

-- Nothing of a process is left: no session, which each mark with a lock of this key, and no lease. One that is alive
-- and cut off from here looks the same, which is why fence asks whose the stream is.
CREATE FUNCTION is_gone(process text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN process = '' OR NOT (
    EXISTS (SELECT 1 FROM partition_lease WHERE owner = process AND NOT released)
    OR EXISTS (
      SELECT 1 FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = hashtext('karya')::bigint & 4294967295
        AND objid::bigint = hashtext(process)::bigint & 4294967295
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())));
END $$;

-- Whether a stream has rows that the tables may lack.
CREATE FUNCTION has_rows(wanted integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  pruned bigint;
  found_one boolean;
BEGIN
  SELECT id INTO pruned FROM journal_pruned WHERE stream = wanted;
  EXECUTE format(
    'SELECT EXISTS (SELECT 1 FROM journal_%1$s_0 WHERE id > $1) OR EXISTS (SELECT 1 FROM journal_%1$s_1 WHERE id > $1)',
    wanted) INTO found_one USING pruned;
  RETURN found_one;
END $$;

-- Gives a process a stream of its own: one that is nobody's any more and that nothing is left in, or a new one.
CREATE FUNCTION take_stream(my_owner text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  candidate record;
  taken integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('karya streams'), hashtext(current_schema()));
  FOR candidate IN
    SELECT stream, writer FROM journal_stream ORDER BY stream FOR NO KEY UPDATE SKIP LOCKED
  LOOP
    IF candidate.writer <> my_owner AND is_gone(candidate.writer) AND NOT has_rows(candidate.stream) THEN
      UPDATE journal_stream SET writer = my_owner WHERE stream = candidate.stream;
      RETURN candidate.stream;
    END IF;
  END LOOP;

  SELECT coalesce(max(stream), -1) + 1 INTO taken FROM journal_stream;
  PERFORM open_stream(taken);
  UPDATE journal_stream SET writer = my_owner WHERE stream = taken;
  RETURN taken;
END $$;

-- Empties a stream that is nobody's any more, once the tables have all of it up to an id. Nothing happens when it has
-- become somebody's meanwhile, or more was written to it.
CREATE FUNCTION empty_stream(wanted integer, seen_writer text, last_id bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  highest bigint;
BEGIN
  PERFORM 1 FROM journal_stream WHERE stream = wanted AND writer = seen_writer FOR NO KEY UPDATE;
  IF NOT FOUND OR NOT is_gone(seen_writer) THEN
    RETURN false;
  END IF;
  EXECUTE format('LOCK TABLE journal_%1$s_0, journal_%1$s_1 IN ACCESS EXCLUSIVE MODE', wanted);
  EXECUTE format(
    'SELECT greatest((SELECT max(id) FROM journal_%1$s_0), (SELECT max(id) FROM journal_%1$s_1))', wanted)
    INTO highest;
  IF highest > last_id THEN
    RETURN false;
  END IF;
  UPDATE journal_pruned SET id = last_id WHERE stream = wanted AND id < last_id;
  EXECUTE format('TRUNCATE journal_%1$s_0, journal_%1$s_1', wanted);
  RETURN true;
END $$;

-- ---- Members --------------------------------------------------------------------------------------------------------

-- Where processes are to be reached, by the names that leases have. Told by each of itself; removed when it is gone.
CREATE TABLE cluster_node (
  owner    text    PRIMARY KEY,
  tcp_host text    NOT NULL,
  tcp_port integer NOT NULL,
  http     text    NOT NULL,
  version  text    NOT NULL
);
