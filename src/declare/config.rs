//! Checks that are common to all parts of a config.

use pgrx::PgSqlErrorCode;
use serde_json::Value;

use crate::pg::error::PgError;

/// Returns an error whose text is pgai's; see [`PgError::raised`].
pub(super) fn raise<T>(message: impl Into<String>) -> Result<T, PgError> {
    Err(PgError::raised(message))
}

/// Makes the two checks that are common to all kinds of configs, and returns the implementation; `None` if
/// there is none.
pub fn implementation<'a>(kind: &str, config: Option<&'a Value>) -> Result<Option<&'a str>, PgError> {
    match config {
        Some(Value::Object(object)) if object.get("config_type").and_then(Value::as_str) == Some(kind) => {
            Ok(object.get("implementation").and_then(Value::as_str))
        }
        Some(Value::Object(_)) | None => raise(format!("invalid config_type for {kind} config")),
        Some(_) => raise(format!("{kind} config is not a jsonb object")),
    }
}

/// Parses a config into the pipeline's type, so that nothing is stored that the worker can't read.
pub fn readable<T: serde::de::DeserializeOwned>(kind: &str, config: Option<&Value>) -> Result<T, PgError> {
    serde_json::from_value(config.cloned().unwrap_or(Value::Null)).map_err(|error| {
        PgError::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("invalid {kind} config: {error}"),
        )
        .with_hint(format!("Use one of the functions ai.{kind}_*() to create it."))
    })
}
