//! Turning a loaded document into text.
//!
//! * `plain`: the documents that need no parser
//! * `text`: decoding those
//! * `program`: the parser, a program of its own that reads everything else
//! * `confinement`: guards that the parser's process misses on this system
//! * `stage`: parsing as it is waited for
//! * `kept`: texts as they are kept
//! * `error`: the reasons why a document has no text

mod confinement;
mod error;
mod kept;
mod plain;
mod program;
mod stage;
mod text;

use bytes::Bytes;

pub use pgai_rs_parser_protocol::{Metadata, Page};

pub use self::confinement::take_missing_guards;
pub use self::error::ParseFailure;
pub use self::kept::{KeptText, PARSER};
pub use self::program::Parser;
pub(crate) use self::stage::Parsers;

use crate::config::{ParserChoice, TextFormat};

/// A document as it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnparsedDocument {
    /// Its content, decompressed if the loader does that.
    pub bytes: Bytes,
    /// The last part of the path it came from, such as `notes.md`; none for a `bytea` column.
    pub name: Option<String>,
    /// The media type its store gave it, such as `text/plain; charset=utf-8`.
    pub content_type: Option<String>,
}

/// The document that is to be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The content of a text column.
    Text(String),
    /// A document, from a URI or a `bytea` column.
    Document(UnparsedDocument),
}

/// A document's text, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The text; never holds U+0000 if it was decoded from a document.
    pub text: String,
    /// The format of the text.
    pub format: TextFormat,
    /// The type that the parser found, such as `pdf`; `None` if it was not asked.
    pub kind: Option<String>,
    /// The beginnings of pages or slides, in their order; empty if there are none.
    pub pages: Vec<Page>,
    /// The document's own statements about itself.
    pub metadata: Metadata,
}

impl Parsed {
    /// Returns a document of which nothing but its text is known.
    pub fn plain(text: String, format: TextFormat) -> Self {
        Parsed { text, format, kind: None, pages: Vec::new(), metadata: Metadata::default() }
    }
}

/// A document after a first look.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    /// It is text already.
    Text(Parsed),
    /// It is text in this format, which is to be decoded.
    Plain(UnparsedDocument, TextFormat),
    /// The parser is to read it.
    Other(UnparsedDocument),
}

/// Looks at a document. Text passes through, whatever the parser; without one, a document is text, whatever it looks
/// like.
fn look(parser: ParserChoice, input: Input) -> Look {
    match (parser, input) {
        (_, Input::Text(text)) => Look::Text(Parsed::plain(text, TextFormat::Text)),
        (ParserChoice::None, Input::Document(document)) => Look::Plain(document, TextFormat::Text),
        (ParserChoice::Auto | ParserChoice::Pymupdf | ParserChoice::Docling, Input::Document(document)) => {
            match plain::plain_format(&document) {
                Some(format) => Look::Plain(document, format),
                None => Look::Other(document),
            }
        }
    }
}

/// Returns the text of a document that needs no parser; `None` if the parser is to read it.
///
/// # Errors
///
/// If the bytes are not text that Postgres can hold.
///
/// ```
/// use pgai_rs_pipeline::config::ParserChoice;
/// use pgai_rs_pipeline::parse::{Input, UnparsedDocument, parse_plain};
///
/// let name = Some("notes.md".to_owned());
/// let notes = UnparsedDocument { bytes: "# Notes".into(), name, content_type: None };
/// let parsed = parse_plain(ParserChoice::Auto, Input::Document(notes))?;
/// assert_eq!(parsed.map(|parsed| parsed.text), Some("# Notes".to_owned()));
/// # Ok::<(), pgai_rs_pipeline::parse::ParseFailure>(())
/// ```
pub fn parse_plain(parser: ParserChoice, input: Input) -> Result<Option<Parsed>, ParseFailure> {
    match look(parser, input) {
        Look::Text(parsed) => Ok(Some(parsed)),
        Look::Plain(document, format) => Ok(Some(Parsed::plain(text::decode(&document.bytes)?, format))),
        Look::Other(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(bytes: &[u8], name: &str) -> Input {
        let (bytes, name) = (Bytes::copy_from_slice(bytes), Some(name.to_owned()));
        Input::Document(UnparsedDocument { bytes, name, content_type: None })
    }

    #[test]
    fn a_text_column_passes_through_every_parser() {
        for parser in [ParserChoice::Auto, ParserChoice::None, ParserChoice::Pymupdf, ParserChoice::Docling] {
            let text = "<html> %PDF-".to_owned();
            let expected = Look::Text(Parsed::plain(text.clone(), TextFormat::Text));
            assert_eq!(look(parser, Input::Text(text)), expected);
        }
    }

    #[test]
    fn only_the_parser_reads_what_is_not_plain() {
        assert!(matches!(
            look(ParserChoice::Auto, document(b"# a", "a.md")),
            Look::Plain(_, TextFormat::Markdown)
        ));
        assert!(matches!(look(ParserChoice::Docling, document(b"%PDF-1.7\n", "a.txt")), Look::Other(_)));
        assert!(matches!(
            look(ParserChoice::None, document(b"<html> {}", "a.html")),
            Look::Plain(_, TextFormat::Text)
        ));
    }
}
