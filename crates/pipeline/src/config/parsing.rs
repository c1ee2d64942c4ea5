//! The way from a document to its text.

use serde::{Deserialize, Serialize};

/// `ai.parsing_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "implementation", rename_all = "snake_case")]
pub enum Parsing {
    /// The parser is chosen by the document's type.
    #[default]
    Auto,
    /// The payload is text already.
    None,
    /// pgai's name for its PDF and EPUB parser; here the same as [`Parsing::Auto`].
    Pymupdf,
    /// pgai's name for its layout-aware parser; here the same as [`Parsing::Auto`].
    Docling,
}
