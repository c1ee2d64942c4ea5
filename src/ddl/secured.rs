//! Reaction to row security of a source, which is extended to its chunks, and of a store, which is extended to its words.

use pgrx::pg_sys;

use super::warned_of;
use crate::catalog::key;
use crate::catalog::relation::Relation;
use crate::catalog::row_security;
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::transaction::see_own_changes;

/// Reacts to ENABLE ROW LEVEL SECURITY on this table.
pub fn follow(relation: pg_sys::Oid) -> Result<(), PgError> {
    see_own_changes();
    for entry in vectorizer::by_source(relation)? {
        warned_of(&entry, "changed row security of its source", || follow_in(&entry));
    }
    for entry in vectorizer::by_stores(vec![relation])? {
        warned_of(&entry, "changed row security of its store", || {
            entry.relations.require_one_owner()?;
            row_security::keep_words(&entry.relations)
        });
    }
    Ok(())
}

fn follow_in(entry: &Entry) -> Result<(), PgError> {
    let Some(source) = Relation::load(entry.source())? else { return Ok(()) };
    let Some(key) = key::of(source.oid)? else { return Ok(()) };
    entry.relations.require_one_owner()?;
    row_security::keep(&source, &key, &entry.relations).map(drop)
}
