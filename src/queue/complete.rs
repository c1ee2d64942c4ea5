//! The second transaction of documents that were embedded: it locks the source rows, replaces the chunks that
//! changed, and settles the work rows.
//!
//! Chunks are only written under a lock on their source row. A user who deletes the row or changes its key
//! holds such a lock, too. The worker takes its locks without waiting, so that the two cannot deadlock.

use std::collections::HashSet;
use std::time::Duration;

use pgai_rs_pipeline::document::{Chunk, Completed, Ticket};

use super::claim::{Claimed, place};
use super::served::Served;
use super::spi::SpiQueue;
use super::statements::Written;
use super::{column, gone, store};
use crate::pg::error::PgError;
use crate::pg::sql::{execute, query};
use crate::pg::transaction::transaction;
use crate::pg::turn;

/// The number of new chunks that fit into one turn of an owner; a batch of more gets proportionally more
/// time. The store's indexes take a while for each chunk.
const CHUNKS_OF_A_TURN: usize = 500;

/// A document with the claim under which it was processed.
pub struct Outcome<'a> {
    /// The result of processing.
    pub done: &'a Completed,
    /// The claim.
    pub claim: Claimed,
}

/// `(written, conflicted)`: a document conflicts if a chunk that it was to keep was deleted since the claim;
/// it is retried.
pub type WholeAndRobbed<'a, 'b> = (Vec<&'a Outcome<'b>>, Vec<&'a Outcome<'b>>);

/// Writes documents of the vectorizer `id` in one transaction. Returns the tickets of those that could not be
/// written because their source rows are locked.
pub fn complete(queue: &SpiQueue, id: i32, done: &[Completed]) -> Result<Vec<Ticket>, PgError> {
    let Some(served) = queue.served(id) else { return Ok(Vec::new()) };
    let known =
        done.iter().filter_map(|d| Some(Outcome { done: d, claim: queue.claimed(d.ticket)?.clone() }));
    let mut results: Vec<Outcome<'_>> = known.collect();
    results.sort_by(|a, b| a.claim.key.0.cmp(&b.claim.key.0));
    let chunks =
        results.iter().flat_map(|r| &r.done.chunks).filter(|c| matches!(c, Chunk::New { .. })).count();
    let times = u32::try_from(chunks.div_ceil(CHUNKS_OF_A_TURN)).unwrap_or(u32::MAX);
    turn::allowing(times, || transaction(|| served.as_owner(|| write(served, &results))))
}

fn write(served: &Served, results: &[Outcome<'_>]) -> Result<Vec<Ticket>, PgError> {
    let claims: Vec<&Claimed> = results.iter().map(|r| &r.claim).collect();
    let held = held(served, &claims)?;
    let rows = lock_rows(served, &claims, held)?;
    gone::delete_and_settle(served, rows.gone.iter().map(|place| claims[*place]))?;
    write_chunks(served, rows.here.iter().map(|place| &results[*place]).collect())?;
    served.require_unchanged()?;
    Ok(rows.busy.iter().map(|place| results[*place].done.ticket).collect())
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

/// Locks the source rows of the claims with the indexes `places`, without waiting.
pub fn lock_rows(served: &Served, claims: &[&Claimed], places: Vec<usize>) -> Result<SourceRows, PgError> {
    let (here, others) = part(served, &served.statements.lock, claims, places)?;
    if !others.is_empty() && !gone::can_be_told(served)? {
        return Ok(SourceRows { here, busy: others, gone: Vec::new() });
    }
    let (busy, gone) = part(served, &served.statements.present, claims, others)?;
    Ok(SourceRows { here, busy, gone })
}

/// Splits `places` into those whose key the statement returns, and the others.
pub fn part(
    served: &Served,
    statement: &str,
    claims: &[&Claimed],
    places: Vec<usize>,
) -> Result<(Vec<usize>, Vec<usize>), PgError> {
    if places.is_empty() {
        return Ok((places, Vec::new()));
    }
    let keys = served.keys(places.iter().map(|at| &claims[*at].key));
    let named: HashSet<usize> = query(statement, &keys, place)?.into_iter().collect();
    let (yes, no): (Vec<_>, Vec<_>) = places.into_iter().enumerate().partition(|(i, _)| named.contains(i));
    let places = |of: Vec<(usize, usize)>| of.into_iter().map(|(_, at)| at).collect();
    Ok((places(yes), places(no)))
}

/// Returns the indexes of the claims that still hold, and locks their work rows. Another worker may have
/// claimed a row after its lease expired.
///
/// Every transaction that settles or deletes something calls this first; its locks keep the result true.
pub fn held(served: &Served, claims: &[&Claimed]) -> Result<Vec<usize>, PgError> {
    let mut args = served.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.lease).collect::<Vec<_>>().into());
    query(&served.statements.held, &args, place)
}

fn write_chunks(served: &Served, results: Vec<&Outcome<'_>>) -> Result<(), PgError> {
    if results.is_empty() {
        return Ok(());
    }
    let (whole, robbed) = match &served.statements.written {
        Written::Store(statements) => store::write(served, statements, results)?,
        Written::Column(statements) => column::write(served, statements, results)?,
    };
    forget_failed(served, whole.iter().map(|r| &r.claim))?;
    settle(served, whole.iter().map(|r| &r.claim))?;
    give_back(served, whole.iter().chain(&robbed).map(|r| &r.claim))
}

/// Removes rows from the failed queue.
pub fn forget_failed<'a>(served: &Served, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    execute(&served.statements.forget_failed, &served.keys(claims.map(|c| &c.key))).map(drop)
}

/// Removes the work rows that have not changed since they were claimed.
pub fn settle<'a>(served: &Served, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    let mut args = served.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.generation).collect::<Vec<_>>().into());
    execute(&served.statements.settle, &args).map(drop)
}

/// Releases the work rows that `settle` or `postpone` left because they changed since the claim: they are due
/// at once.
pub fn give_back<'a>(served: &Served, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    let mut args = served.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.lease).collect::<Vec<_>>().into());
    execute(&served.statements.give_back, &args).map(drop)
}

/// Reschedules rows that have not changed since they were claimed, each after its pause and with its number
/// of attempts. Rows that changed are released.
pub fn postpone(served: &Served, rows: &[(&Claimed, Duration, i32)]) -> Result<(), PgError> {
    if rows.is_empty() {
        return Ok(());
    }
    let delays = rows.iter().map(|(_, pause, _)| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
    let mut args = served.keys(rows.iter().map(|(claim, ..)| &claim.key));
    args.push(rows.iter().map(|(claim, ..)| claim.lease).collect::<Vec<_>>().into());
    args.push(rows.iter().map(|(claim, ..)| claim.generation).collect::<Vec<_>>().into());
    args.push(delays.collect::<Vec<_>>().into());
    args.push(rows.iter().map(|(.., attempts)| *attempts).collect::<Vec<_>>().into());
    execute(&served.statements.postpone, &args)?;
    give_back(served, rows.iter().map(|(claim, ..)| *claim))
}
