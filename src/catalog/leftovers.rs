//! Triggers of the extension that belong to no vectorizer.

use pgrx::pg_sys;

use super::registration::is_registered;
use super::triggers::{self, FoundTrigger};
use super::vectorizer::{self, Entry};
use crate::pg::error::PgError;

/// Drops triggers on a table, and the tables below it, that belong to no vectorizer: a dump of the table has restored them, or
/// their vectorizer was dropped when they could not be found.
pub fn drop_on(root: pg_sys::Oid) -> Result<(), PgError> {
    let above = vectorizer::by_ancestor(root)?;
    for trigger in triggers::on(root)? {
        if above.iter().any(|entry| is_of(&trigger, entry)) || belongs(&trigger)? {
            continue;
        }
        pgrx::notice!("dropping trigger {} of a vectorizer that does not exist", trigger.name);
        triggers::drop_one(trigger.oid);
    }
    Ok(())
}

fn is_of(trigger: &FoundTrigger, entry: &Entry) -> bool {
    entry.identity().is_named_by(&trigger.arguments)
}

/// Returns whether a trigger belongs to a vectorizer of its own table, or of another table that contains the rows of that; or
/// to one that has lost some of its relations, of which it is not told here which table is its source.
fn belongs(trigger: &FoundTrigger) -> Result<bool, PgError> {
    if vectorizer::by_ancestor(trigger.table)?.iter().any(|entry| is_of(trigger, entry)) {
        return Ok(true);
    }
    let Some(named) = trigger.identity() else { return Ok(false) };
    Ok(is_registered(&named)? && vectorizer::by_id(named.id)?.is_none())
}
