//! `ai.destination_*`: names are filled in and checked when a vectorizer is created.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

use pgai_rs_pipeline::config::indexing::{Indexing, hnsw};
use pgai_rs_pipeline::config::{Chunking, Destination, DestinationNames, VectorType};

use super::config::{ConfigPart, raise};
use super::names::require_length;
use crate::catalog::destination::{is_cited, is_halfvec, store_columns};
use crate::catalog::key::Key;
use crate::catalog::relation::{Column, Relation};
use crate::catalog::vectorizer;
use crate::pg::error::PgError;
use crate::pg::lock::{self, Named};
use crate::pg::sql::{self, MAX_IDENTIFIER, ident};

/// Checks a config of `ai.destination_*`, before its names are filled in.
pub fn check(config: &ConfigPart<DestinationNames>, chunking: &ConfigPart<Chunking>) -> Result<(), PgError> {
    match config.implementation()? {
        Some("table") => Ok(()),
        Some("column") if chunking.get() == Some(&Chunking::None) => Ok(()),
        Some("column") => Err(PgError::raised("chunking must be none for column destination")
            .with_hint("A column has room for one vector per row: add chunking => ai.chunking_none().")),
        _ => raise("invalid implementation for destination config"),
    }
}

/// Fills in the names as pgai does: with `destination => 'd'` the view is `d` and the store is `d_store`;
/// otherwise both are derived from the source's name.
pub fn evaluate(
    names: &DestinationNames,
    source: &Relation,
    vector_type: VectorType,
) -> Result<Destination, PgError> {
    let names = names.clone();
    if names.is_column {
        let embedding_column = names.embedding_column.ok_or_else(|| {
            PgError::raised("invalid destination config, missing embedding_column")
                .with_hint("Specify the column, as in ai.destination_column('name').")
        })?;
        require_length(&embedding_column)?;
        return Ok(Destination::Column { embedding_column, vector_type });
    }

    let (table, view) = match names.destination {
        Some(destination) => (format!("{destination}_store"), destination),
        None => (format!("{}_embedding_store", source.name), format!("{}_embedding", source.name)),
    };
    let target_table = names.target_table.unwrap_or(table);
    let view_name = names.view_name.unwrap_or(view);
    for name in [&target_table, &view_name] {
        require_length(name)?;
    }

    let target_schema = names.target_schema.unwrap_or_else(|| source.schema.clone());
    let view_schema = names.view_schema.unwrap_or_else(|| source.schema.clone());
    let citation = names.citation;
    Ok(Destination::Table { target_schema, target_table, view_schema, view_name, citation, vector_type })
}

/// The type of the vectors, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolvedType {
    /// It was declared, or is that of the column that is there.
    Given(VectorType),
    /// It was chosen here.
    Chosen(VectorType),
}

impl ResolvedType {
    /// Returns the type.
    pub fn get(self) -> VectorType {
        match self {
            ResolvedType::Given(vector_type) | ResolvedType::Chosen(vector_type) => vector_type,
        }
    }
}

/// Resolves the type of so many dimensions. Of more than an HNSW index of `vector` has room for, half precision is chosen,
/// unless the index that is wanted knows no other type than `vector`.
pub fn resolve_type(
    names: &DestinationNames,
    columns: &[Column],
    dimensions: u32,
    indexing: &Indexing,
) -> ResolvedType {
    let of_column = columns.iter().find(|column| Some(&column.name) == names.embedding_column.as_ref());
    match (names.vector_type, of_column.filter(|_| names.is_column)) {
        (Some(declared), _) => ResolvedType::Given(declared),
        (None, Some(there)) if is_halfvec(there) => ResolvedType::Given(VectorType::Halfvec),
        (None, Some(_)) => ResolvedType::Given(VectorType::Vector),
        (None, None) if dimensions > hnsw::MAX_VECTOR && indexing.takes(VectorType::Halfvec) => {
            ResolvedType::Chosen(VectorType::Halfvec)
        }
        (None, None) => ResolvedType::Chosen(VectorType::Vector),
    }
}

