//! An owner's turn: a transaction of a process of ours in which a role's SQL runs, such as its triggers.
//!
//! A backend is one role's, and ends with it. The worker is everybody's, one after the other, so in it
//!
//! * an owner's turn is short: when its time is over, what runs is cancelled, again and again; what goes on nevertheless
//!   (PL/pgSQL can catch `query_canceled`) ends the process
//! * the limits that an administrator has set on the role hold ([`Limits`])
//! * nothing of it is left when it is over: no session locks, temporary objects, prepared statements, values of
//!   sequences. Settings are undone with the identity; cursors that are held and LISTEN are refused within it
//!
//! [`transaction`](super::transaction::transaction) begins and ends it, [`as_user`](super::identity::as_user) says whose
//! it is. Whoever works for several owners asks [`shares`] whose turn is next.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use pgrx::{pg_sys, PgSqlErrorCode};

use pgai_rs_pipeline::run::Shares;

use super::error::PgError;
use super::limits::Limits;
use super::settings::Level;
use crate::guc;

extern "C-unwind" {
    // `utils/misc/timeout.c`. Only the main loop of a client's backend arms statement_timeout; a
    // background worker has to do it itself.
    fn enable_timeout_every(id: std::ffi::c_int, first: pg_sys::TimestampTz, delay: std::ffi::c_int);
    fn enable_timeout_after(id: std::ffi::c_int, delay: std::ffi::c_int);
    fn disable_timeout(id: std::ffi::c_int, keep_indicator: bool);
    fn RegisterTimeout(id: std::ffi::c_int, handler: unsafe extern "C" fn()) -> std::ffi::c_int;
    // `commands/sequence.c`.
    fn ResetSequenceCaches();
}

/// `STATEMENT_TIMEOUT` of `enum TimeoutId` (`utils/timeout.h`), the same from 15 to 18.
pub const STATEMENT_TIMEOUT: std::ffi::c_int = 3;

/// `USER_TIMEOUT` of `enum TimeoutId`: any that is free.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub const USER_TIMEOUT: std::ffi::c_int = 12;

/// `USER_TIMEOUT` of `enum TimeoutId`: any that is free.
#[cfg(any(feature = "pg17", feature = "pg18"))]
pub const USER_TIMEOUT: std::ffi::c_int = 13;

/// Longest time of a transaction in which no owner's SQL runs.
const LONGEST: Duration = Duration::from_secs(60);

/// How often what runs is cancelled once its time is over.
const CANCEL_EVERY: Duration = Duration::from_millis(100);

/// How long after that the process ends, if it still runs.
const PATIENCE: Duration = Duration::from_secs(5);

/// A turn that is under way.
#[derive(Clone, Copy)]
struct Turn {
    owner: Option<pg_sys::Oid>,
    /// When the owner's SQL began.
    began: Instant,
    /// When its time is over.
    over: Option<Instant>,
}

thread_local! {
    /// In a transaction of ours.
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };

    /// How many times as long as usual the next turn may take.
    static ALLOWANCE: Cell<u32> = const { Cell::new(1) };

    /// The timeout that ends the process.
    static LAST: Cell<Option<std::ffi::c_int>> = const { Cell::new(None) };

    static SHARES: RefCell<Shares> = RefCell::default();
}

/// What each owner has taken of this process's time.
pub fn shares<R>(f: impl FnOnce(&mut Shares) -> R) -> R {
    SHARES.with_borrow_mut(f)
}

/// In how long an owner may be served; none if now.
pub fn left(owner: pg_sys::Oid) -> Option<Duration> {
    shares(|shares| shares.left(owner.to_u32(), Instant::now()))
}

/// Notes that an owner has something to be done in this turn.
pub fn has_work(owner: pg_sys::Oid) {
    shares(|shares| shares.has_work(owner.to_u32()));
}

/// The owner whose SQL runs beyond its time, and has not stopped when it was cancelled.
pub fn stubborn() -> Option<pg_sys::Oid> {
    let turn = TURN.get()?;
    turn.owner.filter(|_| turn.over.is_some_and(|over| over + PATIENCE <= Instant::now()))
}

/// Gives the turns within `f` so many times the usual time, for what is much in one piece.
pub fn allowing<R>(times: u32, f: impl FnOnce() -> R) -> R {
    let before = ALLOWANCE.replace(times.max(1));
    let result = f();
    ALLOWANCE.set(before);
    result
}

/// Begins a transaction of ours, in which nobody's SQL runs yet. To be called within it.
pub fn begin() {
    TURN.set(Some(Turn { owner: None, began: Instant::now(), over: None }));
    // SAFETY: the timeout is one that every process that is connected to a database has.
    unsafe { enable_timeout_after(STATEMENT_TIMEOUT, millis(LONGEST)) };
}

/// From here on it is the turn of this owner, whose limits these are. Nothing happens in a user's backend, whose own
/// limits hold already.
pub fn is_of(owner: pg_sys::Oid, limits: &Limits, level: &Level) {
    let Some(turn) = TURN.get() else { return };

    limits.apply(level);
    // What runs within it as somebody else, for one of our triggers fires, is still within its time.
    if turn.owner.is_some() {
        return;
    }
    let usual = guc::owner_statement_timeout().saturating_mul(ALLOWANCE.get());
    let time = limits.time.map_or(usual, |limit| limit.min(usual));
    let began = Instant::now();
    TURN.set(Some(Turn { owner: Some(owner), began, over: Some(began + time) }));
    arm(time);
}

/// The limits of an owner whose turn is about to begin; none in a user's backend.
pub fn limits_of(owner: pg_sys::Oid) -> Option<Limits> {
    TURN.get().map(|_| Limits::of(owner))
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

/// Ends this process at its next interrupt check, which nothing catches.
unsafe extern "C" fn end_process() {
    // SAFETY: system calls that a signal handler may make.
    unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
}

/// A time as `timeout.c` takes it.
pub fn millis(time: Duration) -> std::ffi::c_int {
    std::ffi::c_int::try_from(time.as_millis()).unwrap_or(std::ffi::c_int::MAX).max(1)
}

/// Removes what a transaction would leave behind that is about to be committed. To be called within it, when all of the
/// owner's SQL has run.
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

/// Keeps what has cancelled this transaction, or was about to, from cancelling what comes next.
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

/// Ends it, committed or aborted. To be called between transactions. Returns what is to be said of the owner's SQL
/// instead of the error, if its time was over.
pub fn end(error: Option<&PgError>) -> Option<PgError> {
    let turn = TURN.take()?;
    let owner = turn.owner?;
    sweep();

    let now = Instant::now();
    let cut_off = error.is_some_and(PgError::is_costly);
    shares(|shares| shares.took(owner.to_u32(), now - turn.began, cut_off, now));
    let timed_out = |error: &&PgError| error.code == PgSqlErrorCode::ERRCODE_QUERY_CANCELED;
    let over = turn.over.filter(|over| *over <= now)?;
    error.filter(timed_out).map(|_| stopped(over - turn.began))
}

/// Gives back what belongs to the session and not to a transaction. Little is to be done where there is nothing.
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
        format!("statements of its owner's were stopped after {} ms", after.as_millis()),
    )
    .with_hint(
        "Triggers, constraints and functions of indexes on the vectorizer's tables run in the worker, in everybody's \
         time. Make them shorter, or have the administrator raise pgai_rs.owner_statement_timeout, or the owner's \
         own statement_timeout.",
    )
}
