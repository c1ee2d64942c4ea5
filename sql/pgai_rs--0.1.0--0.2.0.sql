-- From 0.1.0 to 0.2.0.

\echo Use "ALTER EXTENSION pgai_rs UPDATE" to load this file. \quit

-- A column of the source, made if it is not there: one vector for each row, with ai.chunking_none().
CREATE FUNCTION ai.destination_column(embedding_column name) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'destination',
    'implementation', 'column',
    'embedding_column', embedding_column));
