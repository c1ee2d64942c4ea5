-- What is pending, and what went wrong.

-- Counts the rows of both tables, up to a number, without planning a query: that evaluates what their owner has put beside a
-- table, such as expressions of its statistics, as whoever asks. NULL if they are locked, unless all are asked for.
CREATE FUNCTION ai._vectorizer_pending(inbox oid, work oid, most int8) RETURNS int8
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'vectorizer_pending_wrapper';

-- Rows that wait for work: changes not yet folded and keys not yet settled, with duplicates.
-- Inexact, it counts to 10,000 and then says 9223372036854775807, as pgai does.
CREATE FUNCTION ai.vectorizer_queue_pending(vectorizer_id int4, exact_count bool DEFAULT false) RETURNS int8
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
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
        RAISE EXCEPTION 'could not read the queue of vectorizer %', vectorizer_id
            USING ERRCODE = 'insufficient_privilege',
                  DETAIL = format('Its tables are %s and %s.', coalesce(inbox::regclass::text, 'not known yet'),
                                  coalesce(work::regclass::text, 'not known yet')),
                  HINT = 'SELECT on both is needed, which grant_to gives; and both must be tables still. '
                         'After a restore the worker finds them, which may take a moment.';
    END IF;
    pending := ai._vectorizer_pending(inbox, work, CASE WHEN exact_count THEN 9223372036854775807 ELSE 10001 END);
    IF NOT exact_count AND pending > 10000 THEN
        RETURN 9223372036854775807;
    END IF;
    RETURN pending;
END
$$;

CREATE FUNCTION ai.vectorizer_queue_pending(name text, exact_count bool DEFAULT false) RETURNS int8
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET row_security = on
RETURN (SELECT ai.vectorizer_queue_pending(v.id, vectorizer_queue_pending.exact_count)
        FROM ai.vectorizer v
        WHERE v.name OPERATOR(pg_catalog.=) vectorizer_queue_pending.name);

-- As its reader, so that it has the rows that the reader sees.
CREATE VIEW ai.vectorizer_status WITH (security_invoker) AS
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

GRANT SELECT ON ai.vectorizer_status TO PUBLIC;

-- Brings back rows that were set aside: one, some or all of a vectorizer's; returns how many.
-- A key is an object of the primary key's columns, some are an array of such.
CREATE FUNCTION ai.retry_failed(vectorizer_id int4, key jsonb DEFAULT NULL, step text DEFAULT NULL,
                                code text DEFAULT NULL) RETURNS int8
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'retry_failed_wrapper';

CREATE FUNCTION ai.retry_failed(name text, key jsonb DEFAULT NULL, step text DEFAULT NULL,
                                code text DEFAULT NULL) RETURNS int8
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on
RETURN (SELECT ai.retry_failed(v.id, retry_failed.key, retry_failed.step, retry_failed.code)
        FROM ai.vectorizer v
        WHERE v.name OPERATOR(pg_catalog.=) retry_failed.name);
