-- What kind of failure it was (the numbers are those of FailureClass; 0 = other): of a task that failed its last one.
ALTER TABLE task_history ADD COLUMN failure smallint NOT NULL DEFAULT 0;
ALTER TABLE errors ADD COLUMN failure smallint NOT NULL DEFAULT 0;

-- What was asked for and goes on for a while, see StoredOperation. A few rows, the ended ones pruned with the history.
CREATE TABLE operations (
  id         uuid    PRIMARY KEY,
  running    boolean NOT NULL,
  stop       boolean NOT NULL,
  version    bigint  NOT NULL,
  updated_ms bigint  NOT NULL,
  body       bytea   NOT NULL
);
