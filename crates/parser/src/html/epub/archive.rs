//! The archive that a book is.

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read as _};

use quick_xml::events::Event;
use zip::ZipArchive;
use zip::result::ZipError;

use super::xml::{self, Reader};
use super::{damaged, too_complex};
use crate::html::path;
use crate::{Kind, ParseError};

/// The largest file of a book that is read, in bytes.
const LARGEST: u64 = 32 << 20;

/// The most bytes of all files that are read.
const MOST: u64 = 128 << 20;

pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The number of each file, by its name in lower case.
    names: HashMap<String, usize>,
    /// The bytes that may still be read.
    left: u64,
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged("its archive can't be opened"))?;
        let mut names = HashMap::new();
        for (number, name) in zip.file_names().enumerate() {
            let number = zip.index_for_name(name).unwrap_or(number);
            names.entry(name.to_lowercase()).or_insert(number);
        }
        Ok(Archive { zip, names, left: MOST })
    }

    /// Returns the names of files with this ending.
    pub(super) fn with_ending(&self, ending: &str) -> Option<String> {
        let mut names: Vec<&str> = self.zip.file_names().filter(|name| name.ends_with(ending)).collect();
        names.sort_unstable();
        names.first().map(|name| (*name).to_owned())
    }

    /// Returns the content of a file; `None` if it is not there.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ParseError> {
        let number = self.zip.index_for_name(name).or_else(|| self.names.get(&name.to_lowercase()).copied());
        let Some(number) = number else { return Ok(None) };
        let file = match self.zip.by_index(number) {
            Ok(file) => file,
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(ParseError::Encrypted(Kind::Epub.name()));
            }
            Err(_) => return Err(damaged("a file in its archive can't be opened")),
        };

        let limit = LARGEST.min(self.left);
        let mut bytes = Vec::new();
        file.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|_| damaged("a file in its archive can't be unpacked"))?;
        let length = bytes.len() as u64;
        if length > limit {
            return Err(too_complex(format!(
                "one of its files has more than {} MB, or all have more than {} MB",
                LARGEST >> 20,
                MOST >> 20
            )));
        }
        self.left -= length;
        Ok(Some(bytes))
    }

    /// Returns whether one of these files is encrypted. Others may be: fonts often are, in a way that only hides them.
    pub(super) fn is_encrypted(&mut self, files: &[String]) -> Result<bool, ParseError> {
        let Some(bytes) = self.read("META-INF/encryption.xml")? else { return Ok(false) };
        let text = xml::decode(&bytes)?;
        let mut reader = Reader::new(&text);
        let mut encrypted = HashSet::new();
        while let Some(event) = reader.next() {
            if let Event::Start(element) | Event::Empty(element) = event
                && element.local_name().as_ref() == b"CipherReference"
            {
                encrypted.extend(xml::attribute(&element, "URI").map(|uri| path::join("", &uri)));
            }
        }
        Ok(files.iter().any(|file| encrypted.contains(file)))
    }
}
