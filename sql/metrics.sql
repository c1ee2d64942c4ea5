-- All that is counted, in the words of Prometheus.

-- The bytes of a table with its indexes. NULL if it is gone, or locked for longer than a view may take.
CREATE FUNCTION ai._store_bytes(store oid) RETURNS int8
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'store_bytes_wrapper';

-- Each part shows what the view that it reads shows to the caller. What is NULL there has no row.
CREATE VIEW ai.metrics WITH (security_barrier) AS
WITH worker AS MATERIALIZED (
    SELECT s.state, s.since, s.in_flight, s.last_heartbeat, jsonb_build_object('datname', current_database()) AS labels
    FROM ai.vectorizer_worker_status() s WHERE s.process = 'worker'),
vectorizers AS MATERIALIZED (
    SELECT w.*, p.success_count, p.error_count,
           jsonb_build_object('datname', current_database(), 'vectorizer', w.name) AS labels
    FROM ai._vectorizer_watched w
    LEFT JOIN ai.vectorizer_worker_progress p ON p.vectorizer_id = w.id),
used AS MATERIALIZED (
    SELECT sum(u.requests) AS requests, sum(u.inputs) AS inputs, sum(u.bytes) AS bytes, sum(u.documents) AS documents,
           sum(u.tokens) AS tokens, sum(u.estimated_tokens) AS estimated_tokens, sum(u.usd) AS usd,
           sum(u.usd) FILTER (WHERE u.day = t.day) AS usd_today,
           jsonb_build_object('datname', current_database(), 'vectorizer', u.name, 'purpose', u.purpose, 'model', u.model,
                              'model_server', u.server) AS labels
    FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day) t
    JOIN ai.vectorizer_usage u ON u.day >= date_trunc('month', t.day)
    GROUP BY u.name, u.purpose, u.model, u.server),
budgets AS MATERIALIZED (
    SELECT b.amount, b.used,
           jsonb_build_object('datname', current_database(), 'holder', b.holder, 'name', b.name, 'purpose', b.purpose,
                              'period', b.period, 'unit', b.unit) AS labels
    FROM ai.budgets b),
sources AS MATERIALIZED (
    SELECT s.*, jsonb_build_object('datname', current_database(), 'source', s.name) AS labels FROM ai.s3_source_status s)
