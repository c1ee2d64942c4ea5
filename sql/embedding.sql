-- Which model embeds.
--
-- Who may call a builder may have the server send texts to that provider, with the server's keys: ai.grant_vectorizer_usage.
-- A config that was written by hand is looked at for the same right.

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

CREATE FUNCTION ai.embedding_ollama(
    model text,
    dimensions int4,
    base_url text DEFAULT NULL,
    options jsonb DEFAULT NULL,
    keep_alive text DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'embedding',
    'implementation', 'ollama',
    'model', model,
    'dimensions', dimensions,
    'base_url', base_url,
    'options', options,
    'keep_alive', keep_alive));

-- PL/pgSQL, as in pgai, for it raises. The last argument is our own.
CREATE FUNCTION ai.embedding_voyageai(
    model text,
    dimensions int4,
    input_type text DEFAULT 'document',
    api_key_name text DEFAULT 'VOYAGE_API_KEY',
    base_url text DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF input_type NOT IN ('query', 'document') THEN
        RAISE EXCEPTION 'invalid input_type for voyage ai "%"', left(input_type, 100);
    END IF;
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'config_type', 'embedding',
        'implementation', 'voyageai',
        'model', model,
        'dimensions', dimensions,
        'input_type', input_type,
        'api_key_name', api_key_name,
        'base_url', base_url));
END $$;

-- The provider is the model's prefix; ai.create_vectorizer says which are known.
CREATE FUNCTION ai.embedding_litellm(
    model text,
    dimensions int4,
    api_key_name text DEFAULT NULL,
    extra_options jsonb DEFAULT NULL
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'embedding',
    'implementation', 'litellm',
    'model', model,
    'dimensions', dimensions,
    'api_key_name', api_key_name,
    'extra_options', extra_options));

-- The first numbers of each vector of a model that was trained for that, brought to the length 1 again; by us, and not by the
-- provider. It says nothing about where texts may be sent: that is the matter of the function that made the config.
CREATE FUNCTION ai.embedding_shortened(embedding jsonb, dimensions int4) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN embedding || jsonb_build_object(
    'dimensions', dimensions,
    'shortened_from', coalesce(embedding -> 'shortened_from', embedding -> 'dimensions'));

REVOKE EXECUTE ON FUNCTION ai.embedding_openai, ai.embedding_ollama, ai.embedding_voyageai, ai.embedding_litellm FROM PUBLIC;
