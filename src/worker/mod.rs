//! The background workers: a launcher for the cluster, and a worker for each database that has the extension.
//!
//! * [`launcher`]: starts the workers; it is connected to no database
//! * [`database`]: the worker of a database
//! * `altering`: what is built beside a vectorizer takes its place
//! * `batches`: what goes by a provider's batch API, there and back
//! * `confinement`: its word about the processes that parse documents
//! * `extension`, `own_settings`: what the process looks at in each turn besides its work
//! * [`heartbeat`]: writes what is known of the process and of each vectorizer to tables
//! * `known_database`: the launcher's knowledge of a database
//! * [`processes`]: shares background workers when there are too few
//! * [`utility_hook`]: ends workers for DROP DATABASE and similar statements

mod altering;
mod batches;
mod confinement;
pub mod database;
mod extension;
pub mod heartbeat;
mod known_database;
pub mod launcher;
mod own_settings;
mod processes;
pub mod utility_hook;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};

use crate::pg::database::this_database;
use crate::shared;
use crate::trigger::wake::wake_background_workers;

/// The `backend_type` of a database's worker in `pg_stat_activity`.
pub const WORKER_TYPE: &str = "pgai_rs worker";

/// The `backend_type` of the launcher.
pub const LAUNCHER_TYPE: &str = "pgai_rs launcher";

/// The time after which the postmaster restarts the launcher after an error.
const LAUNCHER_RESTART: Duration = Duration::from_secs(1);

/// The time after which the postmaster restarts a worker that `ai.start_worker()` started.
const WORKER_RESTART: Duration = Duration::from_secs(5);

static PRELOADED: AtomicBool = AtomicBool::new(false);

/// Registers the launcher, the shared memory and the hook. `_PG_init` calls it while the postmaster preloads the
/// library.
pub fn init_preloaded() {
    PRELOADED.store(true, Ordering::Relaxed);
    shared::init();
    utility_hook::install();
    BackgroundWorkerBuilder::new(LAUNCHER_TYPE)
        .set_type(LAUNCHER_TYPE)
        .set_library("pgai_rs")
        .set_function("pgai_rs_launcher_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(LAUNCHER_RESTART))
        .load();
}

/// Returns whether the library is in `shared_preload_libraries`, so that there is a launcher.
pub fn is_preloaded() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

/// Asks the launcher for a worker for this database, once the transaction has committed.
pub fn request_at_commit() {
    let database = this_database();
    register_xact_callback(PgXactCallbackEvent::Commit, move || {
        shared::request(database);
        wake_launcher();
    });
}

fn builder(database: pg_sys::Oid) -> BackgroundWorkerBuilder {
    BackgroundWorkerBuilder::new(WORKER_TYPE)
        .set_type(WORKER_TYPE)
        .set_library("pgai_rs")
        .set_function("pgai_rs_worker_main")
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_argument(Some(pg_sys::Datum::from(database)))
}

/// Starts a worker for this backend's database and waits until it runs. Returns its process id.
pub fn start_for_this_database() -> Result<i32, String> {
    // SAFETY: reads variables of this backend.
    let (database, pid) = unsafe { (pg_sys::MyDatabaseId, pg_sys::MyProcPid) };
    // A statement that needs the database alone is over, or fails because this session is connected.
    shared::update(database, |slot| slot.away_until = 0);
    let worker = builder(database)
        .set_restart_time(Some(WORKER_RESTART))
        .set_notify_pid(pid)
        .load_dynamic()
        .map_err(|_| "No background worker slot is free.".to_owned())?;
    worker.wait_for_startup().map_err(|status| format!("It did not start: {status:?}."))
}

/// Sets the latches of the background workers without a database, among them the launcher's.
pub fn wake_launcher() {
    wake_background_workers(pg_sys::InvalidOid);
}
