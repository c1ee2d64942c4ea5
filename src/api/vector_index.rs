//! pgai's functions for a store's vector index, under pgai's names. The worker does not need them.

use std::ffi::CStr;

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use pgai_rs_pipeline::config::indexing::Indexing;

use super::drop_vectorizer::require_id;
use super::pgai_validators::{find, source, text};
use crate::catalog::ownership::require_owner;
use crate::catalog::vectorizer;
use crate::declare::config::ConfigPart;
use crate::index::build_now::{BuildOutcome, VectorColumn};
use crate::index::due;
use crate::pg::error::PgError;
use crate::pg::json::Json;

/// Returns a config that asks for an index, and its access method. Errors for any other config.
fn wanted(indexing: Option<Json>) -> Result<(Indexing, &'static str), PgError> {
    let config: ConfigPart<Indexing> = ConfigPart::parse("indexing", indexing.map(|json| json.0));
    let kind = config.named_implementation();
    let indexing = match kind {
        Some("hnsw" | "diskann") => config.readable()?.clone(),
        _ => Indexing::None,
    };
    let Some(method) = indexing.access_method() else {
        let kind = kind.unwrap_or("NULL");
        return Err(PgError::raised(format!("unrecognized index implementation: {kind}")));
    };
    indexing.check().map_err(PgError::raised)?;
    Ok((indexing, method))
}

#[pg_extern(sql = false)]
fn vector_index_exists(
    schema: Option<&CStr>,
    table: Option<&CStr>,
    indexing: Option<Json>,
    column: Option<&CStr>,
) -> Result<bool, ErrorReport> {
    let (_, method) = wanted(indexing)?;
    let Some(table) = find(&text(schema), &text(table))? else { return Ok(false) };
    Ok(VectorColumn { table, name: text(column) }.is_indexed(method)?)
}

#[pg_extern(sql = false)]
fn index_is_due(vectorizer_id: Option<i32>) -> Result<bool, ErrorReport> {
    let id = require_id(vectorizer_id)?;
    require_owner(id)?;
    // Without its queue or its trigger, as in the middle of a restore, no index is due.
    let Some(entry) = vectorizer::by_id(id)? else { return Ok(false) };
    Ok(due::is_due(&entry.resolve()?)?)
}

#[pg_extern(sql = false)]
fn create_vector_index(
    schema: Option<&CStr>,
    table: Option<&CStr>,
    indexing: Option<Json>,
    column: Option<&CStr>,
) -> Result<(), ErrorReport> {
    let (indexing, method) = wanted(indexing)?;
    let column = VectorColumn { table: source(schema, table)?, name: text(column) };
    let name = format!("{}.{}", column.table.schema, column.table.name);
    match column.index(&indexing, method)? {
        BuildOutcome::Built => {}
        BuildOutcome::Exists => say(PgLogLevel::NOTICE, format!("the vector index on {name} already exists")),
        BuildOutcome::Busy => {
            say(PgLogLevel::WARNING, format!("another process is already building a vector index on {name}"));
        }
    }
    Ok(())
}

fn say(level: PgLogLevel, message: String) {
    let code = match level {
        PgLogLevel::WARNING => PgSqlErrorCode::ERRCODE_WARNING,
        _ => PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
    };
    ErrorReport::new(code, message, "").report(level);
}
