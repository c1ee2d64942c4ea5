//! The program's work: from the worker's message to the answer.

use pgai_rs_parser_protocol::{
    Answer, Header, MAX_PAGES, MessageError, Outcome, Refusal, RefusalCode, Request, VERSION, read, write,
};

use crate::{Kind, ParseError, Parsed, Source, detect, parse_as};

/// Returns the header of the answer to a message of the worker's, and the text that follows it.
///
/// # Errors
///
/// If the message or its answer can't be read or written. A document that can't be read is an answer, not an error.
pub fn answer(message: &[u8]) -> Result<(Vec<u8>, String), MessageError> {
    let (request, bytes) = read::<Request>(message)?;
    let (outcome, text) = match read_document(&request, bytes) {
        Ok((header, text)) => (Outcome::Document(header), text),
        Err(refusal) => (Outcome::Refusal(refusal), String::new()),
    };
    Ok((write(&Answer { version: VERSION, outcome })?, text))
}

fn read_document(request: &Request, bytes: &[u8]) -> Result<(Header, String), Refusal> {
    if request.version != VERSION {
        let message = format!(
            "the parser speaks version {VERSION} of its protocol, the worker version {}",
            request.version
        );
        return Err(Refusal { code: RefusalCode::VersionMismatch, message });
    }

    let source =
        Source { bytes, name: request.name.as_deref(), content_type: request.content_type.as_deref() };
    let kind = detect(&source)?;
    let parsed = parse_as(kind, &source)?;
    check(kind, parsed)
}

/// Returns what is sent of a document that was read; a document without text is refused.
fn check(kind: Kind, parsed: Parsed) -> Result<(Header, String), Refusal> {
    let Parsed { mut text, format, mut pages, metadata } = parsed;
    if text.trim().is_empty() {
        return Err(ParseError::Empty(kind.name()).into());
    }
    if text.contains('\0') {
        // Replaced by something as long, so that pages still begin where they did.
        text = text.replace('\0', " ");
    }
    pages.truncate(MAX_PAGES);
    Ok((Header { kind: kind.name().to_owned(), format, pages, metadata }, text))
}