SELECT m.name, m.labels, m.value, m.type, m.help
FROM (
    SELECT 'pgai_rs_worker_running' AS name, labels, (state = 'running')::int::float8 AS value, 'gauge' AS type,
           'Whether the worker of the database runs, and is not stalled.' AS help FROM worker
    UNION ALL
    SELECT 'pgai_rs_worker_start_time_seconds', labels, extract(epoch FROM since)::float8, 'gauge',
           'The start of the worker, in seconds since 1970.' FROM worker
    UNION ALL
    SELECT 'pgai_rs_worker_heartbeat_age_seconds', labels, extract(epoch FROM clock_timestamp() - last_heartbeat)::float8, 'gauge',
           'The time since the last heartbeat of the worker.' FROM worker
    UNION ALL
    SELECT 'pgai_rs_worker_in_flight_rows', labels, in_flight::float8, 'gauge', 'The rows that the worker has in hand.' FROM worker

    UNION ALL
    SELECT 'pgai_rs_vectorizer_pending_rows', labels, rows_left::float8, 'gauge',
           'The changes and rows that wait or are worked on.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_oldest_pending_seconds', labels,
           CASE WHEN oldest_pending IS NOT NULL THEN greatest(extract(epoch FROM clock_timestamp() - oldest_pending), 0)::float8
                WHEN rows_left = 0 THEN 0 END, 'gauge',
           'The time for which the oldest of up to 10,000 pending rows has waited.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_in_flight_rows', labels, in_flight::float8, 'gauge', 'The rows that the worker has claimed.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_stuck_rows', labels, stuck_leases::float8, 'gauge',
           'The rows claimed by a worker that is gone, or for too long.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_set_aside_rows', labels, failed_items::float8, 'gauge',
           'The rows that were set aside after a failure, up to 10,000.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_rows_per_second', labels, coalesce(rows_per_minute, 0) / 60, 'gauge',
           'The rows completed in a second of the last heartbeat.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_rows_total', labels, coalesce(success_count, 0)::float8, 'counter',
           'The rows that were completed.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_errors_total', labels, coalesce(error_count, 0)::float8, 'counter',
           'The tries of rows that have failed.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_last_success_timestamp_seconds', labels, extract(epoch FROM last_success_at)::float8, 'gauge',
           'The time at which a row was completed last, in seconds since 1970.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_store_bytes', labels, ai._store_bytes(store)::float8, 'gauge',
           'The size of the store with its indexes.' FROM vectorizers
    UNION ALL
    SELECT 'pgai_rs_vectorizer_model_end_timestamp_seconds', v.labels, extract(epoch FROM m.ends + 1)::float8, 'gauge',
           'The time from which the model can be asked no more, in seconds since 1970.'
    FROM vectorizers v
    JOIN ai.vectorizer c ON c.id = v.id
    CROSS JOIN LATERAL (SELECT ai._model_of(c.config ->> 'embedding')) AS n (name)
    JOIN ai.models m ON m.model = n.name[1] AND m.server = n.name[2]
    UNION ALL
    SELECT 'pgai_rs_vectorizer_state_active', labels || jsonb_build_object('state', state), 1, 'gauge',
           'The state of the vectorizer in ai.vectorizer_health, as a label.' FROM vectorizers

    UNION ALL
    SELECT 'pgai_rs_model_requests_total', labels, requests::float8, 'counter',
           'The requests to the model since the month began, in UTC.' FROM used
    UNION ALL
    SELECT 'pgai_rs_model_inputs_total', labels, inputs::float8, 'counter', 'The inputs of these requests.' FROM used
    UNION ALL
    SELECT 'pgai_rs_model_input_bytes_total', labels, bytes::float8, 'counter', 'The bytes of these inputs.' FROM used
    UNION ALL
    SELECT 'pgai_rs_model_documents_total', labels, documents::float8, 'counter',
           'The documents that were embedded since the month began, in UTC.' FROM used
    UNION ALL
    SELECT 'pgai_rs_model_tokens_total', labels, tokens::float8, 'counter',
           'The tokens that are billed since the month began, in UTC.' FROM used
    UNION ALL
    SELECT 'pgai_rs_model_estimated_tokens_total', labels, estimated_tokens::float8, 'counter',
           'The part of these tokens that no answer has told.' FROM used
    UNION ALL
    SELECT 'pgai_rs_model_cost_today_usd', labels, usd_today::float8, 'gauge', 'The dollars of today, in UTC.' FROM used
    UNION ALL
    SELECT 'pgai_rs_model_cost_month_usd', labels, usd::float8, 'gauge', 'The dollars of this month, in UTC.' FROM used

    UNION ALL
    SELECT 'pgai_rs_budget_limit', labels, amount, 'gauge', 'The most that may be used in the period.' FROM budgets
    UNION ALL
    SELECT 'pgai_rs_budget_used', labels, used, 'gauge', 'The amount that was used in the present period.' FROM budgets

    UNION ALL
    SELECT 'pgai_rs_s3_source_last_run_timestamp_seconds', labels, extract(epoch FROM last_finished)::float8, 'gauge',
           'The end of the last listing, in seconds since 1970.' FROM sources
    UNION ALL
    SELECT 'pgai_rs_s3_source_last_run_failed', labels, (last_state = 'failed')::int::float8, 'gauge',
           'Whether the last listing failed.' FROM sources
    UNION ALL
    SELECT 'pgai_rs_s3_source_objects', labels, scanned::float8, 'gauge', 'The objects that the last listing has seen.' FROM sources
    UNION ALL
    SELECT 'pgai_rs_s3_source_failed_objects', labels, failed::float8, 'gauge',
           'The objects of the last listing that S3 did not tell about, or whose rows or metadata could not be written.' FROM sources
    UNION ALL
    SELECT 'pgai_rs_s3_source_events_total', labels, events::float8, 'counter', 'The events that were received.' FROM sources
) AS m
WHERE m.value IS NOT NULL;

GRANT SELECT ON ai.metrics TO PUBLIC;
