//! `ai.create_vectorizer`.
//!
//! Checks and effects are in pgai's order, which determines the error that a user sees.

use std::ffi::CStr;

use pgrx::datum::Array;
use pgrx::prelude::*;
use pgrx::{PgSqlErrorCode, pg_sys};
use serde::de::DeserializeOwned;

use pgai_rs_pipeline::config::{Destination, VectorizerConfig};

use super::progress;
use super::quota;
use super::requirements::{require_fresh_snapshots, require_utf8};
use crate::catalog::batch;
use crate::catalog::binding::Relations;
use crate::catalog::destination;
use crate::catalog::key::{self, Key};
use crate::catalog::leftovers;
use crate::catalog::objects;
use crate::catalog::queue_tables::{self, Remembered};
use crate::catalog::registration::register;
use crate::catalog::relation::{self, Column, Relation};
use crate::catalog::row_security;
use crate::catalog::schema;
use crate::catalog::sequence;
use crate::catalog::triggers::{self, Identity};
use crate::catalog::vectorizer;
use crate::catalog::words;
use crate::catalog::{failed_name, inbox_name, origin_name, work_name};
use crate::declare::config::ConfigPart;
use crate::declare::declaration::{CheckedConfig, ConfigParts};
use crate::declare::destination::{duplicate, relation_exists};
use crate::declare::{
    destination as asked, embedding, indexing, names, search as asked_search, source as asked_source,
};
use crate::pg::error::PgError;
use crate::pg::identity::as_superuser;
use crate::pg::json::Json;
use crate::pg::lock::{self, Named};
use crate::pg::roles::role_name;
use crate::pg::sql::{self, ident};
use crate::trigger::wake;

/// The arguments of the call.
pub(super) struct VectorizerRequest {
    /// The table whose rows are to be embedded.
    pub source: pg_sys::Oid,
    /// Its name; `None` for one that is made of the destination's.
    pub name: Option<String>,
    /// Its config.
    pub parts: ConfigParts,
    /// The schema of the queue's tables; `None` for `ai`.
    pub queue_schema: Option<String>,
    /// The name of the inbox; `None` for one that is made of the id.
    pub queue_table: Option<String>,
    /// The roles that are granted what they need to search and to look after the queue.
    pub grant_to: Vec<String>,
    /// True if the rows that are there are to be embedded.
    pub enqueue_existing: bool,
    /// True if an existing vectorizer of this name on this source is no error.
    pub if_not_exists: bool,
}

fn owned(text: Option<&CStr>) -> Option<String> {
    text.map(|text| text.to_string_lossy().into_owned())
}

/// Parses a part of the config.
pub(super) fn part<T: DeserializeOwned>(kind: &'static str, json: Option<Json>) -> ConfigPart<T> {
    ConfigPart::parse(kind, json.map(|json| json.0))
}

