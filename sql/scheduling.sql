-- When work is done: the worker works continuously, whatever the schedule says.

CREATE FUNCTION ai.scheduling_none() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'scheduling', 'implementation', 'none');

CREATE FUNCTION ai.scheduling_default() RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object('config_type', 'scheduling', 'implementation', 'default');
