//! Compound files: the container of Office files of before 2007, and of e-mails of Outlook's, read within limits.
//!
//! * `allocation`: mending the table that says which sectors belong together

mod allocation;

use std::borrow::Cow;
use std::io::{Cursor, Read as _};

use cfb::CompoundFile;

use crate::ParseError;

/// A compound file.
pub(crate) struct Compound<'a> {
    file: CompoundFile<Cursor<Cow<'a, [u8]>>>,
    /// The name of the document's type, with its article.
    kind: &'static str,
    /// The number of bytes of a stream: no more than its file has, unless its chain of sectors is a circle.
    largest: u64,
}

impl<'a> Compound<'a> {
    /// Opens the compound file that a document of this type is.
    pub(crate) fn open(kind: &'static str, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let file = CompoundFile::open(Cursor::new(Cow::Borrowed(bytes)))
            .or_else(|error| match allocation::without_sectors_past_the_end(bytes) {
                Some(mended) => CompoundFile::open(Cursor::new(Cow::Owned(mended))),
                None => Err(error),
            })
            .map_err(|error| ParseError::Damaged { kind, problem: error.to_string() })?;
        Ok(Compound { file, kind, largest: bytes.len() as u64 })
    }

    /// Returns whether there is a stream of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.is_stream(name)
    }

    /// Returns the names of the storages in this one, in their order.
    pub(crate) fn storages(&self, name: &str) -> Vec<String> {
        let entries = self.file.read_storage(name).into_iter().flatten();
        let storages = entries.filter(cfb::Entry::is_storage);
        let mut names: Vec<String> = storages.map(|entry| entry.name().to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// Returns the content of a stream; `None` if there is none of this name.
    pub(crate) fn stream(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        if !self.has(name) {
            return Ok(None);
        }
        let damaged = |error: std::io::Error| ParseError::Damaged {
            kind: self.kind,
            problem: format!("{}: {error}", name.trim_start_matches(|letter: char| letter.is_control())),
        };
        let stream = self.file.open_stream(name).map_err(damaged)?;
        let mut content = Vec::new();
        stream.take(self.largest).read_to_end(&mut content).map_err(damaged)?;
        Ok(Some(content))
    }

    /// Returns an error that says that the document is damaged.
    pub(crate) fn damaged(&self, problem: impl Into<String>) -> ParseError {
        ParseError::Damaged { kind: self.kind, problem: problem.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// The length of a sector of files that `cfb` writes.
    const SECTOR: usize = 4096;

    /// Returns a file with a stream.
    fn file() -> Vec<u8> {
        let mut file = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.create_stream("/a").unwrap().write_all(&[b'x'; 5000]).unwrap();
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    #[test]
    fn a_table_that_is_longer_than_its_file_is_cut_off() {
        let mut bytes = file();
        let table = (u32::from_le_bytes(bytes[76..80].try_into().unwrap()) as usize + 1) * SECTOR;
        let end = table + SECTOR;
        bytes[end - 8..end].copy_from_slice(&[7, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff]);
        assert!(CompoundFile::open(Cursor::new(bytes.as_slice())).is_err());

        let mut file = Compound::open("a document", &bytes).unwrap();
        assert_eq!(file.stream("/a").unwrap().map(|content| content.len()), Some(5000));
        assert_eq!(file.stream("/b").unwrap(), None);
    }

    #[test]
    fn a_file_that_was_cut_off_is_damaged() {
        let mut bytes = file();
        bytes.truncate(bytes.len() - SECTOR);
        assert!(matches!(Compound::open("a document", &bytes), Err(ParseError::Damaged { .. })));
    }
}