/// `ai.create_vectorizer` of 0.2.0 and before, which has no words.
#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn create_vectorizer(
    source: Option<pg_sys::Oid>,
    name: Option<&str>,
    destination: Option<Json>,
    loading: Option<Json>,
    parsing: Option<Json>,
    embedding: Option<Json>,
    chunking: Option<Json>,
    indexing: Option<Json>,
    formatting: Option<Json>,
    scheduling: Option<Json>,
    processing: Option<Json>,
    queue_schema: Option<&CStr>,
    queue_table: Option<&CStr>,
    grant_to: Option<Array<'_, &CStr>>,
    enqueue_existing: Option<bool>,
    if_not_exists: Option<bool>,
) -> Result<i32, pg_sys::panic::ErrorReport> {
    create_searchable_vectorizer(
        source,
        name,
        destination,
        loading,
        parsing,
        embedding,
        chunking,
        indexing,
        formatting,
        scheduling,
        processing,
        queue_schema,
        queue_table,
        grant_to,
        enqueue_existing,
        if_not_exists,
        None,
    )
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn create_searchable_vectorizer(
    source: Option<pg_sys::Oid>,
    name: Option<&str>,
    destination: Option<Json>,
    loading: Option<Json>,
    parsing: Option<Json>,
    embedding: Option<Json>,
    chunking: Option<Json>,
    indexing: Option<Json>,
    formatting: Option<Json>,
    scheduling: Option<Json>,
    processing: Option<Json>,
    queue_schema: Option<&CStr>,
    queue_table: Option<&CStr>,
    grant_to: Option<Array<'_, &CStr>>,
    enqueue_existing: Option<bool>,
    if_not_exists: Option<bool>,
    search: Option<Json>,
) -> Result<i32, pg_sys::panic::ErrorReport> {
    let source = source.ok_or_else(|| {
        PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "source must not be null")
            .with_hint("Specify the table whose rows are to be embedded, such as 'document'::regclass.")
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
    let request = VectorizerRequest {
        source,
        name: name.map(str::to_owned),
        parts,
        queue_schema: owned(queue_schema),
        queue_table: owned(queue_table),
        grant_to: grant_to.map(|names| names.iter().filter_map(owned).collect()).unwrap_or_default(),
        enqueue_existing: enqueue_existing.unwrap_or(true),
        if_not_exists: if_not_exists.unwrap_or(false),
    };
    Ok(create(request)?)
}

/// A vectorizer that passed all checks and is to be built.
struct Blueprint {
    id: i32,
    name: String,
    source: Relation,
    columns: Vec<Column>,
    key: Key,
    queue_schema: String,
    inbox: String,
    declared: CheckedConfig,
}

/// Creates a vectorizer and returns its id.
pub(super) fn create(request: VectorizerRequest) -> Result<i32, PgError> {
    schema::require_trusted()?;
    let grantees = existing_roles(&request.grant_to)?;
    let VectorizerRequest { source, name, parts, queue_schema, queue_table, .. } = request;
    parts.require_given()?;
    require_utf8()?;
    require_fresh_snapshots("create_vectorizer")?;

    let source = asked_source::lock(source)?;
    let dimensions = embedding::dimensions(&parts.embedding)?;
    let key = key::required(source.oid)?;
    let columns = relation::columns(source.oid)?;
    let declared = parts.check(dimensions, &source, &columns)?;
    let destination = &declared.config.destination;
    asked::require_key_names(destination, &key)?;

    let name = name.unwrap_or_else(|| asked::default_name(destination, &source));
    // It comes before the name: who waits for another declaration of the role keeps no name from others meanwhile.
    quota::hold(source.owner);
    lock::on(Named::Vectorizer, &name);
    if let Some(existing) = existing(&name, &source, request.if_not_exists)? {
        return Ok(existing);
    }
    names::require_valid("vectorizer", &name)?;
    quota::require_room_for_vectorizer(source.owner)?;
    // It comes after what refuses most, for no id is given twice.
    let id = next_id()?;
    let queue_schema = queue_schema.unwrap_or_else(|| "ai".to_owned());
    let inbox = queue_table.unwrap_or_else(|| inbox_name(id));
    require_queue_free(&source, &queue_schema, &inbox, id)?;

    asked::lock_names(destination);
    lock::waiting_briefly(|| hold_names(&source, &key, destination, &queue_schema))?;
    asked::require_free(destination, &source)?;
    if let Some((schema, table)) = words::asked_for(&declared.config.search, destination) {
        asked_search::require_free(schema, &table)?;
    }

    indexing::announce(&declared.config, declared.vector_type, &source);
    let blueprint = Blueprint { id, name, source, columns, key, queue_schema, inbox, declared };
    build(blueprint, &grantees, request.enqueue_existing)?;
    Ok(id)
}

/// Keeps what the definitions of the vectorizer's objects name from being renamed until the transaction ends. Errors
/// (40001) if it has changed since it was read.
///
/// It comes after all that may wait. The locks on tables do not keep the names of their schemas.
fn hold_names(
    source: &Relation,
    key: &Key,
    destination: &Destination,
    queue_schema: &str,
) -> Result<(), PgError> {
    let mut given = vec![queue_schema];
    if let Destination::Table { target_schema, view_schema, .. } = destination {
        given.extend([target_schema.as_str(), view_schema]);
    }
    // Nobody holds the names of schemas that they could create nothing in.
    for schema in &given {
        require_right(source, schema, "USAGE")?;
    }

    let vectors = relation::vector_schema()?;
    lock::schema_names(&[&given[..], &[source.schema.as_str(), &vectors]].concat())?;
    key::hold_schemas(source.oid)?;
    source.as_read().require_unchanged()?;
    if relation::vector_schema()? == vectors && key::of(source.oid)?.as_ref() == Some(key) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_T_R_SERIALIZATION_FAILURE,
        format!("the types of {} were changed concurrently", source.qualified()),
    )
    .with_hint("Repeat the statement."))
}

/// Returns the vectorizer of this name on this source, if the caller accepts an existing one; `None` if the
/// name is free. Errors if it is taken otherwise.
fn existing(name: &str, source: &Relation, if_not_exists: bool) -> Result<Option<i32>, PgError> {
    let Some(existing) = find_by_name(name)? else { return Ok(None) };
    let taken = duplicate(format!("a vectorizer named {name} already exists."));
    if !if_not_exists {
        return Err(taken);
    }
    if !vectorizer::by_source(source.oid)?.iter().any(|entry| entry.id == existing) {
        return Err(taken
            .with_detail("Its source is another table.")
            .with_hint("Choose another name, or another destination, from which the name is derived."));
    }
    pgrx::notice!("a vectorizer named {name} already exists, skipping");
    Ok(Some(existing))
}

