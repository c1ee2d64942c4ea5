//! The second transaction of documents that went all the way: lock the source rows, replace the
//! chunks that changed, settle the work rows.
//!
//! The store is only ever written by who holds a lock on its source row: a user who deletes or
//! re-keys the row holds one too. The worker takes his without waiting, so that the two never wait
//! in a circle.

use std::collections::HashSet;

use pgrx::datum::Uuid;

use pgai_rs_pipeline::document::{Chunk, Completed, ExistingChunk, Ticket};

use super::spi::{place, Claimed, Served, SpiQueue};
use crate::catalog::key::KeyValues;
use crate::pg::error::PgError;
use crate::pg::memory::freed_after;
use crate::pg::sql::{execute, query};
use crate::pg::transaction::transaction;
use crate::vector;

/// Most chunks of one statement: Postgres copies them, and no array holds more than a gigabyte.
const INSERT_CHUNKS: usize = 2048;

/// A document, with the claim under which it travelled.
struct Outcome<'a> {
    done: &'a Completed,
    claim: Claimed,
}

/// Writes documents in one transaction; answers those whose rows are locked by somebody.
pub fn complete(queue: &SpiQueue, id: i32, done: &[Completed]) -> Result<Vec<Ticket>, PgError> {
    let Some(served) = queue.served(id) else { return Ok(Vec::new()) };
    let known =
        done.iter().filter_map(|d| Some(Outcome { done: d, claim: queue.claimed(d.ticket)?.clone() }));
    let mut results: Vec<Outcome<'_>> = known.collect();
    results.sort_by(|a, b| a.claim.key.0.cmp(&b.claim.key.0));
    transaction(|| served.as_owner(|| write(served, &results)))
}

fn write(served: &Served, results: &[Outcome<'_>]) -> Result<Vec<Ticket>, PgError> {
    let claims: Vec<&Claimed> = results.iter().map(|r| &r.claim).collect();
    let held = held(served, &claims)?;
    let rows = lock_rows(served, &claims, held)?;
    delete_and_settle(served, rows.gone.iter().map(|place| claims[*place]))?;
    write_chunks(served, rows.here.iter().map(|place| &results[*place]).collect())?;
    Ok(rows.busy.iter().map(|place| results[*place].done.ticket).collect())
}

/// The source rows of claims, by place.
pub struct SourceRows {
    /// They are there, and ours until the transaction ends.
    pub here: Vec<usize>,
    /// Somebody is changing or deleting them.
    pub busy: Vec<usize>,
    /// They are not there any more.
    pub gone: Vec<usize>,
}

/// Locks the source rows of those of the claims that `places` names, without waiting.
pub fn lock_rows(served: &Served, claims: &[&Claimed], places: Vec<usize>) -> Result<SourceRows, PgError> {
    let (here, others) = part(served, &served.statements.lock, claims, places)?;
    let (busy, gone) = part(served, &served.statements.present, claims, others)?;
    Ok(SourceRows { here, busy, gone })
}

/// Parts places by whether a statement names them.
fn part(
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

/// Which of the claims still hold: another may have taken the work over after the lease expired.
///
/// Whoever settles or deletes anything asks this first, and keeps the answer true by its locks.
pub fn held(served: &Served, claims: &[&Claimed]) -> Result<Vec<usize>, PgError> {
    let mut args = served.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.lease).collect::<Vec<_>>().into());
    query(&served.statements.held, &args, place)
}

fn write_chunks(served: &Served, results: Vec<&Outcome<'_>>) -> Result<(), PgError> {
    if results.is_empty() {
        return Ok(());
    }
    let (whole, robbed) = split_robbed(served, results)?;
    let kept = whole.iter().flat_map(|r| kept(r)).map(|(chunk, _)| Uuid::from_bytes(chunk.id)).collect();
    delete_chunks(served, whole.iter().map(|r| &r.claim), kept)?;
    move_kept(served, &whole)?;
    insert_new(served, &whole)?;
    remember_origins(served, &whole)?;
    forget_failed(served, whole.iter().map(|r| &r.claim))?;
    settle(served, whole.iter().map(|r| &r.claim))?;
    give_back(served, whole.iter().chain(&robbed).map(|r| &r.claim))
}

/// The kept chunks of a document, with the places that they are to have.
fn kept<'a>(result: &'a Outcome<'_>) -> impl Iterator<Item = (&'a ExistingChunk, i32)> {
    result.done.chunks.iter().enumerate().filter_map(|(seq, chunk)| match chunk {
        Chunk::Kept(existing) => Some((existing, seq as i32)),
        Chunk::New { .. } => None,
    })
}

/// Sets apart those of whose kept chunks somebody has taken one out of the store since the claim:
/// they run again.
fn split_robbed<'a, 'b>(
    served: &Served,
    results: Vec<&'a Outcome<'b>>,
) -> Result<(Vec<&'a Outcome<'b>>, Vec<&'a Outcome<'b>>), PgError> {
    let expected: Vec<Uuid> =
        results.iter().flat_map(|r| kept(r)).map(|(chunk, _)| Uuid::from_bytes(chunk.id)).collect();
    if expected.is_empty() {
        return Ok((results, Vec::new()));
    }
    let sql =
        format!("SELECT embedding_uuid FROM {} WHERE embedding_uuid = ANY ($1)", served.vectorizer.store);
    let there: HashSet<[u8; 16]> =
        query(&sql, &[expected.into()], |row| Ok(*row.get::<Uuid>(1)?.as_bytes()))?.into_iter().collect();
    Ok(results.into_iter().partition(|result| kept(result).all(|(chunk, _)| there.contains(&chunk.id))))
}

