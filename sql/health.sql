-- Whether it works, and if not, why.

-- The worker's last error is for members of pg_read_all_stats, as other sessions' statements are.
CREATE FUNCTION ai.vectorizer_worker_status()
RETURNS TABLE (process text, state text, reason text, hint text, pid int4, database text,
               since timestamptz, activity text, vectorizers int4, in_flight int4, last_turn timestamptz,
               last_heartbeat timestamptz, last_error_at timestamptz, last_error text)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'vectorizer_worker_status_wrapper';

CREATE FUNCTION ai._vectorizer_health()
RETURNS TABLE (id int4, name text, state text, reason text, hint text, since timestamptz, until timestamptz,
               worker_pid int4, worker_since timestamptz, pending_items int8, oldest_pending timestamptz,
               in_flight int8, stuck_leases int8, failed_items int8, last_success_at timestamptz,
               last_error_at timestamptz, last_error_code text, last_error text)
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'vectorizer_health_wrapper';

-- The name of a model, and its server unless that is the provider's own, as ai.models has them. NULL for what can't be asked.
CREATE FUNCTION ai._model_of(embedding text) RETURNS text[]
LANGUAGE c STABLE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'model_of_wrapper';

-- What is known to stop a vectorizer in time, or does not as was meant: the end of its model, and a budget of money for one whose
-- price is not known.
CREATE VIEW ai._vectorizer_warning AS
SELECT v.id, concat_ws('; ', w.ends, w.price) AS warning
FROM ai.vectorizer v
CROSS JOIN LATERAL (SELECT ai._model_of(v.config ->> 'embedding')) AS n (name)
LEFT JOIN ai.models m ON m.model = n.name[1] AND m.server = n.name[2]
CROSS JOIN LATERAL (
    SELECT CASE WHEN m.ends < CURRENT_DATE
                THEN format('the model %s could be asked until %s', m.model, m.ends)
                WHEN m.ends < CURRENT_DATE + interval '6 months'
                THEN format('the model %s can be asked until %s, for %s more days', m.model, m.ends, m.ends - CURRENT_DATE) END,
           CASE WHEN m.usd_per_million_tokens IS NULL AND EXISTS (
                    SELECT FROM ai._budget b
                    WHERE b.unit = 'usd' AND b.purpose = 'documents' AND b.vectorizer IN ('00000000-0000-0000-0000-000000000000', v.uuid)
                      AND (b.role = 0 OR EXISTS (SELECT FROM ai._vectorizer_binding i JOIN pg_catalog.pg_class c ON c.oid = i.source
                                                 WHERE i.vectorizer_id = v.id AND c.relowner = b.role)))
                THEN format('the price of the model %s is not known: it counts nothing in a budget of money',
                            concat_ws(' at ', n.name[1], nullif(n.name[2], ''))) END) AS w (ends, price)
WHERE n.name IS NOT NULL AND (w.ends IS NOT NULL OR w.price IS NOT NULL);

-- Of vectorizers whose queue one may read, or that have lost theirs and that one may see; and of all for who monitors all. What is
-- joined is of all vectorizers, and no function of the reader's may be asked before it is.
CREATE VIEW ai.vectorizer_health WITH (security_barrier) AS
SELECT h.id, h.name::name AS name, h.state, h.reason, h.hint, h.since, h.until, h.worker_pid, h.worker_since,
       h.pending_items, date_trunc('milliseconds', clock_timestamp() - h.oldest_pending) AS oldest_pending_age,
       h.in_flight, h.stuck_leases, h.failed_items, h.last_success_at,
       h.last_error_at, h.last_error_code, h.last_error, w.warning
FROM ai._vectorizer_health() h
LEFT JOIN ai._vectorizer_warning w ON w.id = h.id;

GRANT SELECT ON ai.vectorizer_health TO PUBLIC;
