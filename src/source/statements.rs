//! A source's SQL, written once.
//!
//! Objects travel as one array for each column, which makes a page of any size one statement.

use super::seen_name;
use crate::catalog::relation::Relation;
use crate::pg::sql::qualified;

/// Rows that are compared with what was seen in one transaction.
const SLICE: u32 = 5_000;

/// What is run for a source, as its owner.
pub struct Statements {
    /// `$1` addresses, `$2` a run: it has seen them.
    pub see: String,
    /// `$1` a run: forgets what it has seen.
    pub forget_run: String,
    /// Forgets what all runs have seen.
    pub forget: String,
    /// Whether there is anything to forget.
    pub has_seen: String,
    /// `$1` addresses, `$2` etags, `$3` sizes: the places of those that differ, and whether new.
    pub compare: String,
    /// `$1` addresses, `$2` etags, `$3` sizes, `$4` times in µs, `$5` content types.
    pub upsert: String,
    /// `$1` addresses.
    pub delete: String,
    /// `$1` the address that all of the source's begin with, `$2` where the slice before ended, `$3` a
    /// run: where this slice ends, how many rows are the source's, and which of these the run has not
    /// seen.
    pub vanished: String,
}

impl Statements {
    /// For the source with this id. `with_type`: whether content types are known, else the column
    /// is left alone.
    pub fn new(id: i32, target: &Relation, with_type: bool) -> Self {
        let (t, seen) = (target.qualified(), qualified("ai", &seen_name(id)));
        Statements {
            see: format!("INSERT INTO {seen} (run, uri) SELECT $2::int8, unnest($1::text[])"),
            forget_run: format!("DELETE FROM {seen} WHERE run = $1"),
            forget: format!("TRUNCATE {seen}"),
            has_seen: format!("SELECT EXISTS (SELECT FROM {seen})"),
            compare: format!(
                "SELECT o.place, t.uri IS NULL
                 FROM unnest($1::text[], $2::text[], $3::int8[])
                      WITH ORDINALITY AS o (uri, etag, size, place)
                 LEFT JOIN {t} t ON t.uri = o.uri
                 WHERE t.uri IS NULL OR t.etag IS DISTINCT FROM o.etag OR t.size IS DISTINCT FROM o.size"
            ),
            upsert: upsert(&t, with_type),
            delete: format!("DELETE FROM {t} t WHERE t.uri = ANY ($1::text[])"),
            vanished: vanished(&t, &seen),
        }
    }
}

/// A row that is as it should be is not written: nobody's trigger fires, nothing is embedded.
fn upsert(t: &str, with_type: bool) -> String {
    let (column, value, set) = match with_type {
        true => (", content_type", ", o.content_type", ", content_type = excluded.content_type"),
        false => ("", "", ""),
    };
    format!(
        "INSERT INTO {t} AS t (uri, etag, size, last_modified{column})
         SELECT o.uri, o.etag, o.size, timestamptz 'epoch' + o.micros * interval '1 microsecond'{value}
         FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::text[])
              AS o (uri, etag, size, micros, content_type)
         ON CONFLICT (uri) DO UPDATE
         SET etag = excluded.etag, size = excluded.size, last_modified = excluded.last_modified{set}
         WHERE t.etag IS DISTINCT FROM excluded.etag OR t.size IS DISTINCT FROM excluded.size"
    )
}

/// A slice in the order of the unique index, whatever its collation. LATERAL with LIMIT, so that
/// each row is looked up in the index of what was seen, and that is never read as a whole.
fn vanished(t: &str, seen: &str) -> String {
    format!(
        "WITH slice AS MATERIALIZED (
             SELECT t.uri FROM {t} t WHERE t.uri > $2::text ORDER BY t.uri LIMIT {SLICE}
         )
         SELECT max(c.uri)::text, count(*) FILTER (WHERE pg_catalog.starts_with(c.uri, $1::text)),
                array_agg(c.uri::text) FILTER (WHERE pg_catalog.starts_with(c.uri, $1::text) AND s.seen IS NULL)
         FROM slice c
         LEFT JOIN LATERAL (
             SELECT true AS seen FROM {seen} s WHERE s.run = $3::int8 AND s.uri = c.uri COLLATE \"C\" LIMIT 1
         ) s ON true"
    )
}
