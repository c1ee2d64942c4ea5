-- What is known of models: what they cost, what they take, and when they end. Nothing of it is fetched: these are facts of the
-- day that stands beside them, and the operator's own go before them.

-- The operator's own facts: prices as they were agreed upon, models of own servers, ends that were announced later. What is NULL
-- is not said.
CREATE TABLE ai.model_override (
    -- The provider and the model, as LiteLLM writes them.
    model                  text NOT NULL CONSTRAINT model_override_model_check CHECK (model ~ '^[^/]+/.'),
    -- The server, without a path, such as http://gpu:8000; empty for the provider's own.
    server                 text NOT NULL DEFAULT '',
    -- The first day on which it holds.
    since                  date NOT NULL DEFAULT '-infinity',
    usd_per_million_tokens numeric CONSTRAINT model_override_price_check
                               CHECK (usd_per_million_tokens >= 0 AND usd_per_million_tokens < 'Infinity'),
    dimensions             int4 CONSTRAINT model_override_dimensions_check CHECK (dimensions > 0),
    max_tokens             int4 CONSTRAINT model_override_max_tokens_check CHECK (max_tokens > 0),
    -- What the provider lets through for the account, by which the time of a backfill is known.
    requests_per_minute    int8 CONSTRAINT model_override_requests_check CHECK (requests_per_minute > 0),
    tokens_per_minute      int8 CONSTRAINT model_override_tokens_check CHECK (tokens_per_minute > 0),
    -- The last day on which it can be asked.
    ends                   date,
    source                 text,
    as_of                  date NOT NULL DEFAULT CURRENT_DATE,
    PRIMARY KEY (model, server, since)
);

-- They are the operator's data: a dump carries them, and an update of the extension leaves them alone.
SELECT pg_catalog.pg_extension_config_dump('ai.model_override', '');

ALTER TABLE ai.model_override ENABLE ROW LEVEL SECURITY;
-- Superusers write it: what is budgeted by is not for whoever may write all data.
CREATE POLICY readable ON ai.model_override FOR SELECT USING (true);
GRANT SELECT ON ai.model_override TO PUBLIC;

-- The facts that come with this version of the extension, which an update of it replaces: prices of a provider's own server for
-- texts, in its first region where there are several. They are those of LiteLLM 1.110.2, but for the end of text-embedding-004,
-- of <https://ai.google.dev/gemini-api/docs/deprecations>, and for dimensions, which are those of the providers' pages.
CREATE VIEW ai._model_fact AS
SELECT f.model, ''::text AS server, '-infinity'::date AS since, f.usd::numeric AS usd_per_million_tokens,
       f.dimensions::int4 AS dimensions, f.max_tokens::int4 AS max_tokens,
       NULL::int8 AS requests_per_minute, NULL::int8 AS tokens_per_minute, f.ends::date AS ends,
       f.source::text AS source, '2026-11-30'::date AS as_of
