//! Time limits for the work that a user's backend does on other users' tables, in addition to the user's own
//! limits.
//!
//! A query that looks at all vectorizers meets the locks and the dead rows of all their owners. So the work
//! for one vectorizer has a time limit, and the work for all of them has one per look. When the limit is
//! reached, the running work is cancelled as `statement_timeout` would cancel it; this raises a separate
//! error, which the statement survives. The user's own cancellation ends the statement as always.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::{addr_of, addr_of_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pgrx::{PgSqlErrorCode, pg_sys};

use super::error::PgError;
use super::transaction::subtransaction_with;
use super::turn::{STATEMENT_TIMEOUT, USER_TIMEOUT, millis};

unsafe extern "C-unwind" {
    // `utils/misc/timeout.c`.
    fn RegisterTimeout(id: c_int, handler: unsafe extern "C" fn()) -> c_int;
    fn enable_timeout_after(id: c_int, delay: c_int);
    fn disable_timeout(id: c_int, keep_indicator: bool);
    fn get_timeout_active(id: c_int) -> bool;
}

/// Maximum time for one vectorizer.
const LONGEST: Duration = Duration::from_secs(1);

/// Maximum time for all vectorizers in one look at them.
const LONGEST_OF_ALL: Duration = Duration::from_secs(5);

/// Time that each vectorizer still gets after [`LONGEST_OF_ALL`] is used up.
const SHORTEST: Duration = Duration::from_millis(10);

thread_local! {
    /// Id of our timeout once it is registered.
    static TIMEOUT: Cell<Option<c_int>> = const { Cell::new(None) };

    /// The time that is used up of those who look at one vectorizer a call, and don't know of each other.
    static SHARED: Cell<Option<Taken>> = const { Cell::new(None) };
}

/// The time that calls of one statement have used.
#[derive(Clone, Copy)]
struct Taken {
    /// Start time of the statement.
    statement: pg_sys::TimestampTz,
    time: Duration,
    /// The end of the last call.
    ended: Instant,
}

/// The time for one look at all vectorizers.
#[derive(Default)]
pub struct Look {
    taken: Cell<Duration>,
}

impl Look {
    /// Returns the look that a call for one vectorizer belongs to, which the call can't tell: a query for many,
    /// or one of many queries that a function runs in a loop. So the time is that of the statement, and comes back
    /// as fast as it passes between calls.
    fn shared() -> Look {
        // SAFETY: reads a variable of this backend.
        let statement = unsafe { pg_sys::GetCurrentStatementStartTimestamp() };
        let taken = SHARED.get().filter(|taken| taken.statement == statement);
        let left = taken.map_or(Duration::ZERO, |taken| taken.time.saturating_sub(taken.ended.elapsed()));
        Look { taken: Cell::new(left) }
    }

    fn share(&self) {
        // SAFETY: reads a variable of this backend.
        let statement = unsafe { pg_sys::GetCurrentStatementStartTimestamp() };
        SHARED.set(Some(Taken { statement, time: self.taken.get(), ended: Instant::now() }));
    }

    /// Returns the time limit for the next piece of work.
    fn time_left(&self) -> Duration {
        LONGEST_OF_ALL.saturating_sub(self.taken.get()).clamp(SHORTEST, LONGEST)
    }
}

/// True if our timeout has requested a cancellation; set by its signal handler.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Runs `f` in a subtransaction with a time limit, for a call that knows of no other.
///
/// # Errors
///
/// The error of `f`, or `late` if the time limit was reached.
pub fn within<R>(
    f: impl FnOnce() -> Result<R, PgError>,
    late: impl FnOnce() -> PgError,
) -> Result<R, PgError> {
    let look = Look::shared();
    let outcome = within_look(&look, f, late);
    look.share();
    outcome
}

/// Does the same within a look at many vectorizers.
pub fn within_look<R>(
    look: &Look,
    f: impl FnOnce() -> Result<R, PgError>,
    late: impl FnOnce() -> PgError,
) -> Result<R, PgError> {
    let began = Instant::now();
    let armed = Armed::new(look.time_left());
    let outcome = subtransaction_with(
        || {
            let result = f();
            armed.disarm();
            result
        },
        |error| match armed.disarm() && error.code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED {
            true => late(),
            false => error,
        },
    );

    look.taken.set(look.taken.get() + began.elapsed());
    outcome
}

/// The timeout, which runs until it is disarmed.
struct Armed {
    timeout: c_int,
    /// True if the user's `statement_timeout` was running as well.
    has_statement_timeout: bool,
    is_armed: Cell<bool>,
}

impl Armed {
    fn new(time: Duration) -> Armed {
        let timeout = TIMEOUT.get().unwrap_or_else(|| {
            // SAFETY: once per process, with a handler that does nothing but what a handler may.
            let id = unsafe { RegisterTimeout(USER_TIMEOUT, ask_to_cancel) };
            TIMEOUT.set(Some(id));
            id
        });

        IS_OVER.store(false, Ordering::Relaxed);
        // SAFETY: both timeouts are there, on the main thread.
        let has_statement_timeout = unsafe {
            enable_timeout_after(timeout, millis(time));
            get_timeout_active(STATEMENT_TIMEOUT)
        };
        Armed { timeout, has_statement_timeout, is_armed: Cell::new(true) }
    }

    /// Stops the timeout and clears the cancellation that it requested. Returns true if it requested one and
    /// the user's `statement_timeout` did not fire.
    ///
    /// A cancellation by the user that arrives between ours and its handling is mistaken for ours: nothing
    /// that runs here can delay the handling.
    fn disarm(&self) -> bool {
        if !self.is_armed.replace(false) {
            return false;
        }

        // SAFETY: on the main thread; both timeouts are there.
        let statement_is_over = unsafe {
            disable_timeout(self.timeout, false);
            self.has_statement_timeout && !get_timeout_active(STATEMENT_TIMEOUT)
        };
        if !IS_OVER.swap(false, Ordering::Relaxed) || statement_is_over {
            return false;
        }

        // SAFETY: a variable of this backend, which the handler has written and nobody else.
        unsafe { addr_of_mut!(pg_sys::QueryCancelPending).write_volatile(0) };
        true
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// Requests a cancellation, as a user would, unless one is pending. Postgres's own alarm handler sets the
/// latch.
unsafe extern "C" fn ask_to_cancel() {
    // SAFETY: variables of this backend that signal handlers are meant to write.
    unsafe {
        if addr_of!(pg_sys::QueryCancelPending).read_volatile() == 0 {
            IS_OVER.store(true, Ordering::Relaxed);
            addr_of_mut!(pg_sys::QueryCancelPending).write_volatile(1);
            addr_of_mut!(pg_sys::InterruptPending).write_volatile(1);
        }
    }
}
