//! The document that a row holds or names, on its way to the parser.

use super::fingerprint::Basis;
use crate::document::{Digest, Payload};
use crate::failure::{Failure, Retry, Step};
use crate::load::{LoadReservation, Loaded};
use crate::parse::{self, Input, Parsed};
use crate::settings::Settings;

/// The document itself.
pub(super) struct DocumentSource {
    /// The content.
    pub content: DocumentContent,
    /// Its part of the bytes being loaded.
    pub load_reservation: LoadReservation,
    /// Its version, as its store names it.
    pub etag: Option<String>,
    /// The digest of all else that decides its chunks.
    pub basis: Option<Basis>,
    /// The fingerprint of all that decides its text, if that is to be kept.
    pub made_of: Option<Digest>,
}

/// The content of a document.
pub(super) enum DocumentContent {
    /// It is to be parsed.
    Unparsed(Input),
    /// Its text was kept.
    Kept(Parsed),
}

impl DocumentContent {
    /// Returns the size in bytes of what was loaded, or of the text that was kept.
    pub(super) fn size(&self) -> u64 {
        let bytes = match self {
            DocumentContent::Unparsed(Input::Text(text)) => text.len(),
            DocumentContent::Unparsed(Input::Document(document)) => document.bytes.len(),
            DocumentContent::Kept(parsed) => parsed.text.len(),
        };
        bytes as u64
    }
}

impl DocumentSource {
    /// The content of a column.
    pub(super) fn column(input: Input) -> Self {
        DocumentSource::of(DocumentContent::Unparsed(input))
    }

    /// A document of which a text was kept that can be cut again.
    pub(super) fn kept(parsed: Parsed) -> Self {
        DocumentSource::of(DocumentContent::Kept(parsed))
    }

    fn of(content: DocumentContent) -> Self {
        let load_reservation = LoadReservation::default();
        DocumentSource { content, load_reservation, etag: None, basis: None, made_of: None }
    }

    /// An object that was loaded.
    pub(super) fn object(loaded: Loaded, basis: Option<Basis>) -> Self {
        let Loaded { bytes, name, content_type, etag, reservation } = loaded;
        let input = Input::Document(parse::UnparsedDocument { bytes, name, content_type });
        DocumentSource { load_reservation: reservation, etag, basis, ..DocumentSource::column(input) }
    }
}

/// The address that a row holds; none if it is NULL or empty, and so there is no document, as with a text.
pub(super) fn address(payload: Payload, settings: &Settings) -> Result<Option<String>, Failure> {
    match payload {
        Payload::Null => Ok(None),
        Payload::Text(uri) => Ok(Some(uri).filter(|uri| !uri.is_empty())),
        Payload::Bytes(_) => Err(no_uri("the column of addresses contains bytes, not text")),
        Payload::RowTooLarge(size) => Err(row_too_large(size, settings)),
        Payload::TooLarge(_) => {
            Err(no_uri("the value in the column of addresses is too long for an address"))
        }
    }
}

/// The document that a column holds; none if there is nothing in it.
pub(super) fn column(payload: Payload, settings: &Settings) -> Result<Option<Input>, Failure> {
    Ok(match payload {
        Payload::TooLarge(size) => return Err(too_large(size, settings.max_document_size)),
        Payload::RowTooLarge(size) => return Err(row_too_large(size, settings)),
        empty if empty.is_empty() => None,
        Payload::Null => None,
        Payload::Text(text) => Some(Input::Text(text)),
        Payload::Bytes(bytes) => Some(Input::Document(parse::UnparsedDocument {
            bytes: bytes.into(),
            name: None,
            content_type: None,
        })),
    })
}

fn too_large(size: u64, max_size: u64) -> Failure {
    let message = format!(
        "the value in the column has {size} bytes, more than the {max_size} bytes allowed for a document"
    );
    Failure::new(Step::Loading, "too_large", message, Retry::Never)
        .with_hint("Split the document, or increase pgai_rs.max_document_size.")
}

fn row_too_large(size: u64, settings: &Settings) -> Failure {
    let message = format!(
        "the document and the columns that the template names have {size} bytes together, more than the {} bytes of memory \
         that a document may take",
        settings.largest_document_memory()
    );
    Failure::new(Step::Loading, "too_large", message, Retry::Never).with_hint(
        "Shorten the values of these columns, name fewer of them in the template, or increase pgai_rs.worker_memory_limit.",
    )
}

fn no_uri(message: &str) -> Failure {
    Failure::new(Step::Loading, "no_uri", message, Retry::Never)
        .with_hint("Set the row's address to the form s3://bucket/key.")
}
