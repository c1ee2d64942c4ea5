//! The position in an inbox from which the next scan starts.
//!
//! Folded changes leave dead rows in the inbox until it is vacuumed. A scan from the beginning would pass
//! over all of them, so each scan starts where the last one ended.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::sql::inbox::MARGIN;

/// Scans from the beginning take at most one part in `SHARE` of the time.
const SHARE: u32 = 50;

/// The position in the inbox from which the next scan starts.
///
/// Rows may appear before it, in space that vacuum freed or from a transaction that commits late. Scans from
/// the beginning find them: the next scan is one if the last of them was long enough ago, else a later scan.
#[derive(Debug, Default)]
pub struct Cursor {
    block: Cell<i64>,
    /// The time at which the last scan from the beginning ended, and how long it took.
    whole: Cell<Option<(Instant, Duration)>>,
}

/// A scan of the inbox.
#[derive(Debug)]
pub struct Scan {
    /// The block from which it starts, less [`MARGIN`]; 0 for the beginning.
    pub block: i64,
    began: Instant,
}

impl Cursor {
    /// Begins the next scan.
    pub fn begin(&self) -> Scan {
        let near = self.whole_due_in().is_some_and(|left| left > Duration::ZERO);
        Scan { block: if near { self.block.get() } else { 0 }, began: Instant::now() }
    }

    /// Returns the block from which a scan starts that is not from the beginning.
    pub fn block(&self) -> i64 {
        self.block.get()
    }

    /// Returns the time until the next scan from the beginning, or `None` if every scan starts there.
    pub fn whole_due_in(&self) -> Option<Duration> {
        if self.block.get() <= MARGIN {
            return None;
        }
        let due =
            self.whole.get().map(|(ended, took)| took.saturating_mul(SHARE).saturating_sub(ended.elapsed()));
        Some(due.unwrap_or_default())
    }

    /// Ends a scan; the next one starts at the block `next`.
    pub fn end(&self, scan: &Scan, next: i64) {
        if scan.block == 0 {
            self.whole.set(Some((Instant::now(), scan.began.elapsed())));
        }
        self.block.set(next);
    }
}
