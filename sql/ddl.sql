-- Following what users do to definitions. Last, so that it does not look at the rest of this script.

CREATE FUNCTION ai._vectorizer_definition_changed() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'vectorizer_definition_changed';
REVOKE EXECUTE ON FUNCTION ai._vectorizer_definition_changed() FROM PUBLIC;

-- Only what can take a table along: one that inherits, is partitioned by it, or is of a type.
CREATE EVENT TRIGGER _vectorizer_dropped ON sql_drop
WHEN TAG IN ('DROP TABLE', 'DROP SCHEMA', 'DROP OWNED', 'DROP TYPE', 'DROP DOMAIN', 'DROP EXTENSION', 'DROP FUNCTION',
             'DROP PROCEDURE', 'DROP ROUTINE', 'DROP AGGREGATE', 'DROP OPERATOR', 'DROP OPERATOR CLASS', 'DROP OPERATOR FAMILY',
             'DROP COLLATION', 'DROP ACCESS METHOD', 'DROP LANGUAGE', 'DROP FOREIGN TABLE', 'DROP SERVER',
             'DROP FOREIGN DATA WRAPPER')
EXECUTE FUNCTION ai._vectorizer_definition_changed();

CREATE EVENT TRIGGER _vectorizer_altered ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE',
             'ALTER SCHEMA', 'CREATE TABLE', 'CREATE SCHEMA',
             'ALTER TYPE', 'ALTER DOMAIN', 'ALTER COLLATION', 'ALTER EXTENSION', 'GRANT', 'REVOKE', 'DROP OWNED')
EXECUTE FUNCTION ai._vectorizer_definition_changed();
