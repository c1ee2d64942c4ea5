-- Creating, dropping and pausing vectorizers.
--
-- A name is looked for among the vectorizers that the caller sees, whatever row_security the session has.

-- The trigger that enqueues. It reads nothing from its arguments but the vectorizer's id, and only
-- create_vectorizer makes triggers of it, so that nobody can feed another's queue.
CREATE FUNCTION ai._vectorizer_source_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'vectorizer_source_changed';
REVOKE EXECUTE ON FUNCTION ai._vectorizer_source_changed() FROM PUBLIC;

CREATE FUNCTION ai.create_vectorizer(
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
    grant_to name[] DEFAULT ai.grant_to(),
    enqueue_existing bool DEFAULT true,
    if_not_exists bool DEFAULT false,
    search jsonb DEFAULT ai.search_none()
) RETURNS int4
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'create_searchable_vectorizer_wrapper';

-- What is NULL stays as it is. Returns the name of the vectorizer that is built beside this one for another model; else NULL.
CREATE FUNCTION ai.alter_vectorizer(
    vectorizer text,
    loading jsonb DEFAULT NULL,
    parsing jsonb DEFAULT NULL,
    embedding jsonb DEFAULT NULL,
    chunking jsonb DEFAULT NULL,
    indexing jsonb DEFAULT NULL,
    formatting jsonb DEFAULT NULL,
    scheduling jsonb DEFAULT NULL,
    processing jsonb DEFAULT NULL,
    search jsonb DEFAULT NULL,
    keep_old interval DEFAULT '1 day',
    switch_when_ready bool DEFAULT true
) RETURNS text
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'alter_vectorizer_by_name_wrapper';

CREATE FUNCTION ai.alter_vectorizer(
    vectorizer int4,
    loading jsonb DEFAULT NULL,
    parsing jsonb DEFAULT NULL,
    embedding jsonb DEFAULT NULL,
    chunking jsonb DEFAULT NULL,
    indexing jsonb DEFAULT NULL,
    formatting jsonb DEFAULT NULL,
    scheduling jsonb DEFAULT NULL,
    processing jsonb DEFAULT NULL,
    search jsonb DEFAULT NULL,
    keep_old interval DEFAULT '1 day',
    switch_when_ready bool DEFAULT true
) RETURNS text
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'alter_vectorizer_by_id_wrapper';

CREATE FUNCTION ai.drop_vectorizer(vectorizer_id int4, drop_all bool DEFAULT false) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'drop_vectorizer_wrapper';

-- An unknown name is no error, as in pgai, whose clients rely on it.
CREATE FUNCTION ai.drop_vectorizer(name text, drop_all bool DEFAULT false) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on
BEGIN ATOMIC
    SELECT ai.drop_vectorizer(v.id, drop_vectorizer.drop_all)
    FROM ai.vectorizer v
    WHERE v.name OPERATOR(pg_catalog.=) drop_vectorizer.name;
END;

-- Returns the whole config; NULL where there is no such vectorizer, as in pgai.
CREATE FUNCTION ai.set_scheduling(
    vectorizer_id int4,
    scheduling jsonb DEFAULT ai.scheduling_default(),
    indexing jsonb DEFAULT ai.indexing_default()
) RETURNS jsonb
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'set_scheduling_wrapper';

CREATE FUNCTION ai.set_scheduling(
    name text,
    scheduling jsonb DEFAULT ai.scheduling_default(),
    indexing jsonb DEFAULT ai.indexing_default()
) RETURNS jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on
RETURN (SELECT ai.set_scheduling(v.id, set_scheduling.scheduling, set_scheduling.indexing)
        FROM ai.vectorizer v
        WHERE v.name OPERATOR(pg_catalog.=) set_scheduling.name);
-- Enqueues the keys that only source or store has, or, with all_rows, every row as well; returns how many.
CREATE FUNCTION ai.resync(vectorizer_id int4, all_rows bool DEFAULT false) RETURNS int8
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'resync_wrapper';

CREATE FUNCTION ai.resync(name text, all_rows bool DEFAULT false) RETURNS int8
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on
RETURN (SELECT ai.resync(v.id, resync.all_rows)
        FROM ai.vectorizer v
        WHERE v.name OPERATOR(pg_catalog.=) resync.name);

CREATE FUNCTION ai._vectorizer_set_disabled(vectorizer_id int4, disabled bool) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'set_disabled_wrapper';

CREATE FUNCTION ai.disable_vectorizer_schedule(vectorizer_id int4) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN ai._vectorizer_set_disabled(vectorizer_id, true);

CREATE FUNCTION ai.disable_vectorizer_schedule(name text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on
BEGIN ATOMIC
    SELECT ai._vectorizer_set_disabled(v.id, true)
    FROM ai.vectorizer v
    WHERE v.name OPERATOR(pg_catalog.=) disable_vectorizer_schedule.name;
END;

CREATE FUNCTION ai.enable_vectorizer_schedule(vectorizer_id int4) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
RETURN ai._vectorizer_set_disabled(vectorizer_id, false);

CREATE FUNCTION ai.enable_vectorizer_schedule(name text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = on
BEGIN ATOMIC
    SELECT ai._vectorizer_set_disabled(v.id, false)
    FROM ai.vectorizer v
    WHERE v.name OPERATOR(pg_catalog.=) enable_vectorizer_schedule.name;
END;
