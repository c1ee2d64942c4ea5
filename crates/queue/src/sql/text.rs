//! The texts that are kept of documents.

use crate::definition::Definition;
use crate::key::Key;
use crate::tables::{OwnColumns, TEXT};

/// Returns what the texts of keys were made of: `ord`, fingerprint. Then `$n`: the size in bytes beyond which a text is
/// not read, and counts as none.
pub fn known(v: &Definition) -> String {
    format!(
        "SELECT k.ord, o.{from} FROM {given} k JOIN {origin} o ON {same}
         WHERE o.{from} IS NOT NULL AND {size} <= ${limit}",
        from = v.own.name("parsed_from"),
        given = v.key.given(&[]),
        origin = v.tables.origin,
        same = v.key.same_given("o"),
        size = stored_size(v),
        limit = v.key.len() + 1,
    )
}

/// Returns the texts of keys: `ord`, text, outline. Then `$n`: the size in bytes beyond which a text is not read, and that of
/// all together, beyond which they are NULL.
pub fn read(v: &Definition) -> String {
    let (text, outline) = (v.own.name("parsed_text"), v.own.name("parsed_outline"));
    // Stored, an outline may be compressed.
    let size = format!("octet_length(o.{text})::int8 + octet_length(o.{outline}::text)");
    let is_read =
        format!("sum({size}) OVER (ORDER BY k.ord ROWS UNBOUNDED PRECEDING) <= ${}", v.key.len() + 2);
    format!(
        "SELECT k.ord, CASE WHEN {is_read} THEN o.{text} END, CASE WHEN {is_read} THEN o.{outline}::text END
         FROM {given} k JOIN {origin} o ON {same}
         WHERE o.{text} IS NOT NULL AND o.{outline} IS NOT NULL AND {stored} <= ${limit}",
        given = v.key.given(&[]),
        origin = v.tables.origin,
        same = v.key.same_given("o"),
        stored = stored_size(v),
        limit = v.key.len() + 1,
    )
}

/// Writes the texts of keys, whose rows are there. Then `parsed_text text`, `parsed_outline text`, JSON, and
/// `parsed_from bytea`: all NULL where there is to be none.
pub fn write(v: &Definition) -> String {
    let [text, outline, from, at] = TEXT.map(|(name, _)| v.own.name(name));
    format!(
        "UPDATE {origin} o
         SET {text} = k.parsed_text, {outline} = k.parsed_outline::jsonb, {from} = k.parsed_from,
             {at} = CASE WHEN k.parsed_from IS NOT NULL THEN now() END
         FROM {given} k WHERE {same} AND (k.parsed_from IS NOT NULL OR o.{from} IS NOT NULL)",
        origin = v.tables.origin,
        given = v.key.given(&[("parsed_text", "text"), ("parsed_outline", "text"), ("parsed_from", "bytea")]),
        same = v.key.same_given("o"),
    )
}

/// Returns the texts of keys whose rows are in the source: text, outline, and when it was written.
pub fn show(key: &Key, own: &OwnColumns, origin: &str, source: &str) -> String {
    format!(
        "SELECT o.{text}, o.{outline}::text, o.{at}
         FROM {given} k JOIN {origin} o ON {same_o} JOIN {source} s ON {same_s}
         WHERE o.{text} IS NOT NULL AND o.{outline} IS NOT NULL AND o.{at} IS NOT NULL",
        text = own.name("parsed_text"),
        outline = own.name("parsed_outline"),
        at = own.name("parsed_at"),
        given = key.given(&[]),
        same_o = key.same_given("o"),
        same_s = key.same_given("s"),
    )
}

/// Returns an expression for the size in bytes of the text in a row `o`, with what is stored beside it. Postgres knows it
/// without reading the text.
pub fn stored_size(v: &Definition) -> String {
    format!(
        "(octet_length(o.{})::int8 + coalesce(pg_column_size(o.{}), 0))",
        v.own.name("parsed_text"),
        v.own.name("parsed_outline"),
    )
}
