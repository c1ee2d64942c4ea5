//! Excel workbooks before 2007: records in a stream of a compound file.

mod cells;
mod globals;
mod record;
mod strings;

use std::io::{Cursor, Read as _};

use super::grid::Book;
use crate::{Kind, ParseError};
use globals::Globals;
use record::Records;

/// Returns the workbook in these bytes.
pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Book, ParseError> {
    let stream = workbook(kind, bytes)?;
    let globals = Globals::read(kind, Records::new(&stream))?;

    // Sheets follow each other; those that lie in each other would be read again and again.
    let mut left = stream.len();
    let mut book = Book::new(kind);
    for sheet in globals.sheets.iter().filter(|sheet| sheet.is_shown) {
        let Some(records) = stream.get(sheet.place..) else {
            return Err(damaged(kind, "a sheet is not where it should be"));
        };
        book.begin(&sheet.name);
        let mut records = Records::new(records);
        cells::read(&mut records, &globals, &mut book)?;
        let Some(rest) = left.checked_sub(records.read()) else {
            return Err(damaged(kind, "its sheets lie in each other"));
        };
        left = rest;
        book.sort();
    }
    Ok(book)
}

/// Returns the stream that the workbook is in.
fn workbook(kind: Kind, bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    let unreadable = |_| damaged(kind, "its compound file is malformed");
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(unreadable)?;
    // A workbook for two versions has both.
    let name = if file.is_stream("/Workbook") { "/Workbook" } else { "/Book" };
    let stream = file.open_stream(name).map_err(unreadable)?;
    let mut content = Vec::new();
    // A stream has no more bytes than its file, unless its chain of sectors is a circle.
    stream.take(bytes.len() as u64).read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

fn damaged(kind: Kind, problem: &str) -> ParseError {
    ParseError::Damaged { kind: kind.name(), problem: problem.to_owned() }
}
