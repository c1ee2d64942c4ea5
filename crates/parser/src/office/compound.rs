//! Compound files: the container of Office files of before 2007, read within limits, and numbers in it.

use std::io::{Cursor, Read as _};

use cfb::CompoundFile;

use crate::ParseError;

/// The largest number of bytes of a stream.
const LARGEST_STREAM: u64 = 256 << 20;

/// A compound file.
pub(super) struct Compound<'a> {
    file: CompoundFile<Cursor<&'a [u8]>>,
    /// The name of the document's type, with its article.
    kind: &'static str,
}

impl<'a> Compound<'a> {
    pub(super) fn open(kind: &'static str, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let file = CompoundFile::open(Cursor::new(bytes))
            .map_err(|error| ParseError::Damaged { kind, problem: error.to_string() })?;
        Ok(Compound { file, kind })
    }

    /// Returns the content of a stream; `None` if there is none of this name.
    pub(super) fn stream(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        if !self.file.is_stream(name) {
            return Ok(None);
        }
        let damaged = |error: std::io::Error| ParseError::Damaged {
            kind: self.kind,
            problem: format!("{}: {error}", name.trim_start_matches(|letter: char| letter.is_control())),
        };
        let stream = self.file.open_stream(name).map_err(damaged)?;
        let mut content = Vec::new();
        stream.take(LARGEST_STREAM).read_to_end(&mut content).map_err(damaged)?;
        Ok(Some(content))
    }

    /// Returns an error that says that the document is damaged.
    pub(super) fn damaged(&self, problem: impl Into<String>) -> ParseError {
        ParseError::Damaged { kind: self.kind, problem: problem.into() }
    }
}

/// Returns the byte at a place.
pub(super) fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// Returns the two bytes at a place as a number, the lowest first.
pub(super) fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

/// Returns the four bytes at a place as a number, the lowest first.
pub(super) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// Returns the four bytes at a place as a length or a place.
pub(super) fn size(bytes: &[u8], at: usize) -> Option<usize> {
    long(bytes, at).and_then(|value| usize::try_from(value).ok())
}

/// Returns so many bytes at a place.
pub(super) fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// Returns text of two bytes a letter.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| match unit {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
