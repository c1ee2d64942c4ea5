//! Names of vectorizers, of S3 sources and of what they create.

use pgrx::PgSqlErrorCode;

use crate::pg::error::PgError;
use crate::pg::sql::MAX_IDENTIFIER;

/// Errors unless this is a valid name for an object of this kind.
pub fn require_valid(kind: &str, name: &str) -> Result<(), PgError> {
    require_length(name)?;
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase());
    if first && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_CHECK_VIOLATION, format!("invalid {kind} name {name:?}"))
        .with_detail(
            "A name consists of lower-case letters, digits and underscores, and begins with a letter.",
        )
        .with_hint("Choose another name with the argument name."))
}

/// Errors if an identifier is too long. Postgres would truncate it, and the result would not be found or mean
/// another object.
pub fn require_length(name: &str) -> Result<(), PgError> {
    if name.len() <= MAX_IDENTIFIER {
        return Ok(());
    }
    Err(PgError::new(PgSqlErrorCode::ERRCODE_NAME_TOO_LONG, format!("identifier {name:?} is too long"))
        .with_detail(format!("It has {} bytes, and the maximum is {MAX_IDENTIFIER}.", name.len()))
        .with_hint("Specify a shorter name in name, destination, target_table or view_name."))
}
