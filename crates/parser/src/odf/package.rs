//! A zip archive of which no more is unpacked than is allowed.

use std::collections::HashMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::{Kind, ParseError};

/// The number of bytes that all files read from one archive may unpack to.
const MAX_UNPACKED: u64 = 256 << 20;

/// The number of bytes that room is made for before any is unpacked, whatever the archive claims.
const FIRST_ROOM: u64 = 8 << 20;

/// A document that is a zip archive.
pub(crate) struct Package<'a> {
    kind: Kind,
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// The places of files in the archive, by their names in lower case.
    places: HashMap<String, usize>,
    left: u64,
}

impl<'a> Package<'a> {
    /// Returns the archive in these bytes.
    pub(crate) fn open(kind: Kind, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| refused(kind, &error))?;
        let names = (0..archive.len()).filter_map(|place| Some((archive.name_for_index(place)?, place)));
        let places = names.map(|(name, place)| (name.to_ascii_lowercase(), place)).collect();
        Ok(Package { kind, archive, places, left: MAX_UNPACKED })
    }

    /// Returns the content of a file; `None` if there is none of this name, in whatever case.
    pub(crate) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let Some(place) = self.places.get(&name.to_ascii_lowercase()) else { return Ok(None) };
        let file = self.archive.by_index(*place).map_err(|error| refused(self.kind, &error))?;

        let room = file.size().min(FIRST_ROOM).min(self.left);
        let mut content = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        let read = file.take(self.left + 1).read_to_end(&mut content);
        read.map_err(|error| refused(self.kind, &ZipError::Io(error)))?;

        let Some(left) = self.left.checked_sub(content.len() as u64) else {
            let problem = format!("it unpacks to more than {} MB", MAX_UNPACKED >> 20);
            return Err(ParseError::TooComplex { kind: self.kind.name(), problem });
        };
        self.left = left;
        Ok(Some(content))
    }

    /// Returns the content of a file that the document can't do without.
    pub(crate) fn require(&mut self, name: &str) -> Result<Vec<u8>, ParseError> {
        let missing =
            || ParseError::Damaged { kind: self.kind.name(), problem: format!("{name} is missing") };
        let missing = missing();
        self.read(name)?.ok_or(missing)
    }
}

fn refused(kind: Kind, error: &ZipError) -> ParseError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ParseError::Encrypted(kind.name())
        }
        error => ParseError::Damaged { kind: kind.name(), problem: problem(error) },
    }
}

/// Returns what is wrong with an archive, in words that hold nothing of it.
fn problem(error: &ZipError) -> String {
    match error {
        ZipError::Io(_) => "a file in its archive can't be unpacked".to_owned(),
        ZipError::CompressionMethodNotSupported(method) => {
            format!("a file in its archive is compressed by the unknown method {method}")
        }
        _ => "its archive has no readable directory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn no_more_is_unpacked_than_is_allowed() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a.xml", "b.xml"] {
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(&[b'x'; 1000]).unwrap();
        }
        let bytes = writer.finish().unwrap().into_inner();

        let mut package = Package::open(Kind::Odt, &bytes).unwrap();
        package.left = 1500;
        assert_eq!(package.read("A.XML").unwrap().map(|content| content.len()), Some(1000));
        assert!(matches!(package.read("b.xml"), Err(ParseError::TooComplex { .. })));
        assert_eq!(package.read("c.xml"), Ok(None));
        assert!(matches!(package.require("c.xml"), Err(ParseError::Damaged { .. })));
    }
}
