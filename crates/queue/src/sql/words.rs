//! The words of a store's chunks.

use crate::definition::Words;

/// The number of characters of a text that are read for its words. No configuration of Postgres's own makes more than a
/// `tsvector` can hold, a megabyte, of so many.
pub const LONGEST_TEXT: usize = 100_000;

/// The number of characters that are read at a time, up to the end of a word.
///
/// Postgres's parser takes a time that grows with the square of what it is given, for some texts, and can't be interrupted:
/// minutes for 100,000 characters of `~/~/~/`.
const PART: usize = 1_000;

/// The largest number of characters without whitespace that are read together: of such texts the longest take most.
const RUN: usize = 255;

/// The largest number of letters and digits of a word: of a longer one the rest is another word. A dictionary that takes
/// compound words apart takes a time that grows exponentially with their length.
const WORD: usize = 64;

/// A character that is neither whitespace nor one of ASCII's punctuation, as a regular expression.
const LETTER: &str = "[^\\s!-/:-@[-^`{-~]";

/// Returns an expression for the words of a text, a `text`, by the text search configuration with this OID. It must be read
/// under the pinned path.
///
/// A text is read in parts, so that Postgres looks for interrupts, and that no part takes long.
pub fn of_text(configuration: u32, text: &str) -> String {
    let words = |part: &str| {
        format!(
            "to_tsvector('{configuration}'::regconfig, CASE WHEN {part} !~ '\\S{{{least}}}' THEN {part} ELSE regexp_replace(
                 regexp_replace({part}, '({LETTER}{{{WORD}}})(?={LETTER})', '\\1 ', 'g'), '(\\S{{{RUN}}})(?=\\S)', '\\1 ', 'g') END)",
            least = WORD + 1,
        )
    };
    format!(
        "CASE WHEN length({text}) <= {PART} THEN {short} ELSE (
             WITH RECURSIVE parts (rest, words) AS (
                 SELECT left({text}, {LONGEST_TEXT}), ''::tsvector
                 UNION ALL
                 SELECT substr(p.rest, length(next.part) + 1), p.words || {long}
                 FROM parts p
                 CROSS JOIN LATERAL (
                     SELECT left(p.rest, {PART}) || substring(substr(p.rest, {PART} + 1, {RUN}) FROM '^\\S*')) next (part)
                 WHERE p.rest <> '')
             SELECT p.words FROM parts p WHERE p.rest = '') END",
        short = words(text),
        long = words("next.part"),
    )
}

/// Adds the words of the chunks with the UUIDs `$1` that have none yet.
///
/// The configuration is named by its OID: a name may come to mean another one.
pub fn add(store: &str, words: &Words) -> String {
    let of_chunk = match words.configuration {
        Some(configuration) => of_text(configuration, "s.chunk"),
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
