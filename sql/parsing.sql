-- How a document becomes text. With keep_text the text is kept, for ai.parsed_document() and so that another chunking parses
-- nothing again.

CREATE FUNCTION ai.parsing_auto(keep_text bool DEFAULT false) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'parsing', 'implementation', 'auto', 'keep_text', CASE WHEN keep_text THEN true END));

CREATE FUNCTION ai.parsing_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'parsing', 'implementation', 'none');

-- pgai's parsers by name; here they mean parsing_auto.
CREATE FUNCTION ai.parsing_pymupdf(keep_text bool DEFAULT false) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'parsing', 'implementation', 'pymupdf', 'keep_text', CASE WHEN keep_text THEN true END));

CREATE FUNCTION ai.parsing_docling(keep_text bool DEFAULT false) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'parsing', 'implementation', 'docling', 'keep_text', CASE WHEN keep_text THEN true END));
