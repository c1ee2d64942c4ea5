//! Writes documents to a column of the source: one vector for each row, NULL where there is no text.
//!
//! Unlike a store's, these statements change the user's own rows. The owner's triggers fire for them, with
//! the owner's search path. The vectorizer's own trigger is told that the worker is writing
//! ([`Session::writing_vectors`]), so that it does not enqueue rows because they were embedded.

use std::collections::HashSet;

use pgai_rs_pipeline::document::{Chunk, Digest, digest};

use crate::definition::Definition;
use crate::key::KeyValues;
use crate::outcome::{Attempt, Outcome};
use crate::provenance::{self, Memory};
use crate::session::{Connection, Param, Session};
use crate::sql::column;
use crate::work::index;

/// The largest number of vectors in one statement. It is limited because Postgres copies them.
const UPDATE_ROWS: usize = 2048;

/// Writes the vectors that changed to a column. The caller holds locks on the source rows.
pub fn write<'a, 'b, S: Session>(
    session: &mut S,
    v: &Definition,
    column: &str,
    results: Vec<&'a Outcome<'b>>,
) -> Result<Attempt<'a, 'b>, S::Error> {
    let attempt = split_conflicted(session, v, column, results)?;
    let whole = &attempt.written;
    session.writing_vectors(|s| {
        s.with_own_search_path(|s| {
            clear(s, v, column, whole)?;
            fill(s, v, column, whole)
        })
    })?;

    let memories = whole.iter().map(|r| (&r.claim, Memory::of_input(r.done, embedded(r))));
    provenance::remember(session, v, memories)?;
    Ok(attempt)
}

/// Returns the digest of the text that a row's vector was made from, or `None` if the row has no text.
fn embedded(result: &Outcome<'_>) -> Option<Digest> {
    result.done.chunks.first().map(|chunk| match chunk {
        Chunk::Kept(existing) => existing.digest,
        Chunk::New { text, .. } => digest(text),
    })
}

/// Separates the documents whose kept vector was removed since the claim.
fn split_conflicted<'a, 'b, C: Connection>(
    connection: &mut C,
    v: &Definition,
    column: &str,
    results: Vec<&'a Outcome<'b>>,
) -> Result<Attempt<'a, 'b>, C::Error> {
    let stays = |result: &Outcome<'_>| matches!(result.done.chunks.first(), Some(Chunk::Kept(_)));
    let (kept, mut written): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| stays(result));
    if kept.is_empty() {
        return Ok(Attempt { written, conflicted: Vec::new() });
    }
    let keys = v.keys(kept.iter().map(|result| &result.claim.key));
    let filled = connection.query(&column::filled(v, column), &keys.params(), index)?;
    let filled: HashSet<usize> = filled.into_iter().collect();

    let mut conflicted = Vec::new();
    for (index, result) in kept.into_iter().enumerate() {
        if filled.contains(&index) {
            written.push(result);
        } else {
            conflicted.push(result);
        }
    }
    Ok(Attempt { written, conflicted })
}

fn clear<C: Connection>(
    connection: &mut C,
    v: &Definition,
    column: &str,
    results: &[&Outcome<'_>],
) -> Result<(), C::Error> {
    let empty: Vec<_> = results.iter().filter(|result| result.done.chunks.is_empty()).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let keys = v.keys(empty.iter().map(|result| &result.claim.key));
    connection.execute(&column::clear(v, column), &keys.params()).map(drop)
}

fn fill<C: Connection>(
    connection: &mut C,
    v: &Definition,
    column: &str,
    results: &[&Outcome<'_>],
) -> Result<(), C::Error> {
    let new: Vec<(&KeyValues, &[f32])> = results
        .iter()
        .filter_map(|result| match result.done.chunks.first()? {
            Chunk::New { embedding, .. } => Some((&result.claim.key, embedding.as_slice())),
            Chunk::Kept(_) => None,
        })
        .collect();
    let statement = column::fill(v, column);
    for part in new.chunks(UPDATE_ROWS) {
        let keys = v.keys(part.iter().map(|(key, _)| *key));
        let vectors: Vec<&[f32]> = part.iter().map(|(_, vector)| *vector).collect();
        let mut args = keys.params();
        args.push(Param::Vectors(&vectors));
        connection.execute(&statement, &args)?;
    }
    Ok(())
}
