//! Moves the inbox's rows to the work table, a part at a time.
//!
//! What a part leaves behind stays in the inbox as dead rows until vacuum comes. Each part would pass
//! by those of all parts before it, so it begins where the last one ended.

use std::cell::Cell;

use super::spi::Served;
use crate::pg::error::PgError;
use crate::pg::sql;

/// Most inbox rows that one transaction folds, so that it stays short.
const FOLD_LIMIT: i64 = 2_000;

/// Where in the inbox the next part begins.
///
/// Rows that come to lie before it, in space that vacuum gave back or by a transaction that commits
/// late, are found when the end is reached: that of the inbox, or, as it may grow for ever, where it
/// was when the beginning was left.
#[derive(Debug, Default)]
pub struct Place {
    block: Cell<i64>,
    end: Cell<i64>,
}

impl Place {
    /// As `text` of Postgres's `tid`.
    pub fn tid(&self) -> String {
        format!("({},0)", self.block.get())
    }

    /// After a part that ended in a block, of an inbox of so many blocks.
    fn advance(&self, part: &Part) {
        if self.block.get() == 0 {
            self.end.set(part.blocks);
        }
        let next = if part.is_last || part.block >= self.end.get() { 0 } else { part.block };
        self.block.set(next);
    }
}

/// What was folded.
struct Part {
    rows: i64,
    block: i64,
    blocks: i64,
    /// Nothing was left behind it.
    is_last: bool,
}

/// Folds one part; answers whether there may be more.
pub fn fold(served: &Served) -> Result<bool, PgError> {
    let begin = served.fold_place.block.get();
    let part = fold_part(served, FOLD_LIMIT)?;
    served.fold_place.advance(&part);
    if part.is_last && begin > 0 {
        let part = fold_part(served, FOLD_LIMIT - part.rows)?;
        served.fold_place.advance(&part);
        return Ok(!part.is_last);
    }
    Ok(!part.is_last)
}

fn fold_part(served: &Served, limit: i64) -> Result<Part, PgError> {
    let inbox = served.vectorizer.queue.inbox.clone();
    let args = [limit.into(), served.fold_place.tid().into(), inbox.into()];
    let part = sql::query_row(&served.statements.fold, &args, |row| {
        let rows: i64 = row.get(1)?;
        let block = row.get_opt(2)?.unwrap_or_default();
        Ok(Part { rows, block, blocks: row.get(3)?, is_last: rows < limit })
    })?;
    part.ok_or_else(|| PgError::raised("folding an inbox gave no count"))
}
