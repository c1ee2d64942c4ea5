//! Configs of `ai.parsing_*`.

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
        Some("auto" | "none" | "pymupdf" | "docling") => config.readable(),
        _ => raise("invalid parsing config implementation"),
    }
}
