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

-- Of vectorizers whose queue one may read, or that have lost theirs and that one may see; and of all for who monitors all.
CREATE VIEW ai.vectorizer_health AS
SELECT h.id, h.name::name AS name, h.state, h.reason, h.hint, h.since, h.until, h.worker_pid, h.worker_since,
       h.pending_items, date_trunc('milliseconds', clock_timestamp() - h.oldest_pending) AS oldest_pending_age,
       h.in_flight, h.stuck_leases, h.failed_items, h.last_success_at,
       h.last_error_at, h.last_error_code, h.last_error
FROM ai._vectorizer_health() h;

GRANT SELECT ON ai.vectorizer_health TO PUBLIC;