/// Creates the vectorizer's objects, its row in the catalog and its triggers, and grants rights on them.
fn build(blueprint: Blueprint, grantees: &[String], enqueue_existing: bool) -> Result<(), PgError> {
    let Blueprint { id, name, source, columns, key, queue_schema, inbox, declared } = blueprint;
    let VectorizerConfig { loading, parsing, embedding, destination, search, .. } = &declared.config;
    let remembered = Remembered::of(destination, loading, *parsing);
    let (store, view) = destination::create(destination, &source, &columns, &key, embedding.dimensions())?;
    let words = match (words::asked_for(search, destination), &store) {
        (Some((_, name)), Some(store)) => Some(words::create(store, &name)?),
        _ => None,
    };
    let queue = objects::create_queue(id, &queue_schema, &inbox, &key, source.owner, remembered)?;
    let uuid = register(id, &name, &source, &key, &queue_schema, &inbox, declared.stored)?;
    let relations = Relations::new(source.table()?, queue, store, view, words);
    if row_security::keep(&source, &key, &relations)? {
        pgrx::notice!("row security of {} applies to its chunks as well", source.qualified());
    }
    relations.bind(id)?;

    leftovers::drop_on(source.oid)?;
    triggers::create(&Identity { id, uuid }, &source)?;
    let tables = queue_tables::of(id, &relations);
    for role in grantees {
        objects::grant(
            role,
            &tables.all(remembered),
            destination,
            relations.words.as_ref(),
            &source,
            &queue_schema,
        )?;
    }
    relations.require_names()?;

    if enqueue_existing {
        batch::note_backfill(id)?;
        progress::announce(&name, objects::enqueue_existing(&relations, &key)?);
    }
    wake::worker_at_commit();
    Ok(())
}

/// Returns the names of the roles that exist, quoted if necessary, and raises a warning about the others.
fn existing_roles(names: &[String]) -> Result<Vec<String>, PgError> {
    let known = sql::read(
        "SELECT name FROM pg_catalog.unnest($1::text[]) AS name
         WHERE name = 'public' OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname::text = name)",
        &[names.to_vec().into()],
        |row| row.get::<String>(1),
    )?;
    let missing: Vec<_> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
    if !missing.is_empty() {
        pgrx::warning!("one or more grant_to roles do not exist: {}", missing.join(", "));
    }
    Ok(known.iter().map(|name| if name == "public" { name.clone() } else { ident(name) }).collect())
}

/// Returns the next id for which no queue table is left over from a previous installation of the extension.
fn next_id() -> Result<i32, PgError> {
    loop {
        let id: i32 = sequence::VECTORIZERS.next("int4")?;
        let names = [inbox_name(id), work_name(id), failed_name(id), origin_name(id)];
        let taken = names.iter().map(|name| relation_exists("ai", name)).collect::<Result<Vec<_>, _>>()?;
        if !taken.contains(&true) {
            return Ok(id);
        }
    }
}

/// Errors if the queue's tables can't be created in this schema. In `ai` they are created with the
/// extension's rights, and names are reserved for it: another name might collide with one of a later version.
/// In any other schema the owner must be allowed to create them.
fn require_queue_free(source: &Relation, schema: &str, inbox: &str, id: i32) -> Result<(), PgError> {
    let rights: &[&str] = if schema == "ai" { &["USAGE"] } else { &["USAGE", "CREATE"] };
    for right in rights {
        require_right(source, schema, right)?;
    }

    if relation_exists(schema, inbox)? {
        return Err(duplicate(format!(
            "an object named {schema}.{inbox} already exists. specify an alternate queue_table explicitly"
        )));
    }
    if schema == "ai" && inbox != inbox_name(id) {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_RESERVED_NAME,
            format!("unacceptable queue_table name {}", ident(inbox)),
        )
        .with_detail("Names in the schema ai are reserved for the extension.")
        .with_hint("Omit queue_table, or choose another queue_schema."));
    }
    Ok(())
}

/// Errors unless the owner of the source has a right on a schema.
fn require_right(source: &Relation, schema: &str, right: &str) -> Result<(), PgError> {
    let allowed = sql::query_row(
        "SELECT pg_catalog.has_schema_privilege($1, $2, $3)",
        &[source.owner.into(), schema.to_owned().into(), right.to_owned().into()],
        |row| row.get::<bool>(1),
    )?;
    if allowed == Some(true) {
        return Ok(());
    }

    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        format!("the source's owner lacks the privilege {right} on schema {}", ident(schema)),
    )
    .with_detail("A vectorizer works with the rights of its source's owner.")
    .with_hint(format!("GRANT {right} ON SCHEMA {} TO {};", ident(schema), role_name(source.owner)?)))
}

fn find_by_name(name: &str) -> Result<Option<i32>, PgError> {
    as_superuser(|| {
        sql::query_row(
            "SELECT id FROM ai.vectorizer WHERE name::text = $1",
            &[name.to_owned().into()],
            |row| row.get::<i32>(1),
        )
    })
}
