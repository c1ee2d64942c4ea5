//! The state of this database's worker and of the launcher, with the reason if they do not run.

use pgrx::datum::{TimestampWithTimeZone, Uuid};
use pgrx::pg_sys;

use super::worker::PRELOAD_HINT;
use crate::guc;
use crate::pg::database::this_database;
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::sql::{self, Row};
use crate::shared;
use crate::worker;

/// A state, as a word for programs and as text for people.
#[derive(Debug, Clone)]
pub struct HealthState {
    /// The word, which is stable across versions.
    pub word: &'static str,
    /// The explanation in this case.
    pub reason: String,
    /// A suggestion of what a person can do.
    pub hint: Option<String>,
    /// The time at which the state began, if known.
    pub since: Option<TimestampWithTimeZone>,
    /// The time of the next attempt, if known.
    pub until: Option<TimestampWithTimeZone>,
}

impl HealthState {
    /// Creates a state without a hint and without times.
    pub fn new(word: &'static str, reason: impl Into<String>) -> Self {
        HealthState { word, reason: reason.into(), hint: None, since: None, until: None }
    }

    /// Adds a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The word for a process that runs normally.
pub const RUNNING: &str = "running";

/// A running launcher or worker.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// Its start time.
    pub since: Option<TimestampWithTimeZone>,
    /// Its current activity.
    pub activity: Option<String>,
    /// The id under which its heartbeats are recorded; `None` before the first, and for a launcher.
    pub id: Option<Uuid>,
    /// The time of its last heartbeat.
    pub last_heartbeat: Option<TimestampWithTimeZone>,
    /// True if the last heartbeat is so old that the process must be stuck.
    pub is_stalled: bool,
    /// The time of the last error of its rows.
    pub last_error_at: Option<TimestampWithTimeZone>,
    /// The message of the last error of its rows.
    pub last_error: Option<String>,
    is_worker: bool,
}

/// The processes for this database, as far as they run.
#[derive(Debug)]
pub struct Workers {
    /// The cluster's launcher; `None` if it does not run.
    pub launcher: Option<Process>,
    /// This database's worker; `None` if it does not run.
    pub worker: Option<Process>,
}

// The two minutes: what runs in the worker in one go may take one (`pg::turn`). An owner's turn may take longer, until `$3`.
const RUNNING_PROCESSES: &str = "
    SELECT a.pid, a.backend_type = $1, a.backend_start, p.id, p.last_heartbeat,
           coalesce(greatest(p.last_heartbeat, $3)
                        < clock_timestamp() - 3 * p.expected_heartbeat_interval - interval '2 minutes',
                    false),
           p.last_error_at, p.last_error_message,
           CASE WHEN a.state = 'idle' THEN 'waits to be woken' ELSE a.query END
    FROM pg_catalog.pg_stat_activity a
    LEFT JOIN LATERAL (
        SELECT * FROM ai.vectorizer_worker_process p
        WHERE p.pid = a.pid AND p.started >= a.backend_start AND a.backend_type = $1
        ORDER BY p.started DESC LIMIT 1) p ON true
    WHERE a.backend_type = $2 OR (a.backend_type = $1 AND a.datname = pg_catalog.current_database())";

impl Workers {
    /// Returns the processes that run now.
    pub fn load() -> Result<Workers, PgError> {
        let busy_until = shared::slot(this_database()).map_or(0, |slot| slot.busy_until);
        let args = [
            worker::WORKER_TYPE.to_owned().into(),
            worker::LAUNCHER_TYPE.to_owned().into(),
            TimestampWithTimeZone::try_from(busy_until).ok().into(),
        ];
        // Only some roles may see other roles' processes, but these are no secret.
        let running = as_superuser(|| sql::read(RUNNING_PROCESSES, &args, process))?;
        let (workers, launchers): (Vec<_>, Vec<_>) = running.into_iter().partition(|p| p.is_worker);
        Ok(Workers { launcher: launchers.into_iter().next(), worker: workers.into_iter().next() })
    }

