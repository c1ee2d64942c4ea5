-- What a vectorizer would come to.

-- The arguments are those of ai.create_vectorizer, and are checked as its are; those that only name things are ignored. Nothing is
-- written, and no model is asked.
CREATE FUNCTION ai.explain_vectorizer(
    source regclass,
    name text DEFAULT NULL,
    destination jsonb DEFAULT ai.destination_table(),
    loading jsonb DEFAULT NULL,
    parsing jsonb DEFAULT ai.parsing_auto(),
    embedding jsonb DEFAULT NULL,
    chunking jsonb DEFAULT ai.chunking_recursive_character_text_splitter(),
    indexing jsonb DEFAULT ai.indexing_default(),
    formatting jsonb DEFAULT ai.formatting_python_template(),
    scheduling jsonb DEFAULT ai.scheduling_default(),
    processing jsonb DEFAULT ai.processing_default(),
    queue_schema name DEFAULT NULL,
    queue_table name DEFAULT NULL,
    grant_to name[] DEFAULT NULL,
    enqueue_existing bool DEFAULT true,
    if_not_exists bool DEFAULT false,
    search jsonb DEFAULT ai.search_none(),
    sample_rows int4 DEFAULT 400
) RETURNS TABLE (measure text, amount float8, spread float8, note text)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'explain_vectorizer_wrapper';

-- The vectorizer of this name, as if it were declared anew with what is not NULL instead of what it has.
CREATE FUNCTION ai.explain_vectorizer(
    vectorizer text,
    sample_rows int4 DEFAULT 400,
    loading jsonb DEFAULT NULL,
    parsing jsonb DEFAULT NULL,
    embedding jsonb DEFAULT NULL,
    chunking jsonb DEFAULT NULL,
    indexing jsonb DEFAULT NULL,
    formatting jsonb DEFAULT NULL
) RETURNS TABLE (measure text, amount float8, spread float8, note text)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'explain_vectorizer_by_name_wrapper';
