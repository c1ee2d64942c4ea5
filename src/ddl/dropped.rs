//! Reaction to dropped sources and partitions, whether by DROP TABLE, DROP SCHEMA, DROP OWNED or a cascade.

use pgrx::PgSqlErrorCode;

use super::warned;
use crate::catalog::owners::IS_OWNERLESS;
use crate::catalog::{registration, remains, vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, may_act_as, superuser};
use crate::pg::sql;
use crate::queue::resync;
use crate::trigger::wake;

/// Vectorizers whose source was dropped.
const SOURCES: &str = "
    SELECT v.id, v.name::text
    FROM ai.vectorizer v
    JOIN ai._vectorizer_binding b ON b.vectorizer_id = v.id
    JOIN pg_event_trigger_dropped_objects() d ON d.classid = 'pg_class'::regclass AND d.objid = b.source AND d.objsubid = 0";

/// Vectorizers of which a partition was dropped, recognized by its triggers, which were dropped with the
/// table.
const PARTITIONED: &str = "
    SELECT DISTINCT v.id
    FROM ai.vectorizer v
    JOIN pg_event_trigger_dropped_objects() t
      ON t.object_type = 'trigger'
     AND starts_with(t.address_names[3] || '_', '_vectorizer_src_trg_' || v.id || '_')
    JOIN pg_event_trigger_dropped_objects() r
      ON r.object_type = 'table' AND r.address_names = t.address_names[1:2]";

/// Deletes the S3 sources that have lost the last of their tables.
fn ownerless_sources() -> String {
    format!(
        "DELETE FROM ai.s3_source s
         WHERE {IS_OWNERLESS}
           AND EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d
                       WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0
                         AND (d.objid = s.target OR d.schema_name = 'ai' AND d.object_name = '_s3_source_seen_' || s.id))
         RETURNING s.name::text"
    )
}

/// Removes the vectorizers whose source was dropped, the chunks of dropped partitions, and the S3 sources that have lost their
/// tables.
pub fn follow() -> Result<(), PgError> {
    let (sources, partitioned) = as_superuser(|| {
        let sources = sql::query(SOURCES, &[], |row| Ok((row.get::<i32>(1)?, row.get::<String>(2)?)))?;
        let partitioned = sql::query(PARTITIONED, &[], |row| row.get::<i32>(1))?;
        Ok::<_, PgError>((sources, partitioned))
    })?;

    for (id, name) in &sources {
        // pgai's wording, from the time when it still did so.
        pgrx::notice!("associated table for vectorizer {name} dropped. dropping vectorizer");
        warned("the removal of its source", || forget(*id));
        wake::worker_at_commit();
    }
    for id in partitioned.into_iter().filter(|id| !sources.iter().any(|(source, _)| source == id)) {
        warned("the removal of a partition", || forget_rows(id));
    }

    for name in as_superuser(|| sql::query(&ownerless_sources(), &[], |row| row.get::<String>(1)))? {
        pgrx::notice!("associated tables for S3 source {name} dropped. dropping S3 source");
        wake::worker_at_commit();
    }
    Ok(())
}

/// Removes a vectorizer whose source was dropped, with its queue. Only the tables of the inbox's owner are
/// dropped, because the owner of the source is no longer known.
fn forget(id: i32) -> Result<(), PgError> {
    let Some(rest) = remains::of(id)? else { return Ok(()) };
    let owner = rest.queue.first().map_or(superuser(), |inbox| inbox.owner);
    registration::forget(id, owner, rest.queue.iter().chain(&rest.words))
}

/// Enqueues the keys that are in the store but not in the source: the dropped rows themselves can't be read
/// any more.
fn forget_rows(id: i32) -> Result<(), PgError> {
    let Some(entry) = vectorizer::by_id(id)? else { return Ok(()) };
    // Any role can have a table with a trigger of such a name.
    if !may_act_as(current_user(), entry.relations.source.owner) {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "must be owner of the vectorizer on the partitioned table",
        ));
    }
    resync::enqueue_extra(&entry.resolve()?)?;
    wake::worker_at_commit();
    Ok(())
}
