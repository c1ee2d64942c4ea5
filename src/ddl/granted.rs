//! Reaction to GRANT and REVOKE on a store or its view, which are extended to its words.

use pgrx::pg_sys;

use super::warned_of;
use crate::catalog::binding::Relations;
use crate::catalog::{vectorizer, words_rights};
use crate::pg::error::PgError;
use crate::pg::lock;
use crate::pg::transaction::see_own_changes;

/// GRANT or REVOKE of SELECT on tables.
#[derive(Debug)]
pub struct TableGrant {
    /// The tables.
    pub tables: Vec<pg_sys::Oid>,
    /// The roles that were granted it; `None` if it was revoked.
    pub grantees: Option<Vec<pg_sys::Oid>>,
}

/// Reacts to GRANT and REVOKE.
///
/// A role that was granted the words alone keeps them as long as it may read the view.
pub fn follow(grant: TableGrant) -> Result<(), PgError> {
    see_own_changes();
    let TableGrant { tables, grantees } = grant;
    for entry in vectorizer::by_stores_or_views(tables)? {
        let relations = &entry.relations;
        if relations.words.is_some() {
            warned_of(&entry, "changed rights on its store or its view", || {
                extend(relations, grantees.as_deref())
            });
        }
    }
    Ok(())
}

fn extend(relations: &Relations, grantees: Option<&[pg_sys::Oid]>) -> Result<(), PgError> {
    let Relations { store: Some(store), words: Some(words), .. } = relations else { return Ok(()) };
    relations.require_one_owner()?;
    lock::schema_names(&[&words.schema])?;
    words.hold(pg_sys::AccessShareLock)?;
    match grantees {
        Some(grantees) => words_rights::grant(store, words, Some(grantees)),
        None => words_rights::revoke_from_others(relations),
    }
}
