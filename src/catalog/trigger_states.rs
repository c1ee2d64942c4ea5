//! In which sessions a vectorizer's triggers fire, and the triggers for those that apply what a publisher
//! sends.
//!
//! An apply worker of logical replication fires row triggers only, and of those only what is enabled ALWAYS or
//! REPLICA. On an ordinary table the vectorizer's triggers are by statement; a *replica trigger* for each row,
//! which fires in such sessions and in no others, is beside them where a user has enabled one of them so.

use pgrx::pg_sys;

use super::relation::{Relation, DESCENDANTS};
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
pub struct State {
    /// Its OID.
    oid: pg_sys::Oid,
    /// Its name.
    pub name: String,
    /// Its table.
    pub table: pg_sys::Oid,
    /// `pg_trigger.tgtype`.
    events: i32,
    /// `pg_trigger.tgenabled`: O in sessions of users, R in those that apply changes, A in all, D in none.
    pub enabled: char,
    /// Whether it is there for replicated rows.
    pub for_replica: bool,
}

/// The triggers of the extension's on tables, those that a partition has from its parent included.
const STATES: &str = "
    SELECT t.oid, t.tgname::text, t.tgrelid, t.tgtype::int4, t.tgenabled::text, t.tgargs
    FROM pg_catalog.pg_trigger t
    WHERE t.tgfoid = 'ai._vectorizer_source_changed()'::pg_catalog.regprocedure AND t.tgrelid IN (";

/// Returns a vectorizer's triggers, those on partitions included.
pub fn load(entry: &Entry) -> Result<Vec<State>, PgError> {
    let identity = entry.identity();
    let states = as_superuser(|| {
        let statement = format!("{STATES}{DESCENDANTS}) ORDER BY t.tgrelid, t.tgname");
        sql::query(&statement, &[entry.source().into()], |row| {
            let arguments: Vec<u8> = row.get(6)?;
            let state = State {
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

/// The events on a table that no trigger of these fires for in sessions of users, or, where a subscription writes, in its own, as
/// SQL calls them.
pub fn unseen(states: &[State], table: pg_sys::Oid, subscribed: bool) -> Vec<&'static str> {
    let fires = |state: &&State| matches!(state.enabled, 'O' | 'A') || subscribed && state.enabled == 'R';
    let of_table = states.iter().filter(|state| state.table == table && !state.for_replica);
    let seen = of_table.filter(fires).fold(0, |seen, state| seen | state.events);
    let events = [(4, "INSERT"), (16, "UPDATE"), (8, "DELETE"), (TRUNCATE, "TRUNCATE")];
    events.into_iter().filter(|(bit, _)| seen & bit == 0).map(|(_, name)| name).collect()
}

/// Whether some of the triggers fire where a publisher's changes are applied.
pub fn fires_for_replica(states: &[State]) -> bool {
    states
        .iter()
        .any(|state| !state.for_replica && is_for_replica(state) && state.events & ALL_EVENTS != TRUNCATE)
}

fn is_for_replica(state: &State) -> bool {
    matches!(state.enabled, 'A' | 'R')
}

/// Gives all triggers of a vectorizer the state that a user gave to one. There are several where pgai has one.
pub fn enable_alike(entry: &Entry, table: pg_sys::Oid, trigger: &str, enabled: char) -> Result<(), PgError> {
    let states = load(entry)?;
    if !states.iter().any(|state| state.table == table && state.name == trigger && !state.for_replica) {
        return Ok(());
    }
    let mut others = states.iter().filter(|state| !state.for_replica && state.enabled != enabled);
    others.try_for_each(|state| triggers::enable(state.table, &state.name, enabled))
}

/// Creates the replica trigger where the others' states ask for one, and drops it where they do not.
pub fn keep_replica_trigger(entry: &Entry, source: &Relation) -> Result<(), PgError> {
    let states = load(entry)?;
    let known = states.iter().find(|state| state.for_replica && state.table == source.oid);
    // Triggers for each row fire for replicated rows themselves.
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
