-- What is pending, and what went wrong.

-- Rows that wait for work: changes not yet folded and keys not yet settled, with duplicates.
-- Inexact, it counts to 10,000 and then says 9223372036854775807, as pgai does.
CREATE FUNCTION ai.vectorizer_queue_pending(vectorizer_id int4, exact_count bool DEFAULT false) RETURNS int8
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    schema_name name;
    inbox       name;
    work        name;
    pending     int8;
BEGIN
    SELECT v.queue_schema, v.queue_table, '_vectorizer_work_' || v.id
    INTO schema_name, inbox, work
    FROM ai.vectorizer v
    WHERE v.id = vectorizer_queue_pending.vectorizer_id;
    IF inbox IS NULL THEN
        RAISE EXCEPTION 'vectorizer has no queue table'
            USING HINT = 'The view ai.vectorizer_status lists the vectorizers that exist.';
    END IF;
    IF ai._vectorizer_readable(schema_name, inbox) IS NULL OR ai._vectorizer_readable(schema_name, work) IS NULL THEN
        RAISE EXCEPTION 'the queue of vectorizer % can''t be read', vectorizer_id
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('Its tables are %I.%I and %I.%I.', schema_name, inbox, schema_name, work),
                  HINT = 'SELECT on both is needed, which grant_to gives; and both must be tables still.';
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %I.%I UNION ALL SELECT FROM %I.%I %s) AS pending',
                   schema_name, inbox, schema_name, work, CASE WHEN exact_count THEN '' ELSE 'LIMIT 10001' END)
    INTO pending;
    IF NOT exact_count AND pending > 10000 THEN
        RETURN 9223372036854775807;
    END IF;
    RETURN pending;
END
$$;

CREATE FUNCTION ai.vectorizer_queue_pending(name text, exact_count bool DEFAULT false) RETURNS int8
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT ai.vectorizer_queue_pending(v.id, vectorizer_queue_pending.exact_count)
        FROM ai.vectorizer v
        WHERE v.name OPERATOR(pg_catalog.=) vectorizer_queue_pending.name);

CREATE VIEW ai.vectorizer_status AS
SELECT v.id,
       v.name,
       -- By its trigger, for it may have been renamed.
       coalesce((SELECT format('%I.%I', n.nspname, c.relname)
                 FROM pg_catalog.pg_trigger t
                 JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                 WHERE t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure
                   AND t.tgparentid = 0 AND (t.tgtype & 32) <> 0
                   AND t.tgargs = pg_catalog.convert_to(v.id::text, 'UTF8') || E'\\x00'::bytea
                 LIMIT 1),
                format('%I.%I', v.source_schema, v.source_table)) AS source_table,
       CASE WHEN d.value ->> 'implementation' = 'table'
            THEN format('%I.%I', d.value ->> 'target_schema', d.value ->> 'target_table') END AS target_table,
       CASE WHEN d.value ->> 'implementation' = 'table'
            THEN format('%I.%I', d.value ->> 'view_schema', d.value ->> 'view_name') END AS view,
       CASE WHEN d.value ->> 'implementation' = 'table' THEN 'embedding'
            ELSE d.value ->> 'embedding_column' END AS embedding_column,
       -- Unknown if a table was dropped by hand: that of one must not hide the others'.
       CASE WHEN ai._vectorizer_readable(v.queue_schema, v.queue_table) IS NOT NULL
             AND ai._vectorizer_readable(v.queue_schema, ('_vectorizer_work_' || v.id)::name) IS NOT NULL
            THEN ai.vectorizer_queue_pending(v.id) END AS pending_items,
       v.disabled
FROM ai.vectorizer v
CROSS JOIN LATERAL (SELECT v.config -> 'destination') AS d (value);

GRANT SELECT ON ai.vectorizer_status TO PUBLIC;

-- Brings back rows that were set aside: one, some or all of a vectorizer's; returns how many.
-- A key is an object of the primary key's columns, some are an array of such.
CREATE FUNCTION ai.retry_failed(vectorizer_id int4, key jsonb DEFAULT NULL, step text DEFAULT NULL,
                                code text DEFAULT NULL) RETURNS int8
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retry_failed_wrapper';

CREATE FUNCTION ai.retry_failed(name text, key jsonb DEFAULT NULL, step text DEFAULT NULL,
                                code text DEFAULT NULL) RETURNS int8
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN (SELECT ai.retry_failed(v.id, retry_failed.key, retry_failed.step, retry_failed.code)
        FROM ai.vectorizer v
        WHERE v.name OPERATOR(pg_catalog.=) retry_failed.name);