fn delete_chunks<'a>(
    served: &Served,
    claims: impl Iterator<Item = &'a Claimed>,
    kept: Vec<Uuid>,
) -> Result<(), PgError> {
    let mut args = served.keys(claims.map(|c| &c.key));
    args.push(kept.into());
    execute(&served.statements.delete_chunks, &args).map(drop)
}

/// Gives kept chunks their new places, in two steps for the sake of the unique constraint.
fn move_kept(served: &Served, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let moved: Vec<_> =
        results.iter().flat_map(|r| kept(r)).filter(|(chunk, seq)| chunk.seq != *seq).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let store = &served.vectorizer.store;
    for place in ["-1 - k.seq", "k.seq"] {
        let (ids, places): (Vec<_>, Vec<_>) =
            moved.iter().map(|(chunk, seq)| (Uuid::from_bytes(chunk.id), *seq)).unzip();
        execute(
            &format!(
                "UPDATE {store} s SET chunk_seq = {place}
                 FROM unnest($1::uuid[], $2::int4[]) AS k (id, seq) WHERE s.embedding_uuid = k.id"
            ),
            &[ids.into(), places.into()],
        )?;
    }
    Ok(())
}

/// A new chunk: its row's key, its place, its text and its vector.
type New<'a> = (&'a KeyValues, i32, &'a str, &'a [f32]);

fn insert_new(served: &Served, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let new: Vec<New<'_>> = results
        .iter()
        .flat_map(|result| {
            result.done.chunks.iter().zip(0..).map(|(chunk, seq)| (&result.claim.key, seq, chunk))
        })
        .filter_map(|(key, seq, chunk)| match chunk {
            Chunk::New { text, embedding } => Some((key, seq, text.as_str(), embedding.as_slice())),
            Chunk::Kept(_) => None,
        })
        .collect();
    for part in new.chunks(INSERT_CHUNKS) {
        // SAFETY: an error holds Rust's strings only.
        unsafe { freed_after(|| insert(served, part)) }?;
    }
    Ok(())
}

fn insert(served: &Served, new: &[New<'_>]) -> Result<(), PgError> {
    let mut args = served.keys(new.iter().map(|(key, ..)| *key));
    args.push(new.iter().map(|(_, seq, ..)| *seq).collect::<Vec<i32>>().into());
    args.push(new.iter().map(|(_, _, text, _)| *text).collect::<Vec<_>>().into());
    args.push(vector::array(new.iter().map(|(.., embedding)| vector::datum(embedding)).collect())?);
    execute(&served.statements.insert_chunks, &args).map(drop)
}

/// Keeps what the chunks were made of for the next time.
fn remember_origins(served: &Served, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let Some(statements) = &served.statements.origin else { return Ok(()) };
    let known = |result: &&&Outcome<'_>| result.done.origin.is_some();
    forget_origins(served, results.iter().filter(|result| !known(result)).map(|result| &result.claim))?;
    let known: Vec<_> = results.iter().filter(known).collect();
    if known.is_empty() {
        return Ok(());
    }
    let origins = || known.iter().filter_map(|result| result.done.origin.as_ref());
    let mut args = served.keys(known.iter().map(|result| &result.claim.key));
    args.push(origins().map(|origin| origin.etag.clone()).collect::<Vec<_>>().into());
    args.push(origins().map(|origin| origin.fingerprint.to_vec()).collect::<Vec<_>>().into());
    execute(&statements.remember, &args).map(drop)
}

fn forget_origins<'a>(served: &Served, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    let Some(statements) = &served.statements.origin else { return Ok(()) };
    let mut keys = claims.map(|claim| &claim.key).peekable();
    if keys.peek().is_none() {
        return Ok(());
    }
    execute(&statements.forget, &served.keys(keys)).map(drop)
}

/// Forgets that rows were set aside.
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

/// What `settle` or a postponement left behind has changed since it was claimed: it runs again.
pub fn give_back<'a>(served: &Served, claims: impl Iterator<Item = &'a Claimed>) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    let mut args = served.keys(claims.iter().map(|c| &c.key));
    args.push(claims.iter().map(|c| c.lease).collect::<Vec<_>>().into());
    execute(&served.statements.give_back, &args).map(drop)
}

/// The source row is gone. Its trigger has removed the chunks, but for what no trigger sees: rows
/// that went with a partition, or under session_replication_role = replica.
pub fn delete_and_settle<'a>(
    served: &Served,
    claims: impl Iterator<Item = &'a Claimed>,
) -> Result<(), PgError> {
    let claims: Vec<&Claimed> = claims.collect();
    if claims.is_empty() {
        return Ok(());
    }
    delete_chunks(served, claims.iter().copied(), Vec::new())?;
    forget_origins(served, claims.iter().copied())?;
    forget_failed(served, claims.iter().copied())?;
    settle(served, claims.iter().copied())?;
    give_back(served, claims.into_iter())
}

/// Settles rows that were gone already when they were claimed.
pub fn settle_gone(served: &Served, claims: &[Claimed]) -> Result<(), PgError> {
    if claims.is_empty() {
        return Ok(());
    }
    let claims: Vec<&Claimed> = claims.iter().collect();
    transaction(|| {
        served.as_owner(|| {
            let held = held(served, &claims)?;
            delete_and_settle(served, held.into_iter().map(|place| claims[place]))
        })
    })
}
