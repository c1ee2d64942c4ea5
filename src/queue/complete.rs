//! The second transaction of documents that were embedded: it locks the source rows, replaces the chunks that
//! changed, and settles the work rows.
//!
//! Chunks are only written under a lock on their source row. A user who deletes the row or changes its key
//! holds such a lock, too. The worker takes its locks without waiting, so that the two cannot deadlock.

use pgai_rs_pipeline::document::{Chunk, Ticket};

use super::active::Active;
use super::definition::{Definition, Target};
use super::outcome::Outcome;
use super::work::{Claimed, forget_failed, held, lock_rows, release, settle};
use super::{column, gone, store};
use crate::pg::error::PgError;
use crate::pg::transaction::transaction;
use crate::pg::turn;

/// The number of new chunks that fit into one turn of an owner; a batch of more gets proportionally more
/// time. The store's indexes take a while for each chunk.
const CHUNKS_OF_A_TURN: usize = 500;

/// Writes documents of a vectorizer in one transaction. Returns the tickets of those that could not be
/// written because their source rows are locked.
pub fn complete(active: &Active, mut results: Vec<Outcome<'_>>) -> Result<Vec<Ticket>, PgError> {
    results.sort_by(|a, b| a.claim.key.0.cmp(&b.claim.key.0));
    let chunks =
        results.iter().flat_map(|r| &r.done.chunks).filter(|c| matches!(c, Chunk::New { .. })).count();
    let times = u32::try_from(chunks.div_ceil(CHUNKS_OF_A_TURN)).unwrap_or(u32::MAX);

    turn::allowing(times, || {
        transaction(|| {
            active.as_owner(|| {
                let busy = write(&active.definition, &results)?;
                active.require_unchanged()?;
                Ok(busy)
            })
        })
    })
}

fn write(v: &Definition, results: &[Outcome<'_>]) -> Result<Vec<Ticket>, PgError> {
    let claims: Vec<&Claimed> = results.iter().map(|r| &r.claim).collect();
    let held = held(v, &claims)?;
    let rows = lock_rows(v, &claims, held)?;
    gone::delete_and_settle(v, rows.gone.iter().map(|at| claims[*at]))?;
    write_chunks(v, rows.here.iter().map(|at| &results[*at]).collect())?;

    Ok(rows.busy.iter().map(|at| results[*at].done.ticket).collect())
}

fn write_chunks(v: &Definition, results: Vec<&Outcome<'_>>) -> Result<(), PgError> {
    if results.is_empty() {
        return Ok(());
    }
    let attempt = match &v.target {
        Target::Store(store) => store::write(v, store, results)?,
        Target::Column(column) => column::write(v, column, results)?,
    };

    let written = || attempt.written.iter().map(|r| &r.claim);
    forget_failed(v, written())?;
    settle(v, written())?;
    release(v, written().chain(attempt.conflicted.iter().map(|r| &r.claim)))
}
