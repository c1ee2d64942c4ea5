-- Where a row's document comes from.

CREATE FUNCTION ai.loading_column(column_name name, retries int4 DEFAULT 6) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_build_object(
    'config_type', 'loading',
    'implementation', 'column',
    'column_name', column_name,
    'retries', retries);

-- Who may call it may have the server fetch objects, as far as the administrator's lists go: ai.grant_vectorizer_usage.
--
-- What follows aws_role_arn is for S3-compatible servers and public buckets: what is not said here
-- is as the operator has set it. false is left out, so that pgai's configs stay pgai's.
CREATE FUNCTION ai.loading_uri(
    column_name name,
    retries int4 DEFAULT 6,
    aws_role_arn text DEFAULT NULL,
    region text DEFAULT NULL,
    endpoint text DEFAULT NULL,
    url_style text DEFAULT NULL,
    anonymous bool DEFAULT false
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'loading',
    'implementation', 'uri',
    'column_name', column_name,
    'retries', retries,
    'aws_role_arn', aws_role_arn,
    'region', region,
    'endpoint', endpoint,
    'url_style', url_style,
    'anonymous', nullif(anonymous, false)));
REVOKE EXECUTE ON FUNCTION ai.loading_uri FROM PUBLIC;
