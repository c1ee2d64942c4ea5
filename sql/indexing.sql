-- Which vector index is wanted.

CREATE FUNCTION ai.indexing_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'indexing', 'implementation', 'none');

CREATE FUNCTION ai.indexing_default() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'indexing', 'implementation', 'default');
