//! The room of a source's table for more rows.
//!
//! A server may list, or announce by events, objects without end, and each new one is a row. A run that fails deletes nothing.
//! So it is the table's rows that are counted, whoever wrote them, and not those of a run.

use super::runs::Problem;
use super::table::MirrorTable;
use crate::guc;
use crate::pg::error::PgError;

/// The number of rows that may be added to a table before they are counted again.
#[derive(Debug, Default)]
pub struct Room(u64);

impl Room {
    /// Takes room for new rows. Returns whether there was enough; if not, none is taken.
    pub fn take(&mut self, table: &MirrorTable, new: u64) -> Result<bool, PgError> {
        if new > self.0 {
            self.0 = guc::s3_source_max_objects().saturating_sub(table.count()?);
        }
        let left = self.0.checked_sub(new);
        self.0 = left.unwrap_or(self.0);
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
