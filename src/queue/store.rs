//! Writes documents to a store: only the chunks that changed.
//!
//! The owner's triggers on the store and the functions of its indexes run with the owner's search path.

use std::collections::HashSet;

use pgrx::PgSqlErrorCode;
use pgrx::datum::Uuid;

use pgai_rs_pipeline::document::{Chunk, ExistingChunk};

use super::claim::Claimed;
use super::complete::{Outcome, WholeAndRobbed};
use super::origin::{self, Memory};
use super::served::Served;
use crate::catalog::destination::vector_type;
use crate::catalog::key::KeyValues;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, with_own_search_path};
use crate::pg::memory::freed_after;
use crate::pg::sql::{execute, query, read_now};
use crate::vector;

/// The largest number of chunks in one statement. It is limited because Postgres copies them, and no array
/// holds more than a gigabyte.
const INSERT_CHUNKS: usize = 2048;

/// The statements for a store. "Of keys" means that the first parameters are the keys; "then" names the
/// parameters after them. `ord` is a key's position, from 1.
#[derive(Debug)]
pub struct StoreStatements {
    /// The qualified name of the store.
    store: String,
    /// Returns the chunks that the store has of keys: `ord`, UUID, seq, digest.
    pub existing: String,
    /// Deletes the chunks of keys except the kept ones. Then `$n`: the kept UUIDs.
    delete_chunks: String,
    /// Adds chunks of keys. Then `seq int4`, `chunk text`, `embedding vector`.
    insert_chunks: String,
}

/// Returns those of the column names `$2` that the table `$1` lacks.
const ABSENT: &str = "
    SELECT c.name
    FROM pg_catalog.unnest($2::text[]) c (name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attname = c.name AND NOT a.attisdropped)";

/// Errors if one of the store's own columns was renamed or dropped.
fn require_own_columns(v: &Vectorizer, store: &str) -> Result<(), PgError> {
    let own = ["embedding_uuid", "chunk_seq", "chunk", "embedding"].map(str::to_owned).to_vec();
    let absent = as_superuser(|| {
        read_now(ABSENT, &[store.to_owned().into(), own.into()], |row| row.get::<String>(1))
    })?;
    let Some(name) = absent.first() else { return Ok(()) };
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
        format!("the store of vectorizer {} has no column {name:?}", v.name),
    )
    .with_detail(format!("The table is {store}."))
    .with_hint("Rename the column back, or drop the vectorizer and create it anew."))
}

impl StoreStatements {
    /// Writes the statements for a vectorizer's store. Errors if a column of the store is missing.
    pub fn new(v: &Vectorizer, store: String) -> Result<StoreStatements, PgError> {
        require_own_columns(v, &store)?;
        let (key, given, on) = (&v.key, v.key.given(&[]), v.key.same_given("s"));
        Ok(StoreStatements {
            existing: format!(
                "SELECT k.ord, s.embedding_uuid, s.chunk_seq, sha256(convert_to(s.chunk, 'UTF8'))
                 FROM {given} k JOIN {store} s ON {on} ORDER BY k.ord, s.chunk_seq"
            ),
            delete_chunks: format!(
                "DELETE FROM {store} s USING {given} k WHERE {on} AND s.embedding_uuid <> ALL (${}::uuid[])",
                key.len() + 1,
            ),
            insert_chunks: format!(
                "INSERT INTO {store} ({}, chunk_seq, chunk, embedding)
                 SELECT {}, k.seq, k.chunk, k.embedding FROM {} k",
                key.names(None),
                key.given_names(),
                key.given(&[("seq", "int4"), ("chunk", "text"), ("embedding", &vector_type()?)]),
            ),
            store,
        })
    }
}

