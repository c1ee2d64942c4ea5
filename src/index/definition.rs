//! The index that a vectorizer wants, as SQL.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::indexing::{Element, Indexing};
use pgai_rs_pipeline::config::Destination;

use crate::api::validate::MAX_IDENTIFIER;
use crate::catalog::relation;
use crate::catalog::vectorizer::Vectorizer;
use crate::pg::error::PgError;
use crate::pg::sql::{ident, qualified};

/// An index on vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The table that has the vectors, qualified: the store, or the source.
    pub table: String,
    /// Its column for them.
    pub column: String,
    /// The table's schema, which is the index's, too.
    pub schema: String,
    /// The index's own name. The vectorizer's id in it makes that nobody else's: an invalid index
    /// of this name is one that we left.
    pub name: String,
    /// `hnsw` or `diskann`.
    pub method: &'static str,
    clause: String,
}

impl Definition {
    /// What the config asks for; none if it is no index.
    pub fn of(vectorizer: &Vectorizer) -> Result<Option<Definition>, PgError> {
        let indexing = wanted(vectorizer)?;
        let Some(method) = indexing.access_method() else { return Ok(None) };
        let (schema, name) = match &vectorizer.config.destination {
            Destination::Table { target_schema, target_table, .. } => (target_schema, target_table),
            Destination::Column { .. } => (&vectorizer.source.schema, &vectorizer.source.name),
        };
        let (table, column) = vectorizer.vectors();
        let dimensions = vectorizer.config.embedding.dimensions();
        Ok(Some(Definition {
            table,
            column: column.to_owned(),
            schema: schema.clone(),
            name: index_name(name, column, method, vectorizer.id),
            method,
            clause: clause(&indexing, method, column, dimensions)?,
        }))
    }

    /// Builds it while others write to the table.
    pub fn create(&self) -> String {
        format!("CREATE INDEX CONCURRENTLY {} ON {} {}", ident(&self.name), self.table, self.clause)
    }

    /// Drops what a build that did not end has left, while others write to the table.
    pub fn drop(&self) -> String {
        format!("DROP INDEX CONCURRENTLY IF EXISTS {}", qualified(&self.schema, &self.name))
    }
}

/// The statement that builds such an index within a transaction, under a name of Postgres's choice;
/// none if no index is asked for. Who writes to the table waits for it.
pub fn create_at_once(
    table: &str,
    column: &str,
    dimensions: u32,
    indexing: &Indexing,
) -> Result<Option<String>, PgError> {
    let Some(method) = indexing.access_method() else { return Ok(None) };
    Ok(Some(format!("CREATE INDEX ON {table} {}", clause(indexing, method, column, dimensions)?)))
}

/// `USING … (…) WITH (…)`, for a column of so many dimensions.
fn clause(indexing: &Indexing, method: &str, column: &str, dimensions: u32) -> Result<String, PgError> {
    require_room(indexing, dimensions)?;
    let key =
        key(indexing, indexing.element(dimensions), &ident(column), dimensions, &relation::vector_schema()?);
    Ok(format!("USING {method} ({key}){}", options(indexing)))
}

/// Refuses (54000) what the access method can't do for vectors of so many dimensions.
pub fn require_room(indexing: &Indexing, dimensions: u32) -> Result<(), PgError> {
    indexing.check_dimensions(dimensions).map_err(|refused| {
        PgError::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, refused)
            .with_detail(format!("The embedding has {dimensions} dimensions."))
            .with_hint("Change the options of the index, or the dimensions, or use ai.indexing_none().")
    })
}

/// The vectorizer's `indexing`, understood.
pub fn wanted(vectorizer: &Vectorizer) -> Result<Indexing, PgError> {
    serde_json::from_value(vectorizer.config.indexing.clone()).map_err(|error| {
        PgError::raised(format!(
            "the indexing config of vectorizer {} can't be read: {error}",
            vectorizer.name
        ))
        .with_hint("Drop the vectorizer and create it anew, with one of the functions ai.indexing_*().")
    })
}

/// `<table>_<column>_<method>_<id>`; of long names the ends are cut off.
fn index_name(table: &str, column: &str, method: &str, id: i32) -> String {
    let ending = format!("_{}_{method}_{id}", cut(column, MAX_IDENTIFIER / 2));
    format!("{}{ending}", cut(table, MAX_IDENTIFIER.saturating_sub(ending.len())))
}

/// The beginning of a name, to a whole character.
fn cut(name: &str, bytes: usize) -> &str {
    let mut end = name.len().min(bytes);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn key(indexing: &Indexing, element: Element, column: &str, dimensions: u32, vector_schema: &str) -> String {
    match (indexing, element) {
        (Indexing::Hnsw { index, .. }, Element::Vector) => {
            format!("{column} {}", qualified(vector_schema, &index.opclass))
        }
        (Indexing::Hnsw { index, .. }, Element::Halfvec) => format!(
            "({column}::{}({dimensions})) {}",
            qualified(vector_schema, "halfvec"),
            qualified(vector_schema, &index.halfvec_opclass()),
        ),
        // As pgai: the access method's default operator class.
        (Indexing::Diskann { .. } | Indexing::None, _) => column.to_owned(),
    }
}

/// `WITH (…)`, of what was given.
fn options(indexing: &Indexing) -> String {
    let given: Vec<String> =
        indexing.options().into_iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if given.is_empty() {
        return String::new();
    }
    format!(" WITH ({})", given.join(", "))
}
