//! The room of a source's table for more rows.
//!
//! A server may list, or announce by events, objects without end, and each new one is a row. A run that fails deletes nothing.
//! So it is the table's rows that are counted, whoever wrote them, and not those of a run. A listing and a queue of events count for
//! themselves: together they may add, once, up to twice what there was room for.

use std::time::{Duration, Instant};

use super::runs::Problem;
use super::table::MirrorTable;
use crate::guc;
use crate::pg::error::PgError;

/// The shortest time between two counts, where there is no room.
const RECOUNT_PAUSE: Duration = Duration::from_secs(5);

/// The number of rows that may be added to a table before they are counted again.
#[derive(Debug, Default)]
pub struct Room {
    left: u64,
    /// The time of a count that has found too little room.
    full: Option<Instant>,
}

impl Room {
    /// Takes room for new rows. Returns whether there was enough; if not, none is taken.
    pub fn take(&mut self, table: &MirrorTable, new: u64) -> Result<bool, PgError> {
        if new > self.left && self.full.is_none_or(|full| full.elapsed() >= RECOUNT_PAUSE) {
            self.left = guc::s3_source_max_objects().saturating_sub(table.count()?);
            self.full = (new > self.left).then(Instant::now);
        }
        let left = self.left.checked_sub(new);
        self.left = left.unwrap_or(self.left);
        Ok(left.is_some())
    }
}

/// Returns the problem of a source that has more objects than are allowed.
pub fn too_many() -> Problem {
    let most = guc::s3_source_max_objects();
    Problem {
        code: "too_many_objects".to_owned(),
        message: format!("the source has more objects, or its table would have more rows, than {most}"),
        hint: Some("Narrow the source's URI or globs, or increase pgai_rs.s3_source_max_objects.".to_owned()),
    }
}
