-- What a vectorizer may have missed, so that health says it until ai.resync() has mended it.

-- Since when changes may have been missed, and why. Appended to by the sessions that know of it, with the
-- transaction that made the change: no key, so that nobody waits for another, and nobody's transaction
-- fails because of it.
CREATE TABLE ai._vectorizer_missed (
    vectorizer_id int4 NOT NULL,
    since         timestamptz NOT NULL DEFAULT now(),
    reason        text NOT NULL
);
-- It can be emptied in a database that publishes all its tables.
ALTER TABLE ai._vectorizer_missed REPLICA IDENTITY FULL;
CREATE INDEX _vectorizer_missed_vectorizer_id_idx ON ai._vectorizer_missed (vectorizer_id, since);
SELECT pg_catalog.pg_extension_config_dump('ai._vectorizer_missed', '');

-- Vectorizers with tables that a crash empties, and that were compared since the last one: it empties
-- this table as well.
CREATE UNLOGGED TABLE ai._compared_since_crash (vectorizer_id int4 NOT NULL);

-- Written by the extension alone, as the owner of the table, for whom policies don't hold: pg_write_all_data writes to whatever
-- has none.
ALTER TABLE ai._vectorizer_missed ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._vectorizer_missed FOR SELECT USING (true);
ALTER TABLE ai._compared_since_crash ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._compared_since_crash FOR SELECT USING (true);
