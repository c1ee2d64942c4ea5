-- See before you trust: what a vectorizer would make of a document. Each call takes a process with the memory of
-- pgai_rs.parse_memory_limit, so it is for those who may have vectorizers.

-- A document of whatever kind as text. type is the one that was found; pages are the characters before each page or slide.
CREATE FUNCTION ai.parse_document(document bytea, name text DEFAULT NULL, content_type text DEFAULT NULL)
RETURNS TABLE (type text, format text, metadata jsonb, pages jsonb, content text)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'parse_document_wrapper';

-- The same of an object, which is fetched as for a vectorizer of the caller's.
CREATE FUNCTION ai.parse_document(uri text, loading jsonb DEFAULT ai.loading_uri('uri'))
RETURNS TABLE (type text, format text, metadata jsonb, pages jsonb, content text)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'parse_document_at_wrapper';

-- The chunks of a document, and where each stands in it.
CREATE FUNCTION ai.chunk_document(
    document bytea,
    chunking jsonb DEFAULT ai.chunking_recursive_character_text_splitter(),
    name text DEFAULT NULL,
    content_type text DEFAULT NULL
) RETURNS TABLE (seq bigint, chunk text, citation jsonb)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'chunk_document_wrapper';

CREATE FUNCTION ai.chunk_document(
    uri text,
    chunking jsonb DEFAULT ai.chunking_recursive_character_text_splitter(),
    loading jsonb DEFAULT ai.loading_uri('uri')
) RETURNS TABLE (seq bigint, chunk text, citation jsonb)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'chunk_document_at_wrapper';

-- The text that a vectorizer with keep_text has kept of a row's document. No row if there is none, or the caller does not see
-- the source's row; an error for who may not read the source and the table of texts.
CREATE FUNCTION ai.parsed_document(vectorizer_id int4, key jsonb)
RETURNS TABLE (type text, format text, metadata jsonb, pages jsonb, content text, parsed_at timestamptz, parsed_by text)
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'parsed_document_wrapper';

CREATE FUNCTION ai.parsed_document(name text, key jsonb)
RETURNS TABLE (type text, format text, metadata jsonb, pages jsonb, content text, parsed_at timestamptz, parsed_by text)
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'parsed_document_of_wrapper';

REVOKE EXECUTE ON FUNCTION
    ai.parse_document(bytea, text, text), ai.parse_document(text, jsonb),
    ai.chunk_document(bytea, jsonb, text, text), ai.chunk_document(text, jsonb, jsonb) FROM PUBLIC;
