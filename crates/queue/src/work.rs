//! Rows of the work table that this worker has claimed, and the statements that all transactions on them
//! share.

use std::collections::HashSet;
use std::time::Duration;

use crate::definition::Definition;
use crate::key::KeyValues;
use crate::partitions;
use crate::session::{Connection, Param, QueueError, Row, Session};
use crate::sql::{source, work};

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
    /// True if a worker held the row when it ended, and nothing has come of it since: a suspect.
    pub is_suspect: bool,
    /// The number of chunks that the store had of the row when its document was read; `None` if it was not read.
    pub chunks: Option<usize>,
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
pub fn index<E: QueueError>(row: &dyn Row<Error = E>) -> Result<usize, E> {
    Ok(usize::try_from(row.get::<i64>(1)? - 1).unwrap_or_default())
}

/// Returns the indexes of the claims that still hold, and locks their work rows. Another worker may have
/// claimed a row after its lease expired.
///
/// Every transaction that settles or deletes something calls this first; its locks keep the result true.
pub fn held<C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: &[&Claimed],
) -> Result<Vec<usize>, C::Error> {
    let keys = v.keys(claims.iter().map(|c| &c.key));
    let leases: Vec<i64> = claims.iter().map(|c| c.lease).collect();
    let mut args = keys.params();
    args.push(Param::Int8s(&leases));
    connection.query(&v.statement("held", work::held), &args, index)
}

/// Locks the source rows of the claims with these indexes, without waiting.
pub fn lock_rows<S: Session>(
    session: &mut S,
    v: &Definition,
    claims: &[&Claimed],
    indexes: Vec<usize>,
) -> Result<SourceRows, S::Error> {
    let (here, others) = part(session, v, &v.statement("lock", source::lock), claims, indexes)?;
    if !others.is_empty() && !partitions::are_known(session, v)? {
        return Ok(SourceRows { here, busy: others, gone: Vec::new() });
    }
    let (busy, gone) = present(session, v, claims, others)?;
    Ok(SourceRows { here, busy, gone })
}

/// Splits these indexes into those of claims whose source rows exist, and the others.
pub fn present<C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: &[&Claimed],
    indexes: Vec<usize>,
) -> Result<(Vec<usize>, Vec<usize>), C::Error> {
    part(connection, v, &v.statement("present", source::present), claims, indexes)
}

/// Splits indexes of claims into those whose key the statement returns, and the others.
fn part<C: Connection>(
    connection: &mut C,
    v: &Definition,
    statement: &str,
    claims: &[&Claimed],
    indexes: Vec<usize>,
) -> Result<(Vec<usize>, Vec<usize>), C::Error> {
    if indexes.is_empty() {
        return Ok((indexes, Vec::new()));
    }
    let keys = v.keys(indexes.iter().map(|at| &claims[*at].key));
    let named: HashSet<usize> = connection.query(statement, &keys.params(), index)?.into_iter().collect();

    let (yes, no): (Vec<_>, Vec<_>) = indexes.into_iter().enumerate().partition(|(i, _)| named.contains(i));
    let indexes = |of: Vec<(usize, usize)>| of.into_iter().map(|(_, at)| at).collect();
    Ok((indexes(yes), indexes(no)))
}

/// Removes rows from the failed queue.
pub fn forget_failed<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<(), C::Error> {
    let keys = v.keys(claims.map(|c| &c.key));
    connection.execute(&v.statement("forget failed", work::forget_failed), &keys.params()).map(drop)
}

/// Removes the work rows that have not changed since they were claimed. Returns their number.
fn settle<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<u64, C::Error> {
    execute_for(connection, v, &v.statement("settle", work::settle), claims, |claim| claim.generation)
}

/// Removes the work rows of claims that are done, and releases those that have changed since they were claimed, with those
/// of `again`. Returns whether any were released. The claims must hold.
pub fn settle_or_release<C: Connection>(
    connection: &mut C,
    v: &Definition,
    done: &[&Claimed],
    again: &[&Claimed],
) -> Result<bool, C::Error> {
    let settled = settle(connection, v, done.iter().copied())?;
    if settled == done.len() as u64 && again.is_empty() {
        return Ok(false);
    }
    release(connection, v, done.iter().chain(again).copied())?;
    Ok(true)
}

/// Releases the work rows that `settle` or `postpone` left because they changed since the claim: they are due
/// at once.
pub fn release<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<(), C::Error> {
    execute_for(connection, v, &work::release(v), claims, |claim| claim.lease).map(drop)
}

/// Runs a statement whose parameters are the claims' keys and a number of each claim. Returns the number of rows that it
/// touched.
fn execute_for<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    statement: &str,
    claims: impl Iterator<Item = &'a Claimed>,
    number: impl Fn(&Claimed) -> i64,
) -> Result<u64, C::Error> {
    let claims: Vec<&Claimed> = claims.collect();
    let keys = v.keys(claims.iter().map(|c| &c.key));
    let numbers: Vec<i64> = claims.iter().map(|c| number(c)).collect();
    let mut args = keys.params();
    args.push(Param::Int8s(&numbers));
    connection.execute(statement, &args)
}

