-- Which model ranks what ai.search has found, as its argument rerank. Nothing of it is stored.
--
-- Who may call a builder may have the server send texts to that provider, with the server's keys: ai.grant_vectorizer_usage.
-- A config that was written by hand is looked at for the same right.

CREATE FUNCTION ai.rerank_cohere(
    model text,
    api_key_name text DEFAULT 'COHERE_API_KEY',
    base_url text DEFAULT NULL,
    candidates int4 DEFAULT 50,
    if_down text DEFAULT 'error'
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'rerank',
    'implementation', 'cohere',
    'model', model,
    'api_key_name', api_key_name,
    'base_url', base_url,
    'candidates', candidates,
    'if_down', if_down));

CREATE FUNCTION ai.rerank_voyageai(
    model text,
    api_key_name text DEFAULT 'VOYAGE_API_KEY',
    base_url text DEFAULT NULL,
    candidates int4 DEFAULT 50,
    if_down text DEFAULT 'error'
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'rerank',
    'implementation', 'voyageai',
    'model', model,
    'api_key_name', api_key_name,
    'base_url', base_url,
    'candidates', candidates,
    'if_down', if_down));

CREATE FUNCTION ai.rerank_jina(
    model text,
    api_key_name text DEFAULT 'JINA_AI_API_KEY',
    base_url text DEFAULT NULL,
    candidates int4 DEFAULT 50,
    if_down text DEFAULT 'error'
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'rerank',
    'implementation', 'jina',
    'model', model,
    'api_key_name', api_key_name,
    'base_url', base_url,
    'candidates', candidates,
    'if_down', if_down));

-- A server has one model.
CREATE FUNCTION ai.rerank_tei(
    base_url text,
    api_key_name text DEFAULT NULL,
    candidates int4 DEFAULT 50,
    if_down text DEFAULT 'error'
) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN jsonb_strip_nulls(jsonb_build_object(
    'config_type', 'rerank',
    'implementation', 'tei',
    'api_key_name', api_key_name,
    'base_url', base_url,
    'candidates', candidates,
    'if_down', if_down));

REVOKE EXECUTE ON FUNCTION ai.rerank_cohere, ai.rerank_voyageai, ai.rerank_jina, ai.rerank_tei FROM PUBLIC;
