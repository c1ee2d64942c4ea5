-- What a chunk's embedding input looks like.

CREATE FUNCTION ai.formatting_python_template(template text DEFAULT '$chunk') RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'formatting',
    'implementation', 'python_template',
    'template', template));
