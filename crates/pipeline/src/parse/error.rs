//! The reasons why a document has no text.

use std::time::Duration;

use pgai_rs_parser_protocol::{Refusal, RefusalCode};

use crate::failure::{Failure, Retry, Scope, Step};

/// The pause before rows are tried again that wait for a parser to be installed.
const UNTIL_INSTALLED: Duration = Duration::from_secs(60);

/// The reason why a document has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseFailure {
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
    /// The parser looked at the document and refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// The document's text is larger than a document may be. Holds the limit in bytes.
    #[error("the document's text has more than {0} bytes")]
    TooLarge(usize),
    /// The parser took more time than it may. Holds the limit.
    #[error("the document could not be parsed within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The parser took more memory than it may. Holds the limit in megabytes.
    #[error("the document could not be parsed within {0} MB of memory")]
    OutOfMemory(u64),
    /// The parser ended without an answer. Holds how.
    #[error("the parser ended without an answer: {0}")]
    Crashed(String),
    /// Somebody else killed the parser, such as the kernel when its memory ends.
    #[error("the parser was killed")]
    Killed,
    /// The parser could not be started. Holds the reason.
    #[error("the parser could not be started: {0}")]
    NotStarted(String),
    /// There is no parser, or one of another version. Holds what is wrong.
    #[error("{0}")]
    NotInstalled(String),
}

impl From<ParseFailure> for Failure {
    fn from(error: ParseFailure) -> Self {
        let (code, retry) = error.class();
        let failure = Failure::new(Step::Parsing, code, error.to_string(), retry);
        match error {
            ParseFailure::NotInstalled(_) => failure.concerning(Scope::Vectorizer),
            _ => failure,
        }
        .with_hint(hint(code))
    }
}

impl ParseFailure {
    /// Returns the code of error rows, and whether trying again may help.
    fn class(&self) -> (&'static str, Retry) {
        match self {
            ParseFailure::InvalidEncoding { .. } => ("not_utf8", Retry::Never),
            ParseFailure::NulCharacter { .. } => ("nul_character", Retry::Never),
            ParseFailure::Refused(refusal) => (refusal_code(refusal.code), Retry::Never),
            ParseFailure::TooLarge(_) => ("text_too_large", Retry::Never),
            ParseFailure::TimedOut(_) => ("parser_timed_out", Retry::Never),
            ParseFailure::OutOfMemory(_) => ("parser_out_of_memory", Retry::Never),
            ParseFailure::Crashed(_) => ("parser_crashed", Retry::Never),
            // Something about the host, which may pass; or it is the document that makes the host run out of memory.
            ParseFailure::Killed => ("parser_killed", Retry::Backoff),
            ParseFailure::NotStarted(_) => ("parser_not_started", Retry::Backoff),
            ParseFailure::NotInstalled(_) => ("parser_not_installed", Retry::After(UNTIL_INSTALLED)),
        }
    }
}

fn refusal_code(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::UnsupportedType => "unsupported_type",
        RefusalCode::DamagedDocument => "damaged_document",
        RefusalCode::EncryptedDocument => "encrypted_document",
        RefusalCode::NeedsOcr => "needs_ocr",
        RefusalCode::EmptyDocument => "empty_document",
        RefusalCode::DocumentTooComplex => "document_too_complex",
        RefusalCode::UnknownEncoding => "unknown_encoding",
        RefusalCode::ParserFailed => "parser_failed",
        RefusalCode::VersionMismatch => "parser_not_installed",
    }
}

/// Returns advice to a person who can do something about an error of this code.
fn hint(code: &str) -> &'static str {
    match code {
        "not_utf8" => "Store the document in UTF-8, or use ai.parsing_auto(), which finds out its encoding.",
        "nul_character" => "Remove the NUL characters; if the document is UTF-16, store it in UTF-8.",
        "unsupported_type" => {
            "Convert the document to a type that is supported, such as PDF, or leave it out. If it is text, let its \
             name end in .txt or .md, or set the object's content type to text/plain."
        }
        "damaged_document" => "Open the document in the program that made it, and store it anew.",
        "encrypted_document" => "Store the document without a password.",
        "needs_ocr" => "Run text recognition on the document, such as with OCRmyPDF, and store the result.",
        "empty_document" => "Check the document; if it is supposed to be empty, leave it out.",
        "document_too_complex" => "Split the document.",
        "unknown_encoding" => "Store the document in UTF-8.",
        "text_too_large" => "Split the document, or increase pgai_rs.max_document_size.",
        "parser_timed_out" => "Split the document, or increase pgai_rs.parse_timeout.",
        "parser_out_of_memory" => "Split the document, or increase pgai_rs.parse_memory_limit.",
        "parser_killed" | "parser_not_started" => {
            "Check the server's memory and its limits of processes; reduce pgai_rs.parse_concurrency."
        }
        "parser_not_installed" => {
            "Install all files of this version of pgai_rs, of which pgai_rs_parser is one, beside its library."
        }
        _ => "Store the document anew in another format. Report the document if you may share it.",
    }
}
