//! Rows that can't be read.
//!
//! A claim reads many rows by one statement, which fails if one of them can't be read: its value is damaged on disk, it is longer
//! than Postgres allows once it is written out, or the expression of a virtual column or a cast fails for it. It must not hold up
//! the others. So after a claim has failed like that, as many rows as it may have had are claimed one by one, and one that can't
//! be read fails by itself.

use std::time::Duration;

use pgai_rs_pipeline::failure::{Failure, Retry, Step};
use pgai_rs_queue::definition::Definition;
use pgai_rs_queue::session::Session;
use pgai_rs_queue::work::postpone;

use super::SpiQueue;
use super::claiming::Taken;
use crate::pg::error::PgError;
use crate::queue::roster::report;
use crate::queue::session::SpiSession;

/// The classes of SQLSTATEs of errors that come from a row: its data, a limit of Postgres, an exception of a function, and damage.
const CLASSES: [&str; 4] = ["22", "54", "P0", "XX"];

/// Returns the failure of a row that can't be read. Its message may repeat what is in the row, and so it is not told.
pub(super) fn failure(error: &PgError) -> Failure {
    let message = format!("the row could not be read: SQLSTATE {}", error.sqlstate());
    Failure::new(Step::Loading, "unreadable_row", message, Retry::Backoff)
        .with_hint("Read the row by a query to see the error, and change or delete the row.")
}

/// Claims a row in one transaction, and reads it in another, so that it stays claimed if it can't be read.
pub(super) fn claim_and_read(
    session: &mut SpiSession<'_>,
    v: &Definition,
    claim: impl FnOnce(&mut SpiSession<'_>) -> Result<Taken, PgError>,
    read: impl FnOnce(&mut SpiSession<'_>, &mut Taken) -> Result<(), PgError>,
) -> Result<Taken, PgError> {
    let mut taken = session.transaction(|s| s.as_owner_unchanged(claim))?;
    match session.transaction(|s| s.as_owner_unchanged(|s| read(s, &mut taken))) {
        Ok(()) => Ok(taken),
        Err(error) if is_of_row(&error) => {
            taken.unreadable = Some(error);
            Ok(taken)
        }
        Err(error) => {
            let claimed: Vec<_> =
                taken.claims.rows.iter().map(|row| (row, Duration::ZERO, row.attempts - 1)).collect();
            // If it can't be given back, its lease runs out.
            let _ = session.transaction(|s| s.as_owner(|s| postpone(s, v, &claimed)));
            Err(error)
        }
    }
}

/// Returns whether an error may come from one of several rows.
fn is_of_row(error: &PgError) -> bool {
    error.sqlstate().get(..2).is_some_and(|class| CLASSES.contains(&class))
}

impl SpiQueue {
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
