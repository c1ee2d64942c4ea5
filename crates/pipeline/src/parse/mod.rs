//! Turning a loaded document into text.
//!
//! * `detect`: what kind of document it is
//! * `stage`: parsing as it is waited for
//! * `text`: decoding plain text and Markdown
//!
//! Text and Markdown are what can be parsed so far. Every other type is refused by its name, so
//! that nobody finds the bytes of a PDF among their embeddings.

mod detect;
mod stage;
mod text;

use bytes::Bytes;

pub(crate) use self::stage::Parsers;

use crate::config::{Parsing, TextFormat};
use crate::failure::{Failure, Retry, Step};

use detect::DocumentType;

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

impl Input {
    /// Bytes to be looked at. A text passes through.
    fn size(&self) -> usize {
        match self {
            Input::Text(_) => 0,
            Input::Document(document) => document.bytes.len(),
        }
    }
}

/// A document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The text; never holds U+0000 if it was decoded from a document.
    pub text: String,
    /// The format of the text.
    pub format: TextFormat,
}

/// Turns a document into text. Text passes through, whatever the parser; without one, a document is
/// text, whatever it looks like.
///
/// # Errors
///
/// If the type is not supported, or the bytes are not text that Postgres can hold.
pub fn parse(parsing: Parsing, input: Input) -> Result<Parsed, ParseError> {
    let document = match (parsing, input) {
        (_, Input::Text(text)) => return Ok(Parsed { text, format: TextFormat::Text }),
        (Parsing::None, Input::Document(document)) => {
            return Ok(Parsed { text: text::decode(&document.bytes)?, format: TextFormat::Text });
        }
        (Parsing::Auto | Parsing::Pymupdf | Parsing::Docling, Input::Document(document)) => document,
    };

    match detect::detect(&document) {
        DocumentType::Text(format) => Ok(Parsed { text: text::decode(&document.bytes)?, format }),
        DocumentType::Other(found) => Err(ParseError::UnsupportedType(found)),
    }
}

/// The reason why a document has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There is no parser for this type. Holds the type's name.
    #[error("the document is {0}, which is not supported; only plain text and Markdown are")]
    UnsupportedType(String),
    /// Text that is neither UTF-8 nor UTF-16 with a byte order mark.
    #[error("the text is not valid {encoding}: byte {offset} is the first invalid one")]
    InvalidEncoding {
        /// The encoding that was tried.
        encoding: &'static str,
        /// Bytes before the invalid one, from the beginning of the document.
        offset: usize,
    },
    /// U+0000, which Postgres can't hold in text.
    #[error("the text contains a NUL character at byte {offset}, which Postgres cannot store")]
    NulCharacter {
        /// Bytes before it, from the beginning of the document.
        offset: usize,
    },
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        let (code, hint) = match &error {
            ParseError::UnsupportedType(_) => (
                "unsupported_type",
                "Convert the document to Markdown or plain text. If it is text already, let its name end in .txt \
                 or .md, or set the object's content type to text/plain.",
            ),
            ParseError::InvalidEncoding { .. } => ("not_utf8", "Store the document in UTF-8."),
            ParseError::NulCharacter { .. } => {
                ("nul_character", "Remove the NUL characters; if the document is UTF-16, store it in UTF-8.")
            }
        };
        Failure::new(Step::Parsing, code, error.to_string(), Retry::Never).with_hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(bytes: &[u8], name: Option<&str>, content_type: Option<&str>) -> Input {
        Input::Document(UnparsedDocument {
            bytes: Bytes::copy_from_slice(bytes),
            name: name.map(str::to_owned),
            content_type: content_type.map(str::to_owned),
        })
    }

    #[test]
    fn a_text_column_passes_through_every_parser() {
        for parsing in [Parsing::Auto, Parsing::None, Parsing::Pymupdf, Parsing::Docling] {
            let parsed = parse(parsing, Input::Text("<html> %PDF-".to_owned())).unwrap();
            assert_eq!(parsed, Parsed { text: "<html> %PDF-".to_owned(), format: TextFormat::Text });
        }
    }

    #[test]
    fn markdown_and_text_are_taken_verbatim() {
        let parsed = parse(Parsing::Auto, document("# Ä\r\n".as_bytes(), Some("a.MD"), None)).unwrap();
        assert_eq!(parsed, Parsed { text: "# Ä\r\n".to_owned(), format: TextFormat::Markdown });
        let parsed = parse(Parsing::Pymupdf, document(b"", Some("empty.txt"), None)).unwrap();
        assert_eq!(parsed, Parsed { text: String::new(), format: TextFormat::Text });
    }

    #[test]
    fn without_a_parser_a_document_is_text() {
        for name in ["a.txt", "page.html", "data.json"] {
            let parsed = parse(Parsing::None, document(b"<html> {}", Some(name), Some("text/html"))).unwrap();
            assert_eq!(parsed, Parsed { text: "<html> {}".to_owned(), format: TextFormat::Text });
        }
        let error = parse(Parsing::None, document(b"\xff\xd8\xff", None, None)).unwrap_err();
        assert_eq!(error, ParseError::InvalidEncoding { encoding: "UTF-8", offset: 0 });
    }

    #[test]
    fn what_is_not_supported_is_named_and_set_aside() {
        let error = parse(Parsing::Auto, document(b"%PDF-1.7\n", Some("a.txt"), None)).unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(
            (failure.step, failure.code, failure.retry),
            (Step::Parsing, "unsupported_type", Retry::Never)
        );
        assert_eq!(
            failure.message,
            "the document is a PDF, which is not supported; only plain text and Markdown are"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_at_their_offset() {
        let error = parse(Parsing::Auto, document(b"caf\xe9", Some("latin1.txt"), None)).unwrap_err();
        assert_eq!(error, ParseError::InvalidEncoding { encoding: "UTF-8", offset: 3 });
        assert_eq!(Failure::from(error).code, "not_utf8");
        let error = parse(Parsing::Auto, document(b"a\0b", Some("a.txt"), None)).unwrap_err();
        assert_eq!(error, ParseError::NulCharacter { offset: 1 });
    }
}
