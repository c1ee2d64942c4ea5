//! Packages of XML: the zip archives that Office and OpenDocument files are, read within limits.
//!
//! An archive may unpack to a thousand times its size, say of its entries what is not so, and hold XML that is nested
//! deeper than any stack. So nothing here believes a size that an archive states, a [`Package`] unpacks no more than
//! [`LARGEST_PART`] for a part and [`LARGEST_PACKAGE`] altogether, and a [`Tree`] has limits of its own. Entities of a
//! document type are never resolved, whether inside the file or outside.
//!
//! * `xml`: a part's XML as a tree
//! * `stream`: a part's XML as a row of tokens, where a tree would take more memory than what is read of it
//! * `relationships`: the parts that a part of an Office file refers to
//! * `properties`: the statements of an Office file about itself

pub(crate) mod properties;
pub(crate) mod relationships;
pub(crate) mod stream;
pub(crate) mod xml;

use std::collections::HashMap;
use std::io::{Cursor, Read as _};

use memchr::memmem;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::ParseError;

pub(crate) use relationships::Relationships;
pub(crate) use xml::{Node, Tree};

/// The largest number of bytes of a part, unpacked.
const LARGEST_PART: u64 = 256 << 20;

/// The largest number of bytes of all parts that are read of a package, unpacked.
const LARGEST_PACKAGE: u64 = 512 << 20;

/// The largest number of entries of an archive. Its directory is read as a whole.
const MOST_ENTRIES: usize = 100_000;

/// A zip archive whose parts are known by their names.
pub(crate) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// The places of the entries, by their names as [`canonical`] writes them.
    places: HashMap<String, usize>,
    /// The name of the document's type, with its article.
    kind: &'static str,
    /// The number of bytes that a part may unpack to.
    largest: u64,
    /// The number of bytes that may still be unpacked.
    left: u64,
}

impl<'a> Package<'a> {
    /// Opens the archive that a document of this type is.
    pub(crate) fn open(kind: &'static str, bytes: &'a [u8]) -> Result<Self, ParseError> {
        check_entries(kind, bytes)?;
        let archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| ParseError::Damaged { kind, problem: format!("its archive: {error}") })?;
        let mut places = HashMap::with_capacity(archive.len());
        for place in 0..archive.len() {
            if let Some(name) = archive.name_for_index(place) {
                places.entry(canonical(name)).or_insert(place);
            }
        }
        Ok(Package { archive, places, kind, largest: LARGEST_PART, left: LARGEST_PACKAGE })
    }

    /// Returns the package with lower limits: the bytes that a part, and all parts together, may unpack to.
    pub(crate) fn within(self, largest: u64, left: u64) -> Self {
        Package { largest: largest.min(self.largest), left: left.min(self.left), ..self }
    }

    /// Returns the name of the document's type, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns whether there is a part of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// Returns the first name, in their order, of a part with this ending.
    pub(crate) fn with_ending(&self, ending: &str) -> Option<String> {
        self.archive.file_names().filter(|name| name.ends_with(ending)).min().map(str::to_owned)
    }

    /// Returns the place of the entry of this name, or of one that differs only in the case of its letters.
    fn place(&self, name: &str) -> Option<usize> {
        self.archive.index_for_name(name).or_else(|| self.places.get(&canonical(name)).copied())
    }

    /// Returns the content of a part; `None` if there is none of this name.
    pub(crate) fn part(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let limit = self.largest.min(self.left);
        let Some(content) = self.beginning(name, limit + 1)? else { return Ok(None) };
        if content.len() as u64 > limit {
            let problem = format!("{} unpacks to more than {} MB", printable(name), limit >> 20);
            return Err(ParseError::TooComplex { kind: self.kind, problem });
        }
        self.left -= content.len() as u64;
        Ok(Some(content))
    }

    /// Returns no more than so many bytes of the content of a part; `None` if there is none of this name.
    pub(crate) fn beginning(&mut self, name: &str, most: u64) -> Result<Option<Vec<u8>>, ParseError> {
        let Some(place) = self.place(name) else { return Ok(None) };
        let kind = self.kind;
        let entry = self.archive.by_index(place).map_err(|error| unreadable(kind, name, &error))?;
        let mut content = Vec::new();
        let read = entry.take(most).read_to_end(&mut content);
        read.map_err(|error| damaged(kind, name, &error.to_string()))?;
        Ok(Some(content))
    }

    /// Returns the content of a part that the document can't do without.
    pub(crate) fn require(&mut self, name: &str) -> Result<Vec<u8>, ParseError> {
        self.part(name)?.ok_or_else(|| missing(self.kind, name))
    }

    /// Returns a part's XML; `None` if there is none of this name.
    pub(crate) fn tree(&mut self, name: &str) -> Result<Option<Tree>, ParseError> {
        let Some(content) = self.part(name)? else { return Ok(None) };
        match Tree::parse(content) {
            Ok(tree) => Ok(Some(tree)),
            Err(xml::XmlError::NotWellFormed(place)) => {
                Err(damaged(self.kind, name, &format!("XML that is not well-formed at byte {place}")))
            }
            Err(xml::XmlError::TooComplex(problem)) => {
                let problem = format!("{} {problem}", printable(name));
                Err(ParseError::TooComplex { kind: self.kind, problem })
            }
        }
    }

    /// Returns the XML of a part that a document can be read without; `None` if it is damaged.
    pub(crate) fn optional_tree(&mut self, name: &str) -> Result<Option<Tree>, ParseError> {
        match self.tree(name) {
            Err(ParseError::Damaged { .. }) => Ok(None),
            found => found,
        }
    }

    /// Returns the parts that this one refers to.
    pub(crate) fn relationships(&mut self, part: &str) -> Result<Relationships, ParseError> {
        let tree = self.optional_tree(&relationships::path(part))?;
        Ok(tree.map(|tree| Relationships::read(part, &tree)).unwrap_or_default())
    }
}

