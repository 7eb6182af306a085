-- What a task left when it succeeded; null for most. Last in the row: a long one lies in pages of its own, which nobody
-- reads who asks for the other columns or for its length.
ALTER TABLE tasks ADD COLUMN result BLOB;
