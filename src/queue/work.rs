//! Rows of the work table that this worker has claimed, and the statements that all transactions on them
//! share.

use std::collections::HashSet;
use std::time::Duration;

use super::definition::Definition;
use super::partitions;
use super::sql::{source, work};
use crate::catalog::key::KeyValues;
use crate::pg::error::PgError;
use crate::pg::sql::{Row, execute, query};

/// A row on which this worker holds the lease.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The id of its vectorizer.
    pub vectorizer: i32,
    /// Its key.
    pub key: KeyValues,
    /// The generation of the work row at the time of the claim. Folding a change raises it.
    pub generation: i64,
    /// The number of claims since the row last changed, including this one.
    pub attempts: i32,
    /// The lease: this worker holds the row as long as the work row has this value.
    pub lease: i64,
}

/// The source rows of claims, as indexes into the claims.
pub struct SourceRows {
    /// Rows that exist and are locked until the transaction ends.
    pub here: Vec<usize>,
    /// Rows that another transaction is changing or deleting, or that may be in a partition that is just
    /// being added.
    pub busy: Vec<usize>,
    /// Rows that no longer exist.
    pub gone: Vec<usize>,
}

/// Returns a row's index from its first column, `ord`, which counts from 1 as WITH ORDINALITY does.
pub fn index(row: &Row<'_>) -> Result<usize, PgError> {
    Ok(usize::try_from(row.get::<i64>(1)? - 1).unwrap_or_default())
}

/// Returns the indexes of the claims that still hold, and locks their work rows. Another worker may have
/// claimed a row after its lease expired.
///
/// Every transaction that settles or deletes something calls this first; its locks keep the result true.
pub fn held(v: &Definition, claims: &[&Claimed]) -> Result<Vec<usize>, PgError> {
    let mut args = v.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.lease).collect::<Vec<_>>().into());
    query(&work::held(v), &args, index)
}

/// Locks the source rows of the claims with these indexes, without waiting.
pub fn lock_rows(v: &Definition, claims: &[&Claimed], indexes: Vec<usize>) -> Result<SourceRows, PgError> {
    let (here, others) = part(v, &source::lock(v), claims, indexes)?;
    if !others.is_empty() && !partitions::are_known(v)? {
        return Ok(SourceRows { here, busy: others, gone: Vec::new() });
    }
    let (busy, gone) = part(v, &source::present(v), claims, others)?;
    Ok(SourceRows { here, busy, gone })
}

/// Splits these indexes into those of claims whose source rows exist, and the others.
pub fn present(
    v: &Definition,
    claims: &[&Claimed],
    indexes: Vec<usize>,
) -> Result<(Vec<usize>, Vec<usize>), PgError> {
    part(v, &source::present(v), claims, indexes)
}

/// Splits indexes of claims into those whose key the statement returns, and the others.
fn part(
    v: &Definition,
    statement: &str,
    claims: &[&Claimed],
    indexes: Vec<usize>,
) -> Result<(Vec<usize>, Vec<usize>), PgError> {
    if indexes.is_empty() {
        return Ok((indexes, Vec::new()));
    }
    let keys = v.keys(indexes.iter().map(|at| &claims[*at].key));
    let named: HashSet<usize> = query(statement, &keys, index)?.into_iter().collect();

    let (yes, no): (Vec<_>, Vec<_>) = indexes.into_iter().enumerate().partition(|(i, _)| named.contains(i));
    let indexes = |of: Vec<(usize, usize)>| of.into_iter().map(|(_, at)| at).collect();
    Ok((indexes(yes), indexes(no)))
}

/// Removes rows from the failed queue.
pub fn forget_failed<'a>(v: &Definition, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    execute(&work::forget_failed(v), &v.keys(claims.map(|c| &c.key))).map(drop)
}

/// Removes the work rows that have not changed since they were claimed.
pub fn settle<'a>(v: &Definition, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    let mut args = v.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.generation).collect::<Vec<_>>().into());
    execute(&work::settle(v), &args).map(drop)
}

/// Releases the work rows that `settle` or `postpone` left because they changed since the claim: they are due
/// at once.
pub fn release<'a>(v: &Definition, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    let mut args = v.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.lease).collect::<Vec<_>>().into());
    execute(&work::release(v), &args).map(drop)
}

/// Reschedules rows that have not changed since they were claimed, each after its pause and with its number
/// of attempts. Rows that changed are released.
pub fn postpone(v: &Definition, rows: &[(&Claimed, Duration, i32)]) -> Result<(), PgError> {
    if rows.is_empty() {
        return Ok(());
    }
    let delays = rows.iter().map(|(_, pause, _)| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    let mut args = v.keys(rows.iter().map(|(claim, ..)| &claim.key));
    args.push(rows.iter().map(|(claim, ..)| claim.lease).collect::<Vec<_>>().into());
    args.push(rows.iter().map(|(claim, ..)| claim.generation).collect::<Vec<_>>().into());
    args.push(delays.collect::<Vec<_>>().into());
    args.push(rows.iter().map(|(.., attempts)| *attempts).collect::<Vec<_>>().into());
    execute(&work::postpone(v), &args)?;

    release(v, rows.iter().map(|(claim, ..)| *claim))
}

/// Prolongs the leases of rows to this duration from now. Rows whose lease is no longer the claim's are left
/// alone.
pub fn renew(v: &Definition, held: &[&Claimed], duration: Duration) -> Result<(), PgError> {
    let mut args = v.keys(held.iter().map(|claimed| &claimed.key));
    args.push(held.iter().map(|claimed| claimed.lease).collect::<Vec<_>>().into());
    args.push(duration.as_secs_f64().into());
    execute(&work::renew(v), &args).map(drop)
}

/// Releases the rows that dead workers hold, or an earlier process with this one's id.
pub fn recover(v: &Definition) -> Result<(), PgError> {
    let holder = std::process::id() as i32;
    execute(&work::recover(v), &[holder.into()]).map(drop)
}

/// Makes rows due that were postponed through no fault of their own.
pub fn resume(v: &Definition) -> Result<(), PgError> {
    execute(&work::resume(v), &[]).map(drop)
}
