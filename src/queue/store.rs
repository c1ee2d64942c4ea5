//! Writes documents to a store: only the chunks that changed.
//!
//! The owner's triggers on the store and the functions of its indexes run with the owner's search path.

use std::collections::HashSet;

use pgrx::datum::Uuid;

use pgai_rs_pipeline::document::{Chunk, ExistingChunk};

use super::definition::Definition;
use super::outcome::{Attempt, Outcome};
use super::provenance::{self, Memory};
use super::sql::store;
use super::work::Claimed;
use crate::catalog::key::KeyValues;
use crate::pg::error::PgError;
use crate::pg::identity::with_own_search_path;
use crate::pg::memory::freed_after;
use crate::pg::sql::{execute, query};
use crate::vector;

/// The largest number of chunks in one statement. It is limited because Postgres copies them, and no array
/// holds more than a gigabyte.
const INSERT_CHUNKS: usize = 2048;

/// Replaces the chunks that changed in a store. The caller holds locks on the source rows.
pub fn write<'a, 'b>(
    v: &Definition,
    store: &str,
    results: Vec<&'a Outcome<'b>>,
) -> Result<Attempt<'a, 'b>, PgError> {
    let attempt = split_conflicted(store, results)?;
    let whole = &attempt.written;
    let kept = whole.iter().flat_map(|r| kept(r)).map(|(chunk, _)| Uuid::from_bytes(chunk.id)).collect();
    with_own_search_path(|| {
        delete_chunks(v, store, whole.iter().map(|r| &r.claim), kept)?;
        move_kept(store, whole)?;
        insert_new(v, store, whole)
    })?;

    let memories = whole.iter().map(|r| (&r.claim, Memory::of_object(r.done.provenance.as_ref())));
    provenance::remember(v, memories)?;
    Ok(attempt)
}

/// Returns the kept chunks of a document, with their new seq.
fn kept<'a>(result: &'a Outcome<'_>) -> impl Iterator<Item = (&'a ExistingChunk, i32)> {
    result.done.chunks.iter().enumerate().filter_map(|(seq, chunk)| match chunk {
        Chunk::Kept(existing) => Some((existing, seq as i32)),
        Chunk::New { .. } => None,
    })
}

/// Separates the documents of which a kept chunk was deleted from the store since the claim.
fn split_conflicted<'a, 'b>(store: &str, results: Vec<&'a Outcome<'b>>) -> Result<Attempt<'a, 'b>, PgError> {
    let expected: Vec<Uuid> =
        results.iter().flat_map(|r| kept(r)).map(|(chunk, _)| Uuid::from_bytes(chunk.id)).collect();
    if expected.is_empty() {
        return Ok(Attempt { written: results, conflicted: Vec::new() });
    }
    let there = query(&store::there(store), &[expected.into()], |row| Ok(*row.get::<Uuid>(1)?.as_bytes()))?;
    let there: HashSet<[u8; 16]> = there.into_iter().collect();

    let (written, conflicted) =
        results.into_iter().partition(|result| kept(result).all(|(chunk, _)| there.contains(&chunk.id)));
    Ok(Attempt { written, conflicted })
}

/// Deletes the chunks of rows except the kept ones. It must be called with the owner's search path.
pub fn delete_chunks<'a>(
    v: &Definition,
    store: &str,
    claims: impl Iterator<Item = &'a Claimed>,
    kept: Vec<Uuid>,
) -> Result<(), PgError> {
    let mut args = v.keys(claims.map(|c| &c.key));
    args.push(kept.into());
    execute(&store::delete_chunks(v, store), &args).map(drop)
}

/// Gives kept chunks their new seq, in two steps because of the unique constraint.
fn move_kept(store: &str, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let moved: Vec<_> =
        results.iter().flat_map(|r| kept(r)).filter(|(chunk, seq)| chunk.seq != *seq).collect();
    if moved.is_empty() {
        return Ok(());
    }
    for statement in [store::move_aside(store), store::renumber(store)] {
        let (ids, seqs): (Vec<_>, Vec<_>) =
            moved.iter().map(|(chunk, seq)| (Uuid::from_bytes(chunk.id), *seq)).unzip();
        execute(&statement, &[ids.into(), seqs.into()])?;
    }
    Ok(())
}

/// A new chunk: its row's key, its seq, its text and its vector.
type New<'a> = (&'a KeyValues, i32, &'a str, &'a [f32]);

fn insert_new(v: &Definition, store: &str, results: &[&Outcome<'_>]) -> Result<(), PgError> {
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
        unsafe { freed_after(|| insert(v, store, part)) }?;
    }
    Ok(())
}

fn insert(v: &Definition, store: &str, new: &[New<'_>]) -> Result<(), PgError> {
    let mut args = v.keys(new.iter().map(|(key, ..)| *key));
    args.push(new.iter().map(|(_, seq, ..)| *seq).collect::<Vec<i32>>().into());
    args.push(new.iter().map(|(_, _, text, _)| *text).collect::<Vec<_>>().into());
    args.push(vector::array(new.iter().map(|(.., embedding)| *embedding))?);
    execute(&store::insert_chunks(v, store), &args).map(drop)
}
