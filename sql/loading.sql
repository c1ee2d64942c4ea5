-- Where a row's document comes from.

CREATE FUNCTION ai.loading_column(column_name name, retries int4 DEFAULT 6) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object(
    'config_type', 'loading',
    'implementation', 'column',
    'column_name', column_name,
    'retries', retries);

CREATE FUNCTION ai.loading_uri(column_name name, retries int4 DEFAULT 6, aws_role_arn text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'loading',
    'implementation', 'uri',
    'column_name', column_name,
    'retries', retries,
    'aws_role_arn', aws_role_arn));
