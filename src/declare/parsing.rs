//! Configs of `ai.parsing_*`.

use serde_json::Value;

use super::config::{implementation, raise};
use crate::catalog::relation::Column;
use crate::pg::error::PgError;

/// Checks a config, which has to fit the column that is loaded.
pub fn check(config: Option<&Value>, loading: &Value, columns: &[Column]) -> Result<(), PgError> {
    let kind = implementation("parsing", config)?;
    let name = loading.get("column_name").and_then(Value::as_str);
    // A missing column is an error of the loading config.
    let column = columns.iter().find(|c| Some(c.name.as_str()) == name);
    let bytea = column.map(|c| c.type_name == "bytea");
    let by_column = loading.get("implementation").and_then(Value::as_str) == Some("column");

    match kind {
        Some("none") if bytea == Some(true) => raise("cannot use parsing_none with bytea columns"),
        Some(parser @ ("pymupdf" | "docling")) if by_column && bytea == Some(false) => {
            raise(format!("parsing_{parser} must be used with a bytea column"))
        }
        Some("auto" | "none" | "pymupdf" | "docling") => Ok(()),
        _ => raise("invalid parsing config implementation"),
    }
}
