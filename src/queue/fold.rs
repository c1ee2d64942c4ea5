//! Moves the inbox's rows to the work table, a batch at a time, and checks whether there are any.
//!
//! A batch leaves dead rows in the inbox until they are vacuumed. A scan from the beginning would pass over
//! all of them, so each scan starts where the last one ended.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::served::Served;
use crate::pg::error::PgError;
use crate::pg::sql;

/// The largest number of inbox rows that one transaction folds, so that it stays short.
const FOLD_LIMIT: i64 = 2_000;

/// The number of blocks before the last position that are scanned again. They may have rows of concurrent
/// transactions that committed later. An inbox of at most so many blocks is always scanned from the
/// beginning.
pub const MARGIN: i64 = 128;

/// Scans from the beginning take at most one part in `SHARE` of the time.
const SHARE: u32 = 50;

/// The position in the inbox from which the next scan starts.
///
/// Rows may appear before it, in space that vacuum freed or from a transaction that commits late. Scans from
/// the beginning find them: the next scan is one if the last of them was long enough ago, else a later scan.
#[derive(Debug, Default)]
pub struct Place {
    block: Cell<i64>,
    /// The time at which the last scan from the beginning ended, and how long it took.
    whole: Cell<Option<(Instant, Duration)>>,
}

/// A scan of the inbox.
struct Look {
    /// The block from which it starts, less [`MARGIN`]; 0 for the beginning.
    block: i64,
    began: Instant,
}

impl Place {
    fn look(&self) -> Look {
        let near = self.whole_due_in().is_some_and(|left| left > Duration::ZERO);
        Look { block: if near { self.block.get() } else { 0 }, began: Instant::now() }
    }

    /// Returns the time until the next scan from the beginning, or `None` if every scan starts there.
    fn whole_due_in(&self) -> Option<Duration> {
        if self.block.get() <= MARGIN {
            return None;
        }
        let due =
            self.whole.get().map(|(ended, took)| took.saturating_mul(SHARE).saturating_sub(ended.elapsed()));
        Some(due.unwrap_or_default())
    }

    fn looked(&self, look: &Look, next: i64) {
        if look.block == 0 {
            self.whole.set(Some((Instant::now(), look.began.elapsed())));
        }
        self.block.set(next);
    }
}

/// The result of a look at the inbox and the work table.
pub struct Peek {
    /// There is something to fold or to claim.
    pub now: bool,
    /// The time until the next look, if the worker is not woken earlier; `None` if there is nothing to wait
    /// for.
    pub due: Option<Duration>,
}

/// Returns whether there is something to fold or to claim now, and if not, when there may be.
pub fn peek(served: &Served) -> Result<Peek, PgError> {
    let place = &served.fold_place;
    let look = place.look();
    let found = sql::read(&served.statements.peek, &[look.block.into()], |row| {
        Ok((row.get::<bool>(1)?, row.get_opt::<i64>(2)?))
    })?;
    let (folds, claims_in) = found.into_iter().next().unwrap_or_default();
    // What a look from the beginning has found is to be folded from there.
    place.looked(&look, if folds { look.block } else { place.block.get() });
    let now = folds || claims_in.is_some_and(|ms| ms <= 0);
    let claims_in = claims_in.map(|ms| Duration::from_millis(ms.max(1).unsigned_abs()));
    let looks_in = if look.block == 0 { None } else { place.whole_due_in() };
    Ok(Peek { now, due: claims_in.into_iter().chain(looks_in).min() })
}

/// Folds one batch. Returns whether there may be more.
pub fn fold(served: &Served) -> Result<bool, PgError> {
    let look = served.fold_place.look();
    let part = sql::query_row(&served.statements.fold, &[FOLD_LIMIT.into(), look.block.into()], |row| {
        Ok((row.get::<i64>(1)?, row.get_opt::<i64>(2)?.unwrap_or_default(), row.get::<i64>(3)?))
    })?;
    let (rows, last, blocks) = part.ok_or_else(|| PgError::raised("folding an inbox gave no count"))?;
    let more = rows == FOLD_LIMIT;
    served.fold_place.looked(&look, if more { last } else { blocks });
    Ok(more)
}