    /// Returns the state of the launcher.
    pub fn launcher_state(&self) -> HealthState {
        if is_standby() {
            return standby();
        }
        match (&self.launcher, worker::is_preloaded()) {
            (Some(_), _) => HealthState::new(RUNNING, "the launcher is running"),
            (None, true) => no_launcher(),
            (None, false) => not_preloaded(),
        }
    }

    /// Returns the state of this database's worker.
    pub fn worker_state(&self) -> HealthState {
        if is_standby() {
            return standby();
        }
        match &self.worker {
            Some(process) if process.is_stalled => HealthState {
                since: process.last_heartbeat,
                ..HealthState::new("stalled", "the worker is running, but its heartbeat is overdue").with_hint(
                    "See pg_stat_activity and the server log for what it waits for. It is replaced if it is ended \
                     with pg_terminate_backend().",
                )
            },
            Some(_) => HealthState::new(RUNNING, "the worker is running"),
            None if !worker::is_preloaded() => not_preloaded(),
            None if self.launcher.is_none() => no_launcher(),
            None => self.why_none_was_started(),
        }
    }

    fn why_none_was_started(&self) -> HealthState {
        let wanted = guc::databases();
        if !wanted.is_empty() && database_name().is_some_and(|name| !wanted.contains(&name)) {
            return no_worker("pgai_rs.databases does not list this database").with_hint(
                "Add it to pgai_rs.databases, or make the setting empty, and reload the configuration.",
            );
        }

        // SAFETY: reads a variable of this backend, and the clock.
        let (database, now) = unsafe { (pg_sys::MyDatabaseId, pg_sys::GetCurrentTimestamp()) };
        match shared::slot(database) {
            Some(slot) if slot.away_until > now => HealthState {
                until: TimestampWithTimeZone::try_from(slot.away_until).ok(),
                ..no_worker(
                    "the worker was stopped for a statement that needs the database without connections",
                )
            },
            _ if shared::no_free_process() => {
                no_worker("no background worker slot is free; the databases that wait for one take turns")
                    .with_hint("Increase max_worker_processes and restart the server.")
            }
            _ => no_worker("no worker is running; the launcher starts one, with backoff if it fails")
                .with_hint("If workers keep ending, see the server log for the reason."),
        }
    }
}

fn process(row: &Row<'_>) -> Result<Process, PgError> {
    Ok(Process {
        pid: row.get(1)?,
        is_worker: row.get(2)?,
        since: row.get_opt(3)?,
        id: row.get_opt(4)?,
        last_heartbeat: row.get_opt(5)?,
        is_stalled: row.get(6)?,
        last_error_at: row.get_opt(7)?,
        last_error: row.get_opt(8)?,
        activity: row.get_opt(9)?,
    })
}

/// Returns whether this server is a standby.
fn is_standby() -> bool {
    // SAFETY: reads shared memory.
    unsafe { pg_sys::RecoveryInProgress() }
}

fn standby() -> HealthState {
    HealthState::new("standby", "this server is a standby; the work is done on the primary")
        .with_hint("Look at the primary. After a promotion a worker is started here automatically.")
}

fn not_preloaded() -> HealthState {
    HealthState::new(
        "not_preloaded",
        "no worker is running, because pgai_rs is not in shared_preload_libraries",
    )
    .with_hint(PRELOAD_HINT)
}

fn no_launcher() -> HealthState {
    no_worker("the launcher is not running")
        .with_hint("It is restarted automatically; see the server log for the reason.")
}

fn no_worker(reason: &str) -> HealthState {
    HealthState::new("no_worker", reason)
}

/// Returns the name of this backend's database; `None` if it has been dropped.
pub fn database_name() -> Option<String> {
    // SAFETY: a C string, or null, of this backend's memory.
    unsafe {
        let name = pg_sys::get_database_name(pg_sys::MyDatabaseId);
        (!name.is_null()).then(|| std::ffi::CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}
