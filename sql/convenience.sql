-- What users of vectorizers take from pgai's old extension: embedding, ranking and chunking texts that are given.
-- Names and arguments are pgai's. Not IMMUTABLE, for they go over the network; those of one text are
-- STABLE as ai.vectorizer_embed is, so that an ORDER BY asks the model once.
--
-- A key that is given is the caller's own, and stays out of logs and errors; pg_stat_activity and a log
-- of statements show it as they show every literal. Better, name one: api_key_name.

CREATE FUNCTION ai._embed_all(config jsonb, input_texts text[], api_key text)
RETURNS TABLE ("index" int4, embedding real[])
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'embed_all_given_wrapper';

CREATE FUNCTION ai._require_nothing_else(given jsonb) RETURNS bool
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'require_nothing_else_wrapper';

-- The config of an embedding without a vectorizer; 0 dimensions are whatever the model answers.
CREATE FUNCTION ai._openai_config(model text, api_key text, api_key_name text, dimensions int4, openai_user text,
                                  client_config jsonb, others jsonb) RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN ai._require_nothing_else(jsonb_strip_nulls(others) || (coalesce(client_config, '{}') - 'base_url'))
            THEN jsonb_strip_nulls(jsonb_build_object(
                     'config_type', 'embedding',
                     'implementation', 'openai',
                     'model', model,
                     'dimensions', coalesce(dimensions, 0),
                     'user', openai_user,
                     'api_key_name', CASE WHEN api_key IS NULL THEN coalesce(api_key_name, 'OPENAI_API_KEY') END,
                     'base_url', client_config ->> 'base_url')) END;

CREATE FUNCTION ai._voyageai_config(model text, input_type text, api_key text, api_key_name text) RETURNS jsonb
LANGUAGE sql STABLE
RETURN ai.embedding_voyageai(model, 0, input_type,
                             CASE WHEN api_key IS NULL THEN coalesce(api_key_name, 'VOYAGE_API_KEY') END);

CREATE FUNCTION ai._litellm_config(model text, api_key text, api_key_name text, extra_options jsonb) RETURNS jsonb
LANGUAGE sql STABLE
RETURN ai.embedding_litellm(model, coalesce((extra_options ->> 'dimensions')::int4, 0),
                            CASE WHEN api_key IS NULL THEN api_key_name END, extra_options);

CREATE FUNCTION ai._chunks(input text, config jsonb) RETURNS TABLE (seq int8, chunk text)
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'chunks_given_wrapper';