/// Returns an error if an archive has so many entries that its directory alone would take much memory.
fn check_entries(kind: &'static str, bytes: &[u8]) -> Result<(), ParseError> {
    if memmem::find_iter(bytes, b"PK\x01\x02").take(MOST_ENTRIES + 1).count() > MOST_ENTRIES {
        let problem = format!("its archive has more than {MOST_ENTRIES} entries");
        return Err(ParseError::TooComplex { kind, problem });
    }
    Ok(())
}

/// Returns a part's name as it is compared: names in a package differ by more than the case of their letters, and some
/// programs separate folders as Windows does.
fn canonical(name: &str) -> String {
    name.trim_start_matches(['/', '\\']).replace('\\', "/").to_lowercase()
}

fn unreadable(kind: &'static str, name: &str, error: &ZipError) -> ParseError {
    match error {
        ZipError::UnsupportedArchive(problem) if *problem == ZipError::PASSWORD_REQUIRED => {
            ParseError::Encrypted(kind)
        }
        error => damaged(kind, name, &error.to_string()),
    }
}

fn damaged(kind: &'static str, name: &str, problem: &str) -> ParseError {
    ParseError::Damaged { kind, problem: format!("{}: {problem}", printable(name)) }
}

fn missing(kind: &'static str, name: &str) -> ParseError {
    ParseError::Damaged { kind, problem: format!("{} is missing", printable(name)) }
}

/// Returns a part's name, fit for a message.
pub(crate) fn printable(name: &str) -> String {
    const LONGEST: usize = 80;

    name.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::SimpleFileOptions;

    use super::*;

    /// Returns an archive with two parts of a megabyte.
    fn archive() -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a\\One.xml", "two.xml"] {
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(&vec![b' '; 1 << 20]).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn parts_are_found_whatever_the_case_of_their_names() {
        let bytes = archive();
        let mut package = Package::open("a document", &bytes).unwrap();
        assert_eq!(package.part("/A/one.XML").unwrap().map(|content| content.len()), Some(1 << 20));
        assert_eq!(package.part("three.xml").unwrap(), None);
        assert!(matches!(package.require("three.xml"), Err(ParseError::Damaged { .. })));
        assert_eq!(package.beginning("two.xml", 3).unwrap().as_deref(), Some(b"   ".as_slice()));
    }

    #[test]
    fn no_more_is_unpacked_than_is_allowed_altogether() {
        let bytes = archive();
        let mut package = Package::open("a document", &bytes).unwrap();
        package.left = 3 << 19;
        assert!(package.part("two.xml").is_ok());
        assert!(matches!(package.part("a/one.xml"), Err(ParseError::TooComplex { .. })));
    }

    #[test]
    fn an_archive_of_countless_entries_is_not_opened() {
        let bytes = b"PK\x01\x02".repeat(MOST_ENTRIES + 1);
        assert!(matches!(check_entries("a document", &bytes), Err(ParseError::TooComplex { .. })));
    }
}
