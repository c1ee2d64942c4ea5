//! The words of a store's chunks.

use crate::definition::Words;

/// The number of characters of a chunk that are read for its words. No configuration of Postgres's own makes more than a
/// `tsvector` can hold, a megabyte, of so many.
pub const LONGEST_TEXT: usize = 100_000;

/// Adds the words of the chunks with the UUIDs `$1` that have none yet.
///
/// The configuration is named by its OID: a name may come to mean another one.
pub fn add(store: &str, words: &Words) -> String {
    let of_chunk = match words.configuration {
        Some(configuration) => {
            format!("to_tsvector('{configuration}'::regconfig, left(s.chunk, {LONGEST_TEXT}))")
        }
        None => "''::tsvector".to_owned(),
    };
    format!(
        "INSERT INTO {table} (embedding_uuid, words)
         SELECT s.embedding_uuid, {of_chunk} FROM {store} s WHERE s.embedding_uuid = ANY ($1)
         ON CONFLICT (embedding_uuid) DO NOTHING",
        table = words.table,
    )
}

/// Returns the next `$2` chunks in the order of their UUIDs, from the first UUID in `$1` on: their UUIDs, and whether they
/// have words.
pub fn look(store: &str, words: &Words) -> String {
    format!(
        "SELECT s.embedding_uuid,
                EXISTS (SELECT FROM {table} w WHERE w.embedding_uuid = s.embedding_uuid)
         FROM (SELECT embedding_uuid FROM {store} WHERE embedding_uuid >= ($1::uuid[])[1]
               ORDER BY embedding_uuid LIMIT $2) s
         ORDER BY s.embedding_uuid",
        table = words.table,
    )
}

/// Locks the chunks with the UUIDs `$1`, skipping those that others have locked, so that none is deleted until it has its
/// words. Returns their UUIDs.
pub fn lock(store: &str) -> String {
    format!(
        "SELECT embedding_uuid FROM {store} WHERE embedding_uuid = ANY ($1)
         ORDER BY embedding_uuid FOR KEY SHARE SKIP LOCKED"
    )
}
