-- When work is done: the worker works continuously, whatever the schedule says.

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
