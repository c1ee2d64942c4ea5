//! Following a renamed column of the source in a vectorizer's config.

use super::{Destination, Formatting, VectorizerConfig};
use crate::format::{self, NotNameable};

/// A string of a config that is to be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The place of the value: a stage, and a key in it.
    pub path: [&'static str; 2],
    /// The value that is to be there.
    pub value: String,
}

/// Returns the edits that make a config mean the column `to` wherever it means `from`.
///
/// They are for the config as it is stored, so that what is not known here stays as it is.
///
/// ```
/// use pgai_rs_pipeline::config::{Edit, VectorizerConfig, rename_column};
///
/// let config: VectorizerConfig = serde_json::from_value(serde_json::json!({
///     "version": "0.12.1",
///     "loading": {"implementation": "column", "column_name": "body"},
///     "embedding": {"implementation": "openai", "model": "text-embedding-3-small", "dimensions": 768},
///     "formatting": {"implementation": "python_template", "template": "$title: $chunk"},
///     "destination": {"implementation": "column", "embedding_column": "vector"},
/// }))?;
/// let edit = Edit { path: ["loading", "column_name"], value: "content".to_owned() };
/// assert_eq!(rename_column(&config, "body", "content"), Ok(vec![edit]));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
///
/// [`NotNameable`] if the template names the column and can't by its new name.
pub fn rename_column(config: &VectorizerConfig, from: &str, to: &str) -> Result<Vec<Edit>, NotNameable> {
    let mut edits = Vec::new();
    if config.loading.column_name() == from {
        edits.push(Edit { path: ["loading", "column_name"], value: to.to_owned() });
    }

    // The vectors may stand in a column of the source as well.
    match &config.destination {
        Destination::Column { embedding_column, .. } if embedding_column == from => {
            edits.push(Edit { path: ["destination", "embedding_column"], value: to.to_owned() });
        }
        Destination::Column { .. } | Destination::Table { .. } => {}
    }

    // A placeholder that the document fills is no column, and would hide one of its name.
    let Formatting::PythonTemplate { template, document_fields } = &config.formatting;
    let is_of_document = |name: &str| document_fields.iter().any(|field| field == name);
    if is_of_document(from) {
        return Ok(edits);
    }
    if let Some(value) = format::rename_column(template, from, to)? {
        if is_of_document(to) {
            return Err(NotNameable(to.to_owned()));
        }
        edits.push(Edit { path: ["formatting", "template"], value });
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A config with these parts.
    fn config(loading: Value, template: &str, destination: Value) -> VectorizerConfig {
        serde_json::from_value(json!({
            "version": "0.12.1",
            "loading": loading,
            "embedding": {"implementation": "openai", "model": "m", "dimensions": 3},
            "formatting": {"implementation": "python_template", "template": template},
            "destination": destination,
        }))
        .unwrap()
    }

    fn column(name: &str) -> Value {
        json!({"implementation": "column", "column_name": name})
    }

    fn table() -> Value {
        json!({"implementation": "table", "target_schema": "x", "target_table": "x", "view_schema": "x",
               "view_name": "x", "embedding_column": "x"})
    }

    /// Returns the places where the config is edited, and their new values.
    fn edits(config: VectorizerConfig) -> Vec<(String, String)> {
        let edits = rename_column(&config, "x", "y").unwrap();
        edits.into_iter().map(|edit| (edit.path.join("."), edit.value)).collect()
    }

    fn edit(path: &str, value: &str) -> (String, String) {
        (path.to_owned(), value.to_owned())
    }

    #[test]
    fn a_column_is_renamed_wherever_it_is_named() {
        let destination = json!({"implementation": "column", "embedding_column": "x"});
        assert_eq!(
            edits(config(column("x"), "$x $chunk", destination)),
            [
                edit("loading.column_name", "y"),
                edit("destination.embedding_column", "y"),
                edit("formatting.template", "$y $chunk"),
            ]
        );
    }

    #[test]
    fn other_columns_and_what_only_looks_like_one_stay() {
        let loading = json!({"implementation": "uri", "column_name": "X"});
        assert_eq!(edits(config(loading, "x $xy $chunk", table())), []);
    }

    #[test]
    fn a_name_that_only_the_template_can_not_have_is_refused_as_a_whole() {
        let named = config(column("x"), "$x $chunk", table());
        assert_eq!(rename_column(&named, "x", "Y z"), Err(NotNameable("Y z".to_owned())));
        let loaded = config(column("x"), "$chunk", table());
        assert_eq!(rename_column(&loaded, "x", "Y z").unwrap().len(), 1);
    }

    #[test]
    fn a_placeholder_that_the_document_fills_is_no_column() {
        let mut of_document = config(column("body"), "$x $y $chunk", table());
        let Formatting::PythonTemplate { document_fields, .. } = &mut of_document.formatting;
        document_fields.push("y".to_owned());
        assert_eq!(rename_column(&of_document, "y", "z"), Ok(Vec::new()));
        assert_eq!(rename_column(&of_document, "x", "y"), Err(NotNameable("y".to_owned())));
    }
}
