//! The destination of a vectorizer's vectors: a store of chunks with a view, or a column of the source.

use pgrx::{PgSqlErrorCode, pg_sys};
use serde_json::{Value, json};

use pgai_rs_pipeline::config::{Destination, VectorType};

use super::key::Key;
use super::relation::{self, Column, Relation};
use super::table::Table;
use crate::pg::error::PgError;
use crate::pg::identity::as_user;
use crate::pg::lock;
use crate::pg::sql::{self, MAX_IDENTIFIER, execute, ident, qualified, with_ending};

/// The columns that every store has besides those of the key.
const STORE_COLUMNS: [&str; 4] = ["chunk", "chunk_seq", "embedding", "embedding_uuid"];

/// The column of a store that contains the places of chunks in their documents, if it keeps them.
const STORE_CITATIONS: &str = "citation";

/// The largest size in bytes of a vector that is stored as it is, and the largest number of columns of a key beside it: a row
/// must fit on a page of 8 kB with whatever else of it can't be moved out of line.
const PLAIN_BYTES: usize = 6_200;
const PLAIN_KEY: usize = 4;

/// The column of a store that contains the vectors.
pub const STORE_VECTORS: &str = "embedding";

/// Returns the columns of a store besides those of the key; `cited` if it keeps the places of chunks.
pub fn store_columns(cited: bool) -> Vec<&'static str> {
    let citations = cited.then_some(STORE_CITATIONS);
    STORE_COLUMNS.into_iter().chain(citations).collect()
}

/// Returns whether the destination is a store that keeps the places of chunks in their documents.
pub fn is_cited(destination: &Destination) -> bool {
    matches!(destination, Destination::Table { citation: true, .. })
}

/// Returns the config with all names filled in. That of a destination that pgai could make is as pgai writes it.
pub fn to_json(destination: &Destination) -> Value {
    let mut config = match destination {
        Destination::Table { target_schema, target_table, view_schema, view_name, citation, .. } => {
            let mut config = json!({
                "config_type": "destination",
                "implementation": "table",
                "target_schema": target_schema,
                "target_table": target_table,
                "view_schema": view_schema,
                "view_name": view_name,
            });
            if *citation {
                config["citation"] = true.into();
            }
            config
        }
        Destination::Column { embedding_column, .. } => json!({
            "config_type": "destination",
            "implementation": "column",
            "embedding_column": embedding_column,
        }),
    };
    let vector_type = destination.vector_type();
    if !vector_type.is_vector() {
        config["vector_type"] = vector_type.name().into();
    }
    config
}

/// Returns the qualified name of the store; `None` if vectors go to a column of the source.
pub fn store(destination: &Destination) -> Option<String> {
    match destination {
        Destination::Table { target_schema, target_table, .. } => {
            Some(qualified(target_schema, target_table))
        }
        Destination::Column { .. } => None,
    }
}

/// Creates what does not exist yet, as the vectorizer's owner. Returns the store and the view, or
/// `(None, None)` if the destination is a column.
pub fn create(
    destination: &Destination,
    source: &Relation,
    columns: &[Column],
    key: &Key,
    dimensions: u32,
) -> Result<(Option<Table>, Option<Table>), PgError> {
    let vector = column_type(destination.vector_type(), dimensions)?;
    match destination {
        Destination::Table { target_schema, target_table, view_schema, view_name, citation, .. } => {
            let store = qualified(target_schema, target_table);
            let view = qualified(view_schema, view_name);
            let view = view_definition(&view, &store, source, columns, key, *citation);
            let create = || {
                create_store(&store, key, &vector, *citation)?;
                let is_small =
                    destination.vector_type().bytes(dimensions) <= PLAIN_BYTES && key.len() <= PLAIN_KEY;
                keep_in_line(&store, STORE_VECTORS, if is_small { "PLAIN" } else { "MAIN" })?;
                execute(&view, &[])
            };
            lock::waiting_briefly(|| as_user(source.owner, create))?;
            let made = |schema: &str, name: &str| Table::made(schema, name, &[source.owner]).map(Some);
            Ok((made(target_schema, target_table)?, made(view_schema, view_name)?))
        }
        Destination::Column { embedding_column, .. } => {
            let table = source.qualified();
            if columns.iter().any(|column| column.name == *embedding_column) {
                require_vectors(source, embedding_column, &vector)?;
                pgrx::notice!("column {} of {table} already exists, using it", ident(embedding_column));
                return Ok((None, None));
            }
            let column = ident(embedding_column);
            let add = || {
                execute(&format!("ALTER TABLE {table} ADD COLUMN {column} {vector} DEFAULT NULL"), &[])?;
                // It is not known what else its rows hold.
                keep_in_line(&table, &column, "MAIN")
            };
            lock::writers_briefly(|| as_user(source.owner, add))?;
            Ok((None, None))
        }
    }
}

