//! What goes by another name now.
//!
//! A source is known by its triggers, a store and a view by what they were called.

use super::statement::Renamed;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::queue::wake;

const SOURCES: &str = "
    UPDATE ai.vectorizer v
    SET source_schema = n.nspname, source_table = c.relname
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.tgparentid = 0
      AND t.tgargs = convert_to(v.id::text, 'UTF8') || '\\x00'::bytea
      AND t.tgfoid = 'ai._vectorizer_source_changed()'::regprocedure
      AND (v.source_schema, v.source_table) <> (n.nspname, c.relname)";

const SCHEMA: &str = "
    UPDATE ai.vectorizer v
    SET queue_schema = CASE WHEN v.queue_schema::text = $1 THEN $2::name ELSE v.queue_schema END,
        config = jsonb_set(v.config, '{destination}', d.old || jsonb_strip_nulls(jsonb_build_object(
            'target_schema', CASE WHEN d.old ->> 'target_schema' = $1 THEN $2 END,
            'view_schema', CASE WHEN d.old ->> 'view_schema' = $1 THEN $2 END)))
    FROM (SELECT o.id, o.config -> 'destination' AS old FROM ai.vectorizer o) d
    WHERE d.id = v.id
      AND $1 IN (v.queue_schema::text, d.old ->> 'target_schema', d.old ->> 'view_schema')";

/// The destination that was called `$1` in `$2`, or in a schema that is not known and in which there is
/// nothing of this name any more. Only of the vectorizer's owner: a stranger's table would get his text.
const DESTINATIONS: &str = "
    SELECT DISTINCT v.id, p.part, n.nspname::text, c.relname::text
    FROM pg_event_trigger_ddl_commands() e
    JOIN pg_class c ON e.classid = 'pg_class'::regclass AND c.oid = e.objid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN ai.vectorizer v
    JOIN pg_namespace qn ON qn.nspname = v.queue_schema
    JOIN pg_class q ON q.relnamespace = qn.oid AND q.relname = v.queue_table AND q.relowner = c.relowner
    CROSS JOIN LATERAL (VALUES
        ('target', 'r', v.config #>> '{destination,target_schema}', v.config #>> '{destination,target_table}'),
        ('view', 'v', v.config #>> '{destination,view_schema}', v.config #>> '{destination,view_name}')
    ) AS p (part, kind, schema_name, relation_name)
    WHERE c.relkind = p.kind::\"char\" AND p.relation_name = $1 AND p.schema_name = coalesce($2, p.schema_name)
      AND NOT EXISTS (SELECT FROM pg_class o JOIN pg_namespace s ON s.oid = o.relnamespace
                      WHERE s.nspname::text = p.schema_name AND o.relname::text = p.relation_name)";

const DESTINATION: &str = "
    UPDATE ai.vectorizer v
    SET config = jsonb_set(v.config, '{destination}', (v.config -> 'destination') || CASE $2
        WHEN 'view' THEN jsonb_build_object('view_schema', $3, 'view_name', $4)
        ELSE jsonb_build_object('target_schema', $3, 'target_table', $4) END)
    WHERE v.id = $1";

/// Writes the names of today into the catalog.
pub fn follow(renamed: &Renamed) -> Result<(), PgError> {
    let changed = as_superuser(|| Ok::<_, PgError>(sql::execute(SOURCES, &[])? + destinations(renamed)?))?;
    if changed > 0 {
        wake::worker_at_commit();
    }
    Ok(())
}

fn destinations(renamed: &Renamed) -> Result<u64, PgError> {
    match renamed {
        Renamed::Schema { from, to } => sql::execute(SCHEMA, &[from.clone().into(), to.clone().into()]),
        Renamed::Relation { schema, name } => {
            let found = sql::query(DESTINATIONS, &[name.clone().into(), schema.clone().into()], |row| {
                Ok((row.get::<i32>(1)?, row.get::<String>(2)?, row.get::<String>(3)?, row.get::<String>(4)?))
            })?;
            // Two that may be meant are none.
            let [(id, part, schema, name)] = found.as_slice() else { return Ok(0) };
            let text = |text: &String| text.clone().into();
            sql::execute(DESTINATION, &[(*id).into(), text(part), text(schema), text(name)])
        }
    }
}
