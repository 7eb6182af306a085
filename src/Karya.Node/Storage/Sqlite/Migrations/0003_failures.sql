-- What kind of failure it was (the numbers are those of FailureClass; 0 = other): of a task that failed its last one.
ALTER TABLE tasks ADD COLUMN failure INTEGER NOT NULL DEFAULT 0;
ALTER TABLE errors ADD COLUMN failure INTEGER NOT NULL DEFAULT 0;

-- What was asked for and goes on for a while, see StoredOperation. A few rows, the ended ones pruned with the history.
CREATE TABLE operations (
  id         BLOB NOT NULL PRIMARY KEY,
  running    INTEGER NOT NULL,
  stop       INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  body       BLOB NOT NULL
) STRICT, WITHOUT ROWID;
