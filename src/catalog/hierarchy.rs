//! SQL for the tables above and below a table: partitions, and tables that inherit.

use pgrx::pg_sys;

use crate::pg::error::PgError;
use crate::pg::sql;

pub use pgai_rs_queue::sql::partitions::DESCENDANTS;

/// SQL for the tables that contain the rows of the table `$1`, including itself: those that it is a partition
/// of or inherits from.
pub const ANCESTORS: &str = "
    WITH RECURSIVE above (relid) AS (
        SELECT $1::pg_catalog.oid
        UNION
        SELECT i.inhparent
        FROM pg_catalog.pg_inherits i
        JOIN above a ON a.relid = i.inhrelid
        WHERE NOT i.inhdetachpending)
    SELECT a.relid FROM above a";

/// Returns the tables that contain the rows of a table, including itself, as they are now. It must be called with the
/// extension's rights.
pub fn ancestors(relation: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>, PgError> {
    sql::read_now(ANCESTORS, &[relation.into()], |row| row.get(1))
}
