//! Workbooks: each sheet is a heading, and what stands on it are tables.
//!
//! A cell reads as a person sees it: a number in its format, a formula by the value that was stored with it. What a
//! person does not see is left out on purpose: hidden sheets, hidden rows and hidden columns, comments, page headers,
//! and charts.
//!
//! The readers keep the cells that hold something, and nothing for those that are empty, so that a sheet costs what is
//! on it, wherever it stands. Libraries give the values of cells, but not their formats or what is hidden.
//!
//! * `xlsx`, `xlsb`, `xls`, `ods`: readers of cells
//! * [`grid`]: the cells of a sheet; [`shown`]: what they show; [`bytes`]: numbers in binary files
//! * `layout`: the tables among them
//! * [`mod@format`]: numbers as cells show them

mod bytes;
mod format;
mod grid;
mod layout;
mod ods;
mod shown;
mod xls;
mod xlsb;
mod xlsx;

use crate::markdown::Blocks;
use crate::{Kind, ParseError, ParsedDocument, Source};
use grid::Book;

/// Returns the text of a document of one of these types.
pub(crate) fn read(kind: Kind, source: &Source<'_>) -> Result<ParsedDocument, ParseError> {
    let book = match kind {
        Kind::Ods => ods::read(kind, source.bytes)?,
        Kind::Xlsb => xlsb::read(kind, source.bytes)?,
        Kind::Xls => xls::read(kind, source.bytes)?,
        _ => xlsx::read(kind, source.bytes)?,
    };
    write(kind, book)
}

/// Returns the sheets of a workbook as Markdown.
fn write(kind: Kind, book: Book) -> Result<ParsedDocument, ParseError> {
    let Book { sheets, metadata, .. } = book;
    let sheets: Vec<_> = sheets.into_iter().filter(|sheet| !sheet.is_empty()).collect();
    if sheets.is_empty() {
        return Err(ParseError::Empty(kind.name()));
    }

    let mut blocks = Blocks::default();
    for sheet in sheets {
        blocks.heading(2, sheet.name());
        layout::write(&sheet, &mut blocks);
    }
    // A sheet is no page: it has a name, which is its heading.
    let (text, _) = blocks.finish();
    Ok(ParsedDocument { metadata, ..ParsedDocument::markdown(text) })
}
