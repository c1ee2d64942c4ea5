//! Triggers of a vectorizer that were enabled or disabled.

use std::cell::Cell;

use pgrx::pg_sys;

use super::altered::Switched;
use super::warned;
use crate::catalog::relation::Relation;
use crate::catalog::trigger_states::{enable_alike, keep_replica_trigger};
use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;
use crate::pg::transaction::see_own_changes;
use crate::queue::missed;

/// The vectorizers of which a trigger on this table is disabled.
const DISABLED: &str = "
    SELECT DISTINCT v.id
    FROM pg_trigger t
    JOIN ai.vectorizer v ON starts_with(encode(t.tgargs, 'hex'), encode(convert_to(v.id::text, 'UTF8') || '\\x00'::bytea, 'hex'))
    WHERE t.tgfoid = 'ai._vectorizer_source_changed()'::regprocedure AND t.tgrelid = $1 AND t.tgenabled = 'D'";

thread_local! {
    /// Whether a switching is being followed, which itself switches triggers.
    static FOLLOWING: Cell<bool> = const { Cell::new(false) };
}

/// Ends the following, by an error as well.
struct Following;

impl Drop for Following {
    fn drop(&mut self) {
        FOLLOWING.set(false);
    }
}

/// Follows the switching of triggers of this table.
pub fn follow(relation: pg_sys::Oid, switched: &Switched) -> Result<(), PgError> {
    if FOLLOWING.replace(true) {
        return Ok(());
    }
    let _following = Following;
    let mut entries = as_superuser(|| vectorizer::by_ancestor(relation))?;
    // A table that is no partition has no ancestors, not even itself.
    if entries.is_empty() {
        entries = as_superuser(|| vectorizer::by_source(relation))?;
    }
    for entry in entries {
        warned("a change of its triggers", || follow_in(&entry, relation, switched));
    }
    // What is written until they are enabled again is missed, and nothing says so later.
    let disabled = as_superuser(|| sql::query(DISABLED, &[relation.into()], |row| row.get::<i32>(1)))?;
    disabled.into_iter().try_for_each(|id| missed::record(id, "triggers of the vectorizer were disabled"))
}

fn follow_in(entry: &Entry, relation: pg_sys::Oid, switched: &Switched) -> Result<(), PgError> {
    see_own_changes();
    if let Switched::Enabled(trigger, state) = switched {
        as_superuser(|| enable_alike(entry.id, relation, trigger, *state))?;
    }
    match Relation::load(entry.source)? {
        Some(source) => keep_replica_trigger(entry.id, &source),
        None => Ok(()),
    }
}
