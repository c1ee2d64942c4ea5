//! Rows that were claimed and that the source no longer has.
//!
//! Of a partitioned source that is not said lightly. Who adds a partition holds a lock that lets
//! others read, and his commit can be seen a moment before Postgres tells other processes of the
//! new partition: until then we find its keys in the inbox, and no such rows.

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

/// After how long rows are looked for again while partitions are being added.
const UNTIL_PARTITIONS_ARE_KNOWN: Duration = Duration::from_secs(1);

/// What adding a partition takes on the parent until it is known to all.
const LOCK: pg_sys::LOCKMODE = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;

/// Whether this transaction's next statement finds every row of which we have heard: all partitions
/// are known whose adding we can have seen. VACUUM and ANALYZE of a parent hold the same lock.
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

/// Nobody holds the lock; and what those who held it have done is known from here on, for whoever
/// gets a lock catches up with the invalidations that were sent before.
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

/// Settles rows that were not there when they were claimed.
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

/// Their trigger has removed the chunks, but for what no trigger sees: rows that went with a
/// partition, or under session_replication_role = replica.
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
