//! Moves the inbox's rows to the work table, a batch at a time, and checks whether there are any.

use std::time::Duration;

use super::cursor::Cursor;
use super::definition::Definition;
use super::sql::inbox;
use crate::pg::error::PgError;
use crate::pg::sql;

/// The largest number of inbox rows that one transaction folds, so that it stays short.
const FOLD_LIMIT: i64 = 2_000;

/// The result of a look at the inbox and the work table.
pub struct Peek {
    /// There is something to fold or to claim.
    pub now: bool,
    /// The time until the next look, if the worker is not woken earlier; `None` if there is nothing to wait
    /// for.
    pub due: Option<Duration>,
}

/// Returns whether there is something to fold or to claim now, and if not, when there may be.
pub fn peek(v: &Definition, cursor: &Cursor) -> Result<Peek, PgError> {
    let scan = cursor.begin();
    let found = sql::read(&inbox::peek(v), &[scan.block.into()], |row| {
        Ok((row.get::<bool>(1)?, row.get_opt::<i64>(2)?))
    })?;
    let (folds, claims_in) = found.into_iter().next().unwrap_or_default();
    // What a scan from the beginning has found is to be folded from there.
    cursor.end(&scan, if folds { scan.block } else { cursor.block() });

    let now = folds || claims_in.is_some_and(|ms| ms <= 0);
    let claims_in = claims_in.map(|ms| Duration::from_millis(ms.max(1).unsigned_abs()));
    let looks_in = if scan.block == 0 { None } else { cursor.whole_due_in() };
    Ok(Peek { now, due: claims_in.into_iter().chain(looks_in).min() })
}

/// Folds one batch. Returns whether there may be more.
pub fn fold(v: &Definition, cursor: &Cursor) -> Result<bool, PgError> {
    let scan = cursor.begin();
    let part = sql::query_row(&inbox::fold(v), &[FOLD_LIMIT.into(), scan.block.into()], |row| {
        Ok((row.get::<i64>(1)?, row.get_opt::<i64>(2)?.unwrap_or_default(), row.get::<i64>(3)?))
    })?;
    let (rows, last, blocks) = part.ok_or_else(|| PgError::raised("folding an inbox gave no count"))?;

    let more = rows == FOLD_LIMIT;
    cursor.end(&scan, if more { last } else { blocks });
    Ok(more)
}
