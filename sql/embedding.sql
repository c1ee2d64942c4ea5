-- Which model embeds.

CREATE FUNCTION ai.embedding_openai(
    model text,
    dimensions int4,
    chat_user text DEFAULT NULL,
    api_key_name text DEFAULT 'OPENAI_API_KEY',
    base_url text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'embedding',
    'implementation', 'openai',
    'model', model,
    'dimensions', dimensions,
    'user', chat_user,
    'api_key_name', api_key_name,
    'base_url', base_url));
