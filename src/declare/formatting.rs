//! Configs of `ai.formatting_*`.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::Formatting;
use pgai_rs_pipeline::format::{DocumentField, FormatError, Template};

use super::config::{ConfigPart, raise};
use crate::catalog::relation::Column;
use crate::pg::error::PgError;

/// Checks a config. A template that no row can fill is refused here and not for each
/// row. `of_documents` if the vectorizer loads documents, which have a title and pages.
pub fn check<'a>(
    config: &'a ConfigPart<Formatting>,
    columns: &[Column],
    of_documents: bool,
) -> Result<&'a Formatting, PgError> {
    if config.implementation()? != Some("python_template") {
        return raise("unrecognized formatting implementation");
    }

    let formatting = config.readable()?;
    let Formatting::PythonTemplate { template } = formatting;
    if !template.contains("$chunk") {
        return raise("template must contain $chunk placeholder");
    }
    if columns.iter().any(|column| column.name == "chunk") {
        return raise(
            "formatting_python_template may not be used when source table has a column named \"chunk\"",
        );
    }

    let invalid = |message: String| {
        PgError::new(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
            .with_hint("Use $name for a column of the source, and $$ for a dollar sign.")
    };
    let parsed = Template::parse(template).map_err(|error| match error {
        FormatError::TooLong { got, limit } => too_long(got, limit),
        _ => invalid(format!("invalid template: {error}")),
    })?;
    let is_column = |name: &str| columns.iter().any(|column| column.name == name);
    let is_of_document = |name: &str| of_documents && DocumentField::named(name).is_some();
    let unknown =
        parsed.placeholders().find(|name| *name != "chunk" && !is_column(name) && !is_of_document(name));
    match unknown {
        Some(name) => Err(invalid(format!("column \"{name}\" in the template does not exist in the source"))),
        None => Ok(formatting),
    }
}

/// Returns the error for a template of `got` bytes where no more than `limit` are allowed.
fn too_long(got: usize, limit: usize) -> PgError {
    PgError::new(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "template too long")
        .with_detail(format!("It has {got} bytes, and the maximum is {limit}."))
        .with_hint("Store long texts in a column of the source, and use that in the template.")
}
