-- pgai's checks, by pgai's names: what create_vectorizer checks, for those who call it themselves.

CREATE FUNCTION ai._validate_loading(config jsonb, source_schema name, source_table name) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_loading_wrapper';

CREATE FUNCTION ai._validate_parsing(parsing jsonb, loading jsonb, source_schema name, source_table name) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_parsing_wrapper';

CREATE FUNCTION ai._validate_destination(destination jsonb, chunking jsonb) RETURNS void
LANGUAGE c IMMUTABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_destination_wrapper';

CREATE FUNCTION ai._evaluate_destination(destination jsonb, source_schema name, source_table name) RETURNS jsonb
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'evaluated_destination_wrapper';

CREATE FUNCTION ai._validate_destination_can_create_objects(destination jsonb) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_destination_free_wrapper';

-- STABLE, where pgai's is IMMUTABLE: it depends on settings.
CREATE FUNCTION ai._validate_embedding(config jsonb) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_embedding_wrapper';

CREATE FUNCTION ai._validate_chunking(config jsonb) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_chunking_wrapper';

-- STABLE, where pgai's is IMMUTABLE: it looks at the table.
CREATE FUNCTION ai._validate_formatting(config jsonb, source_schema name, source_table name) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_formatting_wrapper';

-- There is one kind of template.
CREATE FUNCTION ai._validate_formatting_python_template(config jsonb, source_schema name, source_table name) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_formatting_wrapper';

-- Not whether the access method is there, which create_vectorizer checks.
CREATE FUNCTION ai._validate_indexing(config jsonb) RETURNS void
LANGUAGE c IMMUTABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_indexing_wrapper';

-- STABLE, where pgai's is IMMUTABLE: it asks for the zone by its name.
CREATE FUNCTION ai._validate_scheduling(config jsonb) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_scheduling_wrapper';

CREATE FUNCTION ai._validate_processing(config jsonb) RETURNS void
LANGUAGE c IMMUTABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_processing_wrapper';

CREATE FUNCTION ai._resolve_indexing_default() RETURNS jsonb
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'resolved_indexing_default_wrapper';

CREATE FUNCTION ai._resolve_scheduling_default() RETURNS jsonb
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'resolved_scheduling_default_wrapper';

CREATE FUNCTION ai._vectorizer_source_pk(source_table regclass) RETURNS jsonb
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'source_pk_wrapper';

-- pgai's worker looks whether there is a function of this name, and then retries what fails to load.
-- Nobody need call it: create_vectorizer makes that table.
CREATE FUNCTION ai._vectorizer_create_queue_failed_table(
    queue_schema name, queue_failed_table name, source_pk jsonb, grant_to name[]) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
END;
REVOKE EXECUTE ON FUNCTION ai._vectorizer_create_queue_failed_table FROM PUBLIC;
