-- When work is done.

CREATE FUNCTION ai.scheduling_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'scheduling', 'implementation', 'none');

CREATE FUNCTION ai.scheduling_default() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'scheduling', 'implementation', 'default');

-- By the clock, with TimescaleDB's arguments and without TimescaleDB: our own worker keeps it.
CREATE FUNCTION ai.scheduling_timescaledb(
    schedule_interval interval DEFAULT '5m',
    initial_start timestamptz DEFAULT NULL,
    fixed_schedule bool DEFAULT NULL,
    timezone text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'scheduling',
    'implementation', 'timescaledb',
    'schedule_interval', schedule_interval,
    'initial_start', initial_start,
    'fixed_schedule', fixed_schedule,
    'timezone', timezone));

-- Runs that were asked for and that the worker has not begun. No key and no reference: nobody who
-- asks waits for anybody.
CREATE TABLE ai._vectorizer_run_request (vectorizer_id int4 NOT NULL);
ALTER TABLE ai._vectorizer_run_request REPLICA IDENTITY FULL;
CREATE TRIGGER _changed AFTER INSERT OR UPDATE ON ai._vectorizer_run_request
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._vectorizer_run_request ENABLE ALWAYS TRIGGER _changed;

-- Written by the extension alone, as the owner of the table, for whom policies don't hold: pg_write_all_data writes to whatever
-- has none.
ALTER TABLE ai._vectorizer_run_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._vectorizer_run_request FOR SELECT USING (true);

-- Has the worker look at a vectorizer now that rests by its schedule, or after errors.
CREATE FUNCTION ai.execute_vectorizer(vectorizer_id int4) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'execute_vectorizer_wrapper';

-- An unknown name is an error here, as in pgai.
CREATE FUNCTION ai.execute_vectorizer(vectorizer_name text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
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
