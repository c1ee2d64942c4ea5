//! Rows that can't be read.
//!
//! A claim reads many rows by one statement, which fails if one of them can't be read: its value is damaged on disk, it is longer
//! than Postgres allows once it is written out, or the expression of a virtual column or a cast fails for it. It must not hold up
//! the others. So after a claim has failed like that, as many rows as it may have had are claimed one by one, and one that can't
//! be read fails by itself.

use std::time::Duration;

use pgai_rs_pipeline::failure::{Failure, Retry, Step};

use super::SpiQueue;
use crate::pg::error::PgError;
use crate::queue::roster::report;

/// The classes of SQLSTATEs of errors that come from a row: its data, a limit of Postgres, an exception of a function, and damage.
const CLASSES: [&str; 4] = ["22", "54", "P0", "XX"];

/// Returns the failure of a row that can't be read. Its message may repeat what is in the row, and so it is not told.
pub(super) fn failure(error: &PgError) -> Failure {
    let message = format!("the row could not be read: SQLSTATE {}", error.sqlstate());
    Failure::new(Step::Loading, "unreadable_row", message, Retry::Backoff)
        .with_hint("Read the row by a query to see the error, and change or delete the row.")
}

/// Returns whether an error may come from one of several rows.
pub(super) fn is_of_row(error: &PgError) -> bool {
    error.sqlstate().get(..2).is_some_and(|class| CLASSES.contains(&class))
}

/// The largest number of rows, one after the other, that fail because they can't be read. If there are more, the cause may not be in
/// the rows, and the vectorizer rests before the next ones are tried.
const MOST_UNREADABLE: usize = 16;

impl SpiQueue {
    /// Counts a row of a vectorizer that can't be read. Returns whether so many others could not that it is to rest first.
    pub(super) fn has_others_unreadable(&mut self, id: i32) -> bool {
        let Some(active) = self.roster.get_mut(id) else { return false };
        let rests = active.unreadable >= MOST_UNREADABLE;
        active.unreadable = if rests { 0 } else { active.unreadable + 1 };
        rests
    }

    /// Has the next rows of a vectorizer claimed one by one, if a claim of up to `limit` rows has failed with one of them. Returns
    /// whether that is so.
    pub(super) fn claims_singly(&mut self, id: i32, limit: usize, error: &PgError) -> bool {
        let Some(active) = self.roster.get_mut(id).filter(|active| active.singly == 0) else { return false };
        if !is_of_row(error) {
            return false;
        }
        active.singly = limit;
        report(&active.vectorizer.name, "claim several rows at a time of", error);
        self.roster.next.within(Duration::ZERO);
        true
    }
}
