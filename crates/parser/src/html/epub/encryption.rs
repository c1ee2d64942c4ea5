//! The files of a book that are encrypted.

use std::collections::HashSet;

use quick_xml::events::Event;

use super::xml::{self, Reader};
use crate::ParseError;
use crate::html::path;
use crate::package::Package;

/// Returns whether one of these files is encrypted. Others may be: fonts often are, in a way that only hides them.
pub(super) fn hides(archive: &mut Package<'_>, files: &[String]) -> Result<bool, ParseError> {
    let Some(bytes) = archive.part("META-INF/encryption.xml")? else { return Ok(false) };
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
