//! A column of vectors in the source.

use crate::definition::Definition;
use crate::quote::ident;

/// Returns the vectors that keys have, in the shape of a store's chunks: `ord`, the nil UUID, 0, digest.
pub fn existing(v: &Definition, column: &str) -> String {
    format!(
        "SELECT k.ord, '00000000-0000-0000-0000-000000000000'::uuid, 0, o.{digest}
         FROM {given} k JOIN {origin} o ON {same_o} JOIN {source} s ON {same_s}
         WHERE s.{column} IS NOT NULL AND o.{digest} IS NOT NULL",
        digest = v.own.name("digest"),
        given = v.key.given(&[]),
        origin = v.tables.origin,
        same_o = v.key.same_given("o"),
        source = v.source,
        same_s = v.key.same_given("s"),
        column = ident(column),
    )
}

/// Returns `ord` of the keys that have a vector.
pub fn filled(v: &Definition, column: &str) -> String {
    format!(
        "SELECT k.ord FROM {given} k JOIN {source} s ON {same} WHERE s.{column} IS NOT NULL",
        given = v.key.given(&[]),
        source = v.source,
        same = v.key.same_given("s"),
        column = ident(column),
    )
}

/// Writes vectors of keys. Then `embedding vector`.
pub fn fill(v: &Definition, column: &str) -> String {
    format!(
        "UPDATE {source} s SET {column} = k.embedding FROM {given} k WHERE {same}",
        source = v.source,
        column = ident(column),
        given = v.key.given(&[("embedding", &v.vector_type)]),
        same = v.key.same_given("s"),
    )
}

/// Removes the vectors of keys.
pub fn clear(v: &Definition, column: &str) -> String {
    format!(
        "UPDATE {source} s SET {column} = NULL FROM {given} k WHERE {same} AND s.{column} IS NOT NULL",
        source = v.source,
        column = ident(column),
        given = v.key.given(&[]),
        same = v.key.same_given("s"),
    )
}
