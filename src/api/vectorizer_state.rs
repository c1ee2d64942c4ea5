//! The current activity of a vectorizer, or the reason why it does nothing.

use std::cell::Cell;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::counts::{self, QueueCounts};
use super::missed_state;
use super::worker_state::{HealthState, RUNNING, Workers};
use crate::catalog::binding::Relations;
use crate::catalog::queue_tables;
use crate::catalog::remains::{self, Remains};
use crate::catalog::table::Table;
use crate::catalog::vectorizer::{self, Entry};
use crate::catalog::visibility;
use crate::pg::deadline::{self, Look};
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, as_user, current_user};
use crate::pg::sql::{self, Row};

/// The information about a vectorizer in the catalog and from its worker.
#[derive(Debug)]
pub struct Facts {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    disabled: bool,
    /// The columns of its source's key.
    key: Vec<String>,
    /// The vectorizer with its relations; `None` if it has lost one that it needs.
    entry: Option<Entry>,
    /// Its inbox; `None` if it is gone.
    inbox: Option<Table>,
    /// The name of a table of its queue that is gone; `None` if they all exist.
    gone: Option<String>,
    /// The condition that stops it according to its worker; `None` if there is none.
    stopped: Option<HealthState>,
    /// The time at which a row was last processed successfully; `None` if there was none.
    pub last_success_at: Option<TimestampWithTimeZone>,
    /// The time of the last failure; `None` if there was none.
    pub last_error_at: Option<TimestampWithTimeZone>,
    /// The code of the last failure.
    pub last_error_code: Option<String>,
    /// The reason of the last failure.
    pub last_error: Option<String>,
}

// `$1`: id of the worker's process.
const FACTS: &str = "
    SELECT v.id, v.name::text, v.disabled, c.state, c.message, c.hint, c.since, c.until, p.last_success_at,
           e.recorded, e.details ->> 'code', e.details ->> 'error_reason',
           ARRAY(SELECT k ->> 'attname' FROM pg_catalog.jsonb_array_elements(v.source_pk) k)
    FROM ai.vectorizer v
    LEFT JOIN ai._vectorizer_worker_condition c ON c.vectorizer_id = v.id AND c.process_id = $1
    LEFT JOIN ai.vectorizer_worker_progress p ON p.vectorizer_id = v.id
    LEFT JOIN LATERAL (
        SELECT e.recorded, e.details FROM ai._vectorizer_errors e
        WHERE e.id = v.id ORDER BY e.recorded DESC LIMIT 1) e ON true
    ORDER BY v.id";

/// Loads the vectorizers that the current user may watch: those whose inbox the user may read, and those that
/// have lost their inbox and that the user sees. A user who watches all gets all of them.
pub fn load(workers: &Workers) -> Result<Vec<Facts>, PgError> {
    let process = workers.worker.as_ref().and_then(|worker| worker.id);
    let user = current_user();
    let watches_all = visibility::watches_all(user);

    let mut entries = vectorizer::all()?;
    let all = as_superuser(|| sql::read(FACTS, &[process.into()], facts))?;
    let mut seen = Vec::new();
    for mut facts in all {
        facts.entry = entries.iter().position(|e| e.id == facts.id).map(|index| entries.swap_remove(index));
        let rest = if facts.entry.is_some() { None } else { remains::of(facts.id)? };
        facts.gone = rest.as_ref().and_then(|rest| rest.gone.clone());
        let inbox = facts.entry.as_ref().map(|entry| &entry.relations.inbox);
        facts.inbox = inbox.or(rest.as_ref().and_then(|rest| rest.inbox.as_ref())).cloned();
        match &facts.inbox {
            _ if watches_all => seen.push(facts),
            Some(inbox) if may_read(user, inbox) => seen.push(facts),
            None if rest.is_some_and(|rest| is_seen(&rest, user)) => {
                seen.push(Facts { last_error: None, last_error_code: None, last_error_at: None, ..facts });
            }
            _ => {}
        }
    }
    Ok(seen)
}

/// Returns whether a role sees a vectorizer, according to the relations that are left of it.
fn is_seen(rest: &Remains, role: pg_sys::Oid) -> bool {
    let relations = rest.source.iter().chain(&rest.queue).chain(&rest.store).chain(&rest.view);
    let mut owners = rest.source.iter().chain(&rest.queue).map(|table| table.owner);
    owners.next().is_some_and(|owner| visibility::sees(role, owner, relations))
}

fn may_read(user: pg_sys::Oid, table: &Table) -> bool {
    let right = pg_sys::AclMode::from(pg_sys::ACL_SELECT);
    // SAFETY: looks up the catalogs; the table was found there just now.
    unsafe { pg_sys::pg_class_aclcheck(table.oid, user, right) == pg_sys::AclResult::ACLCHECK_OK }
}

fn facts(row: &Row<'_>) -> Result<Facts, PgError> {
    Ok(Facts {
        id: row.get(1)?,
        name: row.get(2)?,
        disabled: row.get(3)?,
        entry: None,
        inbox: None,
        gone: None,
        stopped: stopped(row)?,
        last_success_at: row.get_opt(9)?,
        last_error_at: row.get_opt(10)?,
        last_error_code: row.get_opt(11)?,
        last_error: row.get_opt(12)?,
        key: row.get(13)?,
    })
}

