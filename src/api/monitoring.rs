//! `ai.vectorizer_health` and `ai.vectorizer_worker_status`: the state of vectorizers and processes, with
//! reasons.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::counts::QueueCounts;
use super::vectorizer_state::{self, Facts};
use super::worker_state::{HealthState, Process, Workers, database_name};
use crate::pg::database::this_database;
use crate::pg::deadline::Look;
use crate::pg::error::PgError;
use crate::pg::sql;
use crate::shared;

type Timestamp = TimestampWithTimeZone;

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn vectorizer_health() -> Result<
    TableIterator<
        'static,
        (
            name!(id, i32),
            name!(name, String),
            name!(state, String),
            name!(reason, String),
            name!(hint, Option<String>),
            name!(since, Option<Timestamp>),
            name!(until, Option<Timestamp>),
            name!(worker_pid, Option<i32>),
            name!(worker_since, Option<Timestamp>),
            name!(pending_items, Option<i64>),
            name!(oldest_pending, Option<Timestamp>),
            name!(in_flight, Option<i64>),
            name!(stuck_leases, Option<i64>),
            name!(failed_items, Option<i64>),
            name!(last_success_at, Option<Timestamp>),
            name!(last_error_at, Option<Timestamp>),
            name!(last_error_code, Option<String>),
            name!(last_error, Option<String>),
        ),
    >,
    pg_sys::panic::ErrorReport,
> {
    let workers = Workers::load()?;
    let worker = workers.worker.as_ref();
    let rows = health(&workers)?.into_iter().map(|(facts, state, counts)| {
        let number = |of: fn(&QueueCounts) -> i64| counts.as_ref().map(of);
        (
            facts.id,
            facts.name,
            state.word.to_owned(),
            state.reason,
            state.hint,
            state.since,
            state.until,
            worker.map(|worker| worker.pid),
            worker.and_then(|worker| worker.since),
            number(|counts| counts.pending),
            counts.as_ref().and_then(|counts| counts.oldest),
            number(|counts| counts.in_flight),
            number(|counts| counts.stuck),
            number(|counts| counts.failed),
            facts.last_success_at,
            facts.last_error_at,
            facts.last_error_code,
            facts.last_error,
        )
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

fn health(workers: &Workers) -> Result<Vec<(Facts, HealthState, Option<QueueCounts>)>, PgError> {
    let pid = workers.worker.as_ref().map(|worker| worker.pid);
    let look = Look::default();

    let mut watched = Vec::new();
    for facts in vectorizer_state::load(workers)? {
        let counts = facts.count(pid, &look);
        let state = facts.state(workers, &counts);
        let state = state.unwrap_or_else(|error| vectorizer_state::unreadable(&error));
        watched.push((facts, state, counts.ok().flatten()));
    }
    Ok(watched)
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn vectorizer_worker_status() -> Result<
    TableIterator<
        'static,
        (
            name!(process, String),
            name!(state, String),
            name!(reason, String),
            name!(hint, Option<String>),
            name!(pid, Option<i32>),
            name!(database, Option<String>),
            name!(since, Option<Timestamp>),
            name!(activity, Option<String>),
            name!(vectorizers, Option<i32>),
            name!(in_flight, Option<i32>),
            name!(last_turn, Option<Timestamp>),
            name!(last_heartbeat, Option<Timestamp>),
            name!(last_error_at, Option<Timestamp>),
            name!(last_error, Option<String>),
        ),
    >,
    pg_sys::panic::ErrorReport,
> {
    let workers = Workers::load()?;
    let may_see_errors = may_see_errors()?;
    let row = |name: &str, process: Option<&Process>, state: HealthState, database: Option<String>| {
        let slot = shared::slot(this_database())
            .filter(|slot| name == "worker" && process.is_some_and(|process| process.pid == slot.worker));
        (
            name.to_owned(),
            state.word.to_owned(),
            state.reason,
            state.hint,
            process.map(|process| process.pid),
            database,
            process.and_then(|process| process.since),
            process.and_then(|process| process.activity.clone()),
            slot.map(|slot| slot.vectorizers),
            slot.map(|slot| slot.in_flight),
            slot.filter(|slot| slot.last_turn != 0).and_then(|slot| Timestamp::try_from(slot.last_turn).ok()),
            process.and_then(|process| process.last_heartbeat),
            process.and_then(|process| process.last_error_at),
            process.and_then(|process| process.last_error.clone()).filter(|_| may_see_errors),
        )
    };

    let launcher = row("launcher", workers.launcher.as_ref(), workers.launcher_state(), None);
    let worker = row("worker", workers.worker.as_ref(), workers.worker_state(), database_name());
    Ok(TableIterator::new([launcher, worker]))
}

/// Returns whether the caller may see error messages, which may contain keys and addresses from any user's
/// rows.
fn may_see_errors() -> Result<bool, PgError> {
    let may = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'usage')";
    Ok(sql::read(may, &[], |row| row.get(1))?.into_iter().next().unwrap_or(false))
}
