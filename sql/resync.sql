-- The way out after changes that went past the triggers: removes chunks of rows that are gone, and
-- enqueues rows without chunks; or every row, of which only changed chunks are embedded again. Answers
-- how many chunks were removed and how many rows are in the queue for it.
CREATE FUNCTION ai.resync(vectorizer_id int4, every_row bool DEFAULT false)
RETURNS TABLE (removed int8, queued int8)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'resync_wrapper';

CREATE FUNCTION ai.resync(name text, every_row bool DEFAULT false) RETURNS TABLE (removed int8, queued int8)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT r.removed, r.queued
    FROM ai.vectorizer v
    CROSS JOIN LATERAL ai.resync(v.id, resync.every_row) AS r
    WHERE v.name OPERATOR(pg_catalog.=) resync.name;
END;
