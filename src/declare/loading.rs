//! Configs of `ai.loading_*`.

use pgrx::pg_sys;
use serde_json::Value;

use pgai_rs_pipeline::config::Loading;

use super::config::{ConfigPart, raise};
use crate::access;
use crate::catalog::relation::Column;
use crate::catalog::rights::author;
use crate::pg::error::PgError;

const LOADABLE_TYPES: [&str; 5] = ["text", "varchar", "char", "bpchar", "bytea"];

/// Returns whether documents are loaded, from addresses or from bytes, rather than texts.
pub fn loads_documents(config: &ConfigPart<Loading>, columns: &[Column]) -> bool {
    match config.get() {
        Some(Loading::Uri { .. }) => true,
        Some(Loading::Column { column_name, .. }) => {
            columns.iter().any(|column| column.name == *column_name && column.type_name == "bytea")
        }
        None => false,
    }
}

/// Checks a config of `ai.loading_*`, including whether the administrator allows the owner to have it loaded.
pub fn check<'a>(
    config: &'a ConfigPart<Loading>,
    columns: &[Column],
    owner: pg_sys::Oid,
) -> Result<&'a Loading, PgError> {
    let kind = config.implementation()?;
    if !matches!(kind, Some("column" | "uri")) {
        return raise("invalid loading config implementation");
    }

    let Some(name) = config.value("column_name").and_then(Value::as_str) else {
        return raise("invalid loading config, missing column_name");
    };
    if config.value("retries").and_then(Value::as_i64).is_none_or(|retries| retries < 0) {
        return raise("invalid loading config, retries must be a non-negative integer");
    }

    let Some(column) = columns.iter().find(|column| column.name == name) else {
        return raise(format!("column_name in config does not exist in the table: {name}"));
    };
    if !LOADABLE_TYPES.contains(&column.type_name.as_str()) {
        return raise(format!(
            "column_name {name} in config is of invalid type {}. Supported types are: {}",
            column.type_name,
            LOADABLE_TYPES.join(", ")
        ));
    }
    if kind == Some("uri") && column.type_name == "bytea" {
        return raise(format!(
            "the type of the column `{name}` in config is not compatible with `uri` loading \
             implementation (type should be either text, varchar, char, bpchar, or bytea)"
        ));
    }

    let loading = config.readable()?;
    access::loading::require_allowed(loading, owner, author(owner))?;
    Ok(loading)
}
