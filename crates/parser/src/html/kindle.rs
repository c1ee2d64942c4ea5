//! Books of Mobipocket and Kindle (`.mobi`, `.azw`, `.azw3`): a Palm database whose records are the pieces of one page.
//!
//! A file may hold a book twice, as older devices and as newer ones (KF8) read it; then the newer form is read. Its
//! page is one document for each part of the book, each with its pieces after its frame, so that it is read from its
//! beginning to its end like the older one.
//!
//! * `database`: the records of a file
//! * `header`: the first record of a book, and what the book says of itself
//! * `palmdoc`: the compression of the text
//!
//! Books in the compression HUFF/CDIC, which programs write only when asked to, and print replicas, which are a PDF
//! within, are refused by name; those that are protected (DRM) as encrypted. What stands in other records (pictures,
//! fonts, and indexes of places) is not read.

mod database;
mod header;
mod palmdoc;

use super::notes::Notes;
use super::render::{Manner, render};
use super::{build, page};
use crate::{Kind, ParseError, ParsedDocument, Source, charset};
use database::Database;
use header::{Header, TextCompression};

/// The most bytes of a book's text, unpacked: as many as of an EPUB's.
const MOST: usize = 128 << 20;

/// The beginning of a text that is a print replica's.
const PRINT_REPLICA: &[u8] = b"%MOP";

/// Returns the text of a book.
pub(super) fn read(source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let database = Database::read(source.bytes)?;
    let mut first = 0;
    let mut header = Header::read(&database, first)?;
    if let Some(newer) = header.newer
        && let Ok(of_newer) = Header::read(&database, newer)
    {
        first = newer;
        header = of_newer;
    }
    if header.is_protected {
        return Err(ParseError::Encrypted(Kind::Kindle.name()));
    }

    let markup = markup(&database, first, &header)?;
    if markup.starts_with(PRINT_REPLICA) {
        return Err(ParseError::UnsupportedType("a print replica for Kindle".to_owned()));
    }
    let markup = charset::decode(&markup, Some(header.encoding))?;
    let text = written(&markup)?;
    if text.is_empty() {
        return Err(ParseError::Empty(Kind::Kindle.name()));
    }
    Ok(ParsedDocument { metadata: header.metadata, ..ParsedDocument::markdown(text) })
}

/// Returns the page that a book is, whose header is this record.
fn markup(database: &Database<'_>, first: usize, header: &Header) -> Result<Vec<u8>, ParseError> {
    let mut markup = Vec::new();
    for record in first + 1..=first + header.text_records {
        let record = database.record(record).ok_or_else(|| damaged("its text ends early"))?;
        let packed = header.trailers.trimmed(record);
        match header.compression {
            TextCompression::None => markup.extend_from_slice(packed),
            TextCompression::PalmDoc => palmdoc::unpack(packed, &mut markup)?,
        }
        if markup.len() > MOST {
            return Err(too_complex(format!("its text is larger than {} MB", MOST >> 20)));
        }
    }
    // What follows the text are styles and pictures.
    markup.truncate(header.text_end(database, first).unwrap_or(markup.len()));
    Ok(markup)
}

/// Returns a book's page as Markdown.
fn written(markup: &str) -> Result<String, ParseError> {
    let pages = [page(markup, false)
        .map_err(|_| too_complex(format!("it has more than {} elements", build::MOST_NODES)))?];
    let notes = Notes::collect(&pages);
    let manner =
        Manner { pages: &pages, notes: &notes, drop_furniture: true, is_content: true, drop_relative: true };
    Ok(render(manner, 0))
}

fn damaged(problem: &str) -> ParseError {
    ParseError::Damaged { kind: Kind::Kindle.name(), problem: problem.to_owned() }
}

fn too_complex(problem: String) -> ParseError {
    ParseError::TooComplex { kind: Kind::Kindle.name(), problem }
}
