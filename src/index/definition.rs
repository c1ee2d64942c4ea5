//! The index for a vectorizer, as SQL.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::indexing::{Element, Indexing};
use pgai_rs_pipeline::config::{Destination, VectorType};

use crate::catalog::destination::{index_name, stored_as};
use crate::catalog::relation;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql::{ident, qualified};

/// An index on vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexDefinition {
    /// The OID of the table that contains the vectors; invalid if it is gone.
    pub oid: pg_sys::Oid,
    /// The table that contains the vectors, qualified: the store or the source.
    pub table: String,
    /// Its column with the vectors.
    pub column: String,
    /// The schema of the table and of the index.
    pub schema: String,
    /// The name of the index. It contains the vectorizer's id, so an invalid index of this name is one that
    /// we have left.
    pub name: String,
    /// `hnsw` or `diskann`.
    pub method: &'static str,
    clause: String,
}

impl IndexDefinition {
    /// Returns the index that the config asks for; `None` if it asks for none.
    pub fn of(vectorizer: &Vectorizer) -> Result<Option<IndexDefinition>, PgError> {
        let indexing = wanted(vectorizer)?;
        let Some(method) = indexing.access_method() else { return Ok(None) };
        let (schema, name) = match &vectorizer.config.destination {
            Destination::Table { target_schema, target_table, .. } => (target_schema, target_table),
            Destination::Column { .. } => (&vectorizer.source.schema, &vectorizer.source.name),
        };

        let (table, column) = vectorizer.vectors();
        let dimensions = vectorizer.config.embedding.dimensions();
        Ok(Some(IndexDefinition {
            oid: vectorizer.table_of_vectors(),
            table,
            column: column.to_owned(),
            schema: schema.clone(),
            name: index_name(name, column, method, vectorizer.id),
            method,
            clause: clause(
                indexing,
                method,
                column,
                stored_as(vectorizer.table_of_vectors(), column)?,
                dimensions,
            )?,
        }))
    }

    /// Returns the statement that builds the index while others write to the table.
    pub fn create(&self) -> String {
        format!("CREATE INDEX CONCURRENTLY {} ON {} {}", ident(&self.name), self.table, self.clause)
    }

    /// Returns the statement that drops the rest of an unfinished build while others write to the table.
    pub fn drop(&self) -> String {
        format!("DROP INDEX CONCURRENTLY IF EXISTS {}", qualified(&self.schema, &self.name))
    }
}

/// Returns the statement that builds such an index within a transaction, with a name that Postgres chooses;
/// `None` if no index is asked for. It blocks writes to the table.
pub fn create_now(
    table: &str,
    column: &str,
    stored: VectorType,
    dimensions: u32,
    indexing: &Indexing,
) -> Result<Option<String>, PgError> {
    let Some(method) = indexing.access_method() else { return Ok(None) };
    Ok(Some(format!("CREATE INDEX ON {table} {}", clause(indexing, method, column, stored, dimensions)?)))
}

/// Returns `USING … (…) WITH (…)` for a column of this type with this number of dimensions.
fn clause(
    indexing: &Indexing,
    method: &str,
    column: &str,
    stored: VectorType,
    dimensions: u32,
) -> Result<String, PgError> {
    require_room(indexing, dimensions)?;
    let element = indexing.element(stored, dimensions);
    let key = key(indexing, element, &ident(column), dimensions, &relation::vector_schema()?);
    Ok(format!("USING {method} ({key}){}", options(indexing)))
}

/// Errors (54000) if the access method does not support vectors with this number of dimensions.
pub fn require_room(indexing: &Indexing, dimensions: u32) -> Result<(), PgError> {
    indexing.check_dimensions(dimensions).map_err(|refused| {
        PgError::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, refused)
            .with_detail(format!("The embedding has {dimensions} dimensions."))
            .with_hint("Change the options of the index or the dimensions, or use ai.indexing_none().")
    })
}

/// Returns the vectorizer's `indexing` config. Errors if it can't be read.
pub fn wanted(vectorizer: &Vectorizer) -> Result<&Indexing, PgError> {
    vectorizer.config.indexing.get().map_err(|why| {
        PgError::raised(format!(
            "could not read the indexing config of vectorizer \"{}\": {why}",
            vectorizer.name
        ))
        .with_hint("Drop the vectorizer and create it again with one of the functions ai.indexing_*().")
    })
}

fn key(indexing: &Indexing, element: Element, column: &str, dimensions: u32, vector_schema: &str) -> String {
    match (indexing, element) {
        (Indexing::Hnsw { index, .. }, Element::Vector) => {
            format!("{column} {}", qualified(vector_schema, &index.opclass))
        }
        (Indexing::Hnsw { index, .. }, Element::Halfvec) => {
            format!("{column} {}", qualified(vector_schema, &index.halfvec_opclass()))
        }
        (Indexing::Hnsw { index, .. }, Element::CastToHalfvec) => format!(
            "({column}::{}({dimensions})) {}",
            qualified(vector_schema, "halfvec"),
            qualified(vector_schema, &index.halfvec_opclass()),
        ),
        (Indexing::Hnsw { .. }, Element::Bits) => format!(
            "({}({column})::pg_catalog.bit({dimensions})) {}",
            qualified(vector_schema, "binary_quantize"),
            qualified(vector_schema, "bit_hamming_ops"),
        ),
        // The access method's default operator class, as in pgai.
        (Indexing::Diskann { .. } | Indexing::None, _) => column.to_owned(),
    }
}

/// Returns `WITH (…)` with the options that were given; an empty string if there are none.
fn options(indexing: &Indexing) -> String {
    let given: Vec<String> =
        indexing.options().into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if given.is_empty() {
        return String::new();
    }
    format!(" WITH ({})", given.join(", "))
}
