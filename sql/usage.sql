-- What vectorizers use of models.

-- A row a vectorizer, a model and a day of UTC, for documents, queries and reranking each; of 400 days. Written by the worker with
-- its heartbeat. It has no reference to ai.vectorizer: what was spent stays spent when a vectorizer is dropped.
CREATE TABLE ai._usage (
    day              date NOT NULL,
    -- ai.vectorizer.uuid; zeroes for several together.
    vectorizer       uuid NOT NULL,
    purpose          text NOT NULL,
    model            text NOT NULL,
    server           text NOT NULL,
    vectorizer_id    int4 NOT NULL,
    -- The name that it had last.
    name             text NOT NULL,
    requests         int8 NOT NULL,
    inputs           int8 NOT NULL,
    bytes            int8 NOT NULL,
    documents        int8 NOT NULL,
    tokens           int8 NOT NULL,
    estimated_tokens int8 NOT NULL,
    -- The bytes for which the provider said what it bills.
    billed_bytes     int8 NOT NULL,
    PRIMARY KEY (day, vectorizer, purpose, model, server)
);
SELECT pg_catalog.pg_extension_config_dump('ai._usage', '');

-- Without a policy, so that nobody writes it but the extension.
ALTER TABLE ai._usage ENABLE ROW LEVEL SECURITY;

-- Whether the caller sees the state of all vectorizers, as pg_monitor does.
CREATE FUNCTION ai._watches_all() RETURNS bool
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'watches_all_wrapper';

-- With the price of the day.
CREATE VIEW ai._usage_priced AS
SELECT u.*, round(u.tokens * p.usd_per_million_tokens
                  -- OpenAI's batch API costs half.
                  * CASE WHEN u.purpose = 'batches' AND u.server = '' AND u.model LIKE 'openai/%' THEN 0.5 ELSE 1 END
                  / 1000000, 6) AS usd
FROM ai._usage u
LEFT JOIN LATERAL (SELECT s.usd_per_million_tokens FROM ai._model_said s
                   WHERE s.model = u.model AND s.server = u.server AND s.since <= u.day
                     AND s.usd_per_million_tokens IS NOT NULL
                   ORDER BY s.overridden DESC, s.since DESC LIMIT 1) p ON true;

-- Of one's own vectorizers; and of all, dropped ones included, for who monitors all.
CREATE VIEW ai.vectorizer_usage WITH (security_barrier) AS
SELECT u.day, v.id, coalesce(v.name::text, u.name) AS name, u.purpose, u.model, u.server,
       u.requests, u.inputs, u.documents, u.bytes, u.tokens, u.estimated_tokens, u.billed_bytes, u.usd
FROM ai._usage_priced u
LEFT JOIN ai.vectorizer v ON v.uuid = u.vectorizer
LEFT JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
WHERE (SELECT ai._watches_all())
   OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = b.source AND pg_has_role(c.relowner, 'USAGE'));

GRANT SELECT ON ai.vectorizer_usage TO PUBLIC;
