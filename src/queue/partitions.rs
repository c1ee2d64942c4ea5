//! Partitions that are just being added.
//!
//! In a partitioned source, a row that is not found may still exist. Adding a partition takes a lock that
//! allows reads, and its commit can become visible a moment before other processes are told of the new
//! partition. In between, the inbox has the keys of rows that are not found.

use pgrx::pg_sys;

use super::definition::Definition;
use crate::catalog::hierarchy::DESCENDANTS;
use crate::pg::error::PgError;
use crate::pg::sql;

/// The lock that adding a partition holds on the parent until all processes have been told.
const LOCK: pg_sys::LOCKMODE = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;

/// Returns whether this transaction's next statement finds every row whose key the inbox has: false
/// while a partition may be being added. VACUUM and ANALYZE of a parent hold the same lock, and make it false,
/// too.
pub fn are_known(v: &Definition) -> Result<bool, PgError> {
    if !v.in_hierarchy {
        return Ok(true);
    }
    let parents = format!(
        "SELECT c.oid FROM pg_catalog.pg_class c
         WHERE (c.relkind = 'p' OR c.relhassubclass) AND c.oid IN ({DESCENDANTS})"
    );
    let parents = sql::query(&parents, &[v.source_oid.into()], |row| row.get::<pg_sys::Oid>(1))?;
    Ok(parents.into_iter().all(is_free))
}

/// Returns whether no other transaction holds the lock. Taking it processes the invalidation messages that
/// were sent before, so this process then knows what the former holders have done.
fn is_free(table: pg_sys::Oid) -> bool {
    // SAFETY: on the main thread, in a transaction; does not wait. Such a lock can be taken, and
    // released, on a table that has gone meanwhile as well.
    unsafe {
        let free = pg_sys::ConditionalLockRelationOid(table, LOCK);
        if free {
            pg_sys::UnlockRelationOid(table, LOCK);
        }
        free
    }
}
