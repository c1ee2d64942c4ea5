-- From 0.1.0 to 0.2.0.

\echo Use "ALTER EXTENSION pgai_rs UPDATE" to load this file. \quit

-- A column of the source, made if it is not there: one vector for each row, with ai.chunking_none().
CREATE FUNCTION ai.destination_column(embedding_column name) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'destination',
    'implementation', 'column',
    'embedding_column', embedding_column));

-- pgai's functions for the index itself. The worker builds it without them, and without holding up
-- who writes to the store.

CREATE FUNCTION ai._vectorizer_vector_index_exists(
    target_schema name, target_table name, indexing jsonb, column_name name DEFAULT 'embedding') RETURNS bool
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'vector_index_exists_wrapper';

CREATE FUNCTION ai._vectorizer_index_is_due(vectorizer_id int4) RETURNS bool
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'index_is_due_wrapper';

CREATE FUNCTION ai._vectorizer_should_create_vector_index(vectorizer ai.vectorizer) RETURNS bool
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN ai._vectorizer_index_is_due(vectorizer.id);

-- Within the caller's transaction, and with his rights: who writes to the table waits meanwhile.
CREATE FUNCTION ai._vectorizer_create_vector_index(
    target_schema name, target_table name, indexing jsonb, column_name name DEFAULT 'embedding') RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'create_vector_index_wrapper';

-- Runs that were asked for and that the worker has not begun. No key and no reference: nobody who
-- asks waits for anybody.
CREATE TABLE ai._vectorizer_run_request (vectorizer_id int4 NOT NULL);

-- Has the worker look at a vectorizer now that rests by its schedule, or after errors.
CREATE FUNCTION ai.execute_vectorizer(vectorizer_id int4) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'execute_vectorizer_wrapper';

-- An unknown name is an error here, as in pgai.
CREATE FUNCTION ai.execute_vectorizer(vectorizer_name text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_id int4;
BEGIN
    SELECT v.id INTO found_id FROM ai.vectorizer v WHERE v.name = vectorizer_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'query returned no rows'
            USING ERRCODE = 'no_data_found',
                  DETAIL = format('There is no vectorizer named %L.', left(vectorizer_name, 100)),
                  HINT = 'The view ai.vectorizer_status lists the vectorizers that exist.';
    END IF;
    PERFORM ai.execute_vectorizer(found_id);
END
$$;

-- pgai made a job of TimescaleDB's here, and answered its number. There is none: the worker keeps
-- the schedule that is in the config.
CREATE FUNCTION ai._vectorizer_schedule_job(vectorizer_id int4, scheduling jsonb) RETURNS int8
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(scheduling ->> 'implementation' NOT IN ('none', 'timescaledb'), true) THEN
        RAISE EXCEPTION 'scheduling implementation not recognized';
    END IF;
    RETURN NULL;
END
$$;

-- What pgai's job did at each of its times, for those who call it themselves, by pg_cron for one. A
-- procedure that commits can't have settings of its own: names and operators are qualified.
CREATE PROCEDURE ai._vectorizer_job(job_id int4 DEFAULT NULL, config jsonb DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    vectorizer  ai.vectorizer;
    destination pg_catalog.jsonb;
BEGIN
    IF config IS NULL THEN
        RAISE EXCEPTION 'config is null';
    END IF;
    SELECT v.* INTO STRICT vectorizer
    FROM ai.vectorizer v
    WHERE v.id OPERATOR(pg_catalog.=) (_vectorizer_job.config OPERATOR(pg_catalog.->>) 'vectorizer_id')::pg_catalog.int4;
    IF ai._vectorizer_should_create_vector_index(vectorizer) THEN
        destination := vectorizer.config OPERATOR(pg_catalog.->) 'destination';
        PERFORM ai._vectorizer_create_vector_index(
            coalesce(destination OPERATOR(pg_catalog.->>) 'target_schema', vectorizer.source_schema),
            coalesce(destination OPERATOR(pg_catalog.->>) 'target_table', vectorizer.source_table),
            vectorizer.config OPERATOR(pg_catalog.->) 'indexing',
            coalesce(destination OPERATOR(pg_catalog.->>) 'embedding_column', 'embedding'));
    END IF;
    COMMIT;
    PERFORM ai.execute_vectorizer(vectorizer.id);
END
$$;

-- There is one kind of template.
CREATE FUNCTION ai._validate_formatting_python_template(config jsonb, source_schema name, source_table name) RETURNS void
LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'validate_formatting_wrapper';

-- It looks at nothing but the config now.
ALTER FUNCTION ai._validate_indexing(jsonb) IMMUTABLE;

-- pgai lists here what it was installed with of a version to come: nothing. Its list of migrations,
-- ai.pgai_lib_migration, is left out: if it is there, its installer works for its owner alone; if it is
-- not, the installer makes it, sees that there is nothing to do, and takes it back.
CREATE TABLE ai.pgai_lib_feature_flag (
    name               text PRIMARY KEY,
    applied_at_version text NOT NULL,
    applied_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT ON ai.pgai_lib_feature_flag TO PUBLIC;

CREATE FUNCTION ai._embed_tokens(config jsonb, input_tokens int4[], api_key text) RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'embed_tokens_given';

-- Beside this one and that of a text, an untyped literal is a text: Postgres prefers that.
CREATE FUNCTION ai.openai_embed(
    model text, input_tokens int4[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    dimensions int4 DEFAULT NULL, openai_user text DEFAULT NULL, extra_headers jsonb DEFAULT NULL,
    extra_query jsonb DEFAULT NULL, extra_body jsonb DEFAULT NULL, verbose bool DEFAULT false,
    client_config jsonb DEFAULT NULL
) RETURNS vector
LANGUAGE sql STABLE
RETURN ai._embed_tokens(ai._openai_config(model, api_key, api_key_name, dimensions, openai_user, client_config,
                                          jsonb_build_object('extra_headers', extra_headers, 'extra_query', extra_query,
                                                             'extra_body', extra_body)),
                        input_tokens, api_key);
