//! A document before and after it was read.

use pgai_rs_parser_protocol::{Format, Metadata, Page};

/// A document that is to be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'a> {
    /// Its content.
    pub bytes: &'a [u8],
    /// The last part of the path it came from, such as `report.pdf`.
    pub name: Option<&'a str>,
    /// The media type that its store gave it, such as `text/html; charset=utf-8`.
    pub content_type: Option<&'a str>,
}

/// A document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedDocument {
    /// Its text; without U+0000.
    pub text: String,
    /// The format of the text.
    pub format: Format,
    /// The beginnings of its pages or slides, by their places in the text; empty if it has none.
    pub pages: Vec<Page>,
    /// Its own statements about itself.
    pub metadata: Metadata,
}

impl ParsedDocument {
    /// Returns a document of this Markdown, without pages and metadata.
    pub fn markdown(text: String) -> Self {
        ParsedDocument { text, format: Format::Markdown, pages: Vec::new(), metadata: Metadata::default() }
    }

    /// Returns a document of this text without markup, without pages and metadata.
    pub fn plain(text: String) -> Self {
        ParsedDocument { format: Format::Text, ..ParsedDocument::markdown(text) }
    }
}
