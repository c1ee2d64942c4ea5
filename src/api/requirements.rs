//! Requirements of functions that declare or repair vectorizers: on the database, and on the transaction.

use pgrx::{PgSqlErrorCode, pg_sys};

use crate::pg::error::PgError;
use crate::pg::transaction::has_one_snapshot;

/// Errors unless the database's encoding is UTF-8, which the pipeline and all providers use.
pub fn require_utf8() -> Result<(), PgError> {
    // SAFETY: reads a variable of this backend.
    if unsafe { pg_sys::GetDatabaseEncoding() } == pg_sys::pg_enc::PG_UTF8 as i32 {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        "vectorizers require a database with encoding UTF8",
    )
    .with_hint("Create the database with ENCODING 'UTF8'."))
}

/// Errors in a REPEATABLE READ or SERIALIZABLE transaction: rows committed after its snapshot would be
/// enqueued neither now nor by a trigger.
pub fn require_fresh_snapshots(function: &str) -> Result<(), PgError> {
    if !has_one_snapshot() {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("{function} cannot run in a REPEATABLE READ or SERIALIZABLE transaction"),
    )
    .with_hint("Run it in a READ COMMITTED transaction."))
}
