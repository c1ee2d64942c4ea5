-- What is kept beside the vectors, so that chunks are found by their words as well.

CREATE FUNCTION ai.search_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'search', 'implementation', 'none');

-- The language is a text search configuration. Its name has a schema unless it is one of Postgres's own.
CREATE FUNCTION ai.search_hybrid(language regconfig DEFAULT 'pg_catalog.english') RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'search', 'implementation', 'hybrid', 'language', language::text));
