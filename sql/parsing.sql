-- How a document becomes text.

CREATE FUNCTION ai.parsing_auto() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'parsing', 'implementation', 'auto');

CREATE FUNCTION ai.parsing_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'parsing', 'implementation', 'none');

-- pgai's parsers by name; here they mean parsing_auto.
CREATE FUNCTION ai.parsing_pymupdf() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'parsing', 'implementation', 'pymupdf');

CREATE FUNCTION ai.parsing_docling() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'parsing', 'implementation', 'docling');
