//! Where to look at how far a vectorizer is, and `ai._store_bytes`: the size of a store for whoever watches.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_sys};

use crate::pg::deadline;
use crate::pg::error::PgError;
use crate::pg::identity::with_pinned_path;
use crate::pg::sql;

/// Raises a notice if a new vectorizer has rows to embed.
pub fn announce(vectorizer: &str, rows: u64) {
    let rows = match rows {
        0 => return,
        1 => "1 row".to_owned(),
        _ => format!("{rows} rows"),
    };
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
        format!("vectorizer \"{vectorizer}\" has {rows} to embed"),
        "",
    )
    .set_hint("The view ai.vectorizer_progress shows how far it is.")
    .report(PgLogLevel::NOTICE);
}

/// Returns the bytes of a table with its indexes. Returns NULL if it is gone, or if that is not possible within the time limit for
/// a view: somebody may hold a lock on it.
#[pg_extern(sql = false)]
fn store_bytes(store: pg_sys::Oid) -> Result<Option<i64>, ErrorReport> {
    let size = "SELECT pg_catalog.pg_total_relation_size($1)";
    let measure =
        || with_pinned_path(|| sql::read(size, &[store.into()], |row| row.get_opt::<i64>(1))).map(first);
    match deadline::within(measure, late) {
        Err(error) if error.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Err(error.into()),
        measured => Ok(measured.ok().flatten()),
    }
}

fn first(rows: Vec<Option<i64>>) -> Option<i64> {
    rows.into_iter().next().flatten()
}

fn late() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE, "could not measure the store in time")
}
