//! Vectorizers as callers name them. One that the caller does not see does not exist.

use pgrx::PgSqlErrorCode;

use crate::catalog::vectorizer::{self, Entry};
use crate::pg::error::PgError;
use crate::pg::identity::current_user;

/// Returns the vectorizer with this id. Errors (22004, 42704) if it is null, or if the caller sees none.
pub fn by_id(id: Option<i32>) -> Result<Entry, PgError> {
    let id = id.ok_or_else(null)?;
    seen(vectorizer::by_id(id)?, || format!("vectorizer with id {id}"))
}

/// Returns the vectorizer of this name. Errors as [`by_id`] does.
pub fn by_name(name: Option<&str>) -> Result<Entry, PgError> {
    let name = name.ok_or_else(null)?;
    seen(vectorizer::by_name(name)?, || format!("vectorizer {name:?}"))
}

fn null() -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "vectorizer must not be null")
        .with_hint("See the view ai.vectorizer_status for the existing vectorizers.")
}

/// Returns a vectorizer that the caller sees. Errors (42704) if there is none.
pub fn seen(entry: Option<Entry>, named: impl FnOnce() -> String) -> Result<Entry, PgError> {
    entry.filter(|entry| entry.is_seen_by(current_user())).ok_or_else(|| does_not_exist(&named()))
}

/// Returns the error (42704) for a vectorizer that the caller does not see.
pub fn does_not_exist(named: &str) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("{named} does not exist"))
        .with_hint("SELECT id, name FROM ai.vectorizer shows those that there are.")
}