/// Reschedules rows that have not changed since they were claimed, each after its pause and with its number
/// of attempts. Rows that changed are released.
pub fn postpone<C: Connection>(
    connection: &mut C,
    v: &Definition,
    rows: &[(&Claimed, Duration, i32)],
) -> Result<(), C::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let millis = |pause: &Duration| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    let keys = v.keys(rows.iter().map(|(claim, ..)| &claim.key));
    let leases: Vec<i64> = rows.iter().map(|(claim, ..)| claim.lease).collect();
    let generations: Vec<i64> = rows.iter().map(|(claim, ..)| claim.generation).collect();
    let delays: Vec<i64> = rows.iter().map(|(_, pause, _)| millis(pause)).collect();
    let attempts: Vec<i32> = rows.iter().map(|(.., attempts)| *attempts).collect();

    let mut args = keys.params();
    args.extend([Param::Int8s(&leases), Param::Int8s(&generations), Param::Int8s(&delays)]);
    args.push(Param::Int4s(&attempts));
    connection.execute(&work::postpone(v), &args)?;

    release(connection, v, rows.iter().map(|(claim, ..)| *claim))
}

/// Has rows that have not changed since they were claimed wait until a time in microseconds since 1970, which is that of their
/// batch. Rows that changed are released.
pub fn wait<C: Connection>(
    connection: &mut C,
    v: &Definition,
    rows: &[(&Claimed, i64)],
) -> Result<(), C::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let keys = v.keys(rows.iter().map(|(claim, _)| &claim.key));
    let leases: Vec<i64> = rows.iter().map(|(claim, _)| claim.lease).collect();
    let generations: Vec<i64> = rows.iter().map(|(claim, _)| claim.generation).collect();
    let untils: Vec<i64> = rows.iter().map(|(_, until)| *until).collect();

    let mut args = keys.params();
    args.extend([Param::Int8s(&leases), Param::Int8s(&generations), Param::Int8s(&untils)]);
    connection.execute(&work::wait(v), &args)?;

    release(connection, v, rows.iter().map(|(claim, _)| *claim))
}

/// Makes the rows due that wait for the batch with this time, in a transaction of its own. Returns whether rows are left that may
/// need what it has brought.
pub fn end_wait<S: Session>(session: &mut S, v: &Definition, until: i64) -> Result<bool, S::Error> {
    let args = [Param::Int8(until)];
    session.transaction(|s| {
        s.as_owner(|s| {
            s.execute(&work::end_wait(v), &args)?;
            let needed = s.query(&work::may_need(v), &args, |row| row.get::<bool>(1))?;
            Ok(needed.into_iter().any(|needed| needed))
        })
    })
}

/// Makes the rows due that wait for a batch that is not among those with these times, in a transaction of its own.
pub fn end_stray_waits<S: Session>(session: &mut S, v: &Definition, times: &[i64]) -> Result<(), S::Error> {
    let args = [Param::Int8s(times)];
    session.transaction(|s| s.as_owner(|s| s.execute(&work::end_stray_waits(v), &args).map(drop)))
}

/// Returns the indexes of the claims of rows that were enqueued in transactions of these times, in microseconds since 1970, and
/// have not changed since.
pub fn unchanged_since<C: Connection>(
    connection: &mut C,
    v: &Definition,
    claims: &[&Claimed],
    times: &[i64],
) -> Result<Vec<usize>, C::Error> {
    let keys = v.keys(claims.iter().map(|claim| &claim.key));
    let leases: Vec<i64> = claims.iter().map(|claim| claim.lease).collect();
    let mut args = keys.params();
    args.extend([Param::Int8s(&leases), Param::Int8s(times)]);
    connection.query(&work::unchanged_since(v), &args, index)
}

/// Prolongs the leases of rows to this duration from now, in a transaction of its own. Rows whose lease is no
/// longer the claim's are left alone.
pub fn renew<S: Session>(
    session: &mut S,
    v: &Definition,
    held: &[&Claimed],
    duration: Duration,
) -> Result<(), S::Error> {
    if held.is_empty() {
        return Ok(());
    }
    let keys = v.keys(held.iter().map(|claimed| &claimed.key));
    let leases: Vec<i64> = held.iter().map(|claimed| claimed.lease).collect();
    let mut args = keys.params();
    args.push(Param::Int8s(&leases));
    args.push(Param::Float8(duration.as_secs_f64()));
    session.transaction(|s| s.as_owner(|s| s.execute(&work::renew(v), &args).map(drop)))
}

/// Makes rows due that were postponed through no fault of their own, in a transaction of its own.
pub fn resume<S: Session>(session: &mut S, v: &Definition) -> Result<(), S::Error> {
    session.transaction(|s| s.as_owner(|s| s.execute(&work::resume(v), &[]).map(drop)))
}
