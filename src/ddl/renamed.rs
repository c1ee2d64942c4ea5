//! What goes by another name now: a source, a store, a view, a queue, or the schema of one.
//!
//! They are known by OID. What the catalog calls them is for people, for pgai's clients, and for a dump: by these
//! names they are found again where it is restored.

use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::queue::wake;

/// Names that are not those of today. A relation that is gone keeps its name.
const NAMES: &str = "
    UPDATE ai.vectorizer v
    SET source_schema = n.source_schema, source_table = n.source_table,
        queue_schema = n.queue_schema, queue_table = n.queue_table,
        config = jsonb_set(v.config, '{destination}', v.config -> 'destination' || n.destination)
    FROM (SELECT v.id,
                 coalesce(sn.nspname, v.source_schema) AS source_schema, coalesce(s.relname, v.source_table) AS source_table,
                 coalesce(qn.nspname, v.queue_schema) AS queue_schema, coalesce(q.relname, v.queue_table) AS queue_table,
                 jsonb_strip_nulls(jsonb_build_object(
                     'target_schema', tn.nspname, 'target_table', t.relname,
                     'view_schema', wn.nspname, 'view_name', w.relname)) AS destination
          FROM ai.vectorizer v
          JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
          LEFT JOIN pg_class s ON s.oid = b.source LEFT JOIN pg_namespace sn ON sn.oid = s.relnamespace
          LEFT JOIN pg_class q ON q.oid = b.inbox LEFT JOIN pg_namespace qn ON qn.oid = q.relnamespace
          LEFT JOIN pg_class t ON t.oid = b.store LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
          LEFT JOIN pg_class w ON w.oid = b.view LEFT JOIN pg_namespace wn ON wn.oid = w.relnamespace) n
    WHERE n.id = v.id
      AND ((v.source_schema, v.source_table, v.queue_schema, v.queue_table)
               IS DISTINCT FROM (n.source_schema, n.source_table, n.queue_schema, n.queue_table)
           OR NOT v.config -> 'destination' @> n.destination)";

/// Writes the names of today into the catalog.
pub fn follow() -> Result<(), PgError> {
    if as_superuser(|| sql::execute(NAMES, &[]))? > 0 {
        wake::worker_at_commit();
    }
    Ok(())
}
