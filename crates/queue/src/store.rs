//! Writes documents to a store: only the chunks that changed.
//!
//! The owner's triggers on the store and the functions of its indexes run with the owner's search path.

use std::collections::HashSet;

use pgai_rs_pipeline::document::{Chunk, ExistingChunk};

use crate::definition::Definition;
use crate::key::KeyValues;
use crate::outcome::{Attempt, Outcome};
use crate::provenance::{self, Memory};
use crate::session::{Connection, Param, Session};
use crate::sql::store;
use crate::words;
use crate::work::Claimed;

/// The largest number of chunks in one statement. It is limited because Postgres copies them, and no array
/// holds more than a gigabyte.
const INSERT_CHUNKS: usize = 2048;

/// Replaces the chunks that changed in a store. The caller holds locks on the source rows.
pub fn write<'a, 'b, S: Session>(
    session: &mut S,
    v: &Definition,
    store: &str,
    results: Vec<&'a Outcome<'b>>,
) -> Result<Attempt<'a, 'b>, S::Error> {
    let attempt = split_conflicted(session, store, results)?;
    let whole = &attempt.written;
    let kept: Vec<[u8; 16]> = whole.iter().flat_map(|r| kept(r)).map(|(chunk, _)| chunk.id).collect();
    let outdated: Vec<&Claimed> =
        whole.iter().filter(|r| has_outdated(r)).map(|result| &result.claim).collect();
    let added = session.with_own_search_path(|s| {
        if !outdated.is_empty() {
            delete_chunks(s, v, store, outdated.iter().copied(), &kept)?;
        }
        move_kept(s, store, whole)?;
        cite_kept(s, v, store, whole)?;
        insert_new(s, v, store, whole)
    })?;
    if let Some(kept_words) = &v.words {
        added.chunks(INSERT_CHUNKS).try_for_each(|part| words::add(session, store, kept_words, part))?;
    }

    let memories = whole.iter().map(|r| (&r.claim, Memory::of_object(r.done)));
    provenance::remember(session, v, memories)?;
    Ok(attempt)
}

/// Returns the kept chunks of a document, with their new seq.
fn kept<'a>(result: &'a Outcome<'_>) -> impl Iterator<Item = (&'a ExistingChunk, i32)> {
    result.done.chunks.iter().enumerate().filter_map(|(seq, chunk)| match chunk {
        Chunk::Kept(existing) => Some((existing, seq as i32)),
        Chunk::New { .. } => None,
    })
}

/// Returns whether the store has chunks of a document that are not kept. None have come since the claim, for the lease holds.
fn has_outdated(result: &Outcome<'_>) -> bool {
    result.claim.chunks.is_none_or(|chunks| chunks > kept(result).count())
}

/// Separates the documents of which a kept chunk was deleted from the store since the claim.
fn split_conflicted<'a, 'b, C: Connection>(
    connection: &mut C,
    store: &str,
    results: Vec<&'a Outcome<'b>>,
) -> Result<Attempt<'a, 'b>, C::Error> {
    let expected: Vec<[u8; 16]> = results.iter().flat_map(|r| kept(r)).map(|(chunk, _)| chunk.id).collect();
    if expected.is_empty() {
        return Ok(Attempt { written: results, conflicted: Vec::new() });
    }
    let there = connection.query(&store::there(store), &[Param::Uuids(&expected)], |row| row.get(1))?;
    let there: HashSet<[u8; 16]> = there.into_iter().collect();

    let (written, conflicted) =
        results.into_iter().partition(|result| kept(result).all(|(chunk, _)| there.contains(&chunk.id)));
    Ok(Attempt { written, conflicted })
}

/// Deletes the chunks of rows except the kept ones. It must be called with the owner's search path.
pub fn delete_chunks<'a, C: Connection>(
    connection: &mut C,
    v: &Definition,
    store: &str,
    claims: impl Iterator<Item = &'a Claimed>,
    kept: &[[u8; 16]],
) -> Result<(), C::Error> {
    let keys = v.keys(claims.map(|c| &c.key));
    let mut args = keys.params();
    args.push(Param::Uuids(kept));
    connection.execute(&v.statement("delete chunks", |v| store::delete_chunks(v, store)), &args).map(drop)
}

