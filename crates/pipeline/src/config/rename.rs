//! Following a renamed column of the source in a vectorizer's config.

use serde_json::Value;

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
/// The config is read as it is stored, so that what is not known here stays as it is.
///
/// ```
/// use pgai_rs_pipeline::config::{Edit, rename_column};
///
/// let config = serde_json::json!({
///     "loading": {"implementation": "column", "column_name": "body"},
///     "formatting": {"implementation": "python_template", "template": "$title: $chunk"},
/// });
/// let edit = Edit { path: ["loading", "column_name"], value: "content".to_owned() };
/// assert_eq!(rename_column(&config, "body", "content"), Ok(vec![edit]));
/// ```
///
/// # Errors
///
/// [`NotNameable`] if the template names the column and can't by its new name.
pub fn rename_column(config: &Value, from: &str, to: &str) -> Result<Vec<Edit>, NotNameable> {
    let text = |[stage, key]: [&str; 2]| config[stage][key].as_str();
    let mut edits = Vec::new();

    // The vectors may stand in a column of the source as well.
    let embeds_into_source = text(["destination", "implementation"]) == Some("column");
    for (path, names_column) in
        [(["loading", "column_name"], true), (["destination", "embedding_column"], embeds_into_source)]
    {
        if names_column && text(path) == Some(from) {
            edits.push(Edit { path, value: to.to_owned() });
        }
    }

    let path = ["formatting", "template"];
    if let Some(value) = format::rename_column(text(path).unwrap_or_default(), from, to)? {
        edits.push(Edit { path, value });
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Where the config is edited, and to what.
    fn edits(config: Value) -> Vec<(String, String)> {
        let edits = rename_column(&config, "x", "y").unwrap();
        edits.into_iter().map(|edit| (edit.path.join("."), edit.value)).collect()
    }

    fn edit(path: &str, value: &str) -> (String, String) {
        (path.to_owned(), value.to_owned())
    }

    #[test]
    fn a_column_is_renamed_wherever_it_is_named() {
        let config = json!({
            "loading": {"implementation": "column", "column_name": "x"},
            "formatting": {"implementation": "python_template", "template": "$x $chunk"},
            "destination": {"implementation": "column", "embedding_column": "x"},
        });
        assert_eq!(
            edits(config),
            [
                edit("loading.column_name", "y"),
                edit("destination.embedding_column", "y"),
                edit("formatting.template", "$y $chunk"),
            ]
        );
    }

    #[test]
    fn other_columns_and_what_only_looks_like_one_stay() {
        let config = json!({
            "loading": {"implementation": "uri", "column_name": "X"},
            "formatting": {"template": "x $xy $chunk"},
            "destination": {"implementation": "table", "target_table": "x", "embedding_column": "x"},
        });
        assert_eq!(edits(config), []);
        assert_eq!(edits(json!({})), []);
    }

    #[test]
    fn a_name_that_only_the_template_can_not_have_is_refused_as_a_whole() {
        let named = json!({"loading": {"column_name": "x"}, "formatting": {"template": "$x $chunk"}});
        assert_eq!(rename_column(&named, "x", "Y z"), Err(NotNameable("Y z".to_owned())));
        let loaded = json!({"loading": {"column_name": "x"}, "formatting": {"template": "$chunk"}});
        assert_eq!(rename_column(&loaded, "x", "Y z").unwrap().len(), 1);
    }
}
