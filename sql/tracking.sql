-- Workers' signs of life. Tables, columns and functions are pgai's, whose workers and dashboards use
-- them; pgai_rs's own worker writes the same tables.

-- No index on last_heartbeat, which pgai has: there are few rows, and without it a heartbeat leaves
-- no dead index entries.
CREATE TABLE ai.vectorizer_worker_process (
    id                          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    version                     text NOT NULL,
    started                     timestamptz NOT NULL DEFAULT now(),
    expected_heartbeat_interval interval NOT NULL,
    last_heartbeat              timestamptz NOT NULL DEFAULT now(),
    heartbeat_count             int4 NOT NULL DEFAULT 0,
    error_count                 int4 NOT NULL DEFAULT 0,
    success_count               int4 NOT NULL DEFAULT 0,
    last_error_at               timestamptz,
    last_error_message          text,
    -- Not pgai's: of a worker on this server, its process id.
    pid                         int4
);

CREATE TABLE ai.vectorizer_worker_progress (
    vectorizer_id           int4 PRIMARY KEY REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    success_count           int4 NOT NULL DEFAULT 0,
    error_count             int4 NOT NULL DEFAULT 0,
    last_success_at         timestamptz,
    last_success_process_id uuid,
    last_error_at           timestamptz,
    last_error_message      text,
    last_error_process_id   uuid
);

-- What stops a vectorizer, as its worker knows it; ai.vectorizer_health shows it. No reference to
-- ai.vectorizer, so that the worker never waits for somebody who drops one.
CREATE TABLE ai._vectorizer_worker_condition (
    vectorizer_id int4 PRIMARY KEY,
    process_id    uuid NOT NULL,
    state         text NOT NULL,
    code          text NOT NULL,
    message       text NOT NULL,
    hint          text,
    since         timestamptz NOT NULL,
    until         timestamptz
);

-- Messages name addresses and keys of everybody's rows.
GRANT SELECT ON ai.vectorizer_worker_process, ai.vectorizer_worker_progress TO pg_monitor;

SELECT pg_catalog.pg_extension_config_dump('ai.vectorizer_worker_progress', '');

CREATE FUNCTION ai._worker_start(version text, expected_heartbeat_interval interval) RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO ai.vectorizer_worker_process (version, expected_heartbeat_interval)
    VALUES (_worker_start.version, _worker_start.expected_heartbeat_interval)
    RETURNING id;
END;

CREATE FUNCTION ai._worker_heartbeat(worker_id uuid, num_successes_since_last_heartbeat int4,
                                     num_errors_since_last_heartbeat int4, error_message text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE ai.vectorizer_worker_process p
    SET last_heartbeat = c.now,
        heartbeat_count = p.heartbeat_count + 1,
        success_count = p.success_count + num_successes_since_last_heartbeat,
        error_count = p.error_count + num_errors_since_last_heartbeat,
        last_error_message = coalesce(error_message, p.last_error_message),
        last_error_at = CASE WHEN error_message IS NULL THEN p.last_error_at ELSE c.now END
    FROM (SELECT clock_timestamp() AS now OFFSET 0) c
    WHERE p.id = worker_id;
END;

CREATE FUNCTION ai._worker_progress(worker_id uuid, worker_vectorizer_id int4, num_successes int4,
                                    error_message text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO ai.vectorizer_worker_progress AS p
        (vectorizer_id, success_count, error_count, last_success_at, last_success_process_id,
         last_error_at, last_error_message, last_error_process_id)
    SELECT worker_vectorizer_id, num_successes, (error_message IS NOT NULL)::int4,
           CASE WHEN error_message IS NULL THEN clock_timestamp() END,
           CASE WHEN error_message IS NULL THEN worker_id END,
           CASE WHEN error_message IS NOT NULL THEN clock_timestamp() END,
           error_message,
           CASE WHEN error_message IS NOT NULL THEN worker_id END
    ON CONFLICT (vectorizer_id) DO UPDATE
    SET success_count = p.success_count + excluded.success_count,
        error_count = p.error_count + excluded.error_count,
        last_success_at = coalesce(excluded.last_success_at, p.last_success_at),
        last_success_process_id = coalesce(excluded.last_success_process_id, p.last_success_process_id),
        last_error_at = coalesce(excluded.last_error_at, p.last_error_at),
        last_error_message = coalesce(excluded.last_error_message, p.last_error_message),
        last_error_process_id = coalesce(excluded.last_error_process_id, p.last_error_process_id);
END;

-- By this pgai's programs know that the catalog is there, and which version's (CONFIG_VERSION).
CREATE TABLE ai.pgai_lib_version (
    name         text PRIMARY KEY,
    version      text NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO ai.pgai_lib_version (name, version) VALUES ('ai', '0.12.1');
GRANT SELECT ON ai.pgai_lib_version TO PUBLIC;

-- pgai lists here what it was installed with of a version to come: nothing. Its list of migrations,
-- ai.pgai_lib_migration, is left out: if it is there, its installer works for its owner alone; if it is
-- not, the installer makes it, sees that there is nothing to do, and takes it back.
CREATE TABLE ai.pgai_lib_feature_flag (
    name               text PRIMARY KEY,
    applied_at_version text NOT NULL,
    applied_at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT ON ai.pgai_lib_feature_flag TO PUBLIC;

-- Written by the extension alone, as the owner of the table, for whom policies don't hold: pg_write_all_data writes to whatever
-- has none.
ALTER TABLE ai._vectorizer_worker_condition ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai._vectorizer_worker_condition FOR SELECT USING (true);
ALTER TABLE ai.pgai_lib_version ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai.pgai_lib_version FOR SELECT USING (true);
ALTER TABLE ai.pgai_lib_feature_flag ENABLE ROW LEVEL SECURITY;
CREATE POLICY readable ON ai.pgai_lib_feature_flag FOR SELECT USING (true);
