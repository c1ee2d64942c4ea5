//! Readers of documents: whatever a document is, its text comes out as Markdown that chunks well and can be cited.
//!
//! This crate trusts nothing that it reads, but some of the libraries below it may crash, run out of memory or take
//! forever on a document that somebody made for that. So the worker runs it as a program of its own,
//! `pgai_rs_parser`, which reads one document within limits; see `pgai_rs_pipeline::child`.
//!
//! * [`document`]: a document before and after it was read
//! * [`error`]: the reasons why there is no text
//! * [`kind`], `detect`: the types of documents, and how one is told from the other
//! * [`answer()`]: the program's work, from message to answer
//! * [`sandbox`], [`panics`]: the program's confinement, and faults of readers
//! * `charset`, `date`, `nesting`: text from bytes in whatever encoding, times in words, and how deep documents may be
//! * `package`, `compound`: the zip archives of XML, and the compound files, that many types are, read within limits
//! * `markdown`, `flow`: writing Markdown, in blocks or paragraph after paragraph
//! * `pdf`, `office`, `sheets`, `odf`, `rtf`, `html`, `mail`, `text`: readers, one for each family of types

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod document;
pub mod error;
pub mod kind;
pub mod panics;
pub mod sandbox;

mod answer;
mod charset;
mod compound;
mod date;
mod detect;
mod flow;
mod html;
mod mail;
mod markdown;
mod nesting;
mod odf;
mod office;
mod package;
mod pdf;
mod rtf;
mod sheets;
mod text;

pub use answer::answer;
pub use document::{ParsedDocument, Source};
pub use error::ParseError;
pub use kind::Kind;

/// Returns the type of a document: by its first bytes, by what is in it if it is an archive, by its name, and by the
/// media type that its store gave it, in this order.
///
/// # Errors
///
/// If the type is not among those that can be read.
pub fn detect(source: &Source<'_>) -> Result<Kind, ParseError> {
    detect::detect(source)
}

/// Returns the text of a document.
///
/// # Errors
///
/// If the document has no text, or its text can't be had.
pub fn parse(source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let kind = detect(source)?;
    parse_as(kind, source)
}

/// Returns the text of a document of this type.
fn parse_as(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    match kind {
        Kind::Pdf => pdf::read(kind, source),
        Kind::Docx | Kind::Pptx | Kind::Doc | Kind::Ppt => office::read(kind, source),
        Kind::Xlsx | Kind::Xlsb | Kind::Xls | Kind::Ods => sheets::read(kind, source),
        Kind::Odt | Kind::Odp => odf::read(kind, source),
        Kind::Rtf => rtf::read(kind, source),
        Kind::Html | Kind::Epub | Kind::Kindle => html::read(kind, source),
        Kind::Email | Kind::OutlookEmail => mail::read(kind, source),
        Kind::Csv
        | Kind::Tsv
        | Kind::Json
        | Kind::JsonLines
        | Kind::Xml
        | Kind::Notebook
        | Kind::Subtitles
        | Kind::Markdown
        | Kind::ReStructuredText
        | Kind::SourceCode
        | Kind::Text => text::read(kind, source),
    }
}
