//! Formatting a chunk as its embedding input: the text that is embedded and stored.
//!
//! * `python_template`: Python's `string.Template`, pgai's one formatter
//! * `document_fields`: placeholders that are filled from the document

mod document_fields;
mod python_template;

pub use document_fields::DocumentField;
pub use python_template::{FormatError, NotNameable, Template, rename_column};

use crate::failure::{Failure, Retry, Step};

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        let (code, hint) = match &error {
            FormatError::InvalidPlaceholder { .. } => {
                ("invalid_template", "Use $$ for a dollar sign in the vectorizer's template.")
            }
            FormatError::TooLong { .. } => (
                "template_too_long",
                "Store long texts in a column of the source, and use that in the template.",
            ),
            FormatError::UnknownName { .. } => (
                "unknown_placeholder",
                "Use $chunk or a column of the source table in the vectorizer's template, or $title, $author, \
                 $created, $modified, $language, $page or $headings of a document; names are case-sensitive.",
            ),
        };
        Failure::new(Step::Formatting, code, error.to_string(), Retry::Never).with_hint(hint)
    }
}
