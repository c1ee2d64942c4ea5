//! Reaction to triggers of a vectorizer that were enabled or disabled.

use pgrx::pg_sys;

use super::altered::Switched;
use super::warned_of;
use crate::catalog::missed;
use crate::catalog::relation::Relation;
use crate::catalog::trigger_states::{enable_alike, keep_replica_trigger, load};
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::{current_user, may_act_as};
use crate::pg::transaction::see_own_changes;

/// Reacts to enabled or disabled triggers of this table.
pub fn follow(relation: pg_sys::Oid, switched: &Switched) -> Result<(), PgError> {
    for entry in vectorizer::by_ancestor(relation)? {
        warned_of(&entry, "changed triggers", || follow_in(&entry, relation, switched));
        // Changes until they are enabled again are missed, which can't be detected later.
        let states = load(&entry)?;
        if states.iter().any(|state| state.table == relation && state.enabled == 'D') {
            missed::record(entry.id, "triggers of the vectorizer are disabled")?;
        }
    }
    Ok(())
}

fn follow_in(entry: &Entry, relation: pg_sys::Oid, switched: &Switched) -> Result<(), PgError> {
    // A partition may be another's than the source. Its owner switches what is there, and nothing of the others' tables.
    if !may_act_as(current_user(), entry.owner()) {
        return Ok(());
    }

    see_own_changes();
    if let Switched::Enabled(trigger, state) = switched {
        enable_alike(entry, relation, trigger, *state)?;
    }
    match Relation::load(entry.source())? {
        Some(source) => keep_replica_trigger(entry, &source),
        None => Ok(()),
    }
}