/// Replaces the chunks that changed. The caller holds locks on the source rows.
pub fn write<'a, 'b>(
    served: &Served,
    statements: &StoreStatements,
    results: Vec<&'a Outcome<'b>>,
) -> Result<WholeAndRobbed<'a, 'b>, PgError> {
    let (whole, robbed) = split_robbed(statements, results)?;
    let kept = whole.iter().flat_map(|r| kept(r)).map(|(chunk, _)| Uuid::from_bytes(chunk.id)).collect();
    with_own_search_path(|| {
        delete_chunks(served, statements, whole.iter().map(|r| &r.claim), kept)?;
        move_kept(statements, &whole)?;
        insert_new(served, statements, &whole)
    })?;
    origin::remember(
        served,
        whole.iter().map(|r| (&r.claim, Memory::of_object(r.done.provenance.as_ref()))),
    )?;
    Ok((whole, robbed))
}

/// Returns the kept chunks of a document, with their new seq.
fn kept<'a>(result: &'a Outcome<'_>) -> impl Iterator<Item = (&'a ExistingChunk, i32)> {
    result.done.chunks.iter().enumerate().filter_map(|(seq, chunk)| match chunk {
        Chunk::Kept(existing) => Some((existing, seq as i32)),
        Chunk::New { .. } => None,
    })
}

/// Separates the documents of which a kept chunk was deleted from the store since the claim: they are
/// retried.
fn split_robbed<'a, 'b>(
    statements: &StoreStatements,
    results: Vec<&'a Outcome<'b>>,
) -> Result<WholeAndRobbed<'a, 'b>, PgError> {
    let expected: Vec<Uuid> =
        results.iter().flat_map(|r| kept(r)).map(|(chunk, _)| Uuid::from_bytes(chunk.id)).collect();
    if expected.is_empty() {
        return Ok((results, Vec::new()));
    }
    let sql = format!("SELECT embedding_uuid FROM {} WHERE embedding_uuid = ANY ($1)", statements.store);
    let there: HashSet<[u8; 16]> =
        query(&sql, &[expected.into()], |row| Ok(*row.get::<Uuid>(1)?.as_bytes()))?.into_iter().collect();
    Ok(results.into_iter().partition(|result| kept(result).all(|(chunk, _)| there.contains(&chunk.id))))
}

/// Deletes the chunks of rows except the kept ones. It must be called with the owner's search path.
pub fn delete_chunks<'a>(
    served: &Served,
    statements: &StoreStatements,
    claims: impl Iterator<Item = &'a Claimed>,
    kept: Vec<Uuid>,
) -> Result<(), PgError> {
    let mut args = served.keys(claims.map(|c| &c.key));
    args.push(kept.into());
    execute(&statements.delete_chunks, &args).map(drop)
}

/// Gives kept chunks their new seq, in two steps because of the unique constraint.
fn move_kept(statements: &StoreStatements, results: &[&Outcome<'_>]) -> Result<(), PgError> {
    let moved: Vec<_> =
        results.iter().flat_map(|r| kept(r)).filter(|(chunk, seq)| chunk.seq != *seq).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let store = &statements.store;
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

/// A new chunk: its row's key, its seq, its text and its vector.
type New<'a> = (&'a KeyValues, i32, &'a str, &'a [f32]);

fn insert_new(
    served: &Served,
    statements: &StoreStatements,
    results: &[&Outcome<'_>],
) -> Result<(), PgError> {
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
        unsafe { freed_after(|| insert(served, statements, part)) }?;
    }
    Ok(())
}

fn insert(served: &Served, statements: &StoreStatements, new: &[New<'_>]) -> Result<(), PgError> {
    let mut args = served.keys(new.iter().map(|(key, ..)| *key));
    args.push(new.iter().map(|(_, seq, ..)| *seq).collect::<Vec<i32>>().into());
    args.push(new.iter().map(|(_, _, text, _)| *text).collect::<Vec<_>>().into());
    args.push(vector::array(new.iter().map(|(.., embedding)| *embedding))?);
    execute(&statements.insert_chunks, &args).map(drop)
}
