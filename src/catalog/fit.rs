//! Checks that a config fits what its vectorizer has: somebody may have changed the one or the other by hand.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::{Chunking, Destination, Embedding, VectorizerConfig};

use super::relation::Column;
use crate::pg::error::PgError;

/// Errors (55000) if the vectors of a vectorizer are of another model than its config names: vectors of two models can't be
/// compared. `vectors_of` is `None` if their model is not known.
pub fn require_model(
    name: &str,
    vectors_of: Option<&Embedding>,
    config: &VectorizerConfig,
) -> Result<(), PgError> {
    if vectors_of.is_none_or(|model| config.embedding.makes_vectors_of(model)) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("the vectors of vectorizer \"{name}\" are of another model than its config names"),
    )
    .with_hint("Put the model back into the config, and change it by ai.alter_vectorizer()."))
}

/// Errors if the vectors go to a column that does not exist, or if the rows are split into chunks: a
/// column has room for one vector per row.
pub fn require_embedding_column(
    name: &str,
    config: &VectorizerConfig,
    columns: &[Column],
) -> Result<(), PgError> {
    let Destination::Column { embedding_column, .. } = &config.destination else { return Ok(()) };
    if !columns.iter().any(|column| column.name == *embedding_column) {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
            format!("column {embedding_column:?} of the source of vectorizer \"{name}\" does not exist"),
        )
        .with_hint("Add the column again and run ai.resync(), or drop the vectorizer."));
    }
    match config.chunking {
        Chunking::None => Ok(()),
        _ => Err(PgError::raised(format!(
            "vectorizer \"{name}\" splits rows into chunks, but its column has room for one vector"
        ))
        .with_hint("Drop the vectorizer and create it again with ai.chunking_none().")),
    }
}
