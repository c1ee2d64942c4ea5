//! Sources and partitions that are gone, by DROP TABLE, DROP SCHEMA, DROP OWNED or a cascade.

use pgrx::PgSqlErrorCode;

use super::warned;
use crate::catalog::objects::{self, QueueTables};
use crate::catalog::vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user};
use crate::pg::sql;
use crate::queue::{resync, wake};

/// Vectorizers whose source is among what was dropped: by its name, for its triggers are gone with it.
const SOURCES: &str = "
    SELECT v.id, v.name::text, v.queue_schema::text, v.queue_table::text
    FROM ai.vectorizer v
    JOIN pg_event_trigger_dropped_objects() d
      ON d.object_type = 'table' AND d.schema_name = v.source_schema::text AND d.object_name = v.source_table::text
    WHERE NOT EXISTS (
        SELECT FROM pg_trigger t
        WHERE t.tgargs = convert_to(v.id::text, 'UTF8') || '\\x00'::bytea
          AND t.tgfoid = 'ai._vectorizer_source_changed()'::regprocedure)";

/// Vectorizers of which a partition was dropped: by its triggers, which went with the table.
const PARTITIONED: &str = "
    SELECT DISTINCT v.id
    FROM ai.vectorizer v
    JOIN pg_event_trigger_dropped_objects() t
      ON t.object_type = 'trigger'
     AND starts_with(t.address_names[3] || '_', '_vectorizer_src_trg_' || v.id || '_')
    JOIN pg_event_trigger_dropped_objects() r
      ON r.object_type = 'table' AND r.address_names = t.address_names[1:2]";

/// Forgets the vectorizers whose source is gone, and the rows of partitions that are.
pub fn follow() -> Result<(), PgError> {
    let (sources, partitioned) = as_superuser(|| {
        let sources = sql::query(SOURCES, &[], |row| {
            let (id, name): (i32, String) = (row.get(1)?, row.get(2)?);
            let (schema, inbox): (Option<String>, Option<String>) = (row.get_opt(3)?, row.get_opt(4)?);
            Ok((id, name, QueueTables::new(id, schema.as_deref().unwrap_or("ai"), inbox.as_deref())))
        })?;
        let partitioned = sql::query(PARTITIONED, &[], |row| row.get::<i32>(1))?;
        Ok::<_, PgError>((sources, partitioned))
    })?;
    for (id, name, tables) in &sources {
        // pgai's words, when it still did so.
        pgrx::notice!("associated table for vectorizer {name} dropped. dropping vectorizer");
        warned("its source's end", || objects::forget(*id, tables));
        wake::worker_at_commit();
    }
    for id in partitioned.into_iter().filter(|id| !sources.iter().any(|(source, ..)| source == id)) {
        warned("the end of a partition", || forget_rows(id));
    }
    Ok(())
}

/// The dropped rows can't be read any more: what the store has and the source has not goes.
fn forget_rows(id: i32) -> Result<(), PgError> {
    let Some(entry) = as_superuser(|| vectorizer::by_id(id))? else { return Ok(()) };
    // A table with a trigger of such a name may be anybody's.
    // SAFETY: reads the catalogs.
    if !unsafe { pgrx::pg_sys::has_privs_of_role(current_user(), entry.owner) } {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("must be owner of vectorizer {}", entry.name),
        ));
    }
    resync::enqueue_extra(&entry.understand()?)?;
    wake::worker_at_commit();
    Ok(())
}