/// Gives kept chunks their new seq, in two steps because of the unique constraint.
fn move_kept<C: Connection>(
    connection: &mut C,
    store: &str,
    results: &[&Outcome<'_>],
) -> Result<(), C::Error> {
    let moved = results.iter().flat_map(|r| kept(r)).filter(|(chunk, seq)| chunk.seq != *seq);
    let (ids, seqs): (Vec<[u8; 16]>, Vec<i32>) = moved.map(|(chunk, seq)| (chunk.id, seq)).unzip();
    if ids.is_empty() {
        return Ok(());
    }
    let args = [Param::Uuids(&ids), Param::Int4s(&seqs)];
    connection.execute(&store::move_aside(store), &args)?;
    connection.execute(&store::renumber(store), &args).map(drop)
}

/// Writes where kept chunks stand now: what was written before them may be shorter or longer than it was.
fn cite_kept<C: Connection>(
    connection: &mut C,
    v: &Definition,
    store: &str,
    results: &[&Outcome<'_>],
) -> Result<(), C::Error> {
    if !v.cited {
        return Ok(());
    }
    let cited = results
        .iter()
        .flat_map(|result| kept(result).filter_map(|(chunk, seq)| Some((chunk.id, citation(result, seq)?))));
    let (ids, citations): (Vec<[u8; 16]>, Vec<&str>) = cited.unzip();
    if ids.is_empty() {
        return Ok(());
    }
    connection.execute(&store::cite(store), &[Param::Uuids(&ids), Param::Texts(&citations)]).map(drop)
}

/// Returns where a chunk stands in its document, as JSON.
fn citation<'a>(result: &'a Outcome<'_>, seq: i32) -> Option<&'a str> {
    let citations = result.done.citations.as_ref()?;
    citations.get(usize::try_from(seq).ok()?).map(String::as_str)
}

/// A new chunk: its row's key, its seq, its text, its vector and its place in the document.
struct New<'a> {
    key: &'a KeyValues,
    seq: i32,
    text: &'a str,
    embedding: &'a [f32],
    citation: Option<&'a str>,
}

/// Adds the new chunks. Returns their UUIDs if their words are kept; else nothing.
fn insert_new<C: Connection>(
    connection: &mut C,
    v: &Definition,
    store: &str,
    results: &[&Outcome<'_>],
) -> Result<Vec<[u8; 16]>, C::Error> {
    let new: Vec<New<'_>> = results
        .iter()
        .flat_map(|result| result.done.chunks.iter().zip(0..).map(move |(chunk, seq)| (*result, seq, chunk)))
        .filter_map(|(result, seq, chunk)| match chunk {
            Chunk::New { text, embedding } => {
                Some(New { key: &result.claim.key, seq, text, embedding, citation: citation(result, seq) })
            }
            Chunk::Kept(_) => None,
        })
        .collect();
    let statement = v.statement("insert chunks", |v| store::insert_chunks(v, store));
    let mut added = Vec::new();
    for part in new.chunks(INSERT_CHUNKS) {
        added.extend(insert(connection, v, &statement, part)?);
    }
    Ok(added)
}

fn insert<C: Connection>(
    connection: &mut C,
    v: &Definition,
    statement: &str,
    new: &[New<'_>],
) -> Result<Vec<[u8; 16]>, C::Error> {
    let keys = v.keys(new.iter().map(|chunk| chunk.key));
    let seqs: Vec<i32> = new.iter().map(|chunk| chunk.seq).collect();
    let texts: Vec<&str> = new.iter().map(|chunk| chunk.text).collect();
    let vectors: Vec<&[f32]> = new.iter().map(|chunk| chunk.embedding).collect();
    let citations: Vec<Option<&str>> = new.iter().map(|chunk| chunk.citation).collect();

    let mut args = keys.params();
    args.extend([Param::Int4s(&seqs), Param::Texts(&texts), Param::Vectors(&vectors)]);
    if v.cited {
        args.push(Param::OptionalTexts(&citations));
    }
    match v.words {
        Some(_) => connection.query(statement, &args, |row| row.get(1)),
        None => connection.execute(statement, &args).map(|_| Vec::new()),
    }
}
