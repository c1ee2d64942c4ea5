//! The program's work: from the worker's message to the answer.

use pgai_rs_parser_protocol::{
    Answer, DocumentHeader, Guard, MAX_PAGES, MessageError, Metadata, ParseRequest, Refusal, RefusalCode,
    VERSION, Verdict, read, write,
};

use crate::markdown::some_text;
use crate::{Kind, ParseError, ParsedDocument, Source, date, detect, panics, parse_as};

/// Returns the header of the answer to a message of the worker's, and the text that follows it. The guards are those
/// that are in force, which the answer tells.
///
/// # Errors
///
/// If the message or its answer can't be read or written. A document that can't be read is an answer, not an error.
pub fn answer(message: &[u8], confinement: &[Guard]) -> Result<(Vec<u8>, String), MessageError> {
    let (request, bytes) = read::<ParseRequest>(message)?;
    let (verdict, text) = match read_document(&request, bytes) {
        Ok((header, text)) => (Verdict::Document(header), text),
        Err(refusal) => (Verdict::Refusal(refusal), String::new()),
    };
    let mut answer = Answer { version: VERSION, confinement: confinement.to_vec(), verdict };
    match write(&answer) {
        // It is the document's fault, and not the message's.
        Err(MessageError::TooLong(_)) => {
            let problem = "it has more pages than can be told".to_owned();
            let refusal = ParseError::TooComplex { kind: "a document", problem }.into();
            answer.verdict = Verdict::Refusal(refusal);
            Ok((write(&answer)?, String::new()))
        }
        header => Ok((header?, text)),
    }
}

fn read_document(request: &ParseRequest, bytes: &[u8]) -> Result<(DocumentHeader, String), Refusal> {
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

fn read_source(source: &Source<'_>) -> Result<(Kind, ParsedDocument), ParseError> {
    let kind = detect(source)?;
    Ok((kind, parse_as(kind, source)?))
}

/// Returns what is sent of a document that was read; a document without text is refused.
fn check(kind: Kind, parsed: ParsedDocument) -> Result<(DocumentHeader, String), Refusal> {
    let ParsedDocument { mut text, format, mut pages, metadata } = parsed;
    if text.trim().is_empty() {
        return Err(ParseError::Empty(kind.name()).into());
    }
    if text.contains('\0') {
        // Replaced by something as long, so that pages still begin where they did.
        text = text.replace('\0', " ");
    }
    pages.truncate(MAX_PAGES);
    let metadata = storable(metadata);
    Ok((DocumentHeader { kind: kind.word().to_owned(), format, pages, metadata }, text))
}

/// The most characters of what a document states about itself.
const LONGEST_STATEMENT: usize = 1000;

/// Returns what a document states about itself, as far as it can be stored: without U+0000, of a length, times in
/// ISO 8601.
fn storable(metadata: Metadata) -> Metadata {
    Metadata {
        title: storable_text(metadata.title),
        author: storable_text(metadata.author),
        created: storable_time(metadata.created),
        modified: storable_time(metadata.modified),
        language: storable_text(metadata.language),
        page_count: metadata.page_count,
    }
}

fn storable_text(stated: Option<String>) -> Option<String> {
    let stated = stated?.replace('\0', " ");
    let short: String = stated.trim().chars().take(LONGEST_STATEMENT).collect();
    some_text(short)
}

fn storable_time(stated: Option<String>) -> Option<String> {
    date::iso(&storable_text(stated)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_states_can_be_stored() {
        let metadata = storable(Metadata {
            title: Some(format!(" a\0b{}", "c".repeat(1 << 20))),
            author: Some("\0".to_owned()),
            created: Some("2024-02-29".to_owned()),
            modified: Some("yesterday".to_owned()),
            ..Metadata::default()
        });
        let title = metadata.title.unwrap_or_default();
        assert!(title.starts_with("a bc") && title.chars().count() == LONGEST_STATEMENT);
        assert_eq!((metadata.author, metadata.modified), (None, None));
        assert_eq!(metadata.created.as_deref(), Some("2024-02-29"));
    }

    #[test]
    fn a_document_with_a_title_without_end_is_read() {
        let page =
            format!("{{\"version\":1}}\n<html><title>{}</title><p>Text.</p></html>", "t".repeat(20 << 20));
        let (_, text) = answer(page.as_bytes(), &[]).unwrap();
        assert_eq!(text, "Text.");
    }
}
