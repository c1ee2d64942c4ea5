//! Configs of `ai.parsing_*`.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::{Loading, Parsing};

use super::config::{ConfigPart, raise};
use crate::catalog::relation::Column;
use crate::pg::error::PgError;

/// Checks a config, which has to fit the column that is loaded.
pub fn check<'a>(
    config: &'a ConfigPart<Parsing>,
    loading: &ConfigPart<Loading>,
    columns: &[Column],
) -> Result<&'a Parsing, PgError> {
    let kind = config.implementation()?;
    // An unreadable loading config, and a missing column, are errors of the loading config.
    let loading = loading.get();
    let name = loading.map(Loading::column_name);
    let column = columns.iter().find(|c| Some(c.name.as_str()) == name);
    let bytea = column.map(|c| c.type_name == "bytea");
    let by_column = matches!(loading, Some(Loading::Column { .. }));

    match kind {
        Some("none") if bytea == Some(true) => raise("cannot use parsing_none with bytea columns"),
        Some(parser @ ("pymupdf" | "docling")) if by_column && bytea == Some(false) => {
            raise(format!("parsing_{parser} must be used with a bytea column"))
        }
        Some("auto" | "none" | "pymupdf" | "docling") => {
            let parsing = config.readable()?;
            require_documents(parsing, by_column && bytea == Some(false))?;
            Ok(parsing)
        }
        _ => raise("invalid parsing config implementation"),
    }
}

/// Errors if texts are to be kept that are in a column already.
fn require_documents(parsing: &Parsing, is_text: bool) -> Result<(), PgError> {
    if !(parsing.keep_text && is_text) {
        return Ok(());
    }
    Err(PgError::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "cannot use keep_text with a text column",
    )
    .with_detail("The text is in the column already.")
    .with_hint("Use keep_text with ai.loading_uri(), or with a bytea column."))
}
