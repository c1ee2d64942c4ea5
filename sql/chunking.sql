-- How text becomes chunks.

-- LangChain's CharacterTextSplitter.
CREATE FUNCTION ai.chunking_character_text_splitter(
    chunk_size int4 DEFAULT 800,
    chunk_overlap int4 DEFAULT 400,
    separator text DEFAULT E'\n\n',
    is_separator_regex bool DEFAULT false
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'chunking',
    'implementation', 'character_text_splitter',
    'chunk_size', chunk_size,
    'chunk_overlap', chunk_overlap,
    'separator', separator,
    'is_separator_regex', is_separator_regex));

-- LangChain's RecursiveCharacterTextSplitter.
CREATE FUNCTION ai.chunking_recursive_character_text_splitter(
    chunk_size int4 DEFAULT 800,
    chunk_overlap int4 DEFAULT 400,
    separators text[] DEFAULT array[E'\n\n', E'\n', '.', '?', '!', ' ', ''],
    is_separator_regex bool DEFAULT false
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'chunking',
    'implementation', 'recursive_character_text_splitter',
    'chunk_size', chunk_size,
    'chunk_overlap', chunk_overlap,
    'separators', separators,
    'is_separator_regex', is_separator_regex));

-- Splits at the largest semantic boundary that fits. unit: characters or tokens (cl100k_base);
-- format: text or markdown.
CREATE FUNCTION ai.chunking_text_splitter(
    chunk_size int4 DEFAULT 800,
    chunk_overlap int4 DEFAULT 0,
    unit text DEFAULT 'characters',
    format text DEFAULT 'text'
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'chunking',
    'implementation', 'text_splitter',
    'chunk_size', chunk_size,
    'chunk_overlap', chunk_overlap,
    'unit', unit,
    'format', format));

-- Splits Markdown, which is what parsers make of documents, along its headings. unit: characters or tokens (cl100k_base);
-- with headings, a chunk begins with those that it stands under.
CREATE FUNCTION ai.chunking_markdown(
    chunk_size int4 DEFAULT 800,
    unit text DEFAULT 'characters',
    headings boolean DEFAULT true
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'chunking',
    'implementation', 'markdown',
    'chunk_size', chunk_size,
    'unit', unit,
    'headings', headings));

CREATE FUNCTION ai.chunking_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'chunking', 'implementation', 'none');
