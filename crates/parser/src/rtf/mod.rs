//! Rich Text Format: a text with marks for what becomes of it, in groups.
//!
//! Left out on purpose: page headers and footers, comments, hidden and deleted text, pictures and objects, and the
//! results of fields that are page numbers.
//!
//! * `token`: words, groups and bytes
//! * `charset`: charsets of fonts and documents
//! * `group`: what holds within a group, and where its text goes
//! * `head`: fonts, styles, and what a document says of itself
//! * `reader`: from tokens to text; `words`: control words; `body`: paragraphs, lists and tables

mod body;
mod charset;
mod group;
mod head;
mod reader;
mod token;
mod words;

use crate::{Kind, ParseError, ParsedDocument, Source};

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let mut reader = reader::Reader::new(kind);
    reader.read(source.bytes)?;
    let parsed = reader.finish();
    if parsed.text.is_empty() {
        return Err(ParseError::Empty(kind.name()));
    }
    Ok(parsed)
}
