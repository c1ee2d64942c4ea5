-- Inputs that a provider's batch API embeds, for vectorizers whose existing rows go by it. No dump has them: the provider's batches
-- are those of this database, and whatever is missing is embedded the ordinary way.

-- The transactions that have enqueued existing rows, whose rows have their time in queued_at. Without a key, so that two
-- vectorizers can change places.
CREATE TABLE ai._vectorizer_backfill (
    vectorizer_id int4 NOT NULL REFERENCES ai.vectorizer (id) ON DELETE CASCADE,
    queued_at     timestamptz NOT NULL
);
-- It can be emptied in a database that publishes all its tables.
ALTER TABLE ai._vectorizer_backfill REPLICA IDENTITY FULL;
CREATE INDEX _vectorizer_backfill_vectorizer_id_idx ON ai._vectorizer_backfill (vectorizer_id);

CREATE TABLE ai._vectorizer_batch (
    id             int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- NULL once the vectorizer is dropped: the worker then gives the batch up.
    vectorizer_id  int4 REFERENCES ai.vectorizer (id) ON DELETE SET NULL,
    -- The SHA-256 of all that decides the vectors of its inputs.
    model          bytea NOT NULL,
    -- The name under which its use is counted, also once the vectorizer is dropped; NULL if it has none.
    counted        text,
    state          text NOT NULL DEFAULT 'collecting' CONSTRAINT _vectorizer_batch_state_check
                       CHECK (state IN ('collecting', 'ready', 'uploaded', 'creating', 'submitted', 'done')),
    inputs         int4 NOT NULL DEFAULT 0,
    bytes          int8 NOT NULL DEFAULT 0,
    -- As estimated.
    tokens         int8 NOT NULL DEFAULT 0,
    -- The available_at of the rows that wait for it, by which they are known.
    held_until     timestamptz NOT NULL,
    opened_at      timestamptz NOT NULL,
    submitted_at   timestamptz,
    over_at        timestamptz,
    -- By which the provider's batch is found if its answer was lost.
    tag            uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    -- The provider's ids.
    input_file     text,
    provider_batch text,
    problem        text
);
CREATE INDEX _vectorizer_batch_vectorizer_id_idx ON ai._vectorizer_batch (vectorizer_id);

CREATE TABLE ai._vectorizer_batch_input (
    batch_id    int8 NOT NULL REFERENCES ai._vectorizer_batch (id) ON DELETE CASCADE,
    place       int4 NOT NULL,
    -- SHA-256 of the text.
    digest      bytea NOT NULL,
    input       text,
    -- Numbers of four bytes, the lowest first.
    vector      bytea,
    -- The batch has brought no vector.
    is_ordinary bool NOT NULL DEFAULT false,
    PRIMARY KEY (batch_id, place)
);
CREATE INDEX _vectorizer_batch_input_digest_idx ON ai._vectorizer_batch_input (digest);

-- Without policies: they hold texts of rows, and nobody reads or writes them but the extension.
ALTER TABLE ai._vectorizer_backfill ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai._vectorizer_batch ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai._vectorizer_batch_input ENABLE ROW LEVEL SECURITY;

-- Of vectorizers that ai.vectorizer_health shows. The provider promises an answer within a day of submission, and no earlier one.
CREATE VIEW ai.vectorizer_batches WITH (security_barrier) AS
SELECT b.id AS batch, v.id, v.name, b.state, b.inputs, b.tokens AS estimated_tokens, b.opened_at, b.submitted_at,
       b.submitted_at + interval '24 hours' AS promised_by, b.over_at, b.provider_batch, b.problem
FROM ai._vectorizer_batch b
JOIN ai.vectorizer_progress v ON v.id = b.vectorizer_id;

GRANT SELECT ON ai.vectorizer_batches TO PUBLIC;
