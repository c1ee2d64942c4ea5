//! Configs of `ai.search_*`.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::{Destination, Search};

use super::config::{ConfigPart, raise};
use super::destination::relation_exists;
use crate::catalog::words;
use crate::pg::error::PgError;
use crate::pg::lock::{self, Named};

/// Checks a config for a vectorizer of this owner, and returns it with the full name of its language. None at all is that of
/// [`Search::None`].
pub fn check(
    config: &ConfigPart<Search>,
    destination: &Destination,
    owner: pg_sys::Oid,
) -> Result<Search, PgError> {
    if !config.is_given() {
        return Ok(Search::None);
    }
    match config.implementation()? {
        None => return raise("search implementation not specified"),
        Some("none" | "hybrid") => {}
        Some(other) => return raise(format!("unrecognized search implementation: \"{other}\"")),
    }

    let Some(language) = config.readable()?.qualified_language() else { return Ok(Search::None) };
    if let Destination::Column { .. } = destination {
        return Err(PgError::new(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "cannot keep words for a column destination",
        )
        .with_detail("Words are kept beside a store of chunks.")
        .with_hint("Use destination => ai.destination_table(), or an index on to_tsvector() of the column with the text."));
    }
    let configuration = words::configuration(&language, owner)?;
    Ok(Search::Hybrid { language: configuration.name })
}

/// Waits until nobody else is creating a table of words of this name, and errors (42P07) if there is a relation of it.
pub fn require_free(schema: &str, name: &str) -> Result<(), PgError> {
    lock::on(Named::Relation, name);
    if !relation_exists(schema, name)? {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_DUPLICATE_TABLE, format!("relation \"{name}\" already exists"))
        .with_detail(format!(
            "The words of chunks are kept in a table of this name in the schema \"{schema}\"."
        ))
        .with_hint("Rename the relation, or the store, of whose name that of the words is made."))
}
