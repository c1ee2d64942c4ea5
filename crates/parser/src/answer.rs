//! The program's work: from the worker's message to the answer.

use pgai_rs_parser_protocol::{
    Answer, Guard, Header, MAX_PAGES, MessageError, Outcome, Refusal, RefusalCode, Request, VERSION, read,
    write,
};

use crate::{Kind, ParseError, Parsed, Source, detect, panics, parse_as};

/// Returns the header of the answer to a message of the worker's, and the text that follows it. The guards are those
/// that are in force, which the answer tells.
///
/// # Errors
///
/// If the message or its answer can't be read or written. A document that can't be read is an answer, not an error.
pub fn answer(message: &[u8], confinement: &[Guard]) -> Result<(Vec<u8>, String), MessageError> {
    let (request, bytes) = read::<Request>(message)?;
    let (outcome, text) = match read_document(&request, bytes) {
        Ok((header, text)) => (Outcome::Document(header), text),
        Err(refusal) => (Outcome::Refusal(refusal), String::new()),
    };
    let answer = Answer { version: VERSION, confinement: confinement.to_vec(), outcome };
    Ok((write(&answer)?, text))
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
    let (kind, parsed) = panics::catch(|| read_source(&source)).map_err(ParseError::Failed)??;
    check(kind, parsed)
}

fn read_source(source: &Source<'_>) -> Result<(Kind, Parsed), ParseError> {
    let kind = detect(source)?;
    Ok((kind, parse_as(kind, source)?))
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
