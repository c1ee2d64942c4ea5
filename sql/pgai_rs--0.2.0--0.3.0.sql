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
-- Step by step: before 18, a table whose row type a function takes can't be rewritten.
ALTER TABLE ai.vectorizer ADD COLUMN uuid uuid;
UPDATE ai.vectorizer SET uuid = pg_catalog.gen_random_uuid();
ALTER TABLE ai.vectorizer ALTER COLUMN uuid SET DEFAULT pg_catalog.gen_random_uuid(), ALTER COLUMN uuid SET NOT NULL;

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

-- Of a table that is published, as all are by FOR ALL TABLES, Postgres refuses to update or to delete a
-- row that it could not tell a subscriber by its key, or else by the whole of it.
ALTER TABLE ai._vectorizer_errors REPLICA IDENTITY FULL;
ALTER TABLE ai._vectorizer_run_request REPLICA IDENTITY FULL;

-- What functions and views call was looked up when they were made, in the schema of pgvector as well, in which others may
-- have planted what fits better. Made anew they call what is meant; and whoever has changed them loses that.
-- all functions and views of sql/

GRANT SELECT ON ai.vectorizer_errors, ai.vectorizer_status TO PUBLIC;

-- The vectorizers that are there are bound at once, where their triggers, queues and owners agree; the triggers get the UUID.
CREATE FUNCTION ai._vectorizer_bind_all() RETURNS void
LANGUAGE c AS 'MODULE_PATHNAME', 'bind_all_wrapper';
SELECT ai._vectorizer_bind_all();
DROP FUNCTION ai._vectorizer_bind_all();

-- A key's type may go by another name now, or its values may.
DROP EVENT TRIGGER _vectorizer_altered;
CREATE EVENT TRIGGER _vectorizer_altered ON ddl_command_end
WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER SCHEMA', 'CREATE TABLE',
             'ALTER TYPE', 'ALTER DOMAIN', 'ALTER COLLATION', 'ALTER EXTENSION')
EXECUTE FUNCTION ai._vectorizer_definition_changed();

-- Vectors that were cut short have the length 1 from now on. Those that are there have not, and compare by the angle alone.
DO $$
DECLARE
    names text;
BEGIN
    SELECT pg_catalog.string_agg(v.name, ', ' ORDER BY v.name) INTO names
    FROM ai.vectorizer v, pg_catalog.jsonb_extract_path(v.config, 'embedding') AS e
    WHERE pg_catalog.jsonb_extract_path_text(e, 'implementation') OPERATOR(pg_catalog.=) 'litellm'
      AND ((pg_catalog.jsonb_extract_path_text(e, 'model') OPERATOR(pg_catalog.~) '^(gemini|vertex_ai)/'
            AND pg_catalog.jsonb_extract_path_text(e, 'dimensions')::pg_catalog.int4 OPERATOR(pg_catalog.<) 3072)
           OR (pg_catalog.jsonb_extract_path_text(e, 'model') OPERATOR(pg_catalog.~) 'embed-v4|codestral-embed'
               AND pg_catalog.jsonb_extract_path_text(e, 'dimensions')::pg_catalog.int4 OPERATOR(pg_catalog.<) 1536));
    IF names IS NOT NULL THEN
        RAISE WARNING 'new vectors of these vectorizers have another length than those that are there: %', names
            USING DETAIL = 'Their models leave the length of shortened vectors as it is; now it is brought to 1.',
                  HINT = 'Where they are compared by <#> or <->, run UPDATE on each store: SET embedding = l2_normalize(embedding). '
                         'Comparing by <=> needs nothing.';
    END IF;
END
$$;

-- Row security of a source holds for the chunks from now on, once it is switched on. To do it here would show less to those who
-- rely on what they see.
DO $$
DECLARE
    tables text;
BEGIN
    SELECT pg_catalog.string_agg(DISTINCT b.source::pg_catalog.regclass::pg_catalog.text, ', ') INTO tables
    FROM ai._vectorizer_binding b
    JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) b.source
    JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) b.store
    WHERE s.relrowsecurity AND NOT t.relrowsecurity;
    IF tables IS NOT NULL THEN
        RAISE WARNING 'row security does not hold for the chunks of these tables: %', tables
            USING DETAIL = 'Whoever may read their stores, or the views on them, sees the chunks of all rows.',
                  HINT = 'Run ALTER TABLE … ENABLE ROW LEVEL SECURITY on each once more: from 0.3.0 on it holds for the chunks, too.';
    END IF;
END
$$;

-- A name and a password in a URL are refused now. Those that are there are removed, for everybody may read them.
DO $$
DECLARE
    path pg_catalog.text[];
    named pg_catalog.text;
BEGIN
    FOREACH path SLICE 1 IN ARRAY ARRAY[
        ARRAY['embedding', 'base_url', NULL], ARRAY['embedding', 'extra_options', 'api_base'], ARRAY['loading', 'endpoint', NULL]]
    LOOP
        path := pg_catalog.array_remove(path, NULL);
        FOR named IN
            UPDATE ai.vectorizer v
            SET config = pg_catalog.jsonb_set(v.config, path, pg_catalog.to_jsonb(pg_catalog.regexp_replace(
                    pg_catalog.jsonb_extract_path_text(v.config, VARIADIC path), '^([^/]*//)[^/]*@', '\1')))
            WHERE pg_catalog.jsonb_extract_path_text(v.config, VARIADIC path) OPERATOR(pg_catalog.~) '^[^/]*//[^/]*@'
            RETURNING v.name
        LOOP
            RAISE WARNING 'a name and a password were removed from a URL of the vectorizer %', named
                USING HINT = 'Give its server a key by api_key_name, or let the administrator set the URL.';
        END LOOP;
    END LOOP;

    FOREACH named IN ARRAY ARRAY['endpoint', 'queue_url'] LOOP
        UPDATE ai.s3_source s
        SET config = pg_catalog.jsonb_set(s.config, ARRAY[named], pg_catalog.to_jsonb(pg_catalog.regexp_replace(
                pg_catalog.jsonb_extract_path_text(s.config, named), '^([^/]*//)[^/]*@', '\1')))
        WHERE pg_catalog.jsonb_extract_path_text(s.config, named) OPERATOR(pg_catalog.~) '^[^/]*//[^/]*@';
    END LOOP;
END
$$;
