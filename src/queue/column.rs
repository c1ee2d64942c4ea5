//! Writes documents to a column of the source: one vector for each row, NULL where there is no text.
//!
//! Unlike a store's, these statements change the user's own rows. The owner's triggers fire for them, with
//! the owner's search path. The vectorizer's own trigger is told that the worker is writing
//! ([`trigger::embedding`]), so that it does not enqueue rows because they were embedded.

use std::collections::HashSet;

use pgai_rs_pipeline::document::{Chunk, Digest, digest};

use super::claim::place;
use super::complete::{Outcome, WholeAndRobbed};
use super::origin::{self, Memory};
use super::served::Served;
use super::trigger;
use crate::catalog::destination::vector_type;
use crate::catalog::key::KeyValues;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::with_own_search_path;
use crate::pg::memory::freed_after;
use crate::pg::sql::{execute, ident, query};
use crate::vector;

/// The largest number of vectors in one statement. It is limited because Postgres copies them.
const UPDATE_ROWS: usize = 2048;

/// The statements for a column of the source. They take keys as parameters; "then" names the parameters after
/// them. `ord` is a key's position, from 1.
#[derive(Debug)]
pub struct ColumnStatements {
    /// Returns the vectors that keys have, in the shape of a store's chunks: `ord`, the nil UUID, 0, digest.
    pub existing: String,
    /// Returns `ord` of the keys that have a vector.
    filled: String,
    /// Writes vectors of keys. Then `embedding vector`.
    fill: String,
    /// Removes the vectors of keys.
    clear: String,
}

impl ColumnStatements {
    /// Writes the statements for the column of a vectorizer's source.
    pub fn new(v: &Vectorizer) -> Result<ColumnStatements, PgError> {
        let (key, given, source) = (&v.key, v.key.given(&[]), v.source.qualified());
        let (_, column) = v.vectors();
        let (column, same) = (ident(column), key.same_given("s"));
        Ok(ColumnStatements {
            existing: format!(
                "SELECT k.ord, '00000000-0000-0000-0000-000000000000'::uuid, 0, o.{}
                 FROM {given} k JOIN {} o ON {} JOIN {source} s ON {same} WHERE s.{column} IS NOT NULL",
                v.own.name("digest"),
                v.queue.origin,
                key.same_given("o"),
            ),
            filled: format!(
                "SELECT k.ord FROM {given} k JOIN {source} s ON {same} WHERE s.{column} IS NOT NULL"
            ),
            fill: format!(
                "UPDATE {source} s SET {column} = k.embedding FROM {} k WHERE {same}",
                key.given(&[("embedding", &vector_type()?)]),
            ),
            clear: format!(
                "UPDATE {source} s SET {column} = NULL FROM {given} k WHERE {same} AND s.{column} IS NOT NULL"
            ),
        })
    }
}

/// Writes the vectors that changed. The caller holds locks on the source rows.
pub fn write<'a, 'b>(
    served: &Served,
    statements: &ColumnStatements,
    results: Vec<&'a Outcome<'b>>,
) -> Result<WholeAndRobbed<'a, 'b>, PgError> {
    let (whole, robbed) = split_robbed(served, statements, results)?;
    trigger::embedding(served.vectorizer.source.oid, || {
        with_own_search_path(|| {
            clear(served, statements, &whole)?;
            fill(served, statements, &whole)
        })
    })?;
    let memory = |result: &Outcome<'_>| Memory::of_input(result.done.provenance.as_ref(), embedded(result));
    origin::remember(served, whole.iter().map(|result| (&result.claim, memory(result))))?;
    Ok((whole, robbed))
}

/// Returns the digest of the text that a row's vector was made from, or `None` if the row has no text.
fn embedded(result: &Outcome<'_>) -> Option<Digest> {
    result.done.chunks.first().map(|chunk| match chunk {
        Chunk::Kept(existing) => existing.digest,
        Chunk::New { text, .. } => digest(text),
    })
}

/// Separates the documents whose kept vector was removed since the claim: they are retried.
fn split_robbed<'a, 'b>(
    served: &Served,
    statements: &ColumnStatements,
    results: Vec<&'a Outcome<'b>>,
) -> Result<WholeAndRobbed<'a, 'b>, PgError> {
    let stays = |result: &Outcome<'_>| matches!(result.done.chunks.first(), Some(Chunk::Kept(_)));
    let (kept, others): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| stays(result));
    if kept.is_empty() {
        return Ok((others, kept));
    }
    let keys = served.keys(kept.iter().map(|result| &result.claim.key));
    let filled: HashSet<usize> = query(&statements.filled, &keys, place)?.into_iter().collect();
    let (there, robbed): (Vec<_>, Vec<_>) =
        kept.into_iter().enumerate().partition(|(place, _)| filled.contains(place));
    let results = |of: Vec<(usize, &'a Outcome<'b>)>| of.into_iter().map(|(_, result)| result);
    Ok((others.into_iter().chain(results(there)).collect(), results(robbed).collect()))
}

fn clear(served: &Served, statements: &ColumnStatements, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let empty: Vec<_> = results.iter().filter(|result| result.done.chunks.is_empty()).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let keys = served.keys(empty.iter().map(|result| &result.claim.key));
    execute(&statements.clear, &keys).map(drop)
}

fn fill(served: &Served, statements: &ColumnStatements, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let new: Vec<(&KeyValues, &[f32])> = results
        .iter()
        .filter_map(|result| match result.done.chunks.first()? {
            Chunk::New { embedding, .. } => Some((&result.claim.key, embedding.as_slice())),
            Chunk::Kept(_) => None,
        })
        .collect();
    for part in new.chunks(UPDATE_ROWS) {
        let update = || {
            let mut args = served.keys(part.iter().map(|(key, _)| *key));
            args.push(vector::array(part.iter().map(|(_, vector)| *vector))?);
            execute(&statements.fill, &args).map(drop)
        };
        // SAFETY: an error holds Rust's strings only.
        unsafe { freed_after(update) }?;
    }
    Ok(())
}