fn stopped(row: &Row<'_>) -> Result<Option<HealthState>, PgError> {
    let word = match row.get_opt::<String>(4)?.as_deref() {
        Some("not_served") => "not_served",
        Some("paused") => "paused",
        Some("waiting_for_provider") => "waiting_for_provider",
        Some("waiting_for_storage") => "waiting_for_storage",
        Some("at_limit") => "at_limit",
        Some("failing") => "failing",
        Some("scheduled") => "scheduled",
        Some("no_builder") => "no_builder",
        Some("lacks_words") => "lacks_words",
        Some("waiting_for_batch") => "waiting_for_batch",
        _ => return Ok(None),
    };
    Ok(Some(HealthState {
        word,
        reason: row.get(5)?,
        hint: row.get_opt(6)?,
        since: row.get_opt(7)?,
        until: row.get_opt(8)?,
    }))
}

impl Facts {
    /// Counts the queue, within a time limit and without running any code of its owner. Returns `None` if the
    /// vectorizer has lost a relation that it needs. Errors only concern this vectorizer.
    pub fn count(&self, worker: Option<i32>, look: &Look) -> Result<Option<QueueCounts>, PgError> {
        let Some(entry) = &self.entry else { return Ok(None) };
        let is_held = Cell::new(false);
        let counted = || self.hold_and_count(&entry.relations, worker, &is_held).map(Some);
        let late = || if is_held.get() { counts::slow() } else { counts::locked() };
        deadline::within_look(look, counted, late)
    }

    /// Locks the relations, which sets `is_held`, and counts the queue's rows.
    fn hold_and_count(
        &self,
        relations: &Relations,
        worker: Option<i32>,
        is_held: &Cell<bool>,
    ) -> Result<QueueCounts, PgError> {
        let Relations { inbox, work, failed, .. } = relations;
        if [work, failed].into_iter().any(|table| table.owner != inbox.owner) {
            relations.require_one_owner()?;
        }
        relations.hold()?;
        is_held.set(true);

        let own = as_user(inbox.owner, || queue_tables::own_columns(relations, self.key.clone()))?;
        counts::count(relations, &own, worker)
    }

    fn what_is_missing(&self) -> String {
        match &self.gone {
            Some(table) => format!("the table {table} of its queue does not exist"),
            None => "its source or the vectorizer's triggers on it do not exist".to_owned(),
        }
    }

    /// Returns the highest-priority reason why it does not work, or else its current activity.
    pub fn state(
        &self,
        workers: &Workers,
        counts: &Result<Option<QueueCounts>, PgError>,
    ) -> Result<HealthState, PgError> {
        let worker = workers.worker_state();
        if worker.word == "standby" {
            return Ok(worker);
        }

        let counts = match counts {
            Ok(Some(counts)) => counts,
            Ok(None) => return Ok(broken(&self.what_is_missing())),
            Err(error) => return Ok(unreadable(error)),
        };

        let Some(entry) = &self.entry else { return Ok(broken(&self.what_is_missing())) };
        if let Some(blind) = missed_state::blind(entry)? {
            return Ok(blind);
        }
        if self.disabled {
            return Ok(HealthState::new("disabled", "it is disabled; changes are kept in its queue")
                .with_hint("Use ai.enable_vectorizer_schedule() to enable it."));
        }
        if worker.word != RUNNING {
            return Ok(worker);
        }

        // Conditions that come from rows are over when no rows are pending.
        let stopped = self.stopped.clone().filter(|stop| counts.pending > 0 || !comes_from_rows(stop.word));
        let stopped = stopped.map_or_else(|| missed_state::behind(entry), |stop| Ok(Some(stop)))?;
        let adds_words = entry.relations.words.is_some() && !entry.has_all_words;
        Ok(stopped.unwrap_or_else(|| at_work(counts, adds_words)))
    }
}

/// Returns whether a stop of this name is that of the rows that are pending.
fn comes_from_rows(word: &str) -> bool {
    matches!(
        word,
        "failing"
            | "waiting_for_provider"
            | "waiting_for_storage"
            | "waiting_for_batch"
            | "at_limit"
            | "scheduled"
    )
}

/// The hint of a vectorizer with rows that were set aside.
const SET_ASIDE: &str =
    "See ai.vectorizer_errors for the reasons, and use ai.retry_failed() to retry the rows.";

fn at_work(counts: &QueueCounts, adds_words: bool) -> HealthState {
    let (word, reason) = match (counts.pending, counts.failed) {
        (0, 0) => ("idle", "all rows are up to date"),
        (0, _) => ("idle", "all rows are up to date except those that were set aside"),
        _ => ("working", "rows are being processed"),
    };
    let reason = match adds_words {
        true => format!("{reason}; words are being added to older chunks"),
        false => reason.to_owned(),
    };
    let hint = (counts.failed > 0).then(|| SET_ASIDE.to_owned());
    HealthState { hint, ..HealthState::new(word, reason) }
}

fn broken(reason: &str) -> HealthState {
    HealthState::new("broken", reason).with_hint(
        "While a dump is being restored, no action is needed. Otherwise drop the vectorizer and create it again.",
    )
}

/// Returns the state of a vectorizer whose queue or triggers can't be read.
pub fn unreadable(error: &PgError) -> HealthState {
    if error.code == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE {
        return HealthState::new("locked", "another transaction holds a lock on its queue").with_hint(
            "See pg_locks and pg_blocking_pids() for the transaction; the worker waits for its end.",
        );
    }
    if error.code == PgSqlErrorCode::ERRCODE_OBJECT_IN_USE {
        return HealthState {
            hint: error.hint.clone(),
            ..HealthState::new("busy", "its queue could not be counted in time")
        };
    }
    HealthState {
        hint: error.hint.clone(),
        ..HealthState::new("broken", format!("its queue could not be read: {}", error.message))
    }
}
