//! The launcher starts a worker in every database that has the extension, or in those that
//! `pgai_rs.databases` names.
//!
//! It is connected to no database, and so can't see which ones have the extension. It starts a worker once in
//! each, which ends where the extension is missing. After that, CREATE EXTENSION notifies it at commit, and
//! it finds new databases in `pg_database`.

use std::collections::HashMap;
use std::ffi::CStr;
use std::time::{Duration, Instant};

use pgrx::bgworkers::{BackgroundWorkerStatus, DynamicBackgroundWorker};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::known_database::KnownDatabase;
use super::processes::Processes;
use crate::guc;
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;
use crate::pg::wait;
use crate::shared;

/// The time after which a worker counts as healthy, so that its next failure counts as the first.
const HEALTHY: Duration = Duration::from_secs(60);

/// The entry point of the launcher.
///
/// # Safety
/// Called by the postmaster, in a process of its own.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn pgai_rs_launcher_main(_argument: pg_sys::Datum) {
    wait::install_signal_handlers();
    // SAFETY: once per process; no database.
    unsafe { pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0) };

    let mut known: HashMap<pg_sys::Oid, KnownDatabase> = HashMap::new();
    let mut processes = Processes::default();
    let waiting = wait::WaitSet::new(None);
    loop {
        let next = match transaction(databases) {
            Ok(databases) => look_after(&mut known, &databases, &mut processes),
            Err(error) => {
                pgrx::warning!("pgai_rs launcher could not list the databases: {error}");
                guc::poll_interval()
            }
        };
        waiting.wait(next);
    }
}

/// A database, and whether it should have a worker if it has the extension.
#[derive(Clone, Copy)]
struct Database {
    oid: pg_sys::Oid,
    wanted: bool,
}

/// Returns all databases. Templates are not wanted, because a connection to one makes CREATE DATABASE fail.
fn databases() -> Result<Vec<Database>, PgError> {
    let wanted = guc::databases();
    let mut found = Vec::new();
    // SAFETY: a catalog that every process may read, closed again below; its rows are of this type.
    unsafe {
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_database>();
            let name = CStr::from_ptr(row.datname.data.as_ptr()).to_string_lossy();
            let listed = wanted.is_empty() || wanted.iter().any(|w| *w == name);
            found.push(Database {
                oid: row.oid,
                wanted: row.datallowconn && row.datconnlimit >= -1 && !row.datistemplate && listed,
            });
        }
        pg_sys::heap_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
    Ok(found)
}

/// The next action for a database.
enum NextAction {
    /// Nothing is to be done.
    Nothing,
    /// The database is looked at again after this time.
    In(Duration),
    /// A worker is to be started.
    Start,
}

/// Starts the workers that are missing and ends those that are not wanted. Returns the time until the next
/// look at the latest.
fn look_after(
    known: &mut HashMap<pg_sys::Oid, KnownDatabase>,
    databases: &[Database],
    processes: &mut Processes,
) -> Duration {
    let exists = |oid: pg_sys::Oid| databases.iter().any(|database| database.oid == oid);
    known.retain(|oid, _| exists(*oid));
    if shared::missed_request() {
        known.values_mut().for_each(|known| known.without_extension = false);
    }

    let mut next = guc::poll_interval();
    let mut waiting = Vec::new();
    for database in databases {
        let known = known.entry(database.oid).or_default();
        if !database.wanted {
            known.waiting_since = None;
            if let Some(worker) = known.worker.take() {
                worker.terminate();
            }
            continue;
        }
        match look_after_one(database.oid, known) {
            NextAction::Nothing => {}
            NextAction::In(pause) => next = next.min(pause),
            NextAction::Start => waiting.push(database.oid),
        }
    }

    let next = next.min(processes.start(known, waiting));
    shared::retain(exists);
    next
}

/// Returns whether this database needs a worker that it lacks.
fn look_after_one(database: pg_sys::Oid, known: &mut KnownDatabase) -> NextAction {
    let slot = shared::slot(database).unwrap_or(shared::Slot::FREE);
    settle_ended(database, known, &slot);
    // A request is kept while a worker runs: it may be just about to leave.
    if known.worker.is_some() {
        return NextAction::Nothing;
    }

    if slot.requested {
        shared::update(database, |slot| slot.requested = false);
        known.without_extension = false;
        known.not_before = None;
    }
    if known.without_extension {
        return NextAction::Nothing;
    }

    let away = until(slot.away_until);
    let backoff = known.not_before.map(|t| t.saturating_duration_since(Instant::now())).unwrap_or_default();
    match away.max(backoff) {
        Duration::ZERO => NextAction::Start,
        pause => NextAction::In(pause),
    }
}

/// Records that a worker has ended. Unless it was asked to leave or found no extension, its restart is
/// delayed.
fn settle_ended(database: pg_sys::Oid, known: &mut KnownDatabase, slot: &shared::Slot) {
    let ended = |w: &DynamicBackgroundWorker| matches!(w.pid(), Err(BackgroundWorkerStatus::Stopped));
    if !known.worker.as_ref().is_some_and(ended) {
        return;
    }

    known.worker = None;
    shared::update(database, |slot| {
        slot.worker = 0;
        slot.without_extension = false;
        slot.to_leave = false;
    });

    if slot.to_leave {
        // It stands at the end of the line again.
        return;
    }
    if slot.without_extension {
        known.without_extension = true;
        known.backoff.reset();
        return;
    }

    if known.started.is_some_and(|t| t.elapsed() >= HEALTHY) {
        known.backoff.reset();
    }
    known.not_before = Some(Instant::now() + known.backoff.grow());
}

/// Returns the time until a timestamp (microseconds of `TimestampTz`), zero if it has passed.
fn until(timestamp: i64) -> Duration {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    Duration::from_micros(u64::try_from(timestamp.saturating_sub(now)).unwrap_or_default())
}
