//! Moves the inbox's rows to the work table, a part at a time, and looks whether there are any.
//!
//! What a part leaves behind stays in the inbox as dead rows until vacuum comes. Each look would pass
//! by those of all parts before it, so it begins where the last one ended.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::served::Served;
use crate::pg::error::PgError;
use crate::pg::sql;

/// Most inbox rows that one transaction folds, so that it stays short.
const FOLD_LIMIT: i64 = 2_000;

/// Blocks before the place of the last part that are looked at, too: there lie rows of transactions
/// that wrote beside others and committed after them. An inbox of no more is always read whole.
pub const MARGIN: i64 = 128;

/// Looks from the beginning take one part in so many of the time.
const SHARE: u32 = 50;

/// Where in the inbox to look next.
///
/// Rows that come to lie before it, in space that vacuum gave back or by a transaction that commits
/// late, are found by looks from the beginning: at once if there was none for long enough, else a
/// little later.
#[derive(Debug, Default)]
pub struct Place {
    block: Cell<i64>,
    /// When the last look from the beginning ended, and how long it took.
    whole: Cell<Option<(Instant, Duration)>>,
}

/// A look into the inbox.
struct Look {
    /// From this block on, less [`MARGIN`].
    block: i64,
    began: Instant,
}

impl Place {
    fn look(&self) -> Look {
        let near = self.whole_due_in().is_some_and(|left| left > Duration::ZERO);
        Look { block: if near { self.block.get() } else { 0 }, began: Instant::now() }
    }

    /// In how long to look from the beginning; none if each look does.
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

/// What a look at the whole queue has found.
pub struct Peek {
    /// There is something to fold or to claim.
    pub now: bool,
    /// In how long to look again, if nobody says so before.
    pub due: Option<Duration>,
}

/// Looks whether there is anything to fold or to claim now, and if not, when there may be.
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

/// Folds one part; answers whether there may be more behind it.
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
