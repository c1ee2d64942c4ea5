-- From 0.2.0 to 0.3.0.

\echo Use "ALTER EXTENSION pgai_rs UPDATE" to load this file. \quit

-- CREATE EXTENSION looks for names in the schema of pgvector as well, in which others may have made functions and operators
-- that fit better than those that are meant.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Whoever owns the schema can put tables of their own in the place of the extension's, which its worker reads as a superuser.
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) n.nspowner
        WHERE n.nspname OPERATOR(pg_catalog.=) 'ai' AND r.rolsuper)
    THEN
        RAISE EXCEPTION 'the schema ai must belong to a superuser'
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = 'The extension keeps its catalog there.',
                  HINT = 'Run ALTER SCHEMA ai OWNER TO a superuser, or drop the schema if it is empty.';
    END IF;
END
$$;

-- What ties a vectorizer to its relations: a UUID, which its triggers have in their arguments, and OIDs.
ALTER TABLE ai.vectorizer ADD COLUMN uuid uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid();

CREATE TABLE ai._vectorizer_binding (
    vectorizer_id int4 PRIMARY KEY REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    source        oid NOT NULL,
    inbox         oid NOT NULL UNIQUE,
    work          oid NOT NULL UNIQUE,
    failed        oid NOT NULL UNIQUE,
    origin        oid UNIQUE,
    store         oid,
    view          oid
);
GRANT SELECT ON ai._vectorizer_binding TO PUBLIC;

-- Tables are known by OID now, and no longer by name.
DROP VIEW ai.vectorizer_errors, ai.vectorizer_status;
DROP FUNCTION ai._vectorizer_readable(name, name);

CREATE FUNCTION ai._vectorizer_readable(queue_table oid) RETURNS bool
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
    SELECT FROM pg_class c
    WHERE c.oid = queue_table AND c.relkind = 'r' AND NOT c.relrowsecurity
      AND has_schema_privilege(c.relnamespace, 'usage') AND has_table_privilege(c.oid, 'select'));

CREATE VIEW ai.vectorizer_errors WITH (security_barrier) AS
SELECT e.id, e.message, e.details, e.recorded, v.name
FROM ai._vectorizer_errors e
LEFT JOIN ai.vectorizer v ON v.id = e.id
LEFT JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
WHERE ai._vectorizer_readable(b.inbox);

CREATE OR REPLACE FUNCTION ai.vectorizer_queue_pending(vectorizer_id int4, exact_count bool DEFAULT false) RETURNS int8
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    inbox   oid;
    work    oid;
    pending int8;
BEGIN
    SELECT b.inbox, b.work INTO inbox, work
    FROM ai.vectorizer v
    LEFT JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
    WHERE v.id = vectorizer_queue_pending.vectorizer_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'vectorizer has no queue table'
            USING HINT = 'The view ai.vectorizer_status lists the vectorizers that exist.';
    END IF;
    IF NOT ai._vectorizer_readable(inbox) OR NOT ai._vectorizer_readable(work) THEN
        RAISE EXCEPTION 'the queue of vectorizer % can''t be read', vectorizer_id
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('Its tables are %s and %s.', coalesce(inbox::regclass::text, 'not known yet'),
                                  coalesce(work::regclass::text, 'not known yet')),
                  HINT = 'SELECT on both is needed, which grant_to gives; and both must be tables still. '
                         'After a restore the worker finds them, which may take a moment.';
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s UNION ALL SELECT FROM %s %s) AS pending',
                   inbox::regclass, work::regclass, CASE WHEN exact_count THEN '' ELSE 'LIMIT 10001' END)
    INTO pending;
    IF NOT exact_count AND pending > 10000 THEN
        RETURN 9223372036854775807;
    END IF;
    RETURN pending;
END
$$;

CREATE VIEW ai.vectorizer_status AS
SELECT v.id,
       v.name,
       -- By what it is bound to, for it may have been renamed where nobody looked.
       coalesce((SELECT format('%I.%I', n.nspname, c.relname)
                 FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.oid = b.source),
                format('%I.%I', v.source_schema, v.source_table)) AS source_table,
       CASE WHEN d.value ->> 'implementation' = 'table'
            THEN format('%I.%I', d.value ->> 'target_schema', d.value ->> 'target_table') END AS target_table,
       CASE WHEN d.value ->> 'implementation' = 'table'
            THEN format('%I.%I', d.value ->> 'view_schema', d.value ->> 'view_name') END AS view,
       CASE WHEN d.value ->> 'implementation' = 'table' THEN 'embedding'
            ELSE d.value ->> 'embedding_column' END AS embedding_column,
       -- Unknown if a table was dropped by hand: that of one must not hide the others'.
       CASE WHEN ai._vectorizer_readable(b.inbox) AND ai._vectorizer_readable(b.work)
            THEN ai.vectorizer_queue_pending(v.id) END AS pending_items,
       v.disabled
FROM ai.vectorizer v
LEFT JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
CROSS JOIN LATERAL (SELECT v.config -> 'destination') AS d (value);

GRANT SELECT ON ai.vectorizer_errors, ai.vectorizer_status TO PUBLIC;

-- Of a table that is published, as all are by FOR ALL TABLES, Postgres refuses to update or to delete a
-- row that it could not tell a subscriber by its key, or else by the whole of it.
ALTER TABLE ai._vectorizer_errors REPLICA IDENTITY FULL;
ALTER TABLE ai._vectorizer_run_request REPLICA IDENTITY FULL;

-- The vectorizers that are there are bound at once, where their triggers, queues and owners agree; the triggers get the UUID.
CREATE FUNCTION ai._vectorizer_bind_all() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'bind_all_wrapper';
SELECT ai._vectorizer_bind_all();
DROP FUNCTION ai._vectorizer_bind_all();
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

-- Who may dump the one may dump the other.
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT r.rolname
        FROM pg_catalog.pg_class c
        CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) AS a
        JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.grantee
        WHERE c.oid OPERATOR(pg_catalog.=) 'ai._vectorizer_errors'::pg_catalog.regclass
          AND a.privilege_type OPERATOR(pg_catalog.=) 'SELECT' AND a.grantee OPERATOR(pg_catalog.<>) c.relowner
    LOOP
        EXECUTE pg_catalog.format('GRANT SELECT ON ai._vectorizer_missed TO %I', grantee);
    END LOOP;
END
$$;

-- Vectorizers with tables that a crash empties, and that were compared since the last one: it empties
-- this table as well.
CREATE UNLOGGED TABLE ai._compared_since_crash (vectorizer_id int4 NOT NULL);

-- A key's type may go by another name now, or its values may.
DROP EVENT TRIGGER _vectorizer_altered;
CREATE EVENT TRIGGER _vectorizer_altered ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER SCHEMA', 'CREATE TABLE',
             'ALTER TYPE', 'ALTER DOMAIN', 'ALTER COLLATION', 'ALTER EXTENSION')
EXECUTE FUNCTION ai._vectorizer_definition_changed();
