//! The triggers that pgai put on sources.

use pgrx::pg_sys;

use super::catalog::Entry;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, ident};

/// Set before the name of a trigger that is switched off, for ours have pgai's names.
const PREFIX: &str = "pgai";

/// The names of a vectorizer's triggers, in use and out of use.
fn names(entry: &Entry) -> [(String, String); 2] {
    let pair = |name: String| (name.clone(), format!("{PREFIX}{name}"));
    [pair(entry.trigger.clone()), pair(format!("{}_truncate", entry.trigger))]
}

/// Switches them off, under names that are out of the way.
pub fn switch_off(entry: &Entry, source: pg_sys::Oid, table: &str) -> Result<(), PgError> {
    for (used, unused) in names(entry) {
        if exists(source, &used)? {
            as_superuser(|| {
                sql::execute(&format!("ALTER TABLE {table} DISABLE TRIGGER {}", ident(&used)), &[])?;
                rename(table, &used, &unused)
            })?;
        }
    }
    Ok(())
}

/// Switches them on again, under their own names.
pub fn switch_on(entry: &Entry, source: pg_sys::Oid, table: &str) -> Result<(), PgError> {
    for (used, unused) in names(entry) {
        if exists(source, &unused)? {
            as_superuser(|| {
                rename(table, &unused, &used)?;
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
