//! Rows that were claimed but are no longer in the source.

use std::time::Duration;

use crate::definition::{Definition, Target};
use crate::session::Session;
use crate::work::{Claimed, forget_failed, held, postpone, present, release, settle_or_release};
use crate::{partitions, provenance, store};

/// The pause before rows are looked up again while partitions are being added.
const UNTIL_PARTITIONS_ARE_KNOWN: Duration = Duration::from_secs(1);

/// Settles rows that were not found when they were claimed, in a transaction of its own.
pub fn settle<S: Session>(session: &mut S, v: &Definition, claims: &[Claimed]) -> Result<(), S::Error> {
    if claims.is_empty() {
        return Ok(());
    }
    let claims: Vec<&Claimed> = claims.iter().collect();
    session.transaction(|s| s.as_owner_unchanged(|s| settle_held(s, v, &claims)))
}

fn settle_held<S: Session>(session: &mut S, v: &Definition, claims: &[&Claimed]) -> Result<(), S::Error> {
    let held = held(session, v, claims)?;
    if !partitions::are_known(session, v)? {
        // Not the rows' fault: the attempt is given back.
        let later = |at: usize| (claims[at], UNTIL_PARTITIONS_ARE_KNOWN, claims[at].attempts - 1);
        return postpone(session, v, &held.into_iter().map(later).collect::<Vec<_>>());
    }
    let (here, gone) = present(session, v, claims, held)?;
    release(session, v, here.into_iter().map(|at| claims[at]))?;
    delete_and_settle(session, v, gone.into_iter().map(|at| claims[at])).map(drop)
}

/// Deletes what is left of rows that are gone, and settles their work rows. The trigger has usually removed
/// the chunks already, but not those of rows that left with a partition or were deleted under
/// session_replication_role = replica. Returns whether rows were released because they have changed since.
pub fn delete_and_settle<'a, S: Session>(
    session: &mut S,
    v: &Definition,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<bool, S::Error> {
    let claims: Vec<&Claimed> = claims.collect();
    if claims.is_empty() {
        return Ok(false);
    }
    if let Target::Store(store) = &v.target {
        session.with_own_search_path(|s| store::delete_chunks(s, v, store, claims.iter().copied(), &[]))?;
    }
    provenance::forget(session, v, claims.iter().copied())?;
    forget_failed(session, v, claims.iter().copied())?;
    settle_or_release(session, v, &claims, &[])
}
