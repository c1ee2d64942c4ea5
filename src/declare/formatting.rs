//! Configs of `ai.formatting_*`.

use pgrx::PgSqlErrorCode;

use pgai_rs_pipeline::config::Formatting;
use pgai_rs_pipeline::format::{DocumentField, FormatError, Template};

use super::config::{ConfigPart, raise};
use crate::catalog::relation::Column;
use crate::pg::error::PgError;

/// The key of a stored config that names the placeholders filled from the document.
const DOCUMENT_FIELDS: &str = "document_fields";

/// Returns the config as it is stored: it notes which placeholders are filled from the document, which are those that
/// are no column, if the vectorizer loads documents. A template that no row can fill is refused here and not for each row.
pub fn resolve(
    config: ConfigPart<Formatting>,
    columns: &[Column],
    of_documents: bool,
) -> Result<ConfigPart<Formatting>, PgError> {
    let is_of_document = |name: &str| of_documents && DocumentField::named(name).is_some();
    let Formatting::PythonTemplate { template, .. } = check(&config, columns, is_of_document)?;
    let parsed = Template::parse(template).map_err(|error| PgError::raised(error.to_string()))?;
    let is_column = |name: &str| columns.iter().any(|column| column.name == name);
    let of_document = parsed.placeholders().filter(|name| *name != "chunk" && !is_column(name));
    let names: Vec<String> = of_document.map(str::to_owned).collect();

    let mut declared = config.into_declared();
    if let Some(object) = declared.as_object_mut() {
        // One that was written by hand says nothing.
        object.remove(DOCUMENT_FIELDS);
        if !names.is_empty() {
            object.insert(DOCUMENT_FIELDS.to_owned(), names.into());
        }
    }
    Ok(ConfigPart::parse("formatting", Some(declared)))
}

/// Checks a config that is stored.
pub fn check_stored(config: &ConfigPart<Formatting>, columns: &[Column]) -> Result<(), PgError> {
    let noted = match config.get() {
        Some(Formatting::PythonTemplate { document_fields, .. }) => document_fields.clone(),
        None => Vec::new(),
    };
    check(config, columns, |name| noted.iter().any(|field| field == name)).map(drop)
}

/// Checks a config, in whose template names other than columns may be of the document.
pub fn check<'a>(
    config: &'a ConfigPart<Formatting>,
    columns: &[Column],
    is_of_document: impl Fn(&str) -> bool,
) -> Result<&'a Formatting, PgError> {
    if config.implementation()? != Some("python_template") {
        return raise("unrecognized formatting implementation");
    }

    let formatting = config.readable()?;
    let Formatting::PythonTemplate { template, .. } = formatting;
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
