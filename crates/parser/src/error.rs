//! The reasons why a document has no text.

use pgai_rs_parser_protocol::{Refusal, RefusalCode};

/// The reason why a document has no text. No message quotes the document's content, which would end in logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There is no reader for its type. Holds the type's name, with its article, such as "a PNG image".
    #[error("the document is {0}, which is not supported")]
    UnsupportedType(String),
    /// Its content is not what its type demands. Holds the type's name with its article, and what is wrong.
    #[error("the document is {kind} that is damaged: {problem}")]
    Damaged {
        /// The type's name, with its article.
        kind: &'static str,
        /// The fault, without a full stop.
        problem: String,
    },
    /// It is encrypted, and asks for a password. Holds the type's name with its article.
    #[error("the document is {0} that asks for a password")]
    Encrypted(&'static str),
    /// Its pages are pictures, without text. Holds the type's name with its article.
    #[error("the document is {0} whose pages are images without text")]
    NeedsOcr(&'static str),
    /// There is no text in it. Holds the type's name with its article.
    #[error("the document is {0} without text")]
    Empty(&'static str),
    /// Reading it takes more than is allowed. Holds the type's name with its article, and what is too much.
    #[error("the document is {kind} that is too complex: {problem}")]
    TooComplex {
        /// The type's name, with its article.
        kind: &'static str,
        /// The thing that there is too much of, without a full stop.
        problem: String,
    },
    /// The parser is at fault. Holds the place in its source where it gave up.
    #[error("the parser failed on the document, at {0}")]
    Failed(String),
    /// It is text whose encoding could not be found out.
    #[error("the document is text in an unknown encoding")]
    UnknownEncoding,
}

impl ParseError {
    /// Returns the class of the reason.
    pub fn code(&self) -> RefusalCode {
        match self {
            ParseError::UnsupportedType(_) => RefusalCode::UnsupportedType,
            ParseError::Damaged { .. } => RefusalCode::DamagedDocument,
            ParseError::Encrypted(_) => RefusalCode::EncryptedDocument,
            ParseError::NeedsOcr(_) => RefusalCode::NeedsOcr,
            ParseError::Empty(_) => RefusalCode::EmptyDocument,
            ParseError::TooComplex { .. } => RefusalCode::DocumentTooComplex,
            ParseError::Failed(_) => RefusalCode::ParserFailed,
            ParseError::UnknownEncoding => RefusalCode::UnknownEncoding,
        }
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        Refusal { code: error.code(), message: error.to_string() }
    }
}
