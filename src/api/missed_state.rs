//! Detection of vectorizers that do not see the changes of their sources, or have missed some.

use pgrx::pg_sys;

use super::worker_state::HealthState;
use crate::catalog::hierarchy::DESCENDANTS;
use crate::catalog::missed::{self, Missed};
use crate::catalog::relation::Relation;
use crate::catalog::trigger_states::{self, fires_for_replica, unseen};
use crate::catalog::vectorizer::Entry;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, ident};

/// The value of `ai.vectorizer_health.state` for them.
const OUT_OF_STEP: &str = "out_of_step";

/// SQL for the source and the tables that contain its rows; the list of these tables is appended.
const TABLES: &str = "
    SELECT c.oid FROM pg_catalog.pg_class c WHERE (c.relkind = 'r' OR c.oid = $1) AND c.oid IN (";

/// Returns a row if a subscription writes to one of the tables `$1`, unless one also writes to the store
/// `$2`.
const SUBSCRIBED: &str = "
    SELECT FROM pg_catalog.pg_subscription_rel r
    WHERE r.srrelid = ANY ($1::pg_catalog.oid[])
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = pg_catalog.to_regclass($2))
    LIMIT 1";

/// Returns the state of a vectorizer whose triggers do not see current changes; `None` if they see them.
pub fn blind(entry: &Entry) -> Result<Option<HealthState>, PgError> {
    let look = format!("{TABLES}{DESCENDANTS})");
    let tables =
        as_superuser(|| sql::read(&look, &[entry.source().into()], |row| row.get::<pg_sys::Oid>(1)))?;
    let states = trigger_states::load(entry)?;
    let missed = missed::oldest(entry.id)?;
    let subscribed = is_subscribed(entry, &tables)?;

    for table in &tables {
        let events = unseen(&states, *table, subscribed);
        if events.is_empty() {
            continue;
        }
        let Some(relation) = Relation::load(*table)? else { continue };
        let name = relation.qualified();
        let there = |enabled: char| {
            states.iter().find(|s| s.table == *table && !s.for_replica && s.enabled == enabled)
        };
        let hint = match (there('D'), there('R')) {
            (Some(_), _) => format!("ALTER TABLE {name} ENABLE TRIGGER USER; then {}", mend(&entry.name)),
            (None, Some(found)) => {
                let trigger = ident(&found.name);
                format!("ALTER TABLE {name} ENABLE TRIGGER {trigger}; then {}", mend(&entry.name))
            }
            (None, None) => "Drop the vectorizer and create it again.".to_owned(),
        };
        let reason = format!("no trigger of the vectorizer on {name} is enabled for {}", events.join(", "));
        return Ok(Some(state(reason, hint, missed)));
    }
    if subscribed && !fires_for_replica(&states) {
        return Ok(unsubscribed(entry, &states)?.map(|(reason, hint)| state(reason, hint, missed)));
    }
    Ok(None)
}

fn is_subscribed(entry: &Entry, tables: &[pg_sys::Oid]) -> Result<bool, PgError> {
    let args = [tables.to_vec().into(), entry.store().into()];
    let found = as_superuser(|| sql::read(SUBSCRIBED, &args, |_| Ok(())))?;
    Ok(!found.is_empty())
}

/// Returns reason and hint for a source that a subscription writes to: its changes fire only triggers that
/// are enabled for them. `None` if the source or its trigger is gone.
fn unsubscribed(
    entry: &Entry,
    states: &[trigger_states::TriggerState],
) -> Result<Option<(String, String)>, PgError> {
    let (Some(source), Some(trigger)) =
        (Relation::load(entry.source())?, states.iter().find(|state| state.table == entry.source()))
    else {
        return Ok(None);
    };
    let name = source.qualified();
    Ok(Some((
        format!(
            "a subscription writes to {name}, where the vectorizer's triggers are not enabled for replicated rows"
        ),
        format!(
            "ALTER TABLE {name} ENABLE ALWAYS TRIGGER {}; then {}",
            ident(&trigger.name),
            mend(&entry.name)
        ),
    )))
}

/// Returns the state of a vectorizer that may have missed changes; `None` if it has not.
pub fn behind(entry: &Entry) -> Result<Option<HealthState>, PgError> {
    let missed = missed::oldest(entry.id)?;
    Ok(missed.map(|missed| {
        let reason = format!("changes may have been missed: {}", missed.reason);
        state(reason, mend(&entry.name), Some(missed))
    }))
}

fn state(reason: String, hint: String, missed: Option<Missed>) -> HealthState {
    HealthState {
        since: missed.map(|missed| missed.since),
        ..HealthState::new(OUT_OF_STEP, &reason).with_hint(&hint)
    }
}

fn mend(name: &str) -> String {
    format!("SELECT ai.resync('{name}', all_rows => true);")
}
