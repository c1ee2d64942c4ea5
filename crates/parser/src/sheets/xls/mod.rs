//! Excel workbooks before 2007: records in a stream of a compound file.

mod cells;
mod globals;
mod record;
mod strings;

use super::grid::Book;
use crate::compound::Compound;
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
    let mut file = Compound::open(kind.name(), bytes)?;
    // A workbook for two versions has both.
    for name in ["/Workbook", "/Book"] {
        if let Some(stream) = file.stream(name)? {
            return Ok(stream);
        }
    }
    Err(file.damaged("it has no workbook"))
}

fn damaged(kind: Kind, problem: &str) -> ParseError {
    ParseError::Damaged { kind: kind.name(), problem: problem.to_owned() }
}
