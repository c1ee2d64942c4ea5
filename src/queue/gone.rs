//! Rows that were claimed but are no longer in the source.

use std::time::Duration;

use super::active::Active;
use super::definition::{Definition, Target};
use super::work::{Claimed, forget_failed, held, postpone, present, release, settle as settle_work};
use super::{partitions, provenance, store};
use crate::pg::error::PgError;
use crate::pg::identity::with_own_search_path;
use crate::pg::transaction::transaction;

/// The pause before rows are looked up again while partitions are being added.
const UNTIL_PARTITIONS_ARE_KNOWN: Duration = Duration::from_secs(1);

/// Settles rows that were not found when they were claimed.
pub fn settle(active: &Active, claims: &[Claimed]) -> Result<(), PgError> {
    if claims.is_empty() {
        return Ok(());
    }
    let claims: Vec<&Claimed> = claims.iter().collect();
    transaction(|| active.as_owner(|| settle_held(&active.definition, &claims)))
}

fn settle_held(v: &Definition, claims: &[&Claimed]) -> Result<(), PgError> {
    let held = held(v, claims)?;
    if !partitions::are_known(v)? {
        // Not the rows' fault: the attempt is given back.
        let later = |at: usize| (claims[at], UNTIL_PARTITIONS_ARE_KNOWN, claims[at].attempts - 1);
        return postpone(v, &held.into_iter().map(later).collect::<Vec<_>>());
    }
    let (here, gone) = present(v, claims, held)?;
    release(v, here.into_iter().map(|at| claims[at]))?;
    delete_and_settle(v, gone.into_iter().map(|at| claims[at]))
}

/// Deletes what is left of rows that are gone, and settles their work rows. The trigger has usually removed
/// the chunks already, but not those of rows that left with a partition or were deleted under
/// session_replication_role = replica.
pub fn delete_and_settle<'a>(
    v: &Definition,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    if claims.is_empty() {
        return Ok(());
    }
    if let Target::Store(store) = &v.target {
        with_own_search_path(|| store::delete_chunks(v, store, claims.iter().copied(), Vec::new()))?;
    }
    provenance::forget(v, claims.iter().copied())?;
    forget_failed(v, claims.iter().copied())?;
    settle_work(v, claims.iter().copied())?;
    release(v, claims.into_iter())
}
