//! A time for what a user's backend does on somebody else's tables, beside the times that the user has set.
//!
//! Whoever looks at all vectorizers meets the locks and the dead rows of all their owners. So what is done for one has a
//! time, and all of it together has one in each statement. When it is over what runs is cancelled, as `statement_timeout`
//! would, and that is an error of its own which the statement goes on after; the user's own cancellation ends it as always.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::{addr_of, addr_of_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pgrx::{pg_sys, PgSqlErrorCode};

use super::error::PgError;
use super::transaction::subtransaction_with;
use super::turn::{millis, STATEMENT_TIMEOUT, USER_TIMEOUT};

extern "C-unwind" {
    // `utils/misc/timeout.c`.
    fn RegisterTimeout(id: c_int, handler: unsafe extern "C" fn()) -> c_int;
    fn enable_timeout_after(id: c_int, delay: c_int);
    fn disable_timeout(id: c_int, keep_indicator: bool);
    fn get_timeout_active(id: c_int) -> bool;
}

/// Longest time for one vectorizer.
const LONGEST: Duration = Duration::from_secs(1);

/// Longest time for all of them in a statement.
const LONGEST_OF_ALL: Duration = Duration::from_secs(5);

/// The time that each still has when that is over.
const SHORTEST: Duration = Duration::from_millis(10);

thread_local! {
    /// Our timeout, once it is registered.
    static TIMEOUT: Cell<Option<c_int>> = const { Cell::new(None) };

    /// The statement that time was taken in last, by its start, and how much.
    static TAKEN: Cell<(pg_sys::TimestampTz, Duration)> = const { Cell::new((0, Duration::ZERO)) };
}

/// Whether our timeout has asked for a cancellation. Its handler writes it.
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Runs `f` in a subtransaction, for as long as there is time. When that is over, the error is `late`.
pub fn within<R>(
    f: impl FnOnce() -> Result<R, PgError>,
    late: impl FnOnce() -> PgError,
) -> Result<R, PgError> {
    let began = Instant::now();
    let armed = Armed::new(time_left());
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

    let (statement, taken) = TAKEN.get();
    TAKEN.set((statement, taken + began.elapsed()));
    outcome
}

/// How long what is done next may take in this statement.
fn time_left() -> Duration {
    // SAFETY: reads a variable of this backend.
    let statement = unsafe { pg_sys::GetCurrentStatementStartTimestamp() };
    let taken = match TAKEN.get() {
        (known, taken) if known == statement => taken,
        _ => Duration::ZERO,
    };
    TAKEN.set((statement, taken));
    LONGEST_OF_ALL.saturating_sub(taken).clamp(SHORTEST, LONGEST)
}

/// The timeout, which is under way until it is disarmed.
struct Armed {
    timeout: c_int,
    /// Whether the user's own time was under way, too.
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

    /// Ends it, and takes back a cancellation that it has asked for. Returns whether it has, and the user has not.
    ///
    /// A cancellation of the user's that comes in the moment between ours and what heeds it is taken for ours: nothing that
    /// runs here can put that off.
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

/// Asks for a cancellation, as a user does, unless one is under way. The alarm's own handler sets the latch.
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
