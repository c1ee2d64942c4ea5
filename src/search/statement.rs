//! The statements of a search.

use pgai_rs_queue::quote::literal;

use super::filter::Filter;
use super::ordering::Ordering;
use super::place::{Place, found_alias};
use crate::catalog::destination::is_cited;
use crate::catalog::vectorizer::Vectorizer;

/// Columns of the result of a [`Statement`], counted from 1: first what is chosen by, then what is returned.
pub mod column {
    /// The distance, a `float8`.
    pub const DISTANCE: usize = 1;
    /// The document, a `text`.
    pub const DOCUMENT: usize = 2;
    /// The vector, a `real[]`; NULL unless it is asked for.
    pub const VECTOR: usize = 3;
    /// The first and the last of those that are returned as they are, of the types that the function declares, to which the
    /// statement converts them whatever the types of the table's columns are: key, chunk_seq, chunk, uri, citation and
    /// embedding_uuid.
    pub const RETURNED: std::ops::RangeInclusive<usize> = 4..=9;
    /// The text of the chunk, among them.
    pub const CHUNK: usize = 6;
    /// The UUID of the chunk, the last of them.
    pub const UUID: usize = *RETURNED.end();
}

/// The way in which the nearest rows are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As Postgres plans it, for which an index of the vectors may serve.
    AsPlanned,
    /// Without an index of the vectors.
    Exactly,
}

/// The statements of a search whose vector is `$1`, which may be NULL.
///
/// The nearest rows are found in a subquery, so that what is made of them is made of no others.
#[derive(Debug)]
pub struct Statement {
    /// The expressions that are made of the rows that are found.
    outer: String,
    /// The expressions that the subquery returns of a row.
    columns: String,
    /// The relation that is read, with its alias.
    relation: String,
    alias: String,
    conditions: Vec<String>,
    /// The alias of the subquery, and its columns.
    found: &'static str,
    found_columns: String,
    distance: String,
    by_index: String,
    exactly: String,
}

impl Statement {
    /// Prepares a search. The vectors of the rows are returned if `with_vectors`.
    pub fn new(
        vectorizer: &Vectorizer,
        place: &Place,
        ordering: &Ordering,
        filter: Option<&Filter>,
        with_vectors: bool,
    ) -> Statement {
        let alias = place.alias(vectorizer);
        let found = found_alias(vectorizer);
        let names = (0..vectorizer.key.len()).map(|place| format!("k{place}")).collect::<Vec<_>>().join(", ");
        let key = key_as_json(vectorizer, found);

        // A row that has not been embedded yet has no vector in its column.
        let embedded = (*place == Place::Source).then(|| format!("{} IS NOT NULL", ordering.vectors(&alias)));
        let filter = filter.map(|filter| place.condition(vectorizer, &filter.in_parentheses()));

        Statement {
            outer: format!(
                "SELECT {found}.distance::pg_catalog.float8, {key}::pg_catalog.text, {found}.vector, {key}, {found}.seq, \
                 {found}.chunk, {}, {found}.citation, {found}.uuid",
                place.address(vectorizer),
            ),
            columns: columns(vectorizer, place, ordering, with_vectors),
            relation: place.relation(vectorizer),
            conditions: embedded.into_iter().chain(filter).collect(),
            found,
            found_columns: format!("({names}, seq, chunk, uuid, citation, vector, distance)"),
            distance: ordering.distance(&alias),
            by_index: ordering.by_index(&alias),
            exactly: ordering.exactly(&alias),
            alias,
        }
    }

    /// Returns the text of the statement for so many rows, the nearest first if they are found exactly. They are the
    /// nearest of so many candidates, if some are given, which an index finds that knows vectors only roughly.
    pub fn rows(&self, way: Way, limit: usize, candidates: Option<usize>) -> String {
        let Statement { outer, columns, found, found_columns, .. } = self;
        let (nearest, best) = self.nearest(way, limit, candidates);
        format!("{outer} FROM (SELECT {columns} {nearest}) AS {found} {found_columns}{best}")
    }

    /// Returns the text of the statement for the UUIDs and the distances of so many chunks, found as [`Self::rows`] are.
    pub fn distances(&self, way: Way, limit: usize, candidates: Option<usize>) -> String {
        let Statement { alias, distance, found, .. } = self;
        let (nearest, best) = self.nearest(way, limit, candidates);
        format!(
            "SELECT {found}.id, {found}.distance
             FROM (SELECT {alias}.embedding_uuid, {distance} {nearest}) AS {found} (id, distance){best}"
        )
    }

    /// Returns the text of the statement for the chunks with the UUIDs `$2`.
    pub fn rows_of(&self) -> String {
        let Statement { outer, columns, relation, alias, found, found_columns, .. } = self;
        format!(
            "{outer} FROM (SELECT {columns} FROM {relation}
             WHERE {alias}.embedding_uuid OPERATOR(pg_catalog.=) ANY ($2)) AS {found} {found_columns}"
        )
    }

    /// Returns what comes after what is selected of the nearest rows in the subquery, and what comes after the subquery.
    fn nearest(&self, way: Way, limit: usize, candidates: Option<usize>) -> (String, String) {
        let Statement { relation, conditions, by_index, exactly, found, .. } = self;
        let conditions = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        let order = match way {
            Way::AsPlanned => by_index,
            Way::Exactly => exactly,
        };
        let candidates = candidates.filter(|_| way == Way::AsPlanned);
        let best = match candidates {
            Some(_) => format!(" ORDER BY {found}.distance LIMIT {limit}"),
            None => String::new(),
        };
        let read = candidates.unwrap_or(limit);
        (format!("FROM {relation}{conditions} ORDER BY {order} LIMIT {read}"), best)
    }
}

/// Returns what is selected of a row: its key, its chunk, its vector if that is wanted, and its distance.
fn columns(vectorizer: &Vectorizer, place: &Place, ordering: &Ordering, with_vectors: bool) -> String {
    let alias = place.alias(vectorizer);
    let key = vectorizer.key.names(Some(&alias));
    let chunk = match place {
        Place::Store | Place::View(_) => format!(
            "{alias}.chunk_seq::pg_catalog.int4, {alias}.chunk::pg_catalog.text, {alias}.embedding_uuid::pg_catalog.uuid"
        ),
        Place::Source => "NULL::pg_catalog.int4, NULL::pg_catalog.text, NULL::pg_catalog.uuid".to_owned(),
    };
    let citation = match is_cited(&vectorizer.config.destination) {
        true => format!("{alias}.citation::pg_catalog.jsonb"),
        false => "NULL::pg_catalog.jsonb".to_owned(),
    };
    let vector = if with_vectors { ordering.vectors(&alias) } else { "NULL".to_owned() };
    format!("{key}, {chunk}, {citation}, {vector}::pg_catalog.float4[], {}", ordering.distance(&alias))
}

/// Returns the key of a row that is found as `jsonb`. A type that is not Postgres's own is written as a text: a cast of
/// its owner's may make JSON of it, which must not run as whoever searches.
fn key_as_json(vectorizer: &Vectorizer, found: &str) -> String {
    let pairs = vectorizer.key.columns().iter().enumerate().map(|(place, column)| {
        let is_postgres_own = !column.type_name.contains('.');
        let value = match is_postgres_own {
            true => format!("{found}.k{place}"),
            false => format!("pg_catalog.format('%s', {found}.k{place})"),
        };
        format!("{}::pg_catalog.text, {value}", literal(&column.name))
    });
    format!("pg_catalog.jsonb_build_object({})", pairs.collect::<Vec<_>>().join(", "))
}