FROM (VALUES
    ('openai/text-embedding-3-small', 0.02, 1536, 8191, NULL, 'https://developers.openai.com/api/docs/pricing'),
    ('openai/text-embedding-3-large', 0.13, 3072, 8191, NULL, 'https://developers.openai.com/api/docs/pricing'),
    ('openai/text-embedding-ada-002', 0.10, 1536, 8191, NULL, 'https://developers.openai.com/api/docs/pricing'),
    ('voyage/voyage-4-large', 0.12, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-4', 0.06, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-4-lite', 0.02, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-code-4', 0.12, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-3-large', 0.18, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-3.5', 0.06, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-3.5-lite', 0.02, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-code-3', 0.18, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-3', 0.06, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-3-lite', 0.02, 512, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-finance-2', 0.12, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-law-2', 0.12, 1024, 16000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-multilingual-2', 0.12, 1024, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-code-2', 0.12, 1536, 16000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-large-2', 0.12, 1536, 16000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-large-2-instruct', 0.12, 1024, 16000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/voyage-2', 0.10, 1024, 4000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/rerank-3', 0.05, NULL, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/rerank-3-lite', 0.02, NULL, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/rerank-2.5', 0.05, NULL, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/rerank-2.5-lite', 0.02, NULL, 32000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/rerank-2', 0.05, NULL, 16000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('voyage/rerank-2-lite', 0.02, NULL, 8000, NULL, 'https://docs.voyageai.com/docs/pricing'),
    ('cohere/embed-v5.0-pro', 0.12, 2048, 128000, NULL, 'https://cohere.com/pricing'),
    ('cohere/embed-v5.0-fast', 0.08, 2048, 128000, NULL, 'https://cohere.com/pricing'),
    ('cohere/embed-v4.0', 0.12, 1536, 128000, NULL, 'https://cohere.com/pricing'),
    ('cohere/embed-english-v3.0', 0.10, 1024, 512, NULL, 'https://cohere.com/pricing'),
    ('cohere/embed-multilingual-v3.0', 0.10, 1024, 512, NULL, 'https://cohere.com/pricing'),
    ('cohere/embed-english-light-v3.0', 0.10, 384, 512, NULL, 'https://cohere.com/pricing'),
    ('cohere/rerank-v5.0-pro', 0.05, NULL, 32768, NULL, 'https://cohere.com/blog/rerank-5'),
    ('cohere/rerank-v5.0-fast', 0.02, NULL, 32768, NULL, 'https://cohere.com/blog/rerank-5'),
    ('mistral/mistral-embed', 0.10, 1024, 8192, NULL, 'https://mistral.ai/pricing'),
    ('mistral/mistral-embed-2312', 0.10, 1024, 8192, NULL, 'https://mistral.ai/pricing'),
    ('mistral/codestral-embed', 0.15, 3072, 8192, NULL, 'https://mistral.ai/pricing'),
    ('mistral/codestral-embed-2505', 0.15, 3072, 8192, NULL, 'https://mistral.ai/pricing'),
    ('gemini/gemini-embedding-2', 0.20, 3072, 8192, NULL, 'https://ai.google.dev/gemini-api/docs/pricing'),
    ('gemini/gemini-embedding-2-preview', 0.20, 3072, 8192, '2026-11-06', 'https://ai.google.dev/gemini-api/docs/pricing'),
    ('gemini/gemini-embedding-001', 0.15, 3072, 2048, '2028-05-14', 'https://ai.google.dev/gemini-api/docs/pricing'),
    ('gemini/text-embedding-004', NULL, 768, 2048, '2026-01-14', 'https://ai.google.dev/gemini-api/docs/deprecations'),
    ('vertex_ai/gemini-embedding-2', 0.20, 3072, 8192, NULL, 'https://cloud.google.com/vertex-ai/generative-ai/pricing'),
    ('vertex_ai/gemini-embedding-001', 0.15, 3072, 2048, '2028-05-20', 'https://cloud.google.com/vertex-ai/generative-ai/docs/learn/models'),
    ('vertex_ai/text-embedding-005', 0.10, 768, 2048, '2027-04-01', 'https://cloud.google.com/vertex-ai/generative-ai/docs/learn/models'),
    ('vertex_ai/text-embedding-004', 0.10, 768, 2048, '2027-04-01', 'https://cloud.google.com/vertex-ai/generative-ai/docs/learn/models'),
    ('vertex_ai/text-multilingual-embedding-002', 0.10, 768, 2048, '2027-04-01', 'https://cloud.google.com/vertex-ai/generative-ai/docs/learn/models'),
    ('bedrock/amazon.titan-embed-text-v1', 0.10, 1536, 8192, NULL, 'https://aws.amazon.com/bedrock/pricing/'),
    ('bedrock/amazon.titan-embed-text-v2:0', 0.02, 1024, 8192, NULL, 'https://aws.amazon.com/bedrock/pricing/'),
    ('bedrock/cohere.embed-english-v3', 0.10, 1024, 512, NULL, 'https://aws.amazon.com/bedrock/pricing/'),
    ('bedrock/cohere.embed-multilingual-v3', 0.10, 1024, 512, NULL, 'https://aws.amazon.com/bedrock/pricing/'),
    ('bedrock/cohere.embed-v4:0', 0.12, 1536, 128000, NULL, 'https://aws.amazon.com/bedrock/pricing/'),
    ('bedrock/us.cohere.embed-v4:0', 0.12, 1536, 128000, NULL, 'https://aws.amazon.com/bedrock/pricing/'),
    ('bedrock/global.cohere.embed-v4:0', 0.12, 1536, 128000, NULL, 'https://aws.amazon.com/bedrock/pricing/'),
    ('jina_ai/jina-reranker-v3.5', 0.05, NULL, 131072, NULL, 'https://api.jina.ai/v1/models'),
    ('jina_ai/jina-reranker-m0', 0.05, NULL, 10240, NULL, 'https://api.jina.ai/v1/models'),
    ('jina_ai/jina-reranker-v2-base-multilingual', 0.05, NULL, 1024, NULL, 'https://api.jina.ai/v1/models')
) AS f (model, usd, dimensions, max_tokens, ends, source);

-- All that is said of models, the operator's facts among them.
CREATE VIEW ai._model_said AS
SELECT o.model, o.server, o.since, o.usd_per_million_tokens, o.dimensions, o.max_tokens,
       o.requests_per_minute, o.tokens_per_minute, o.ends, o.source, o.as_of, true AS overridden
FROM ai.model_override o
UNION ALL
SELECT f.model, f.server, f.since, f.usd_per_million_tokens, f.dimensions, f.max_tokens,
       f.requests_per_minute, f.tokens_per_minute, f.ends, f.source, f.as_of, false
FROM ai._model_fact f;

-- What holds today: of each fact the operator's last word, else the extension's.
CREATE VIEW ai.models AS
SELECT s.model, s.server,
       (array_agg(s.usd_per_million_tokens ORDER BY s.overridden DESC, s.since DESC)
            FILTER (WHERE s.usd_per_million_tokens IS NOT NULL))[1] AS usd_per_million_tokens,
       (array_agg(s.dimensions ORDER BY s.overridden DESC, s.since DESC) FILTER (WHERE s.dimensions IS NOT NULL))[1] AS dimensions,
       (array_agg(s.max_tokens ORDER BY s.overridden DESC, s.since DESC) FILTER (WHERE s.max_tokens IS NOT NULL))[1] AS max_tokens,
       (array_agg(s.requests_per_minute ORDER BY s.overridden DESC, s.since DESC)
            FILTER (WHERE s.requests_per_minute IS NOT NULL))[1] AS requests_per_minute,
       (array_agg(s.tokens_per_minute ORDER BY s.overridden DESC, s.since DESC)
            FILTER (WHERE s.tokens_per_minute IS NOT NULL))[1] AS tokens_per_minute,
       (array_agg(s.ends ORDER BY s.overridden DESC, s.since DESC) FILTER (WHERE s.ends IS NOT NULL))[1] AS ends,
       (array_agg(s.source ORDER BY s.overridden DESC, s.since DESC) FILTER (WHERE s.source IS NOT NULL))[1] AS source,
       (array_agg(s.as_of ORDER BY s.overridden DESC, s.since DESC))[1] AS as_of,
       bool_or(s.overridden) AS overridden
FROM ai._model_said s
WHERE s.since <= CURRENT_DATE
GROUP BY s.model, s.server;

GRANT SELECT ON ai._model_fact, ai._model_said, ai.models TO PUBLIC;
