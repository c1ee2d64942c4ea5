//! The sessions in which a vectorizer's triggers fire, and the triggers for replicated changes.
//!
//! An apply worker of logical replication fires row triggers only, and only those that are enabled ALWAYS or
//! REPLICA. The vectorizer's triggers on an ordinary table are statement triggers. If a user has enabled one
//! of them so, a *replica trigger* for each row is added, which fires in apply workers only.

use pgrx::pg_sys;

use super::hierarchy::DESCENDANTS;
use super::relation::Relation;
use super::vectorizer::Entry;
use super::{trigger_name, triggers};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql;

/// INSERT, DELETE, UPDATE and TRUNCATE in `pg_trigger.tgtype`.
const ALL_EVENTS: i32 = 4 | 8 | 16 | 32;
const TRUNCATE: i32 = 32;

/// A trigger of a vectorizer.
#[derive(Debug)]
pub struct TriggerState {
    /// Its OID.
    oid: pg_sys::Oid,
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: pg_sys::Oid,
    /// `pg_trigger.tgtype`.
    events: i32,
    /// `pg_trigger.tgenabled`: `O` fires in sessions of users, `R` in those that apply changes, `A` in both,
    /// `D` in none.
    pub enabled: char,
    /// True if it is the replica trigger.
    pub for_replica: bool,
}

impl TriggerState {
    /// Returns whether it fires in sessions of users or, if `subscribed`, in those that apply changes.
    fn fires(&self, subscribed: bool) -> bool {
        matches!(self.enabled, 'O' | 'A') || subscribed && self.enabled == 'R'
    }
}

/// SQL for the extension's triggers on tables, including those that a partition has from its parent.
const STATES: &str = "
    SELECT t.oid, t.tgname::text, t.tgrelid, t.tgtype::int4, t.tgenabled::text, t.tgargs
    FROM pg_catalog.pg_trigger t
    WHERE t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure AND t.tgrelid IN (";

/// Returns a vectorizer's triggers, including those on partitions.
pub fn load(entry: &Entry) -> Result<Vec<TriggerState>, PgError> {
    let identity = entry.identity();
    let states = as_superuser(|| {
        let statement = format!("{STATES}{DESCENDANTS}) ORDER BY t.tgrelid, t.tgname");
        sql::query(&statement, &[entry.source().into()], |row| {
            let arguments: Vec<u8> = row.get(6)?;
            let state = TriggerState {
                oid: row.get(1)?,
                name: row.get(2)?,
                table: row.get(3)?,
                events: row.get(4)?,
                enabled: row.get::<String>(5)?.chars().next().unwrap_or('D'),
                for_replica: triggers::is_for_replica(&arguments),
            };
            Ok(identity.is_named_by(&arguments).then_some(state))
        })
    })?;
    Ok(states.into_iter().flatten().collect())
}

/// Returns the events on a table, as SQL calls them, for which none of these triggers fires in sessions of
/// users, nor, if `subscribed`, in those that apply changes.
pub fn unseen(states: &[TriggerState], table: pg_sys::Oid, subscribed: bool) -> Vec<&'static str> {
    let of_table = states.iter().filter(|state| state.table == table && !state.for_replica);
    let firing = of_table.filter(|state| state.fires(subscribed));
    let seen = firing.fold(0, |seen, state| seen | state.events);
    let events = [(4, "INSERT"), (16, "UPDATE"), (8, "DELETE"), (TRUNCATE, "TRUNCATE")];
    events.into_iter().filter(|(bit, _)| seen & bit == 0).map(|(_, name)| name).collect()
}

/// Returns whether any of the triggers, apart from those for TRUNCATE, is enabled for replicated changes.
pub fn fires_for_replica(states: &[TriggerState]) -> bool {
    states
        .iter()
        .any(|state| !state.for_replica && is_for_replica(state) && state.events & ALL_EVENTS != TRUNCATE)
}

fn is_for_replica(state: &TriggerState) -> bool {
    matches!(state.enabled, 'A' | 'R')
}

/// Enables or disables all triggers of a vectorizer as a user has done with one of them. There are several
/// where pgai has one.
pub fn enable_alike(entry: &Entry, table: pg_sys::Oid, trigger: &str, enabled: char) -> Result<(), PgError> {
    let states = load(entry)?;
    if !states.iter().any(|state| state.table == table && state.name == trigger && !state.for_replica) {
        return Ok(());
    }
    let mut others = states.iter().filter(|state| !state.for_replica && state.enabled != enabled);
    others.try_for_each(|state| triggers::enable(state.table, &state.name, enabled))
}

/// Creates the replica trigger if the states of the others require it, else drops it.
pub fn keep_replica_trigger(entry: &Entry, source: &Relation) -> Result<(), PgError> {
    let states = load(entry)?;
    let known = states.iter().find(|state| state.for_replica && state.table == source.oid);
    // Row triggers fire for replicated rows themselves.
    let wanted = !source.in_hierarchy && fires_for_replica(&states);
    if !wanted {
        known.into_iter().for_each(|state| triggers::drop_one(state.oid));
        return Ok(());
    }
    if known.is_some_and(|state| state.enabled == 'R') {
        return Ok(());
    }

    let name = format!("{}_replica", trigger_name(entry.id));
    triggers::create_for_replica(&entry.identity(), source.oid, &name)?;
    triggers::enable(source.oid, &name, 'R')
}
