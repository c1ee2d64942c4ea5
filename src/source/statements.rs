//! A source's SQL, written once.
//!
//! Objects are passed as one array per column, so that a page of any size is one statement.

use super::seen_name;
use crate::catalog::relation::Relation;
use crate::pg::sql::qualified;

/// The number of rows that one transaction compares with the seen keys.
const SLICE: u32 = 5_000;

/// The statements of a source. They run as its owner.
pub struct SourceStatements {
    /// Records that a run has seen addresses. `$1`: addresses, `$2`: the run.
    pub see: String,
    /// Deletes the addresses that a run has seen. `$1`: the run.
    pub forget_run: String,
    /// Deletes the addresses that all runs have seen.
    pub forget: String,
    /// Returns whether there are seen addresses.
    pub has_seen: String,
    /// Returns the positions, from 1, of the objects that differ from the table's rows, and whether they have
    /// no row. `$1`: addresses, `$2`: etags, `$3`: sizes.
    pub compare: String,
    /// Writes objects. `$1`: addresses, `$2`: etags, `$3`: sizes in bytes, `$4`: times in µs since 1970,
    /// `$5`: content types.
    pub upsert: String,
    /// Deletes the rows of addresses. `$1`: addresses.
    pub delete: String,
    /// Returns a slice of the table: its last address, the number of the source's rows in it, and those of
    /// them that a run has not seen. `$1`: the prefix of all of the source's addresses, `$2`: the last
    /// address of the slice before, `$3`: the run.
    pub vanished: String,
}

impl SourceStatements {
    /// Writes the statements of the source with this id. `with_type`: whether content types are known; if
    /// not, that column is left alone.
    pub fn new(id: i32, target: &Relation, with_type: bool) -> Self {
        let t = target.qualified();
        let seen = qualified("ai", &seen_name(id));
        SourceStatements {
            see: format!("INSERT INTO {seen} (run, uri) SELECT $2::int8, unnest($1::text[])"),
            forget_run: format!("DELETE FROM {seen} WHERE run = $1"),
            forget: format!("TRUNCATE {seen}"),
            has_seen: format!("SELECT EXISTS (SELECT FROM {seen})"),
            compare: format!(
                "SELECT o.ordinal, t.uri IS NULL
                 FROM unnest($1::text[], $2::text[], $3::int8[])
                      WITH ORDINALITY AS o (uri, etag, size, ordinal)
                 LEFT JOIN {t} t ON t.uri = o.uri
                 WHERE t.uri IS NULL OR t.etag IS DISTINCT FROM o.etag OR t.size IS DISTINCT FROM o.size"
            ),
            upsert: upsert(&t, with_type),
            delete: format!("DELETE FROM {t} t WHERE t.uri = ANY ($1::text[])"),
            vanished: vanished(&t, &seen),
        }
    }
}

/// Returns the statement that writes objects. Rows that do not differ are not written, so that no trigger
/// fires and nothing is embedded.
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

/// Returns the statement for a slice in the order of the unique index, whatever its collation. LATERAL with
/// LIMIT looks each row up in the index of seen keys, so that these are never read as a whole.
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
