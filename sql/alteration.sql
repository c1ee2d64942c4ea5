-- Changes of vectorizers for which another one is built beside, until it has taken the place and the old state is dropped.
CREATE TABLE ai._vectorizer_alteration (
    vectorizer_id      int4 PRIMARY KEY REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    other_id           int4 NOT NULL UNIQUE REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    switches_by_itself bool NOT NULL,
    keep_old           interval NOT NULL,
    begun_at           timestamptz NOT NULL DEFAULT now(),
    -- NULL before the other one has taken the place. From then on the other one has the old state.
    switched_at        timestamptz,
    problem            text
);

-- Written by the extension alone, as the owner of the table.
ALTER TABLE ai._vectorizer_alteration ENABLE ROW LEVEL SECURITY;

CREATE TRIGGER _changed AFTER INSERT OR DELETE OR UPDATE OF vectorizer_id, other_id, switches_by_itself, keep_old, switched_at
ON ai._vectorizer_alteration FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._vectorizer_alteration ENABLE ALWAYS TRIGGER _changed;
SELECT pg_catalog.pg_extension_config_dump('ai._vectorizer_alteration', '');

-- Of those that ai.vectorizer_health shows.
CREATE VIEW ai.vectorizer_alterations WITH (security_barrier) AS
SELECT a.vectorizer_id AS id, v.name, o.name AS other,
       CASE WHEN a.switched_at IS NULL THEN 'building' ELSE 'switched' END AS state,
       o.rows_left, o.failed_items, o.time_left, a.begun_at, a.switched_at,
       -- Added as numbers: as an interval, some months may go beyond all times before days lead back.
       to_timestamp((extract(epoch FROM a.switched_at)
                     + least(greatest(extract(epoch FROM a.keep_old), 0), 1e11))::float8) AS kept_until,
       a.problem
FROM ai._vectorizer_alteration a
JOIN ai.vectorizer_progress v ON v.id = a.vectorizer_id
JOIN ai.vectorizer_progress o ON o.id = a.other_id;

GRANT SELECT ON ai.vectorizer_alterations TO PUBLIC;

-- Has the vectorizer that is built beside this one take its place now, complete or not.
CREATE FUNCTION ai.switch_vectorizer(vectorizer text) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'switch_vectorizer_by_name_wrapper';

CREATE FUNCTION ai.switch_vectorizer(vectorizer int4) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'switch_vectorizer_by_id_wrapper';

-- Has the state from before the last switch take the place again.
CREATE FUNCTION ai.revert_vectorizer(vectorizer text) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'revert_vectorizer_by_name_wrapper';

CREATE FUNCTION ai.revert_vectorizer(vectorizer int4) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'revert_vectorizer_by_id_wrapper';

-- Drops the vectorizer that is built beside this one, with all that it has.
CREATE FUNCTION ai.cancel_alteration(vectorizer text) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cancel_alteration_by_name_wrapper';

CREATE FUNCTION ai.cancel_alteration(vectorizer int4) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'cancel_alteration_by_id_wrapper';
