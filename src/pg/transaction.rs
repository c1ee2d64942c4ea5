//! Transactions and subtransactions.

use std::panic::AssertUnwindSafe;

use pgrx::PgTryBuilder;
use pgrx::pg_sys;

use super::error::PgError;
use super::turn;

/// Returns whether this transaction sees the same snapshot from its beginning to its end.
pub fn has_one_snapshot() -> bool {
    // SAFETY: reads a variable of this backend.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Makes the changes of this transaction visible to the next query. Without a transaction id pgrx assumes
/// that the (sub)transaction changes nothing, and reads as of the beginning of the statement.
pub fn see_own_changes() {
    // SAFETY: within a transaction.
    unsafe { pg_sys::GetCurrentTransactionId() };
}

/// Returns whether a row with this `xmin`, read as a number, was written by this transaction or one of its subtransactions.
pub fn has_written(xmin: i64) -> bool {
    let Ok(xmin) = u32::try_from(xmin) else { return false };
    // SAFETY: reads this backend's list of its transaction's ids, on the main thread.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(xmin.into()) }
}

/// Makes all constraints of this transaction immediate, so that no trigger of theirs is left to run at its end. It does what
/// SET CONSTRAINTS ALL IMMEDIATE does, without a statement to be read.
pub fn make_constraints_immediate() {
    let mut statement = pg_sys::ConstraintsSetStmt {
        type_: pg_sys::NodeTag::T_ConstraintsSetStmt,
        constraints: std::ptr::null_mut(),
        deferred: false,
    };
    // SAFETY: within a transaction; the statement names no constraint, and is not kept.
    unsafe { pg_sys::AfterTriggerSetState(&mut statement) };
}

/// Runs `f` in a subtransaction, which is rolled back on `Err` and on any error raised inside; the
/// surrounding transaction continues. A cancellation (57014) is raised again.
pub fn subtransaction<R>(f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
    subtransaction_with(f, |error| error)
}

/// Does the same as [`subtransaction`], and replaces the error with the result of `instead`.
pub fn subtransaction_with<R>(
    f: impl FnOnce() -> Result<R, PgError>,
    instead: impl FnOnce(PgError) -> PgError,
) -> Result<R, PgError> {
    // SAFETY: within a transaction; both are put back below, as PL/pgSQL does for EXCEPTION.
    let (context, owner) = unsafe {
        let before = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(before.0);
        before
    };

    let outcome = PgTryBuilder::new(AssertUnwindSafe(f))
        .catch_others(|caught| Err(PgError::from(caught)))
        .catch_rust_panic(|caught| Err(PgError::from(caught)))
        .execute()
        .map_err(instead);

    // SAFETY: the subtransaction begun above is the innermost.
    unsafe {
        match outcome {
            Ok(_) => pg_sys::ReleaseCurrentSubTransaction(),
            Err(_) => pg_sys::RollbackAndReleaseCurrentSubTransaction(),
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }

    if let Err(error) = &outcome
        && error.code == pgrx::PgSqlErrorCode::ERRCODE_QUERY_CANCELED
    {
        pgrx::pg_sys::panic::ErrorReport::from(error.clone()).report(pgrx::PgLogLevel::ERROR);
    }
    outcome
}

/// Runs `f` in a new transaction, which commits, or aborts on `Err` and on any error raised inside. Must be
/// called outside a transaction.
pub fn transaction<R>(f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
    // SAFETY: the worker's main thread, outside a transaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
    }

    turn::begin();
    let body = AssertUnwindSafe(|| {
        // SAFETY: inside the transaction started above.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        let result = f()?;
        turn::before_commit();
        // SAFETY: the snapshot is the one pushed above: SPI leaves the stack as it found it.
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
        Ok(result)
    });

    let outcome = PgTryBuilder::new(body)
        .catch_others(|caught| Err(PgError::from(caught)))
        .catch_rust_panic(|caught| Err(PgError::from(caught)))
        .execute();
    turn::disarm();
    // SAFETY: between transactions, or in one that failed, at whatever depth. Catching is not undoing: without the
    // abort the next transaction would start inside this one.
    unsafe {
        if outcome.is_err() {
            pg_sys::AbortOutOfAnyTransaction();
        }
        pg_sys::pgstat_report_stat(false);
    }

    let instead = turn::end(outcome.as_ref().err());
    outcome.map_err(|error| instead.unwrap_or(error))
}
