//! The input that is embedded for a chunk: the chunk in its template.

use serde::{Deserialize, Serialize};

/// `ai.formatting_*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Formatting {
    /// Python's `string.Template` over `$chunk` and the source's columns.
    PythonTemplate {
        /// The template's text.
        #[serde(default = "default_template")]
        template: String,
        /// The placeholders that are filled from the document, such as `title`: those that were no column when the
        /// vectorizer was declared. A column of such a name that comes or goes later changes nothing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        document_fields: Vec<String>,
    },
}

fn default_template() -> String {
    "$chunk".to_owned()
}

impl Default for Formatting {
    fn default() -> Self {
        Formatting::PythonTemplate { template: default_template(), document_fields: Vec::new() }
    }
}
