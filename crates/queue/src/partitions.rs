//! Partitions that are just being added.
//!
//! In a partitioned source, a row that is not found may still exist. Adding a partition takes a lock that
//! allows reads, and its commit can become visible a moment before other processes are told of the new
//! partition. In between, the inbox has the keys of rows that are not found.

use crate::definition::Definition;
use crate::session::{Param, Session};
use crate::sql::partitions;

/// Returns whether this transaction's next statement finds every row whose key the inbox has: false
/// while a partition may be being added. VACUUM and ANALYZE of a parent hold the same lock, and make it false,
/// too.
pub fn are_known<S: Session>(session: &mut S, v: &Definition) -> Result<bool, S::Error> {
    if !v.in_hierarchy {
        return Ok(true);
    }
    let parents = session.query(&partitions::parents(), &[Param::Oid(v.source_oid)], |row| row.get(1))?;
    for parent in parents {
        if !session.try_lock(parent)? {
            return Ok(false);
        }
    }
    Ok(true)
}
