//! Turns: transactions of a background process in which a role's SQL, such as its triggers, runs.
//!
//! A backend belongs to one role and ends with its session. The worker serves all owners, one after the
//! other. Therefore
//!
//! * an owner's turn is short: when its time is over, the running statement is cancelled repeatedly; if it
//!   goes on nevertheless (PL/pgSQL can catch `query_canceled`), the process ends
//! * the limits that an administrator has set on the role apply ([`RoleLimits`])
//! * nothing remains when it is over: no session locks, temporary objects, prepared statements or values of
//!   sequences. Settings are restored with the identity; held cursors and LISTEN are refused during the turn
//!
//! [`transaction`](super::transaction::transaction) begins and ends the turn,
//! [`as_user`](super::identity::as_user) determines its owner. A process that works for several owners asks
//! [`shares`] whose turn is next.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::run::Shares;

use super::database::this_database;
use super::error::PgError;
use super::limits::RoleLimits;
use super::settings::SettingsLevel;
use crate::guc;
use crate::shared;

unsafe extern "C-unwind" {
    // `utils/misc/timeout.c`. Only the main loop of a client's backend arms statement_timeout; a
    // background worker has to do it itself.
    fn enable_timeout_every(id: std::ffi::c_int, first: pg_sys::TimestampTz, delay: std::ffi::c_int);
    fn enable_timeout_after(id: std::ffi::c_int, delay: std::ffi::c_int);
    fn disable_timeout(id: std::ffi::c_int, keep_indicator: bool);
    fn RegisterTimeout(id: std::ffi::c_int, handler: unsafe extern "C" fn()) -> std::ffi::c_int;
    // `commands/sequence.c`.
    fn ResetSequenceCaches();
}

/// `STATEMENT_TIMEOUT` of `enum TimeoutId` (`utils/timeout.h`), the same in Postgres 15 to 18.
pub const STATEMENT_TIMEOUT: std::ffi::c_int = 3;

/// `USER_TIMEOUT` of `enum TimeoutId`: the first id for timeouts that are registered at run time.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub const USER_TIMEOUT: std::ffi::c_int = 12;

/// `USER_TIMEOUT` of `enum TimeoutId`: the first id for timeouts that are registered at run time.
#[cfg(any(feature = "pg17", feature = "pg18"))]
pub const USER_TIMEOUT: std::ffi::c_int = 13;

/// Maximum duration of a transaction in which no owner's SQL runs.
const LONGEST: Duration = Duration::from_secs(60);

/// Interval at which the running statement is cancelled once its time is over.
const CANCEL_EVERY: Duration = Duration::from_millis(100);

/// Grace period after the time is over; then the process ends if the statement still runs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The current turn.
#[derive(Clone, Copy)]
struct OwnerTurn {
    owner: Option<pg_sys::Oid>,
    /// The time at which the owner's SQL began.
    began: Instant,
    /// The time at which the turn is over; `None` before it has an owner.
    over: Option<Instant>,
}

thread_local! {
    /// The current turn; `None` outside a transaction of a background process.
    static TURN: Cell<Option<OwnerTurn>> = const { Cell::new(None) };

    /// Factor by which the next turn may exceed the usual time.
    static ALLOWANCE: Cell<u32> = const { Cell::new(1) };

    /// Id of the timeout that ends the process, once it is registered.
    static LAST: Cell<Option<std::ffi::c_int>> = const { Cell::new(None) };

    static SHARES: RefCell<Shares> = RefCell::default();
}

/// Runs `f` with the record of how much of this process's time each owner has used.
pub fn shares<R>(f: impl FnOnce(&mut Shares) -> R) -> R {
    SHARES.with_borrow_mut(f)
}

/// Returns the time until an owner may be served; `None` if now.
pub fn left(owner: pg_sys::Oid) -> Option<Duration> {
    shares(|shares| shares.left(owner.to_u32(), Instant::now()))
}

/// Runs `f`, which works for an owner, and counts the time that it takes as the owner's, beside that of the owner's turns
/// in it, which count themselves. An error counts as well: it unwinds.
pub fn on_account_of<R>(owner: pg_sys::Oid, f: impl FnOnce() -> R) -> R {
    struct Account {
        owner: u32,
        before: Duration,
        began: Instant,
    }
    impl Drop for Account {
        fn drop(&mut self) {
            let now = Instant::now();
            shares(|shares| {
                let counted = shares.taken_of(self.owner).saturating_sub(self.before);
                shares.took(self.owner, (now - self.began).saturating_sub(counted), false, now);
            });
        }
    }

    let owner = owner.to_u32();
    let before = shares(|shares| shares.taken_of(owner));
    let _account = Account { owner, before, began: Instant::now() };
    f()
}

/// Records that an owner has work in this turn.
pub fn has_work(owner: pg_sys::Oid) {
    shares(|shares| shares.has_work(owner.to_u32()));
}

/// Returns the owner whose SQL has run beyond its time and the grace period, although it was cancelled; else
/// `None`.
pub fn stubborn() -> Option<pg_sys::Oid> {
    let turn = TURN.get()?;
    turn.owner.filter(|_| turn.over.is_some_and(|over| over + PATIENCE <= Instant::now()))
}

/// Runs `f`, whose turns have `times` the usual time, for a large piece of work that can't be divided.
pub fn allowing<R>(times: u32, f: impl FnOnce() -> R) -> R {
    let before = ALLOWANCE.replace(times.max(1));
    let result = f();
    ALLOWANCE.set(before);
    result
}

