//! The triggers that pgai put on sources.

use pgrx::pg_sys;

use super::catalog::Entry;
use crate::catalog::relation::Relation;
use crate::pg::error::PgError;
use crate::pg::identity::as_user;
use crate::pg::sql::{self, ident};

/// Set before the name of a trigger that is switched off, for ours have pgai's names.
const PREFIX: &str = "pgai";

/// The names of a vectorizer's triggers, in use and out of use.
fn names(entry: &Entry) -> [(String, String); 2] {
    let pair = |name: String| (name.clone(), format!("{PREFIX}{name}"));
    [pair(entry.trigger.clone()), pair(format!("{}_truncate", entry.trigger))]
}

/// Switches them off, under names that are out of the way. The table is locked.
pub fn switch_off(entry: &Entry, source: &Relation) -> Result<(), PgError> {
    let (owner, table) = (source.owner, source.qualified());
    for (used, unused) in names(entry) {
        if exists(source.oid, &used)? {
            as_user(owner, || {
                sql::execute(&format!("ALTER TABLE {table} DISABLE TRIGGER {}", ident(&used)), &[])?;
                rename(&table, &used, &unused)
            })?;
        }
    }
    Ok(())
}

/// Switches them on again, under their own names. The table is locked.
pub fn switch_on(entry: &Entry, source: &Relation) -> Result<(), PgError> {
    let (owner, table) = (source.owner, source.qualified());
    for (used, unused) in names(entry) {
        if exists(source.oid, &unused)? {
            as_user(owner, || {
                rename(&table, &unused, &used)?;
                sql::execute(&format!("ALTER TABLE {table} ENABLE TRIGGER {}", ident(&used)), &[])
            })?;
        }
    }
    Ok(())
}

fn rename(table: &str, from: &str, to: &str) -> Result<u64, PgError> {
    sql::execute(&format!("ALTER TRIGGER {} ON {table} RENAME TO {}", ident(from), ident(to)), &[])
}

fn exists(source: pg_sys::Oid, name: &str) -> Result<bool, PgError> {
    let found = sql::query(
        "SELECT FROM pg_catalog.pg_trigger t
         WHERE t.tgrelid = $1 AND t.tgname::text = $2 AND t.tgparentid = 0",
        &[source.into(), name.to_owned().into()],
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}