-- LangChain's defaults where nothing is given, as in pgai.
CREATE FUNCTION ai.chunk_text(
    input text, chunk_size int4 DEFAULT NULL, chunk_overlap int4 DEFAULT NULL, separator text DEFAULT NULL,
    is_separator_regex bool DEFAULT false
) RETURNS TABLE (seq int8, chunk text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.seq, c.chunk
    FROM ai._chunks(chunk_text.input, ai.chunking_character_text_splitter(
        coalesce(chunk_text.chunk_size, 4000), coalesce(chunk_text.chunk_overlap, 200),
        coalesce(chunk_text.separator, E'\n\n'), coalesce(chunk_text.is_separator_regex, false))) AS c;
END;

CREATE FUNCTION ai.chunk_text_recursively(
    input text, chunk_size int4 DEFAULT NULL, chunk_overlap int4 DEFAULT NULL, separators text[] DEFAULT NULL,
    is_separator_regex bool DEFAULT false
) RETURNS TABLE (seq int8, chunk text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.seq, c.chunk
    FROM ai._chunks(chunk_text_recursively.input, ai.chunking_recursive_character_text_splitter(
        coalesce(chunk_text_recursively.chunk_size, 4000), coalesce(chunk_text_recursively.chunk_overlap, 200),
        coalesce(chunk_text_recursively.separators, ARRAY[E'\n\n', E'\n', ' ', '']),
        coalesce(chunk_text_recursively.is_separator_regex, false))) AS c;
END;

CREATE FUNCTION ai._rerank_all(config jsonb, query text, documents text[], api_key text)
RETURNS TABLE ("index" int4, relevance_score float8)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'rerank_all_given_wrapper';

-- The answer has the scores, and not the provider's other words. Texts that are too long are cut.
CREATE FUNCTION ai.cohere_rerank(
    model text, query text, documents text[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    top_n int4 DEFAULT NULL, max_tokens_per_doc int4 DEFAULT NULL, verbose bool DEFAULT false
) RETURNS jsonb
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT jsonb_build_object('results', coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.relevance_score DESC, r."index"), '[]'))
    FROM (SELECT s."index", s.relevance_score
          FROM ai._rerank_all(
              CASE WHEN ai._require_nothing_else(jsonb_strip_nulls(jsonb_build_object(
                            'max_tokens_per_doc', cohere_rerank.max_tokens_per_doc)))
                   THEN ai.rerank_cohere(cohere_rerank.model, CASE WHEN cohere_rerank.api_key IS NULL
                                         THEN coalesce(cohere_rerank.api_key_name, 'COHERE_API_KEY') END) END,
              cohere_rerank.query, cohere_rerank.documents, cohere_rerank.api_key) AS s
          LIMIT cohere_rerank.top_n) AS r;
END;

CREATE FUNCTION ai.cohere_rerank_simple(
    model text, query text, documents text[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    top_n int4 DEFAULT NULL, max_tokens_per_doc int4 DEFAULT NULL, verbose bool DEFAULT false
) RETURNS TABLE ("index" int4, document text, relevance_score float8)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT r."index", cohere_rerank_simple.documents[array_lower(cohere_rerank_simple.documents, 1) + r."index"],
           r.relevance_score
    FROM jsonb_to_recordset(ai.cohere_rerank(
             cohere_rerank_simple.model, cohere_rerank_simple.query, cohere_rerank_simple.documents,
             cohere_rerank_simple.api_key, cohere_rerank_simple.api_key_name, cohere_rerank_simple.top_n,
             cohere_rerank_simple.max_tokens_per_doc) -> 'results') AS r ("index" int4, relevance_score float8);
END;

CREATE FUNCTION ai.voyageai_rerank(
    model text, query text, documents text[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    top_k int4 DEFAULT NULL, truncation bool DEFAULT NULL, verbose bool DEFAULT false
) RETURNS jsonb
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT jsonb_build_object('results', coalesce(jsonb_agg(to_jsonb(r) ORDER BY r.relevance_score DESC, r."index"), '[]'))
    FROM (SELECT s."index", s.relevance_score
          FROM ai._rerank_all(
              CASE WHEN ai._require_nothing_else(jsonb_strip_nulls(jsonb_build_object(
                            'truncation', nullif(voyageai_rerank.truncation, true))))
                   THEN ai.rerank_voyageai(voyageai_rerank.model, CASE WHEN voyageai_rerank.api_key IS NULL
                                           THEN coalesce(voyageai_rerank.api_key_name, 'VOYAGE_API_KEY') END) END,
              voyageai_rerank.query, voyageai_rerank.documents, voyageai_rerank.api_key) AS s
          LIMIT voyageai_rerank.top_k) AS r;
END;

CREATE FUNCTION ai.voyageai_rerank_simple(
    model text, query text, documents text[], api_key text DEFAULT NULL, api_key_name text DEFAULT NULL,
    top_k int4 DEFAULT NULL, truncation bool DEFAULT NULL, verbose bool DEFAULT false
) RETURNS TABLE ("index" int4, document text, relevance_score float8)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT r."index", voyageai_rerank_simple.documents[array_lower(voyageai_rerank_simple.documents, 1) + r."index"],
           r.relevance_score
    FROM jsonb_to_recordset(ai.voyageai_rerank(
             voyageai_rerank_simple.model, voyageai_rerank_simple.query, voyageai_rerank_simple.documents,
             voyageai_rerank_simple.api_key, voyageai_rerank_simple.api_key_name, voyageai_rerank_simple.top_k,
             voyageai_rerank_simple.truncation) -> 'results') AS r ("index" int4, relevance_score float8);
END;
