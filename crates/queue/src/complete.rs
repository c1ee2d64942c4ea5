//! The second transaction of documents that were embedded: it locks the source rows, replaces the chunks that
//! changed, and settles the work rows.
//!
//! Chunks are only written under a lock on their source row. A user who deletes the row or changes its key
//! holds such a lock, too. The worker takes its locks without waiting, so that the two cannot deadlock.

use pgai_rs_pipeline::document::{Chunk, Ticket};

use crate::definition::{Definition, Target};
use crate::outcome::Outcome;
use crate::session::Session;
use crate::work::{Claimed, forget_failed, held, lock_rows, settle_or_release};
use crate::{column, gone, store, words};

/// The number of new chunks that fit into one turn of an owner; a batch of more gets proportionally more
/// time. The store's indexes take a while for each chunk.
const CHUNKS_OF_A_TURN: usize = 500;

/// The bytes of kept texts that fit into one turn of an owner: Postgres compresses them.
const TEXT_OF_A_TURN: usize = 4 << 20;

/// Returns the number of an owner's turns that writing these documents may take.
pub fn turns(results: &[Outcome<'_>]) -> u32 {
    let chunks = results.iter().flat_map(|r| &r.done.chunks);
    let new = chunks.filter(|c| matches!(c, Chunk::New { .. })).count();
    let text: usize = results.iter().map(|r| r.done.text.len()).sum();
    let turns = new.div_ceil(CHUNKS_OF_A_TURN) + text / TEXT_OF_A_TURN;
    u32::try_from(turns).unwrap_or(u32::MAX)
}

/// The documents that were offered to be written.
#[derive(Debug, Default)]
pub struct Written {
    /// The tickets of those that could not be written because their source rows are locked.
    pub busy: Vec<Ticket>,
    /// True if the rows of some are due again, because they have changed since they were claimed.
    pub released: bool,
}

/// Writes documents of a vectorizer in one transaction.
pub fn complete<S: Session>(
    session: &mut S,
    v: &Definition,
    mut results: Vec<Outcome<'_>>,
) -> Result<Written, S::Error> {
    results.sort_by(|a, b| a.claim.key.0.cmp(&b.claim.key.0));
    match write_in_transaction(session, v, &results) {
        // A dictionary can make many words of one. Of several documents, the one at fault is found first.
        Err(error) if v.words.is_some() && results.len() == 1 && words::is_of_too_many(&error) => {
            write_in_transaction(session, &v.without_words(), &results)
        }
        written => written,
    }
}

fn write_in_transaction<S: Session>(
    session: &mut S,
    v: &Definition,
    results: &[Outcome<'_>],
) -> Result<Written, S::Error> {
    session.transaction(|s| s.as_owner_unchanged(|s| write(s, v, results)))
}

fn write<S: Session>(session: &mut S, v: &Definition, results: &[Outcome<'_>]) -> Result<Written, S::Error> {
    let claims: Vec<&Claimed> = results.iter().map(|r| &r.claim).collect();
    let held = held(session, v, &claims)?;
    let rows = lock_rows(session, v, &claims, held)?;
    let gone = gone::delete_and_settle(session, v, rows.gone.iter().map(|at| claims[*at]))?;
    let here = write_chunks(session, v, rows.here.iter().map(|at| &results[*at]).collect())?;

    let busy = rows.busy.iter().map(|at| results[*at].done.ticket).collect();
    Ok(Written { busy, released: gone || here })
}

/// Writes the chunks of documents and settles their rows. Returns whether rows were released.
fn write_chunks<S: Session>(
    session: &mut S,
    v: &Definition,
    results: Vec<&Outcome<'_>>,
) -> Result<bool, S::Error> {
    if results.is_empty() {
        return Ok(false);
    }
    let attempt = match &v.target {
        Target::Store(store) => store::write(session, v, store, results)?,
        Target::Column(column) => column::write(session, v, column, results)?,
    };

    let written: Vec<&Claimed> = attempt.written.iter().map(|result| &result.claim).collect();
    let conflicted: Vec<&Claimed> = attempt.conflicted.iter().map(|result| &result.claim).collect();
    forget_failed(session, v, written.iter().copied())?;
    settle_or_release(session, v, &written, &conflicted)
}
