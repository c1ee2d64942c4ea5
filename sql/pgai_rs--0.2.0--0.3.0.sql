-- From 0.2.0 to 0.3.0.

\echo Use "ALTER EXTENSION pgai_rs UPDATE" to load this file. \quit

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
SELECT pg_catalog.pg_extension_config_dump('ai._vectorizer_missed', '');

-- Vectorizers with tables that a crash empties, and that were compared since the last one: it empties
-- this table as well.
CREATE UNLOGGED TABLE ai._compared_since_crash (vectorizer_id int4 NOT NULL);

-- A key's type may go by another name now, or its values may.
DROP EVENT TRIGGER _vectorizer_altered;
CREATE EVENT TRIGGER _vectorizer_altered ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER SCHEMA', 'CREATE TABLE',
             'ALTER TYPE', 'ALTER DOMAIN', 'ALTER COLLATION', 'ALTER EXTENSION')
EXECUTE FUNCTION ai._vectorizer_definition_changed();
