-- The journal is the truth, one row per commit; everything else is written behind it, in batches.
CREATE TABLE journal (
  id   INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;

-- Who may write what: every open raises the epochs, every projection names the one it was made under.
CREATE TABLE partitions (
  partition INTEGER PRIMARY KEY,
  epoch     INTEGER NOT NULL,
  projected INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
  id         BLOB NOT NULL PRIMARY KEY,
  name       TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  plan_count INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX users_name ON users (name, created_ms, id);

-- Ids are UUIDs of version 7 as 16 big-endian bytes, so that new ones go to the right edge of their index. The rows
-- themselves are in a rowid table: measured equal to WITHOUT ROWID for rows of 400 bytes (17.6 and 17.9 us of CPU per
-- insert, update and task at b = 1000; 15.3 and 15.9 at b = 5000), and better for wide rows, which WITHOUT ROWID keeps
-- in the inner pages of the tree too; and paging by OFFSET through plans_user never touches the rows it skips.
CREATE TABLE plans (
  id         BLOB NOT NULL,
  user_id    BLOB NOT NULL,
  parent_id  BLOB,
  partition  INTEGER NOT NULL,
  status     INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  wake_ms    INTEGER,
  memo       BLOB NOT NULL,
  body       BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX plans_id ON plans (id);
-- The dearest index by far (more than half of the time above): its entries go everywhere. Lists need it.
CREATE INDEX plans_user ON plans (user_id, id);
CREATE INDEX plans_wake ON plans (wake_ms) WHERE wake_ms IS NOT NULL;
CREATE INDEX plans_parent ON plans (parent_id) WHERE parent_id IS NOT NULL;
-- For pruning; entries arrive in the order of time, at the right edge. With tasks_finished 4 to 8 % of CPU; without them
-- every round of pruning would read the whole table.
CREATE INDEX plans_ended ON plans (updated_ms) WHERE status >= 2 AND wake_ms IS NULL;

CREATE TABLE tasks (
  plan_id       BLOB NOT NULL,
  occurrence    INTEGER NOT NULL,
  hook          INTEGER NOT NULL,
  occurrence_to INTEGER NOT NULL,
  state         INTEGER NOT NULL,
  reason        INTEGER NOT NULL,
  created_ms    INTEGER NOT NULL,
  due_ms        INTEGER NOT NULL,
  started_ms    INTEGER NOT NULL,
  finished_ms   INTEGER NOT NULL,
  attempts      INTEGER NOT NULL,
  PRIMARY KEY (plan_id, occurrence, hook)
) STRICT, WITHOUT ROWID;

-- The dead letters (3 = failure), in the order in which they are listed.
CREATE INDEX tasks_dead ON tasks (plan_id, occurrence, hook) WHERE state = 3;
-- For pruning. The first occurrence is left out, so that a one-time plan's only task costs nothing here: it goes with
-- its plan, or with a later occurrence.
CREATE INDEX tasks_finished ON tasks (finished_ms) WHERE occurrence > 1;

CREATE TABLE errors (
  plan_id    BLOB NOT NULL,
  occurrence INTEGER NOT NULL,
  hook       INTEGER NOT NULL,
  attempt    INTEGER NOT NULL,
  at_ms      INTEGER NOT NULL,
  text       TEXT NOT NULL,
  PRIMARY KEY (plan_id, occurrence, hook, attempt)
) STRICT, WITHOUT ROWID;
