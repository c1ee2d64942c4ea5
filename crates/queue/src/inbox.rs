//! Moves the inbox's rows to the work table, a batch at a time, and checks whether there are any.

use std::time::Duration;

use crate::cursor::Cursor;
use crate::definition::Definition;
use crate::session::{Connection, Param, QueueError, Sqlstate};
use crate::sql::inbox;

/// The largest number of inbox rows that one transaction folds, so that it stays short.
const FOLD_LIMIT: i64 = 2_000;

/// The result of a look at the inbox and the work table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// There is something to fold or to claim.
    pub now: bool,
    /// The time until the next look, if the worker is not woken earlier; `None` if there is nothing to wait
    /// for.
    pub due: Option<Duration>,
}

/// Returns whether there is something to fold or to claim now, and if not, when there may be.
pub fn peek<C: Connection>(connection: &mut C, v: &Definition, cursor: &Cursor) -> Result<Peek, C::Error> {
    let scan = cursor.begin();
    let found = connection.read(&v.statement("peek", inbox::peek), &[Param::Int8(scan.block)], |row| {
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

/// A batch that was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// The number of rows of the inbox.
    pub rows: i64,
    /// There may be more.
    pub more: bool,
}

/// Folds one batch.
pub fn fold<C: Connection>(connection: &mut C, v: &Definition, cursor: &Cursor) -> Result<Folded, C::Error> {
    let scan = cursor.begin();
    let args = [Param::Int8(FOLD_LIMIT), Param::Int8(scan.block)];
    let parts = connection.query(&v.statement("fold", inbox::fold), &args, |row| {
        Ok((row.get::<i64>(1)?, row.get_opt::<i64>(2)?.unwrap_or_default(), row.get::<i64>(3)?))
    })?;
    let no_count = || C::Error::new(Sqlstate::InternalError, "folding an inbox gave no count".to_owned());
    let (rows, last, blocks) = parts.into_iter().next().ok_or_else(no_count)?;

    let more = rows == FOLD_LIMIT;
    cursor.end(&scan, if more { last } else { blocks });
    Ok(Folded { rows, more })
}
