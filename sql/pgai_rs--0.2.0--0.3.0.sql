-- From 0.2.0 to 0.3.0.

\echo Use "ALTER EXTENSION pgai_rs UPDATE" to load this file. \quit

-- Of a table that is published, as all are by FOR ALL TABLES, Postgres refuses to update or to delete a
-- row that it could not tell a subscriber by its key, or else by the whole of it.
ALTER TABLE ai._vectorizer_errors REPLICA IDENTITY FULL;
ALTER TABLE ai._vectorizer_run_request REPLICA IDENTITY FULL;

DO $$
DECLARE
    keyless pg_catalog.regclass;
BEGIN
    FOR keyless IN
        SELECT c.oid
        FROM ai.vectorizer v
        JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) v.queue_schema
        JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
             AND c.relkind OPERATOR(pg_catalog.=) 'r'
             AND c.relname OPERATOR(pg_catalog.=) ANY (ARRAY[v.queue_table, v.queue_failed_table])
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', keyless);
    END LOOP;
END
$$;