/// Begins a turn without an owner. Must be called within the transaction.
pub fn begin() {
    TURN.set(Some(OwnerTurn { owner: None, began: Instant::now(), over: None }));
    // SAFETY: the timeout is one that every process that is connected to a database has.
    unsafe { enable_timeout_after(STATEMENT_TIMEOUT, millis(LONGEST)) };
}

/// Makes this the turn of an owner with these limits. Does nothing in a user's backend, where the limits of
/// the session already apply.
pub fn is_of(owner: pg_sys::Oid, limits: &RoleLimits, level: &SettingsLevel) {
    let Some(turn) = TURN.get() else { return };

    limits.apply(level);
    // SQL that runs as another role within the turn, because a trigger of ours fires, counts towards its
    // time.
    if turn.owner.is_some() {
        return;
    }
    let usual = guc::owner_statement_timeout().saturating_mul(ALLOWANCE.get());
    let time = limits.time.map_or(usual, |limit| limit.min(usual));
    let began = Instant::now();
    TURN.set(Some(OwnerTurn { owner: Some(owner), began, over: Some(began + time) }));
    arm(time);
    if time > LONGEST {
        tell_busy(time + PATIENCE);
    }
}

/// Tells whoever looks how this process is doing that it may be silent for this time.
fn tell_busy(time: Duration) {
    // SAFETY: reads the clock.
    let now = unsafe { pg_sys::GetCurrentTimestamp() };
    let until = now.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
    shared::update(this_database(), |slot| slot.busy_until = until);
}

/// Returns the limits of an owner whose turn is about to begin; `None` in a user's backend.
pub fn limits_of(owner: pg_sys::Oid) -> Option<RoleLimits> {
    TURN.get().map(|_| RoleLimits::of(owner))
}

fn arm(time: Duration) {
    let last = LAST.get().unwrap_or_else(|| {
        // SAFETY: once per process, with a handler that does nothing but what a handler may.
        let id = unsafe { RegisterTimeout(USER_TIMEOUT, end_process) };
        LAST.set(Some(id));
        id
    });
    // SAFETY: both timeouts are there; arming one anew is as good as disarming it before.
    unsafe {
        let first = pg_sys::GetCurrentTimestamp() + time.as_micros() as pg_sys::TimestampTz;
        enable_timeout_every(STATEMENT_TIMEOUT, first, millis(CANCEL_EVERY));
        enable_timeout_after(last, millis(time + PATIENCE));
    }
}

/// Ends this process at its next interrupt check; nothing can catch that.
unsafe extern "C" fn end_process() {
    // SAFETY: system calls that a signal handler may make.
    unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
}

/// Returns a duration in milliseconds as `timeout.c` takes it, at least 1.
pub fn millis(time: Duration) -> std::ffi::c_int {
    std::ffi::c_int::try_from(time.as_millis()).unwrap_or(std::ffi::c_int::MAX).max(1)
}

/// Removes temporary objects that the transaction would leave behind, and ends the owner's time limit. Must
/// be called within the transaction, before the commit, when all of the owner's SQL has run.
pub fn before_commit() {
    if TURN.get().is_none_or(|turn| turn.owner.is_none()) {
        return;
    }
    // SAFETY: within a transaction, as the superuser who owns the cluster. Nothing happens without such objects.
    unsafe { pg_sys::ResetTempTableNamespace() };
    disarm();
    // SAFETY: as in `begin`. The commit is not the owner's.
    unsafe { enable_timeout_after(STATEMENT_TIMEOUT, millis(LONGEST)) };
}

/// Stops the timeouts of this transaction and clears a pending cancellation, so that it does not cancel the
/// next one.
pub fn disarm() {
    // SAFETY: both timeouts are there. The main loop of a client's backend forgets the flag as well.
    unsafe {
        disable_timeout(STATEMENT_TIMEOUT, false);
        if let Some(last) = LAST.get() {
            disable_timeout(last, false);
        }
        pg_sys::QueryCancelPending = 0;
    }
}

/// Ends the turn after its transaction was committed or aborted. Must be called between transactions. Returns
/// the error to report instead of `error`, if the owner's SQL was cancelled because its time was over.
pub fn end(error: Option<&PgError>) -> Option<PgError> {
    let turn = TURN.take()?;
    let owner = turn.owner?;
    sweep();
    if turn.over.is_some_and(|over| over - turn.began > LONGEST) {
        tell_busy(Duration::ZERO);
    }

    let now = Instant::now();
    let cut_off = error.is_some_and(PgError::is_costly);
    shares(|shares| shares.took(owner.to_u32(), now - turn.began, cut_off, now));
    let timed_out = |error: &&PgError| error.code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED;
    let over = turn.over.filter(|over| *over <= now)?;
    error.filter(timed_out).map(|_| stopped(over - turn.began))
}

/// Releases what belongs to the session and not to a transaction. It is cheap if there is nothing to release.
fn sweep() {
    // SAFETY: between transactions, of which none of ours leaves such things behind.
    unsafe {
        pg_sys::LockReleaseSession(pg_sys::USER_LOCKMETHOD as pg_sys::LOCKMETHODID);
        pg_sys::DropAllPreparedStatements();
        ResetSequenceCaches();
    }
}

fn stopped(after: Duration) -> PgError {
    PgError::new(
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED,
        format!("canceled statements of its owner after {} ms", after.as_millis()),
    )
    .with_hint(
        "Triggers, constraints and functions of indexes on the vectorizer's tables run in the worker, where \
         others wait for them. Make them faster, or have the administrator increase \
         pgai_rs.owner_statement_timeout or the owner's own statement_timeout.",
    )
}
