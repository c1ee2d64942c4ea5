//! `ai.resync`: the way out after changes that went past the triggers.

use pgrx::prelude::*;
use pgrx::{pg_sys, PgSqlErrorCode};

use super::drop_vectorizer::target;
use super::retry_failed::lost;
use crate::catalog::vectorizer::{self, Vectorizer};
use crate::pg::error::PgError;
use crate::pg::identity::as_user;
use crate::pg::sql;
use crate::queue::wake;

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn resync(
    vectorizer_id: Option<i32>,
    every_row: Option<bool>,
) -> Result<TableIterator<'static, (name!(removed, i64), name!(queued, i64))>, pg_sys::panic::ErrorReport> {
    let id = vectorizer_id.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer_id must not be null")
            .with_hint("The view ai.vectorizer_status lists the vectorizers that exist.")
    })?;
    let owner = target(id)?.owner;
    let vectorizer = vectorizer::by_id(id)?.ok_or_else(|| lost(id))?.understand()?;
    let (removed, queued) = as_user(owner, || {
        Ok::<_, PgError>((remove_strays(&vectorizer)?, enqueue(&vectorizer, every_row.unwrap_or(false))?))
    })?;
    wake::worker_at_commit();
    let count = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
    Ok(TableIterator::once((count(removed), count(queued))))
}

/// Removes what the store, and the queue of failed rows, hold of rows that the source does not have.
///
/// Their keys are enqueued: one that comes to the source meanwhile may have taken over a chunk that goes.
fn remove_strays(v: &Vectorizer) -> Result<u64, PgError> {
    let (names, source) = (v.key.names(None), v.source.qualified());
    let absent = format!("NOT EXISTS (SELECT FROM {source} s WHERE {})", v.key.same("s", "t"));
    sql::execute(&format!("DELETE FROM {} t WHERE {absent}", v.queue.failed), &[])?;
    let removed = sql::query_row(
        &format!(
            "WITH removed AS (DELETE FROM {} t WHERE {absent} RETURNING {}),
                  again AS (INSERT INTO {} ({names}) SELECT DISTINCT {names} FROM removed)
             SELECT count(*) FROM removed",
            v.store,
            v.key.names(Some("t")),
            v.queue.inbox,
        ),
        &[],
        |row| row.get::<i64>(1),
    )?;
    Ok(removed.map_or(0, |rows| rows.unsigned_abs()))
}

/// Enqueues the rows that the store has nothing of and that were not set aside, or every row.
fn enqueue(v: &Vectorizer, every_row: bool) -> Result<u64, PgError> {
    let (names, key) = (v.key.names(None), v.key.same("t", "s"));
    let missing = |table: &str| format!("NOT EXISTS (SELECT FROM {table} t WHERE {key})");
    let which = match every_row {
        true => "true".to_owned(),
        false => format!("{} AND {}", missing(&v.store), missing(&v.queue.failed)),
    };
    sql::execute(
        &format!(
            "INSERT INTO {} ({names}) SELECT {} FROM {} s WHERE {which}",
            v.queue.inbox,
            v.key.names(Some("s")),
            v.source.qualified(),
        ),
        &[],
    )
}
