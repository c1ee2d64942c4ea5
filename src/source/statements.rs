//! A source's SQL, written once.
//!
//! Objects are passed as one array per column, so that a page of any size is one statement.

use pgrx::pg_sys;

use pgai_rs_pipeline::config::MetadataPlace;

use super::seen_name;
use crate::catalog::relation::Relation;
use crate::pg::sql::qualified;

/// The number of rows that one transaction compares with the seen keys.
const SLICE: u32 = 5_000;
/// The number of rows that one transaction compares with the seen sidecars: S3 is asked about as many at a time, at most, as
/// about those of a page of a listing.
const SIDECAR_SLICE: u32 = 1_000;

/// The largest number of pages of a table whose rows are counted, one by one.
const FEW_PAGES: u32 = 1_000;
/// The number of rows that a page is taken to have in a table that was never vacuumed or analyzed: a row has an address, an etag,
/// numbers and a type, which are some 150 bytes.
const ROWS_OF_PAGE: u32 = 50;

/// The statements of a source. They run as its owner.
pub struct SourceStatements {
    /// Records that a run has seen addresses. `$1`: addresses, `$2`: the run.
    pub see: String,
    /// Records that a run has seen sidecars. `$1`: addresses of their documents, `$2`: their etags, `$3`: the run.
    pub see_sidecars: String,
    /// Deletes the addresses that a run has seen. `$1`: the run.
    pub forget_run: String,
    /// Deletes the addresses that all runs have seen.
    pub forget: String,
    /// Returns whether there are seen addresses.
    pub has_seen: String,
    /// Returns the positions, from 1, of the objects that differ from the table's rows, and whether they have
    /// no row. `$1`: addresses, `$2`: etags, `$3`: sizes; if metadata is read also `$4`: times in µs since 1970, `$5`: the
    /// version of metadata without a sidecar, `$6`: whether all of them are to be read anew.
    pub compare: String,
    /// Writes objects. `$1`: addresses, `$2`: etags, `$3`: sizes in bytes, `$4`: times in µs since 1970,
    /// `$5`: content types; if metadata is read also `$6`: metadata, `$7`: versions of metadata.
    pub upsert: String,
    /// Deletes the rows of addresses. `$1`: addresses.
    pub delete: String,
    /// Returns the number of the table's rows, of a large table about that.
    pub count: String,
    /// Returns the addresses that have no row. `$1`: addresses.
    pub new_among: String,
    /// Returns a slice of the table: its last address, the number of the source's rows in it, and those of
    /// them that a run has not seen. `$1`: the prefix of all of the source's addresses, `$2`: the last
    /// address of the slice before, `$3`: the run.
    pub vanished: String,
    /// Returns a slice of the table: its last address, and those of the source's addresses in it whose metadata is not of
    /// the sidecar that a run has seen, or of none. `$1` to `$3`: as above, `$4`: the version of metadata without a sidecar.
    pub other_sidecars: String,
}

impl SourceStatements {
    /// Writes the statements of the source with this id. `with_type`: whether content types are known; if
    /// not, that column is left alone. `metadata`: where it is read from.
    pub fn new(id: i32, target: &Relation, with_type: bool, metadata: &[MetadataPlace]) -> Self {
        let with_metadata = !metadata.is_empty();
        // Sources of earlier versions have no sidecars, and nothing to record them in.
        let with_sidecars = metadata.contains(&MetadataPlace::Sidecar);
        let t = target.qualified();
        let seen = qualified("ai", &seen_name(id));
        SourceStatements {
            see: format!("INSERT INTO {seen} (run, uri) SELECT $2::int8, unnest($1::text[])"),
            see_sidecars: format!(
                "INSERT INTO {seen} (run, uri, sidecar)
                 SELECT $3::int8, s.uri, s.etag FROM unnest($1::text[], $2::text[]) AS s (uri, etag)"
            ),
            forget_run: format!("DELETE FROM {seen} WHERE run = $1"),
            forget: format!("TRUNCATE {seen}"),
            has_seen: format!("SELECT EXISTS (SELECT FROM {seen})"),
            compare: compare(&t, with_metadata),
            upsert: upsert(&t, with_type, with_metadata),
            delete: format!("DELETE FROM {t} t WHERE t.uri = ANY ($1::text[])"),
            count: count(&t, target.oid),
            new_among: format!(
                "SELECT o.uri FROM unnest($1::text[]) o (uri) WHERE NOT EXISTS (SELECT FROM {t} t WHERE t.uri = o.uri)"
            ),
            vanished: vanished(&t, &seen, with_sidecars),
            other_sidecars: other_sidecars(&t, &seen),
        }
    }
}

/// Returns the statement that compares objects with rows.
///
/// Metadata changes with an object that is written anew, of which there may be no other sign than its time: S3 tells it in
/// seconds there, and more precisely here.
fn compare(t: &str, with_metadata: bool) -> String {
    let (arrays, names, or) = match with_metadata {
        true => (
            ", $4::int8[]",
            ", micros",
            "OR floor(extract(epoch FROM t.last_modified)) IS DISTINCT FROM o.micros / 1000000
             OR t.metadata IS NULL OR starts_with(t.metadata_version, $5::text) IS NOT TRUE OR $6::bool",
        ),
        false => ("", "", ""),
    };
    format!(
        "SELECT o.ordinal, t.uri IS NULL
         FROM unnest($1::text[], $2::text[], $3::int8[]{arrays})
              WITH ORDINALITY AS o (uri, etag, size{names}, ordinal)
         LEFT JOIN {t} t ON t.uri = o.uri
         WHERE t.uri IS NULL OR t.etag IS DISTINCT FROM o.etag OR t.size IS DISTINCT FROM o.size {or}"
    )
}

