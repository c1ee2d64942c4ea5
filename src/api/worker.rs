//! `ai.start_worker`, and the last step of CREATE EXTENSION.

use std::time::{Duration, Instant};

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::lock::{self, Named};
use crate::pg::sql;
use crate::worker;

/// HINT if the library is not preloaded.
pub const PRELOAD_HINT: &str = "Add pgai_rs to shared_preload_libraries in postgresql.conf and restart the \
                                server, or call ai.start_worker() after each start of the server.";

#[pg_extern(sql = false)]
fn extension_created() {
    if worker::is_preloaded() {
        worker::request_at_commit();
        return;
    }
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_WARNING,
        "no worker will process vectorizers, because pgai_rs is not preloaded",
        "",
    )
    .set_hint(PRELOAD_HINT)
    .report(PgLogLevel::WARNING);
}

#[pg_extern(sql = false)]
fn start_worker() -> Result<i32, pg_sys::panic::ErrorReport> {
    if let Some(pid) = running_worker()? {
        return Ok(pid);
    }
    // Each that is started comes back after its end: of sessions that look at once only one may start it.
    Ok(lock::while_held(Named::Worker, this_database(), start)?)
}

fn start() -> Result<i32, PgError> {
    if let Some(pid) = running_worker()? {
        return Ok(pid);
    }
    let pid = worker::start_for_this_database().map_err(|reason| {
        PgError::new(PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "could not start the worker")
            .with_detail(reason)
            .with_hint("Increase max_worker_processes, or see the server log.")
    })?;
    wait_until_connected(pid)?;
    Ok(pid)
}

/// Time that a started worker may take to connect, and the interval at which that is checked.
const CONNECTING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(10));

/// Waits until a worker is connected to the database: only then does the next call find it.
fn wait_until_connected(pid: i32) -> Result<(), PgError> {
    let started = Instant::now();
    while running_worker()? != Some(pid) {
        if started.elapsed() > CONNECTING.0 {
            return Err(PgError::new(
                PgSqlErrorCode::ERRCODE_CONNECTION_FAILURE,
                "the worker could not connect to the database",
            )
            .with_hint("See the server log for details."));
        }
        std::thread::sleep(CONNECTING.1);
        pgrx::check_for_interrupts!();
    }
    Ok(())
}

/// The processes of the type `$1` for this database.
const RUNNING: &str = "
    SELECT pid FROM pg_catalog.pg_stat_activity
    WHERE backend_type = $1 AND datname = pg_catalog.current_database()";

fn running_worker() -> Result<Option<i32>, PgError> {
    // Within a transaction the view keeps showing its first snapshot.
    // SAFETY: forgets what this backend remembers of it.
    unsafe { pg_sys::pgstat_clear_snapshot() };
    let args = [worker::WORKER_TYPE.to_owned().into()];
    // What type another role's process has is shown to superusers, and to whoever may read all statistics.
    let pids = as_superuser(|| sql::read(RUNNING, &args, |row| row.get::<i32>(1)))?;
    Ok(pids.into_iter().next())
}