/// Has a view read a store that is there, as the owner of both. The types of its columns must not change.
pub fn redefine_view(view: &Table, store: &Table, source: &Relation, key: &Key) -> Result<(), PgError> {
    let columns = relation::columns(source.oid)?;
    let is_cited = relation::columns(store.oid)?.iter().any(|column| column.name == STORE_CITATIONS);
    let definition = view_definition(&view.qualified(), &store.qualified(), source, &columns, key, is_cited);
    let replace = definition.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1);
    as_user(source.owner, || execute(&replace, &[])).map(drop)
}

/// Returns the name of the index of vectors that the worker builds, `<table>_<column>_<method>_<id>`; long names are truncated.
pub fn index_name(table: &str, column: &str, method: &str, id: i32) -> String {
    let column = &column[..column.floor_char_boundary(MAX_IDENTIFIER / 2)];
    with_ending(table, &format!("_{column}_{method}_{id}"))
}

/// Returns the qualified name of a type of pgvector's.
pub fn qualified_type(vector_type: VectorType) -> Result<String, PgError> {
    Ok(qualified(&relation::vector_schema()?, vector_type.name()))
}

/// Returns the type of a column of vectors with so many dimensions.
pub fn column_type(vector_type: VectorType, dimensions: u32) -> Result<String, PgError> {
    Ok(format!("{}({dimensions})", qualified_type(vector_type)?))
}

/// Returns the type that a column of vectors has, whatever it was made with: its owner may have given it the other one.
pub fn stored_as(table: pg_sys::Oid, column: &str) -> Result<VectorType, PgError> {
    let columns = relation::columns(table)?;
    let is_half = columns.iter().any(|found| found.name == column && is_halfvec(found));
    Ok(if is_half { VectorType::Halfvec } else { VectorType::Vector })
}

/// Returns whether a column is a `halfvec`, or of a domain over it.
pub fn is_halfvec(column: &Column) -> bool {
    column.type_name == VectorType::Halfvec.name()
}

/// Returns whether a column has vectors of pgvector's.
pub fn is_of_vectors(column: &Column) -> bool {
    is_halfvec(column) || column.type_name == VectorType::Vector.name()
}

fn create_store(store: &str, key: &Key, vector: &str, cited: bool) -> Result<(), PgError> {
    let citations = if cited { ", citation jsonb" } else { "" };
    execute(
        &format!(
            "CREATE TABLE {store} (embedding_uuid uuid NOT NULL PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
                 {}, chunk_seq int4 NOT NULL, chunk text NOT NULL, embedding {vector} NOT NULL{citations},
                 UNIQUE ({}, chunk_seq))",
            key.definitions(),
            key.names(None),
        ),
        &[],
    )
    .map(drop)
}

/// Keeps vectors in the main table, by this strategy of TOAST: out of line, each distance would cost a second look-up. With
/// `MAIN`, Postgres tries in vain to compress each one that is written.
fn keep_in_line(table: &str, column: &str, strategy: &str) -> Result<(), PgError> {
    execute(&format!("ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {strategy}"), &[]).map(drop)
}

fn view_definition(
    view: &str,
    store: &str,
    source: &Relation,
    columns: &[Column],
    key: &Key,
    cited: bool,
) -> String {
    let of_store = store_columns(cited);
    let in_key = |name: &str| key.columns().iter().any(|c| c.name == name);
    let (hidden, shown): (Vec<_>, Vec<_>) = columns.iter().partition(|c| of_store.contains(&c.name.as_str()));
    for column in hidden {
        pgrx::notice!(
            "column {} of the source is missing from the view {view}, because the store has a column of that name",
            column.name
        );
    }

    let of_source =
        shown.iter().map(|c| format!("{}.{}", if in_key(&c.name) { "t" } else { "s" }, ident(&c.name)));
    format!(
        "CREATE VIEW {view} AS SELECT t.embedding_uuid, t.chunk_seq, t.chunk, t.embedding{}, {}
         FROM {store} t LEFT JOIN {} s ON {}",
        if cited { ", t.citation" } else { "" },
        of_source.collect::<Vec<_>>().join(", "),
        source.qualified(),
        key.same("t", "s"),
    )
}

/// Errors unless the column exists, has the type `vector` (with its schema and dimensions) and is not generated.
pub fn require_vectors(source: &Relation, column: &str, vector: &str) -> Result<(), PgError> {
    let found = sql::query_row(
        "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated <> ''
         FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1 AND a.attname::text = $2 AND NOT a.attisdropped",
        &[source.oid.into(), column.to_owned().into()],
        |row| Ok((row.get::<String>(1)?, row.get::<bool>(2)?)),
    )?;
    let named = format!("column {} of {}", ident(column), source.qualified());
    match found {
        Some((kind, false)) if kind == vector => Ok(()),
        Some((kind, false)) => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_DATATYPE_MISMATCH,
            format!("{named} has type {kind}, not {vector}"),
        )
        .with_hint("Choose a column that does not exist yet, or change its type to that of the embedding.")),
        Some((_, true)) => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("cannot write vectors to {named}, because it is a generated column"),
        )
        .with_hint("Choose a column that does not exist yet.")),
        None => {
            Err(PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN, format!("{named} does not exist"))
                .with_hint("Add the column, or drop the vectorizer and create it again."))
        }
    }
}
