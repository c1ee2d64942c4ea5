//! The words that pass between the worker of pgai_rs and `pgai_rs_parser`, the program that reads one document.
//!
//! A message is a line of JSON, and bytes after it:
//!
//! ```text
//! worker ─► {"version":1,"name":"report.pdf"}⏎    the document's bytes   ─► parser
//! worker ◄─ {"version":1,"document":{…}}⏎         its text in UTF-8      ◄─ parser
//! ```
//!
//! Both sides are built and installed together. The version tells when they were not.
//!
//! A parser that ends without an answer is told by [`Unanswered`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod guard;
mod name;
mod unanswered;

pub use guard::Guard;
pub use name::name_ending;
pub use unanswered::{EXIT_INCOMPLETE, EXIT_MEMORY, EXIT_MESSAGE, EXIT_SYSTEM, EXIT_USAGE, Unanswered};

use serde::{Deserialize, Serialize};

/// The version of the protocol. It changes whenever one side would misunderstand the other.
pub const VERSION: u32 = 1;

/// The longest first line of a message, in bytes: the name and the media type of an object are bounded by their
/// store, and the pages and headings of a document by [`MAX_PAGES`].
pub const MAX_HEADER: usize = 8 << 20;

/// The largest number of pages whose beginnings are told; later pages belong to the last of these.
pub const MAX_PAGES: usize = 100_000;

/// A document that is to be read. Its bytes follow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParseRequest {
    /// [`VERSION`] of the worker.
    pub version: u32,
    /// The last part of the path it came from, such as `report.pdf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The media type that its store gave it, such as `text/html; charset=utf-8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// The header of the parser's answer. If it holds a document, the document's text follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// [`VERSION`] of the parser.
    pub version: u32,
    /// The guards that were in force while it read the document.
    #[serde(default)]
    pub confinement: Vec<Guard>,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The parser's verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The document has text.
    Document(DocumentHeader),
    /// It has none.
    Refusal(Refusal),
}

/// The facts about a document beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentHeader {
    /// The type that was found, such as `pdf`.
    pub kind: String,
    /// The format of the text.
    pub format: Format,
    /// The beginnings of pages or slides, in their order; empty if the type has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<Page>,
    /// The document's own statements about itself.
    #[serde(default)]
    pub metadata: Metadata,
}

/// The format of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text without markup.
    Text,
    /// Markdown with tables, as GitHub writes it.
    Markdown,
}

/// The beginning of a page in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The number of the page, from 1.
    pub number: u32,
    /// The bytes of the text before its first.
    pub start: usize,
}

/// Statements of a document about itself; none that is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Its title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its authors, separated by `, `.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The time at which it was made, in ISO 8601, as precise as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The time at which it was last changed, in ISO 8601, as precise as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// Its language, such as `en` or `pt-BR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The number of its pages or slides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_count: Option<u32>,
}

/// The reason why a document has no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The class of the reason.
    pub code: RefusalCode,
    /// The reason, as a message of Postgres's would say it. It quotes nothing of the document's content.
    pub message: String,
}

/// The class of the reason why a document has no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// There is no reader for its type.
    UnsupportedType,
    /// Its content is not what its type demands.
    DamagedDocument,
    /// It is encrypted, and asks for a password.
    EncryptedDocument,
    /// It consists of pictures of text.
    NeedsOcr,
    /// It has no text.
    EmptyDocument,
    /// Reading it takes more than is allowed.
    DocumentTooComplex,
    /// It is text in an encoding that could not be found out.
    UnknownEncoding,
    /// The parser itself is at fault: it found something in the document that it was not made for.
    ParserFailed,
    /// The worker and the parser are not of one version.
    VersionMismatch,
}

/// Returns the message's header and what follows it.
///
/// ```
/// use pgai_rs_parser_protocol::{ParseRequest, VERSION, read, write};
///
/// let request = ParseRequest { version: VERSION, name: Some("notes.md".into()), content_type: None };
/// let mut message = write(&request)?;
/// message.extend_from_slice(b"# Notes");
/// assert_eq!(read::<ParseRequest>(&message)?, (request, b"# Notes".as_slice()));
/// # Ok::<(), pgai_rs_parser_protocol::MessageError>(())
/// ```
///
/// # Errors
///
/// If the message has no header, or one that does not say what it should.
pub fn read<'a, H: Deserialize<'a>>(message: &'a [u8]) -> Result<(H, &'a [u8]), MessageError> {
    let searched = &message[..message.len().min(MAX_HEADER)];
    let end = searched.iter().position(|byte| *byte == b'\n').ok_or(MessageError::NoHeader)?;
    let header = serde_json::from_slice(&message[..end])?;
    Ok((header, &message[end + 1..]))
}

/// Returns the line that a message with this header begins with.
///
/// # Errors
///
/// If the header is larger than [`MAX_HEADER`].
pub fn write(header: &impl Serialize) -> Result<Vec<u8>, MessageError> {
    let mut line = serde_json::to_vec(header)?;
    if line.len() >= MAX_HEADER {
        return Err(MessageError::TooLong(line.len()));
    }
    line.push(b'\n');
    Ok(line)
}

/// A message that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// There is no end of a first line.
    #[error("a message without a header")]
    NoHeader,
    /// The header is too long. Holds its length in bytes.
    #[error("a header of {0} bytes, which is more than {MAX_HEADER}")]
    TooLong(usize),
    /// The header is not what it should be.
    #[error("a header that cannot be understood: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let header = DocumentHeader {
            kind: "pdf".into(),
            format: Format::Markdown,
            pages: vec![Page { number: 1, start: 0 }, Page { number: 2, start: 10 }],
            metadata: Metadata { title: Some("A report".into()), page_count: Some(2), ..Metadata::default() },
        };
        let refusal = Refusal { code: RefusalCode::NeedsOcr, message: "the document has no text".into() };

        for verdict in [Verdict::Document(header), Verdict::Refusal(refusal)] {
            let answer = Answer { version: VERSION, confinement: Guard::ALL.to_vec(), verdict };
            let mut message = write(&answer).unwrap();
            message.extend_from_slice("two\nlines".as_bytes());
            assert_eq!(read::<Answer>(&message).unwrap(), (answer, b"two\nlines".as_slice()));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert!(matches!(read::<ParseRequest>(b"no line"), Err(MessageError::NoHeader)));
        assert!(matches!(read::<ParseRequest>(b"no json\n"), Err(MessageError::Malformed(_))));
    }

    #[test]
    fn codes_are_written_as_error_rows_name_them() {
        assert_eq!(serde_json::to_string(&RefusalCode::NeedsOcr).unwrap(), "\"needs_ocr\"");
        assert_eq!(serde_json::to_string(&RefusalCode::UnsupportedType).unwrap(), "\"unsupported_type\"");
    }
}
