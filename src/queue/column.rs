//! Writes documents to a column of the source: one vector for each row, NULL where there is no text.
//!
//! Unlike a store's, these statements change the user's own rows. The owner's triggers fire for them, with
//! the owner's search path. The vectorizer's own trigger is told that the worker is writing
//! ([`trigger::writing_vectors`]), so that it does not enqueue rows because they were embedded.

use std::collections::HashSet;

use pgai_rs_pipeline::document::{Chunk, Digest, digest};

use super::definition::Definition;
use super::outcome::{Attempt, Outcome};
use super::provenance::{self, Memory};
use super::sql::column;
use super::work::index;
use crate::catalog::key::KeyValues;
use crate::pg::error::PgError;
use crate::pg::identity::with_own_search_path;
use crate::pg::memory::freed_after;
use crate::pg::sql::{execute, query};
use crate::trigger;
use crate::vector;

/// The largest number of vectors in one statement. It is limited because Postgres copies them.
const UPDATE_ROWS: usize = 2048;

/// Writes the vectors that changed to a column. The caller holds locks on the source rows.
pub fn write<'a, 'b>(
    v: &Definition,
    column: &str,
    results: Vec<&'a Outcome<'b>>,
) -> Result<Attempt<'a, 'b>, PgError> {
    let attempt = split_conflicted(v, column, results)?;
    let whole = &attempt.written;
    trigger::writing_vectors(v.source_oid, || {
        with_own_search_path(|| {
            clear(v, column, whole)?;
            fill(v, column, whole)
        })
    })?;

    let memory = |result: &Outcome<'_>| Memory::of_input(result.done.provenance.as_ref(), embedded(result));
    provenance::remember(v, whole.iter().map(|result| (&result.claim, memory(result))))?;
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
fn split_conflicted<'a, 'b>(
    v: &Definition,
    column: &str,
    results: Vec<&'a Outcome<'b>>,
) -> Result<Attempt<'a, 'b>, PgError> {
    let stays = |result: &Outcome<'_>| matches!(result.done.chunks.first(), Some(Chunk::Kept(_)));
    let (kept, mut written): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| stays(result));
    if kept.is_empty() {
        return Ok(Attempt { written, conflicted: Vec::new() });
    }
    let keys = v.keys(kept.iter().map(|result| &result.claim.key));
    let filled: HashSet<usize> = query(&column::filled(v, column), &keys, index)?.into_iter().collect();

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

fn clear(v: &Definition, column: &str, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let empty: Vec<_> = results.iter().filter(|result| result.done.chunks.is_empty()).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let keys = v.keys(empty.iter().map(|result| &result.claim.key));
    execute(&column::clear(v, column), &keys).map(drop)
}

fn fill(v: &Definition, column: &str, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let new: Vec<(&KeyValues, &[f32])> = results
        .iter()
        .filter_map(|result| match result.done.chunks.first()? {
            Chunk::New { embedding, .. } => Some((&result.claim.key, embedding.as_slice())),
            Chunk::Kept(_) => None,
        })
        .collect();
    for part in new.chunks(UPDATE_ROWS) {
        let update = || {
            let mut args = v.keys(part.iter().map(|(key, _)| *key));
            args.push(vector::array(part.iter().map(|(_, vector)| *vector))?);
            execute(&column::fill(v, column), &args).map(drop)
        };
        // SAFETY: an error holds Rust's strings only.
        unsafe { freed_after(update) }?;
    }
    Ok(())
}
