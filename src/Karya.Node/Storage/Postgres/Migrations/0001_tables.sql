-- Who may write, the journal, and the tables that are written behind it. Run with search_path set to Karya's schema.

-- ---- Ownership ------------------------------------------------------------------------------------------------------

-- The lease of record: who may fire a partition. Renewed every second by its owner in one statement, taken over only
-- when it was released or when the claimer itself has watched the same (epoch, renew_seq) for the owner's lease length.
-- Half-empty pages, so that a renewal stays in its page and touches no index.
CREATE TABLE partition_lease (
  partition integer PRIMARY KEY,
  epoch     bigint  NOT NULL,
  renew_seq bigint  NOT NULL,
  owner     text    NOT NULL,
  lease_ms  integer NOT NULL,
  released  boolean NOT NULL
) WITH (fillfactor = 50);

-- The fencing number of each partition, and the journal stream that its owner writes. Changed by claims alone. It is
-- apart from the lease, because a renewal must never wait for a batch.
CREATE TABLE partition_fence (
  partition integer PRIMARY KEY,
  epoch     bigint  NOT NULL,
  stream    integer NOT NULL
);

-- One row per journal stream, that is per writer: share-locked by each of its batches, updated by whoever claims
-- partitions from it. One lock says the same as a lock per partition.
CREATE TABLE journal_stream (
  stream integer PRIMARY KEY,
  claims bigint  NOT NULL
);

