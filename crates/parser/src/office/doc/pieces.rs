//! The text of a document: pieces of it lie scattered, in one byte a letter or in two.

use super::super::numbers::{byte, long, short, size};
use super::header::{Header, Plc, Streams};
use crate::ParseError;
use crate::charset::CodePage;

/// The text of a document.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Letters, with the places at which they lie, by which their looks are found.
    pub(super) letters: Vec<(u16, u32)>,
}

/// The bit that says that a piece has one byte a letter.
const ONE_BYTE: u32 = 0x4000_0000;

impl Text {
    /// Returns the text of a document of Word 97 or later; `None` if its pieces make no sense.
    pub(super) fn read(streams: &Streams<'_>) -> Option<Self> {
        let pieces = Plc::new(pieces(streams.get(super::header::TablePart::Pieces))?, 8);
        let mut letters = Vec::new();
        for index in 0..pieces.len() {
            let (start, end) = (pieces.place(index)?, pieces.place(index + 1)?);
            let place = long(pieces.data(index)?, 2)?;
            let count = end.checked_sub(start)?;
            // No piece may lie where another does, so all of them are no longer than the document.
            if start != letters.len() || letters.len().checked_add(count)? > streams.document.len() {
                return None;
            }
            append(streams.document, place, count, &mut letters)?;
        }
        Some(Text { letters })
    }
}

/// Appends a piece.
fn append(document: &[u8], place: u32, count: usize, letters: &mut Vec<(u16, u32)>) -> Option<()> {
    if place & ONE_BYTE != 0 {
        let start = usize::try_from((place & !ONE_BYTE) / 2).ok()?;
        let text = CodePage::DEFAULT.decode(document.get(start..start.checked_add(count)?)?);
        for (offset, letter) in text.encode_utf16().enumerate() {
            letters.push((letter, u32::try_from(start + offset).ok()?));
        }
        return Some(());
    }
    let start = usize::try_from(place).ok()?;
    let bytes = document.get(start..start.checked_add(count.checked_mul(2)?)?)?;
    for offset in (0..bytes.len()).step_by(2) {
        letters.push((short(bytes, offset)?, u32::try_from(start + offset).ok()?));
    }
    Some(())
}

/// Returns the list of pieces, which other changes may stand before.
pub(super) fn pieces(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while byte(bytes, at)? == 1 {
        at += 3 + usize::from(short(bytes, at + 1)?);
    }
    let length = size(bytes, at + 1)?;
    bytes.get(at + 5..at.checked_add(5)?.checked_add(length)?)
}

/// Returns an error that says which part of the document makes no sense.
pub(super) fn damaged(problem: &str) -> ParseError {
    ParseError::Damaged { kind: crate::Kind::Doc.name(), problem: problem.to_owned() }
}

/// Returns the head of a document, or an error if it can't be read.
pub(super) fn header(document: &[u8]) -> Result<Header, ParseError> {
    Header::read(document).ok_or_else(|| damaged("its head is cut off"))
}
