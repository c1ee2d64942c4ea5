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
    },
}

fn default_template() -> String {
    "$chunk".to_owned()
}

impl Default for Formatting {
    fn default() -> Self {
        Formatting::PythonTemplate { template: default_template() }
    }
}
