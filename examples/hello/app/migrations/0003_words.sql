-- Filled in by the worker.
ALTER TABLE note ADD COLUMN words integer;
CREATE INDEX note_uncounted ON note (id) WHERE words IS NULL;