/// Returns the statement that writes objects. Rows that do not differ are not written, so that no trigger
/// fires and nothing is embedded.
fn upsert(t: &str, with_type: bool, with_metadata: bool) -> String {
    let (mut arrays, mut names, mut values) = (String::new(), String::new(), String::new());
    let (mut set, mut or) = (String::new(), String::new());
    if with_type {
        names += ", content_type";
        values += ", o.content_type";
        set += ", content_type = excluded.content_type";
    }
    if with_metadata {
        arrays += ", $6::text[], $7::text[]";
        names += ", metadata, metadata_version";
        values += ", o.metadata::jsonb, o.metadata_version";
        set += ", metadata = excluded.metadata, metadata_version = excluded.metadata_version";
        or += " OR t.last_modified IS DISTINCT FROM excluded.last_modified
                OR t.metadata IS DISTINCT FROM excluded.metadata
                OR t.metadata_version IS DISTINCT FROM excluded.metadata_version";
    }
    let of_metadata = if with_metadata { ", metadata, metadata_version" } else { "" };
    format!(
        "INSERT INTO {t} AS t (uri, etag, size, last_modified{names})
         SELECT o.uri, o.etag, o.size, timestamptz 'epoch' + o.micros * interval '1 microsecond'{values}
         FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::text[]{arrays})
              AS o (uri, etag, size, micros, content_type{of_metadata})
         ON CONFLICT (uri) DO UPDATE
         SET etag = excluded.etag, size = excluded.size, last_modified = excluded.last_modified{set}
         WHERE t.etag IS DISTINCT FROM excluded.etag OR t.size IS DISTINCT FROM excluded.size{or}"
    )
}

/// Returns the statement that counts the table's rows. Those of a large one are as many as Postgres's planner estimates: its pages
/// are known, and the rows of a page from the last time the table was vacuumed or analyzed.
fn count(t: &str, oid: pg_sys::Oid) -> String {
    format!(
        "SELECT CASE WHEN p.pages <= {FEW_PAGES} THEN (SELECT count(*) FROM {t}) ELSE p.rows END
         FROM (SELECT coalesce(sum(s.pages), 0) AS pages,
                      coalesce(sum(s.pages * CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages
                                                  ELSE {ROWS_OF_PAGE} END), 0)::int8 AS rows
               FROM (SELECT {oid}::oid AS relid UNION SELECT t.relid FROM pg_partition_tree({oid}) t WHERE t.isleaf) f
               JOIN pg_class c ON c.oid = f.relid
               CROSS JOIN LATERAL (SELECT pg_relation_size(c.oid) / current_setting('block_size')::int8 AS pages) s) p",
        oid = oid.to_u32(),
    )
}

/// Returns the statement for a slice in the order of the unique index, whatever its collation. LATERAL with
/// LIMIT looks each row up in the index of seen keys, so that these are never read as a whole.
fn vanished(t: &str, seen: &str, with_sidecars: bool) -> String {
    let is_document = if with_sidecars { "AND s.sidecar IS NULL" } else { "" };
    format!(
        "WITH slice AS MATERIALIZED (
             SELECT t.uri FROM {t} t WHERE t.uri > $2::text ORDER BY t.uri LIMIT {SLICE}
         )
         SELECT max(c.uri)::text, count(*) FILTER (WHERE pg_catalog.starts_with(c.uri, $1::text)),
                array_agg(c.uri::text) FILTER (WHERE pg_catalog.starts_with(c.uri, $1::text) AND s.seen IS NULL)
         FROM slice c
         LEFT JOIN LATERAL (
             SELECT true AS seen FROM {seen} s
             WHERE s.run = $3::int8 AND s.uri = c.uri COLLATE \"C\" {is_document} LIMIT 1
         ) s ON true"
    )
}

/// Returns the statement for the rows of a slice whose sidecar has changed, has come or is gone. A row without metadata was
/// asked about already, and so was one whose object was not seen.
fn other_sidecars(t: &str, seen: &str) -> String {
    format!(
        "WITH slice AS MATERIALIZED (
             SELECT t.uri, t.metadata_version FROM {t} t WHERE t.uri > $2::text ORDER BY t.uri LIMIT {SIDECAR_SLICE}
         )
         SELECT max(c.uri)::text,
                array_agg(c.uri::text) FILTER (
                    WHERE pg_catalog.starts_with(c.uri, $1::text) AND s.seen
                      AND c.metadata_version <> $4::text || coalesce(f.sidecar, ''))
         FROM slice c
         LEFT JOIN LATERAL (
             SELECT true AS seen FROM {seen} s
             WHERE s.run = $3::int8 AND s.uri = c.uri COLLATE \"C\" AND s.sidecar IS NULL LIMIT 1
         ) s ON true
         LEFT JOIN LATERAL (
             SELECT s.sidecar FROM {seen} s
             WHERE s.run = $3::int8 AND s.uri = c.uri COLLATE \"C\" AND s.sidecar IS NOT NULL LIMIT 1
         ) f ON true"
    )
}
