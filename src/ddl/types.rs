//! Types of keys that go by another name now, or whose values do.
//!
//! What is stored stays as it is; but the worker's statements name types, and keys travel as text.

use pgrx::pg_sys;

use super::values::{give_back, remember_key};
use super::warned_of;
use crate::catalog::key::Key;
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::pg::transaction::see_own_changes;
use crate::queue::wake;

/// Whether a key has a column of an enum, or of a type that is made of others.
const MADE_OF_OTHERS: &str = "
    SELECT FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = $1 AND a.attnum = ANY ($2::int4[]) AND (t.typtype <> 'b' OR t.typelem <> 0)";

/// Has everybody read the definitions of all vectorizers anew; and, where `values` go by other names, keys
/// that are on their way travel again.
pub fn follow(values: bool) -> Result<(), PgError> {
    for entry in vectorizer::all()? {
        warned_of(&entry, "a type's new name", || follow_in(&entry, values));
        // SAFETY: the source has a row in pg_class.
        unsafe { pg_sys::CacheInvalidateRelcacheByRelid(entry.source()) };
        wake::worker_at_commit();
    }
    Ok(())
}

fn follow_in(entry: &Entry, values: bool) -> Result<(), PgError> {
    see_own_changes();
    let Some(key) = as_superuser(|| Key::of(entry.source()))? else { return Ok(()) };
    if !values {
        return remember_key(entry, &key, false);
    }
    let numbers: Vec<i32> = key.columns().iter().map(|column| column.attnum).collect();
    let named = sql::query(MADE_OF_OTHERS, &[entry.source().into(), numbers.into()], |_| Ok(()))?;
    if named.is_empty() {
        return Ok(());
    }
    remember_key(entry, &key, true)?;
    give_back(&as_superuser(|| entry.understand())?)
}
