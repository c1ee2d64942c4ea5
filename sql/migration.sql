-- Moving from pgai in place, and back.
--
-- They read and lock everybody's tables: the administrator decides who may call them.

-- Takes over all vectorizers of a pgai whose schema was renamed, with their stores, views, waiting
-- and failed rows; nothing is embedded again. All or none.
CREATE FUNCTION ai.migrate_from_pgai(pgai_schema text DEFAULT 'pgai')
RETURNS TABLE (vectorizer_id int4, name text, pending int8, failed int8)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'migrate_from_pgai_wrapper';
REVOKE EXECUTE ON FUNCTION ai.migrate_from_pgai FROM PUBLIC;

-- The way back: what waits and what has failed goes into pgai's queues, pgai's triggers are switched
-- on, and our vectorizers of the same ids are dropped. Stores and views stay.
CREATE FUNCTION ai.give_back_to_pgai(pgai_schema text DEFAULT 'pgai')
RETURNS TABLE (vectorizer_id int4, name text, pending int8)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'give_back_to_pgai_wrapper';
REVOKE EXECUTE ON FUNCTION ai.give_back_to_pgai FROM PUBLIC;
