//! PDF: from drawing instructions to text in reading order.
//!
//! The library reads the file, its objects and its fonts. What is drawn where, and what it means, is found out here,
//! floor by floor:
//!
//! * `guard`, `limits`: what a document may cost
//! * `lexer`, `interpret`, `font`, `path`: a page's instructions become letters and lines
//! * `geometry`, `glyph`, `segment`, `line`, `page`: letters become words, and words become lines
//! * `furniture`: running heads, feet and page numbers go
//! * `grid`, `columns`, `table`: lines become tables
//! * `block`, `order`, `heading`, `list`, `paragraph`: lines become paragraphs, headings and lists, in reading order
//! * `continued`, `notes`: tables over pages become one, and footnotes are told as such
//! * `write`, `metadata`: all that becomes Markdown

mod block;
mod columns;
mod continued;
mod font;
mod furniture;
mod geometry;
mod glyph;
mod grid;
mod guard;
mod heading;
mod interpret;
mod lexer;
mod limits;
mod line;
mod list;
mod metadata;
mod notes;
mod order;
mod page;
mod paragraph;
mod path;
mod segment;
mod table;
mod write;

use pgai_rs_parser_protocol::Format;
use unpdf::Error;
use unpdf::parser::backend::{PdfBackend, RawBackend};

use self::block::{Block, blocks};
use self::heading::Headings;
use self::limits::{Budget, too_complex};
use self::notes::Footnotes;
use self::page::{PdfPage, read_page};
use self::write::Writer;
use crate::markdown::Blocks;
use crate::{Kind, ParseError, ParsedDocument, Source};

/// The most pages.
const MAX_PAGES: usize = 100_000;

/// Returns the text of a PDF.
pub(crate) fn read(_kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    guard::check(source.bytes)?;
    document(source.bytes)
}

fn document(bytes: &[u8]) -> Result<ParsedDocument, ParseError> {
    let backend = RawBackend::load_bytes(bytes).map_err(refusal)?;
    let ids = backend.pages();
    if ids.is_empty() {
        return Err(damaged("it has no pages"));
    }
    if ids.len() > MAX_PAGES {
        return Err(too_complex(format!("it has more than {MAX_PAGES} pages")));
    }

    let mut budget = Budget::default();
    let mut pages = Vec::with_capacity(ids.len());
    for id in ids.values() {
        pages.push(read_page(&backend, *id, &mut budget)?);
    }
    if pages.iter().all(|page| page.lines.is_empty() && page.turned.is_empty()) {
        return Err(without_text(&backend, &pages));
    }

    let whole = pages.iter().map(|page| page.lines.clone()).collect::<Vec<_>>();
    furniture::remove(&mut pages);
    if pages.iter().all(|page| page.lines.is_empty() && page.turned.is_empty()) {
        if pages.iter().all(|page| page.images > 0) {
            return Err(ParseError::NeedsOcr(Kind::Pdf.name()));
        }
        // Better a page number than nothing.
        for (page, lines) in pages.iter_mut().zip(whole) {
            page.lines = lines;
        }
    }

    let page_count = pages.len();
    let (text, starts) = markdown(&backend, pages);
    Ok(ParsedDocument {
        text,
        format: Format::Markdown,
        pages: starts,
        metadata: metadata::metadata(&backend, bytes, page_count),
    })
}

/// Returns the text of pages, and their beginnings.
fn markdown(
    backend: &dyn PdfBackend,
    mut pages: Vec<PdfPage>,
) -> (String, Vec<pgai_rs_parser_protocol::Page>) {
    let mut headings = Headings::of(&pages, backend);
    let mut vocabulary = paragraph::Vocabulary::new();
    for line in pages.iter().flat_map(|page| &page.lines) {
        paragraph::learn(&mut vocabulary, &line.text());
    }

    let mut arranged = Vec::with_capacity(pages.len());
    for page in &mut pages {
        let rules = grid::rules(&page.rules);
        let parts = table::with_tables(std::mem::take(&mut page.lines), &rules);
        let mut ordered = order::in_order(blocks(parts, |line| headings.is_title(line)));
        let turned = std::mem::take(&mut page.turned).into_iter().map(table::PagePart::Line).collect();
        ordered.extend(blocks(turned, |_| false));
        arranged.push(ordered);
    }
    let texts = arranged.iter().flatten().filter_map(|block| match block {
        Block::Text(text) => Some(text),
        Block::Table(_) => None,
    });
    headings.rank(texts);
    let heights: Vec<f32> = pages.iter().map(|page| page.height).collect();
    let mut footnotes = Footnotes::new(&headings);
    for (blocks, height) in arranged.iter_mut().zip(&heights) {
        footnotes.mark(blocks, *height);
    }
    continued::join(&mut arranged, &heights);

    let mut writer = Writer { headings: &headings, vocabulary: &vocabulary, blocks: Blocks::default() };
    for (number, (blocks, page)) in (1..).zip(arranged.iter().zip(&pages)) {
        writer.page(number, blocks, &page.links);
    }
    writer.blocks.finish()
}

/// Returns the reason why a document has no text.
fn without_text(backend: &RawBackend, pages: &[PdfPage]) -> ParseError {
    if pages.iter().any(|page| page.images > 0) {
        return ParseError::NeedsOcr(Kind::Pdf.name());
    }
    let integrity = backend.integrity();
    let lost =
        integrity.pages_incomplete() || integrity.skipped_object_count > 0 || integrity.xref_reconstructed;
    if lost || pages.iter().any(|page| page.unreadable > 0) {
        return damaged("its pages can't be read");
    }
    ParseError::Empty(Kind::Pdf.name())
}

/// Returns the reason why the library can't read a document, without its words, which may quote the document.
fn refusal(error: Error) -> ParseError {
    match error {
        Error::Encrypted | Error::InvalidPassword => ParseError::Encrypted(Kind::Pdf.name()),
        Error::UnsupportedVersion(_) => damaged("its version or its encryption is unknown"),
        _ => damaged("its structure can't be read"),
    }
}

fn damaged(problem: &str) -> ParseError {
    ParseError::Damaged { kind: Kind::Pdf.name(), problem: problem.to_owned() }
}