-- At the head of every batch, in its transaction and its round trip: are these the current epochs? Waits for a claim
-- that is under way, and makes later claims wait for the end of this transaction. A stale epoch is KF001.
-- Each statement in here sees what was committed before it began, so the plain read sees a claim that the lock has
-- waited for. Returns the database's clock in microseconds since 1970.
CREATE FUNCTION fence(my_stream integer, my_partitions integer[], my_epochs bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  stale record;
BEGIN
  PERFORM 1 FROM journal_stream WHERE stream = my_stream FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'There is no journal stream %.', my_stream USING ERRCODE = 'KF003';
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

CREATE SEQUENCE journal_generation;

-- Takes partitions over: from nobody, from an owner that has released them or was watched long enough, or once more
-- from oneself. All or nothing; KF002 when one was renewed or claimed meanwhile. Returns after the last batch of their
-- previous owner has ended, one way or the other, so that what is read afterwards is complete.
CREATE FUNCTION claim(
  new_owner text, new_lease_ms integer, wanted integer[], seen_epochs bigint[], seen_seqs bigint[],
  new_streams integer[])
RETURNS TABLE (claimed integer, new_epoch bigint)
LANGUAGE plpgsql AS $$
DECLARE
  taken integer;
BEGIN
  PERFORM 1 FROM partition_lease WHERE partition = ANY (wanted) ORDER BY partition FOR UPDATE;
  UPDATE partition_lease l
  SET epoch = l.epoch + 1, renew_seq = l.renew_seq + 1, owner = new_owner, lease_ms = new_lease_ms, released = false
  FROM unnest(wanted, seen_epochs, seen_seqs) AS seen (partition, epoch, renew_seq)
  WHERE l.partition = seen.partition AND l.epoch = seen.epoch
    AND (l.released OR l.renew_seq = seen.renew_seq OR l.owner = new_owner);
  GET DIAGNOSTICS taken = ROW_COUNT;
  IF taken <> cardinality(wanted) THEN
    RAISE EXCEPTION '% of % partitions were renewed or claimed meanwhile.', cardinality(wanted) - taken,
      cardinality(wanted) USING ERRCODE = 'KF002';
  END IF;

  -- The moment of truth: waits for the batches in flight, which hold these rows FOR SHARE.
  PERFORM 1 FROM journal_stream s
  WHERE s.stream IN (SELECT f.stream FROM partition_fence f WHERE f.partition = ANY (wanted))
  ORDER BY s.stream FOR NO KEY UPDATE;
  UPDATE journal_stream s SET claims = claims + 1
  WHERE s.stream IN (SELECT f.stream FROM partition_fence f WHERE f.partition = ANY (wanted));
  UPDATE partition_fence f SET epoch = l.epoch, stream = target.stream
  FROM partition_lease l, unnest(wanted, new_streams) AS target (partition, stream)
  WHERE f.partition = target.partition AND l.partition = target.partition;

  RETURN QUERY SELECT l.partition, l.epoch FROM partition_lease l WHERE l.partition = ANY (wanted) ORDER BY l.partition;
END $$;

-- Renews all leases of an owner in one statement. Fewer than it believes to have: somebody else has claimed the others.
-- Locks in the order in which claims do, so that the two never wait for each other in a ring.
CREATE FUNCTION renew(my_owner text) RETURNS TABLE (renewed integer, clock_us bigint)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM partition_lease WHERE owner = my_owner AND NOT released ORDER BY partition FOR NO KEY UPDATE;
  UPDATE partition_lease SET renew_seq = renew_seq + 1 WHERE owner = my_owner AND NOT released;
  GET DIAGNOSTICS renewed = ROW_COUNT;
  clock_us := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
  RETURN NEXT;
END $$;

-- ---- The journal ----------------------------------------------------------------------------------------------------

-- Rows up to this id are in the tables. What they are in is truncated as a whole, some time later.
CREATE TABLE journal_pruned (
  stream integer PRIMARY KEY,
  id     bigint  NOT NULL
) WITH (fillfactor = 50);

-- Makes a stream's two segments, journal_S_0 and journal_S_1: one is written while the other waits for being truncated.
-- Runs with the rights of whoever owns the schema, so that a node needs none to create tables.
-- The bodies are not compressed: they are written once, read never or once, and dense already.
CREATE FUNCTION open_stream(wanted integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('karya journal'), wanted);
  INSERT INTO journal_pruned VALUES (wanted, 0) ON CONFLICT (stream) DO NOTHING;
  FOR segment IN 0 .. 1 LOOP
    IF to_regclass(format('journal_%s_%s', wanted, segment)) IS NULL THEN
      EXECUTE format('CREATE TABLE journal_%s_%s (id bigint PRIMARY KEY, body bytea NOT NULL)', wanted, segment);
      EXECUTE format('ALTER TABLE journal_%s_%s ALTER COLUMN body SET STORAGE EXTERNAL', wanted, segment);
    END IF;
  END LOOP;
  INSERT INTO journal_stream VALUES (wanted, 0) ON CONFLICT (stream) DO NOTHING;
END $$;

-- ---- The tables -----------------------------------------------------------------------------------------------------

-- Up to which sequence number of its journal records the tables have a partition's state.
CREATE TABLE partition_projection (
  partition integer PRIMARY KEY,
  projected bigint  NOT NULL
) WITH (fillfactor = 50);

-- Moves the marks of a batch, at its end. Never backwards and never twice: KF004 when a mark is there already, which
-- means that the same batch was written before.
CREATE FUNCTION mark(my_partitions integer[], my_sequences bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  moved integer;
BEGIN
  UPDATE partition_projection p SET projected = mine.sequence
  FROM unnest(my_partitions, my_sequences) AS mine (partition, sequence)
  WHERE p.partition = mine.partition AND p.projected < mine.sequence;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved <> cardinality(my_partitions) THEN
    RAISE EXCEPTION 'This batch is in the tables already.' USING ERRCODE = 'KF004';
  END IF;
END $$;

-- Names and texts are bytes: they come from outside, and Postgres' text refuses a zero byte.
CREATE TABLE users (
  id         uuid   PRIMARY KEY,
  name       bytea  NOT NULL,
  created_ms bigint NOT NULL,
  plan_count bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

-- By a hash of the name: an index entry may not be longer than a third of a page.
CREATE INDEX users_name ON users (sha256(name), created_ms, id);

-- Plans that go on, and ended ones with open hooks: all that can ever become due. Rows come, change, and leave.
-- tasks has ended tasks as bytes, see TaskBytes.cs; here only of plans that had ended before.
CREATE TABLE plans (
  id         uuid     NOT NULL,
  user_id    uuid     NOT NULL,
  parent_id  uuid,
  partition  integer  NOT NULL,
  status     smallint NOT NULL,
  created_ms bigint   NOT NULL,
  updated_ms bigint   NOT NULL,
  wake_ms    bigint,
  memo       bytea    NOT NULL,
  body       bytea    NOT NULL,
  tasks      bytea,
  CONSTRAINT plans_id PRIMARY KEY (id)
);

CREATE INDEX plans_user ON plans (user_id, id);
CREATE INDEX plans_wake ON plans (wake_ms) WHERE wake_ms IS NOT NULL;
CREATE INDEX plans_parent ON plans (parent_id) WHERE parent_id IS NOT NULL;

-- Ended plans: appended, and dropped by whole ranges of time. A plan that ended before it was ever written comes here
-- at once. What has to outlive its range, or fits none, lies in the rest. No unique key: it would have to contain the
-- instant; the marks see to it that nothing is written twice.
CREATE TABLE plan_history (
  id         uuid     NOT NULL,
  user_id    uuid     NOT NULL,
  parent_id  uuid,
  partition  integer  NOT NULL,
  status     smallint NOT NULL,
  created_ms bigint   NOT NULL,
  updated_ms bigint   NOT NULL,
  memo       bytea    NOT NULL,
  body       bytea    NOT NULL,
  tasks      bytea
) PARTITION BY RANGE (updated_ms);

CREATE INDEX plan_history_id ON plan_history (id);
CREATE INDEX plan_history_user ON plan_history (user_id, id);
CREATE INDEX plan_history_parent ON plan_history (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE plan_history_rest PARTITION OF plan_history DEFAULT;
CREATE INDEX plan_history_rest_ended ON plan_history_rest (updated_ms);

-- Ended tasks that are not inside their plan's row: those of plans that go on, many, and failed ones.
CREATE TABLE task_history (
  plan_id       uuid     NOT NULL,
  occurrence    bigint   NOT NULL,
  hook          integer  NOT NULL,
  state         smallint NOT NULL,
  reason        smallint NOT NULL,
  occurrence_to bigint   NOT NULL,
  created_ms    bigint   NOT NULL,
  due_ms        bigint   NOT NULL,
  started_ms    bigint   NOT NULL,
  finished_ms   bigint   NOT NULL,
  attempts      integer  NOT NULL
) PARTITION BY RANGE (finished_ms);

CREATE INDEX task_history_key ON task_history (plan_id, occurrence, hook);
-- The dead letters (3 = failure), in the order in which they are listed.
CREATE INDEX task_history_dead ON task_history (plan_id, occurrence, hook) WHERE state = 3;

CREATE TABLE task_history_rest PARTITION OF task_history DEFAULT;
CREATE INDEX task_history_rest_finished ON task_history_rest (finished_ms);

CREATE TABLE errors (
  plan_id    uuid    NOT NULL,
  occurrence bigint  NOT NULL,
  hook       integer NOT NULL,
  attempt    integer NOT NULL,
  at_ms      bigint  NOT NULL,
  text       bytea   NOT NULL
) PARTITION BY RANGE (at_ms);

CREATE INDEX errors_key ON errors (plan_id, occurrence, hook, attempt);

CREATE TABLE errors_rest PARTITION OF errors DEFAULT;
CREATE INDEX errors_rest_at ON errors_rest (at_ms);
