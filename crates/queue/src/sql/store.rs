//! A store: the table of chunks.

use crate::definition::Definition;

/// Returns the chunks that the store has of keys: `ord`, UUID, seq, digest. Then `$n`: the largest number of chunks, and
/// the size in bytes beyond which a chunk is not read: it has no digest.
pub fn existing(v: &Definition, store: &str) -> String {
    format!(
        "SELECT k.ord, s.embedding_uuid, s.chunk_seq,
                CASE WHEN octet_length(s.chunk) <= ${largest} THEN sha256(convert_to(s.chunk, 'UTF8')) END
         FROM {given} k JOIN {store} s ON {same} ORDER BY k.ord, s.chunk_seq LIMIT ${most}",
        given = v.key.given(&[]),
        same = v.key.same_given("s"),
        most = v.key.len() + 1,
        largest = v.key.len() + 2,
    )
}

/// Returns the UUIDs that the store has of those in `$1`.
pub fn there(store: &str) -> String {
    format!("SELECT embedding_uuid FROM {store} WHERE embedding_uuid = ANY ($1)")
}

/// Deletes the chunks of keys except the kept ones. Then `$n`: the kept UUIDs.
pub fn delete_chunks(v: &Definition, store: &str) -> String {
    format!(
        "DELETE FROM {store} s USING {given} k WHERE {same} AND s.embedding_uuid <> ALL (${kept}::uuid[])",
        given = v.key.given(&[]),
        same = v.key.same_given("s"),
        kept = v.key.len() + 1,
    )
}

/// Gives the chunks with the UUIDs `$1` numbers that no chunk has, made of the `$2`. It comes before
/// [`renumber`], because of the unique constraint.
pub fn move_aside(store: &str) -> String {
    update_seq(store, "-1 - k.seq")
}

/// Gives the chunks with the UUIDs `$1` the numbers `$2`.
pub fn renumber(store: &str) -> String {
    update_seq(store, "k.seq")
}

fn update_seq(store: &str, seq: &str) -> String {
    format!(
        "UPDATE {store} s SET chunk_seq = {seq}
         FROM unnest($1::uuid[], $2::int4[]) AS k (id, seq) WHERE s.embedding_uuid = k.id"
    )
}

/// Adds chunks of keys. Then `seq int4`, `chunk text`, `embedding vector`; and `citation text`, JSON or NULL, if the
/// store keeps them. Returns their UUIDs if their words are kept.
pub fn insert_chunks(v: &Definition, store: &str) -> String {
    let mut columns = vec![("seq", "int4"), ("chunk", "text"), ("embedding", v.vector_type.as_str())];
    let (citation, given_citation) = if v.cited { (", citation", ", k.citation::jsonb") } else { ("", "") };
    if v.cited {
        columns.push(("citation", "text"));
    }
    format!(
        "INSERT INTO {store} ({names}, chunk_seq, chunk, embedding{citation})
         SELECT {given_names}, k.seq, k.chunk, k.embedding{given_citation} FROM {given} k{returning}",
        names = v.key.names(None),
        given_names = v.key.given_names(),
        given = v.key.given(&columns),
        returning = if v.words.is_some() { " RETURNING embedding_uuid" } else { "" },
    )
}

/// Gives the chunks with the UUIDs `$1` the places `$2`, JSON, where they have other ones.
pub fn cite(store: &str) -> String {
    format!(
        "UPDATE {store} s SET citation = k.citation::jsonb
         FROM unnest($1::uuid[], $2::text[]) AS k (id, citation)
         WHERE s.embedding_uuid = k.id AND s.citation IS DISTINCT FROM k.citation::jsonb"
    )
}
