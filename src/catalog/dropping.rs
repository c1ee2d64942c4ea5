//! Dropping the extension's own tables, on which others may have built something.
//!
//! Whoever has USAGE on a schema can name a table of it in a view, a function or the type of a column, without any right to
//! the table. That must not keep a vectorizer or an S3 source from being dropped.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

use super::obstacles;
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::lock;
use crate::pg::transaction::subtransaction;

/// Drops a table with what roles have built on it that may not read it. Errors (2BP01) if something else depends on it, and
/// (55P03) if somebody uses what goes along for longer than a moment.
pub fn drop_own(table: &Table) -> Result<(), PgError> {
    match try_to_drop(table)? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Does the same for a table of a vectorizer or of an S3 source (`whose`) that is no more. What can't be dropped for what
/// depends on it is left in place, with a warning.
pub fn drop_or_leave(whose: &str, table: &Table) -> Result<(), PgError> {
    let Some(error) = try_to_drop(table)? else { return Ok(()) };
    let table = table.qualified();
    let message = format!("table {table} of {whose} is left in place: {}", error.message);
    ErrorReport::new(error.code, message, "")
        .set_detail(error.detail.unwrap_or_default())
        .set_hint(format!("To drop it with all that depends on it, run DROP TABLE {table} CASCADE."))
        .report(PgLogLevel::WARNING);
    Ok(())
}

/// Drops a table. Returns the error if it stays for what depends on it.
fn try_to_drop(table: &Table) -> Result<Option<PgError>, PgError> {
    let Err(error) = subtransaction(|| table.drop()) else { return Ok(None) };
    if error.code != PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST {
        // Raised again as it was: whoever waits for locks so briefly says who is in the way.
        error.throw();
    }
    if obstacles::is_built_on_by_reader(table)? {
        return Ok(Some(error));
    }

    // The table itself is not waited for any more, but whoever built on it may use what they built.
    match subtransaction(|| lock::giving_way(|| table.drop_with_dependents())) {
        Err(error) if error.is_contention() => Ok(Some(error)),
        dropped => dropped.map(|()| None),
    }
}
