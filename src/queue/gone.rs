//! Rows that were claimed but are no longer in the source.
//!
//! In a partitioned source, a row that is not found may still exist. Adding a partition takes a lock that
//! allows reads, and its commit can become visible a moment before other processes are told of the new
//! partition. In between, the inbox has the keys of rows that are not found.

use std::time::Duration;

use pgrx::pg_sys;

use super::claim::Claimed;
use super::complete::{give_back, held, part, postpone};
use super::served::Served;
use super::statements::Written;
use super::{complete, origin, store};
use crate::catalog::relation::DESCENDANTS;
use crate::pg::error::PgError;
use crate::pg::identity::with_own_search_path;
use crate::pg::sql;
use crate::pg::transaction::transaction;

/// The pause before rows are looked up again while partitions are being added.
const UNTIL_PARTITIONS_ARE_KNOWN: Duration = Duration::from_secs(1);

/// The lock that adding a partition holds on the parent until all processes have been told.
const LOCK: pg_sys::LOCKMODE = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;

/// Returns whether this transaction's next statement finds every row whose key the inbox has: false
/// while a partition may be being added. VACUUM and ANALYZE of a parent hold the same lock, and make it false,
/// too.
pub fn can_be_told(served: &Served) -> Result<bool, PgError> {
    let source = &served.vectorizer.source;
    if !source.in_hierarchy {
        return Ok(true);
    }
    let parents = format!(
        "SELECT c.oid FROM pg_catalog.pg_class c
         WHERE (c.relkind = 'p' OR c.relhassubclass) AND c.oid IN ({DESCENDANTS})"
    );
    let parents = sql::query(&parents, &[source.oid.into()], |row| row.get::<pg_sys::Oid>(1))?;
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

/// Settles rows that were not found when they were claimed.
pub fn settle(served: &Served, claims: &[Claimed]) -> Result<(), PgError> {
    if claims.is_empty() {
        return Ok(());
    }
    let claims: Vec<&Claimed> = claims.iter().collect();
    transaction(|| {
        served.as_owner(|| {
            let held = held(served, &claims)?;
            if !can_be_told(served)? {
                // Not the rows' fault: the attempt is given back.
                let later = |at: usize| (claims[at], UNTIL_PARTITIONS_ARE_KNOWN, claims[at].attempts - 1);
                return postpone(served, &held.into_iter().map(later).collect::<Vec<_>>());
            }
            let (here, gone) = part(served, &served.statements.present, &claims, held)?;
            give_back(served, here.into_iter().map(|at| claims[at]))?;
            delete_and_settle(served, gone.into_iter().map(|at| claims[at]))
        })
    })
}

/// Deletes what is left of rows that are gone, and settles their work rows. The trigger has usually removed
/// the chunks already, but not those of rows that left with a partition or were deleted under
/// session_replication_role = replica.
pub fn delete_and_settle<'a>(
    served: &Served,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    if claims.is_empty() {
        return Ok(());
    }
    if let Written::Store(statements) = &served.statements.written {
        with_own_search_path(|| {
            store::delete_chunks(served, statements, claims.iter().copied(), Vec::new())
        })?;
    }
    origin::forget(served, claims.iter().copied())?;
    complete::forget_failed(served, claims.iter().copied())?;
    complete::settle(served, claims.iter().copied())?;
    give_back(served, claims.into_iter())
}
