-- Embedding a query with a vectorizer's own model, and texts that are given, by pgai's names.
--
-- ai.vectorizer_embed is STABLE, for the answer is remembered for the rest of the statement: an ORDER BY that calls it for
-- every row asks the model once. Not IMMUTABLE: it goes over the network.

CREATE FUNCTION ai.vectorizer_embed(embedding_config jsonb, input_text text, input_type text DEFAULT NULL)
RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'vectorizer_embed_config';

CREATE FUNCTION ai.vectorizer_embed(vectorizer_id int4, input_text text, input_type text DEFAULT NULL)
RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'vectorizer_embed_id';

CREATE FUNCTION ai.vectorizer_embed(name text, input_text text, input_type text DEFAULT NULL)
RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'vectorizer_embed_name';

-- Embedding texts that are given, by pgai's names; see convenience.sql. What these call is named with its schema, for
-- pgvector's is in the search path here.

CREATE FUNCTION ai._embed(config jsonb, input_text text, api_key text) RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'embed_given';

CREATE FUNCTION ai._embed_tokens(config jsonb, input_tokens int4[], api_key text) RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'embed_tokens_given';

CREATE FUNCTION ai.openai_embed(
    model text, input_text text, api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    dimensions int4 DEFAULT NULL, openai_user text DEFAULT NULL, extra_headers jsonb DEFAULT NULL,
    extra_query jsonb DEFAULT NULL, extra_body jsonb DEFAULT NULL, verbose bool DEFAULT false,
    client_config jsonb DEFAULT NULL
) RETURNS vector
LANGUAGE sql STABLE
RETURN ai._embed(ai._openai_config(model, api_key, api_key_name, dimensions, openai_user, client_config,
                                   pg_catalog.jsonb_build_object('extra_headers', extra_headers, 'extra_query', extra_query,
                                                      'extra_body', extra_body)),
                 input_text, api_key);

-- Beside this one and that of a text, an untyped literal is a text: Postgres prefers that.
CREATE FUNCTION ai.openai_embed(
    model text, input_tokens int4[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    dimensions int4 DEFAULT NULL, openai_user text DEFAULT NULL, extra_headers jsonb DEFAULT NULL,
    extra_query jsonb DEFAULT NULL, extra_body jsonb DEFAULT NULL, verbose bool DEFAULT false,
    client_config jsonb DEFAULT NULL
) RETURNS vector
LANGUAGE sql STABLE
RETURN ai._embed_tokens(ai._openai_config(model, api_key, api_key_name, dimensions, openai_user, client_config,
                                          pg_catalog.jsonb_build_object('extra_headers', extra_headers, 'extra_query', extra_query,
                                                             'extra_body', extra_body)),
                        input_tokens, api_key);

CREATE FUNCTION ai.openai_embed(
    model text, input_texts text[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    dimensions int4 DEFAULT NULL, openai_user text DEFAULT NULL, extra_headers jsonb DEFAULT NULL,
    extra_query jsonb DEFAULT NULL, extra_body jsonb DEFAULT NULL, verbose bool DEFAULT false,
    client_config jsonb DEFAULT NULL
) RETURNS TABLE ("index" int4, embedding vector)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT e."index", e.embedding::vector
    FROM ai._embed_all(ai._openai_config(openai_embed.model, openai_embed.api_key, openai_embed.api_key_name,
                                         openai_embed.dimensions, openai_embed.openai_user, openai_embed.client_config,
                                         pg_catalog.jsonb_build_object('extra_headers', extra_headers, 'extra_query', extra_query,
                                                            'extra_body', extra_body)),
                       openai_embed.input_texts, openai_embed.api_key) AS e;
END;

CREATE FUNCTION ai.ollama_embed(
    model text, input_text text, host text DEFAULT NULL, keep_alive text DEFAULT NULL,
    embedding_options jsonb DEFAULT NULL, verbose bool DEFAULT false
) RETURNS vector
LANGUAGE sql STABLE
RETURN ai._embed(ai.embedding_ollama(model, 0, base_url => host, options => embedding_options,
                                     keep_alive => keep_alive), input_text, NULL);

CREATE FUNCTION ai.voyageai_embed(
    model text, input_text text, input_type text DEFAULT NULL, api_key text DEFAULT NULL,
    api_key_name text DEFAULT NULL, verbose bool DEFAULT false
) RETURNS vector
LANGUAGE sql STABLE
RETURN ai._embed(ai._voyageai_config(model, input_type, api_key, api_key_name), input_text, api_key);

CREATE FUNCTION ai.voyageai_embed(
    model text, input_texts text[], input_type text DEFAULT NULL, api_key text DEFAULT NULL,
    api_key_name text DEFAULT NULL, verbose bool DEFAULT false
) RETURNS TABLE ("index" int4, embedding vector)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT e."index", e.embedding::vector
    FROM ai._embed_all(ai._voyageai_config(voyageai_embed.model, voyageai_embed.input_type, voyageai_embed.api_key,
                                           voyageai_embed.api_key_name),
                       voyageai_embed.input_texts, voyageai_embed.api_key) AS e;
END;

CREATE FUNCTION ai.litellm_embed(
    model text, input_text text, api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    extra_options jsonb DEFAULT NULL, verbose bool DEFAULT false
) RETURNS vector
LANGUAGE sql STABLE
RETURN ai._embed(ai._litellm_config(model, api_key, api_key_name, extra_options), input_text, api_key);

CREATE FUNCTION ai.litellm_embed(
    model text, input_texts text[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    extra_options jsonb DEFAULT NULL, verbose bool DEFAULT false
) RETURNS TABLE ("index" int4, embedding vector)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT e."index", e.embedding::vector
    FROM ai._embed_all(ai._litellm_config(litellm_embed.model, litellm_embed.api_key, litellm_embed.api_key_name,
                                          litellm_embed.extra_options),
                       litellm_embed.input_texts, litellm_embed.api_key) AS e;
END;
