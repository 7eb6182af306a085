-- What a task left when it succeeded; null for most. A long one lies apart, and is not read with the other columns. A
-- task with a result is never inside its plan's row. The partitions that are there get the column with their parent,
-- and those to come are made like it.
ALTER TABLE task_history ADD COLUMN result bytea;
