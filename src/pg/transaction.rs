//! The worker's transactions.

use std::panic::AssertUnwindSafe;

use pgrx::pg_sys;
use pgrx::PgTryBuilder;

use super::error::PgError;

/// Runs `f` in a transaction of its own and commits, or aborts on `Err` and on any error raised
/// inside. To be called outside a transaction.
pub fn transaction<R>(f: impl FnOnce() -> Result<R, PgError>) -> Result<R, PgError> {
    // SAFETY: the worker's main thread, outside a transaction.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
    }
    let body = AssertUnwindSafe(|| {
        // SAFETY: inside the transaction started above.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        let result = f()?;
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
    // SAFETY: between transactions, or in one that failed. Catching is not undoing: without the
    // abort the next transaction would start inside this one.
    unsafe {
        if outcome.is_err() {
            pg_sys::AbortCurrentTransaction();
        }
        pg_sys::pgstat_report_stat(false);
    }
    outcome
}
