//! pgai's validation functions under pgai's names: its users' own functions and tests call them.
//!
//! They make the checks of `ai.create_vectorizer`, and are as strict.

use std::ffi::CStr;

use pgrx::prelude::*;
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde::de::DeserializeOwned;

use pgai_rs_pipeline::config::{Destination, DestinationNames};

use crate::catalog::destination::to_json;
use crate::catalog::key;
use crate::catalog::relation::{self, Column, Relation};
use crate::declare::config::ConfigPart;
use crate::declare::{
    chunking, destination, embedding, formatting, indexing, loading, parsing, processing, scheduling,
};
use crate::pg::error::PgError;
use crate::pg::identity::current_user;
use crate::pg::json::Json;
use crate::pg::sql;

type Checked = Result<(), pg_sys::panic::ErrorReport>;

/// A number of dimensions that every index supports: pgai's default does not depend on it.
const FEW_DIMENSIONS: u32 = 1;

fn part<T: DeserializeOwned>(kind: &'static str, config: Option<Json>) -> ConfigPart<T> {
    ConfigPart::parse(kind, config.map(|config| config.0))
}

/// Returns an argument of type `name`; an empty string if it is NULL.
pub fn text(name: Option<&CStr>) -> String {
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Returns the relation of that name; `None` if there is none.
pub fn find(schema: &str, name: &str) -> Result<Option<Relation>, PgError> {
    let oid = sql::query_row(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname::text = $1 AND c.relname::text = $2",
        &[schema.to_owned().into(), name.to_owned().into()],
        |row| row.get::<pg_sys::Oid>(1),
    )?;
    Ok(oid.map(Relation::load).transpose()?.flatten())
}

/// Returns the relation of that name. Errors if there is none.
pub fn source(schema: Option<&CStr>, table: Option<&CStr>) -> Result<Relation, PgError> {
    let schema = text(schema);
    let table = text(table);
    find(&schema, &table)?.ok_or_else(|| {
        let name = sql::qualified(&schema, &table);
        PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_TABLE, format!("relation {name} does not exist"))
    })
}

fn columns(schema: Option<&CStr>, table: Option<&CStr>) -> Result<Vec<Column>, PgError> {
    relation::columns(source(schema, table)?.oid)
}

#[pg_extern(sql = false)]
fn validate_loading(config: Option<Json>, schema: Option<&CStr>, table: Option<&CStr>) -> Checked {
    let config = part("loading", config);
    // The shape comes first: its error does not depend on a table.
    config.implementation()?;
    Ok(loading::check(&config, &columns(schema, table)?, current_user()).map(drop)?)
}

#[pg_extern(sql = false)]
fn validate_parsing(
    parsing: Option<Json>,
    loading: Option<Json>,
    schema: Option<&CStr>,
    table: Option<&CStr>,
) -> Checked {
    let parsing = part("parsing", parsing);
    parsing.implementation()?;
    Ok(parsing::check(&parsing, &part("loading", loading), &columns(schema, table)?).map(drop)?)
}

#[pg_extern(sql = false)]
fn validate_destination(destination: Option<Json>, chunking: Option<Json>) -> Checked {
    Ok(destination::check(&part("destination", destination), &part("chunking", chunking))?)
}

#[pg_extern(sql = false)]
fn evaluated_destination(
    destination: Option<Json>,
    schema: Option<&CStr>,
    table: Option<&CStr>,
) -> Result<JsonB, pg_sys::panic::ErrorReport> {
    let config: ConfigPart<DestinationNames> = part("destination", destination);
    match config.implementation()? {
        Some("table" | "column") => {}
        _ => return Err(PgError::raised("invalid implementation for destination config").into()),
    }
    let names = config.readable()?;
    let vector_type = names.vector_type.unwrap_or_default();
    Ok(JsonB(to_json(&destination::evaluate(names, &source(schema, table)?, vector_type)?)))
}

#[pg_extern(sql = false)]
fn validate_destination_free(destination: Option<Json>) -> Checked {
    let config: ConfigPart<DestinationNames> = part("destination", destination);
    let names = config.readable()?.clone();
    Ok(destination::require_names_free(&Destination::Table {
        target_schema: names.target_schema.unwrap_or_default(),
        target_table: names.target_table.unwrap_or_default(),
        view_schema: names.view_schema.unwrap_or_default(),
        view_name: names.view_name.unwrap_or_default(),
        citation: names.citation,
        vector_type: names.vector_type.unwrap_or_default(),
    })?)
}

#[pg_extern(sql = false)]
fn validate_embedding(config: Option<Json>) -> Checked {
    Ok(embedding::check(&part("embedding", config), current_user()).map(drop)?)
}

#[pg_extern(sql = false)]
fn validate_chunking(config: Option<Json>) -> Checked {
    Ok(chunking::check(&part("chunking", config)).map(drop)?)
}

#[pg_extern(sql = false)]
fn validate_formatting(config: Option<Json>, schema: Option<&CStr>, table: Option<&CStr>) -> Checked {
    let config = part("formatting", config);
    config.implementation()?;
    Ok(formatting::check(&config, &columns(schema, table)?, |_| false).map(drop)?)
}

#[pg_extern(sql = false)]
fn validate_indexing(config: Option<Json>) -> Checked {
    Ok(indexing::check(&part("indexing", config)).map(drop)?)
}

#[pg_extern(sql = false)]
fn validate_scheduling(config: Option<Json>) -> Checked {
    let config = part("scheduling", config);
    if config.implementation()? == Some("default") {
        return Err(PgError::raised("unrecognized scheduling implementation: \"default\"").into());
    }
    Ok(scheduling::resolve(config).map(drop)?)
}

#[pg_extern(sql = false)]
fn validate_processing(config: Option<Json>) -> Checked {
    Ok(processing::check(&part("processing", config)).map(drop)?)
}

#[pg_extern(sql = false)]
fn resolved_indexing_default() -> JsonB {
    JsonB(indexing::default_config(FEW_DIMENSIONS))
}

#[pg_extern(sql = false)]
fn resolved_scheduling_default() -> JsonB {
    JsonB(scheduling::default_config())
}

#[pg_extern(sql = false)]
fn source_pk(source: Option<pg_sys::Oid>) -> Result<Option<JsonB>, pg_sys::panic::ErrorReport> {
    let Some(source) = source else { return Ok(None) };
    Ok(key::of(source)?.map(|key| JsonB(key.to_json())))
}