/// Returns `<target_schema>_<target_table>` or `<schema>_<table>_<column>`, adapted to the rule for names.
pub fn default_name(destination: &Destination, source: &Relation) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let whole = match destination {
        Destination::Table { target_schema, target_table, .. } => format!("{target_schema}_{target_table}"),
        Destination::Column { embedding_column, .. } => {
            format!("{}_{}_{embedding_column}", source.schema, source.name)
        }
    };

    let mut name: String = whole.chars().map(plain).collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert(0, 'v');
    }
    name.truncate(MAX_IDENTIFIER);
    name
}

/// Waits until nobody else is creating a store or a view of these names.
pub fn lock_names(destination: &Destination) {
    if let Destination::Table { target_table, view_name, .. } = destination {
        lock::on(Named::Relation, target_table);
        lock::on(Named::Relation, view_name);
    }
}

/// Errors if a name is taken. A column that another vectorizer writes to is accepted, as in pgai, but a
/// warning is raised.
pub fn require_free(destination: &Destination, source: &Relation) -> Result<(), PgError> {
    let Destination::Column { embedding_column, .. } = destination else {
        return require_names_free(destination);
    };

    let others = vectorizer::by_source(source.oid)?;
    for other in others.iter().filter(|other| other.embedding_column() == Some(embedding_column)) {
        let column = ident(embedding_column);
        let table = source.qualified();
        ErrorReport::new(
            PgSqlErrorCode::ERRCODE_WARNING,
            format!(
                "column {column} of {table} already contains the vectors of vectorizer \"{}\"",
                other.name
            ),
            "",
        )
        .set_detail("Each row will contain the vector of the vectorizer that writes last.")
        .set_hint("Choose another column, or drop one of the two vectorizers.")
        .report(PgLogLevel::WARNING);
    }
    Ok(())
}

/// Errors if the name of the store or the view is taken; does nothing for a column.
pub fn require_names_free(destination: &Destination) -> Result<(), PgError> {
    let Destination::Table { target_schema, target_table, view_schema, view_name, .. } = destination else {
        return Ok(());
    };
    let taken = |schema: &str, name: &str, what: &str| -> Result<(), PgError> {
        if relation_exists(schema, name)? {
            return Err(duplicate(format!(
                "an object named {schema}.{name} already exists. specify an alternate destination or {what} explicitly"
            )));
        }
        Ok(())
    };

    taken(view_schema, view_name, "view_name")?;
    taken(target_schema, target_table, "target_table")
}

/// Errors if a key column has the name of one of the store's own columns: the store contains both.
pub fn require_key_names(destination: &Destination, key: &Key) -> Result<(), PgError> {
    let of_store = store_columns(is_cited(destination));
    let taken = |name: &str| of_store.contains(&name);
    match (destination, key.columns().iter().find(|column| taken(&column.name))) {
        (Destination::Column { .. }, _) | (Destination::Table { .. }, None) => Ok(()),
        (Destination::Table { .. }, Some(column)) => Err(PgError::new(
            PgSqlErrorCode::ERRCODE_DUPLICATE_COLUMN,
            format!("primary key column {} has the name of a column of the store", ident(&column.name)),
        )
        .with_detail(format!("The columns of the store are {}.", of_store.join(", ")))
        .with_hint("Rename the column, or use a primary key without it.")),
    }
}

/// Returns the error for a name that is taken.
pub fn duplicate(message: String) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, message)
}

/// Returns whether there is a relation of any kind with this name, on a new snapshot.
pub fn relation_exists(schema: &str, name: &str) -> Result<bool, PgError> {
    let found = sql::query(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname::text = $1 AND c.relname::text = $2",
        &[schema.to_owned().into(), name.to_owned().into()],
        |_| Ok(()),
    )?;
    Ok(!found.is_empty())
}
