//! Reaction to a renamed column of a source.
//!
//! The config gets the new name in place of the old one; a column of the key is renamed in the queue and in
//! the store as well. The chunks do not change, so nothing is embedded again.

use pgai_rs_pipeline::config::{Edit, rename_column};

use super::warned_of;
use crate::catalog::table::Table;
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user};
use crate::pg::lock;
use crate::pg::sql::{self, ident};
use crate::trigger::wake;
use pgrx::pg_sys;

const KEY: &str = "
    UPDATE ai.vectorizer
    SET source_pk = (SELECT jsonb_agg(CASE WHEN k.c ->> 'attname' = $2 THEN k.c || jsonb_build_object('attname', $3)
                                      ELSE k.c END ORDER BY k.place)
                     FROM jsonb_array_elements(source_pk) WITH ORDINALITY AS k (c, place))
    WHERE id = $1 AND source_pk @> jsonb_build_array(jsonb_build_object('attname', $2))";

/// Updates the keys of rows that were set aside, which `ai.retry_failed` accepts.
const ERRORS: &str = "
    UPDATE ai._vectorizer_errors
    SET details = jsonb_set(details, '{key}', ((details -> 'key') - $2) || jsonb_build_object($3, details -> 'key' -> $2))
    WHERE id = $1 AND (details -> 'key') ? $2";

const CONFIG: &str = "
    UPDATE ai.vectorizer
    SET config = jsonb_set(config, $2, to_jsonb($3))
    WHERE id = $1";

/// Reacts to `ALTER TABLE … RENAME COLUMN` of a table and of those that inherit the column from it.
pub fn follow(relation: pg_sys::Oid, from: &str, to: &str) -> Result<(), PgError> {
    for entry in vectorizer::by_descendant(relation)? {
        warned_of(&entry, "a renamed column", || {
            edit_config(&entry, from, to)?;
            rename_key(&entry, from, to)
        });
        wake::worker_at_commit();
    }
    Ok(())
}

fn edit_config(entry: &Entry, from: &str, to: &str) -> Result<(), PgError> {
    let edits = rename_column(entry.config()?, from, to).map_err(|error| {
        PgError::raised(format!("{error} (in the template of vectorizer \"{}\")", entry.name))
            .with_hint("Rename the column back, or drop the vectorizer and create it again.")
    })?;
    as_superuser(|| {
        for Edit { path, value } in edits {
            let path: Vec<String> = path.map(str::to_owned).to_vec();
            sql::execute(CONFIG, &[entry.id.into(), path.into(), value.into()])?;
        }
        Ok(())
    })
}

/// Renames a key column in the tables of the vectorizer. Postgres errors if a table already has a column of
/// that name.
fn rename_key(entry: &Entry, from: &str, to: &str) -> Result<(), PgError> {
    let in_key = as_superuser(|| sql::execute(KEY, &[entry.id.into(), from.into(), to.into()]))?;
    if in_key == 0 {
        return Ok(());
    }

    let tables: Vec<&Table> =
        entry.relations.keyed().filter(|table| table.owner == entry.relations.source.owner).collect();
    as_user(entry.relations.source.owner, || {
        tables.into_iter().try_for_each(|table| rename_in(table, from, to))
    })?;
    as_superuser(|| sql::execute(ERRORS, &[entry.id.into(), from.into(), to.into()])).map(drop)
}

fn rename_in(table: &Table, from: &str, to: &str) -> Result<(), PgError> {
    // The lock keeps the table's name, but not its schema's.
    lock::schema_names(&[&table.schema])?;
    table.hold(pg_sys::AccessExclusiveLock)?;
    let table = table.qualified();
    sql::execute(&format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", ident(from), ident(to)), &[])
        .map(drop)
}
