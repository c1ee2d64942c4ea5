-- How far vectorizers are, for \watch.

-- The rate of each vectorizer in its last heartbeat in which it completed rows. Written by the worker; no dump has it.
CREATE TABLE ai._vectorizer_rate (
    vectorizer_id     int4 PRIMARY KEY,
    measured          timestamptz NOT NULL,
    rows_per_minute   float8 NOT NULL,
    chunks_per_minute float8 NOT NULL
);

-- Without a policy, so that nobody writes it but the extension.
ALTER TABLE ai._vectorizer_rate ENABLE ROW LEVEL SECURITY;

-- What ai.vectorizer_health shows of whom, with all that is left and the rate. Where the caller may neither read the queue nor
-- watches all, or it takes too long, no more than 10,000 rows are counted.
CREATE VIEW ai._vectorizer_watched WITH (security_barrier) AS
SELECT h.id, h.name::name AS name, h.state, coalesce(p.rows_left, h.pending_items) AS rows_left, h.oldest_pending, h.in_flight,
       h.stuck_leases, h.failed_items, h.last_success_at, r.rows_per_minute, r.chunks_per_minute, b.store
FROM ai._vectorizer_health() h
LEFT JOIN ai._vectorizer_binding b ON b.vectorizer_id = h.id
CROSS JOIN LATERAL (
    SELECT CASE WHEN (SELECT ai._watches_all()) OR (ai._vectorizer_readable(b.inbox) AND ai._vectorizer_readable(b.work))
                THEN ai._vectorizer_pending(b.inbox, b.work, 1000000000) END AS rows_left) p
-- A rate of before is none of now.
LEFT JOIN ai._vectorizer_rate r
  ON r.vectorizer_id = h.id AND r.rows_per_minute > 0
 AND r.measured > now() - 3 * (SELECT coalesce(max(w.expected_heartbeat_interval), '30 seconds') FROM ai.vectorizer_worker_process w
                               WHERE w.pid = h.worker_pid);

CREATE VIEW ai.vectorizer_progress WITH (security_barrier) AS
SELECT w.id, w.name, w.state,
       CASE WHEN w.rows_left > 0 THEN 'embedding'
            WHEN b.words IS NOT NULL AND b.words_ready IS NOT TRUE THEN 'adding words'
            -- One that is built, or begun, and not valid yet.
            WHEN EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
                         WHERE i.indrelid = coalesce(b.store, b.source) AND NOT i.indisvalid
                           AND m.amname IN ('hnsw', 'ivfflat', 'diskann')
                           AND c.relname::text LIKE '%\_' || m.amname || '\_' || w.id) THEN 'building the index'
            ELSE 'up to date' END AS phase,
       coalesce(d.success_count, 0) AS rows_done, w.rows_left,
       ceil(w.rows_left * w.chunks_per_minute / w.rows_per_minute)::int8 AS chunks_left,
       w.in_flight, w.failed_items, round(w.rows_per_minute)::int8 AS rows_per_minute,
       round(w.chunks_per_minute)::int8 AS chunks_per_minute,
       CASE WHEN w.rows_left > 0 THEN date_trunc('second', make_interval(secs => w.rows_left * 60 / w.rows_per_minute)) END AS time_left
FROM ai._vectorizer_watched w
LEFT JOIN ai._vectorizer_binding b ON b.vectorizer_id = w.id
LEFT JOIN ai.vectorizer_worker_progress d ON d.vectorizer_id = w.id;

GRANT SELECT ON ai.vectorizer_progress TO PUBLIC;
