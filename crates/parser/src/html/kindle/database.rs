//! The records of a Palm database, which is what a book's file is.

use super::damaged;
use crate::ParseError;

/// The place of the number of records. Numbers are big-endian throughout.
const COUNT_AT: usize = 76;

/// The place of the list of records, and the size of what it says of each.
const LIST_AT: usize = 78;
const LISTED: usize = 8;

/// The records of a file, one after the other, so that all together are no larger than the file.
pub(super) struct Database<'b> {
    bytes: &'b [u8],
    /// The places where the records begin, in order.
    starts: Vec<usize>,
}

impl<'b> Database<'b> {
    /// Reads the list of a file's records.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Database<'b>, ParseError> {
        let count = u16_at(bytes, COUNT_AT).ok_or_else(|| damaged("it ends in its header"))?;
        let starts: Option<Vec<usize>> =
            (0..usize::from(count)).map(|number| offset_at(bytes, LIST_AT + number * LISTED)).collect();
        match starts {
            Some(starts) if starts.is_sorted() => Ok(Database { bytes, starts }),
            Some(_) => Err(damaged("its records are in disorder")),
            None => Err(damaged("it ends in its header")),
        }
    }

    /// Returns a record by its number, from 0; `None` if it is not there as a whole.
    pub(super) fn record(&self, number: usize) -> Option<&'b [u8]> {
        let start = *self.starts.get(number)?;
        let end = self.starts.get(number + 1).copied().unwrap_or(self.bytes.len());
        self.bytes.get(start..end)
    }
}

/// Returns a number of two bytes.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// Returns a number of four bytes.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Returns a number of four bytes that is a place or a length.
pub(super) fn offset_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(bytes, at)?).ok()
}
