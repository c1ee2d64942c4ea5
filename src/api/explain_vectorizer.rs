//! `ai.explain_vectorizer`: what a vectorizer would come to, before it exists.

use std::ffi::CStr;

use pgrx::datum::Array;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};

use super::alter::{Changes, declared};
use super::create_vectorizer::part;
use super::explain::explain;
use super::explain::measures::Measure;
use super::explain::source::ExplainedSource;
use super::named;
use super::requirements::require_utf8;
use crate::access;
use crate::catalog::relation::{self, Relation};
use crate::catalog::{key, ownership, rights, schema, secret};
use crate::declare::declaration::ConfigParts;
use crate::declare::{embedding, source as asked_source};
use crate::pg::error::PgError;
use crate::pg::json::Json;

/// The largest number of rows that somebody may have looked at.
const MOST_ROWS: i32 = 100_000;

/// The rows of the answer: measure, amount, spread, and note.
type Rows = TableIterator<
    'static,
    (name!(measure, String), name!(amount, Option<f64>), name!(spread, Option<f64>), name!(note, String)),
>;

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn explain_vectorizer(
    source: Option<pg_sys::Oid>,
    _name: Option<&str>,
    destination: Option<Json>,
    loading: Option<Json>,
    parsing: Option<Json>,
    embedding: Option<Json>,
    chunking: Option<Json>,
    indexing: Option<Json>,
    formatting: Option<Json>,
    scheduling: Option<Json>,
    processing: Option<Json>,
    _queue_schema: Option<&CStr>,
    _queue_table: Option<&CStr>,
    _grant_to: Option<Array<'_, &CStr>>,
    _enqueue_existing: Option<bool>,
    _if_not_exists: Option<bool>,
    search: Option<Json>,
    sample_rows: Option<i32>,
) -> Result<Rows, pg_sys::panic::ErrorReport> {
    let source = source.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "source must not be null")
            .with_hint("Specify the table whose rows would be embedded, such as 'document'::regclass.")
    })?;
    let parts = ConfigParts {
        loading: part("loading", loading),
        parsing: part("parsing", parsing),
        embedding: part("embedding", embedding),
        chunking: part("chunking", chunking),
        indexing: part("indexing", indexing),
        formatting: part("formatting", formatting),
        scheduling: part("scheduling", scheduling),
        processing: part("processing", processing),
        destination: part("destination", destination),
        search: part("search", search),
    };
    Ok(answer(explain_declaration(source, parts, rows(sample_rows)?)?))
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn explain_vectorizer_by_name(
    vectorizer: Option<&str>,
    sample_rows: Option<i32>,
    loading: Option<Json>,
    parsing: Option<Json>,
    embedding: Option<Json>,
    chunking: Option<Json>,
    indexing: Option<Json>,
    formatting: Option<Json>,
) -> Result<Rows, pg_sys::panic::ErrorReport> {
    let name = vectorizer.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer must not be null")
            .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
    })?;
    let parts = [
        ("loading", loading),
        ("parsing", parsing),
        ("embedding", embedding),
        ("chunking", chunking),
        ("indexing", indexing),
        ("formatting", formatting),
    ];
    Ok(answer(explain_existing(name, &Changes::of(parts, None), rows(sample_rows)?)?))
}

/// Explains a vectorizer that is not declared yet. The arguments are checked as a declaration's are.
fn explain_declaration(
    source: pg_sys::Oid,
    parts: ConfigParts,
    rows: usize,
) -> Result<Vec<Measure>, PgError> {
    schema::require_trusted()?;
    parts.require_given()?;
    require_utf8()?;

    let relation = asked_source::require(source)?;
    let dimensions = embedding::dimensions(&parts.embedding)?;
    key::required(relation.oid)?;
    let columns = relation::columns(relation.oid)?;
    let config = parts.check(dimensions, &relation, &columns)?.config;
    let author = rights::author(relation.owner);
    explain(&ExplainedSource::new(&relation, &columns, &config, author)?, &config, rows)
}

/// Explains a vectorizer that exists, as if it were declared anew with changes.
fn explain_existing(name: &str, changes: &Changes, rows: usize) -> Result<Vec<Measure>, PgError> {
    let entry = named::by_name(Some(name))?;
    ownership::require_owner(entry.id)?;

    let gone = || PgError::raised(format!("the source of vectorizer \"{name}\" does not exist"));
    let relation = Relation::load(entry.source())?.ok_or_else(gone)?;
    let author = entry.author();
    let config = match changes.is_empty() {
        true => entry.config()?.clone(),
        false => declared(&entry, changes, &relation)?.config,
    };
    let config = &config;
    let key = secret::api_key_of(&config.embedding)?;
    access::vectorizer::require_allowed(config, entry.owner(), author, key.as_ref())?;
    let columns = relation::columns(relation.oid)?;
    explain(&ExplainedSource::new(&relation, &columns, config, author)?, config, rows)
}

/// Returns the number of rows that are to be looked at.
fn rows(wanted: Option<i32>) -> Result<usize, PgError> {
    let wanted = wanted.unwrap_or(0);
    match usize::try_from(wanted) {
        Ok(rows) if (1..=MOST_ROWS).contains(&wanted) => Ok(rows),
        _ => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("sample_rows must be an integer between 1 and {MOST_ROWS}"),
        )
        .with_hint("Four times as many rows halve the spread.")),
    }
}

fn answer(measures: Vec<Measure>) -> Rows {
    let rounded = |name: &str, number: f64| match name {
        "usd" | "seconds_here" => (number * 1e6).round() / 1e6,
        _ => number.round(),
    };
    TableIterator::new(measures.into_iter().map(move |measure| {
        let Measure { name, amount, spread, note } = measure;
        let round = |number: f64| rounded(name, number);
        (name.to_owned(), amount.map(round), spread.map(round), note)
    }))
}
