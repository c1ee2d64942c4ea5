//! Types of documents that are archives: by the names of what is in them.

use std::io::{Cursor, Read as _};

use memchr::memmem;

use crate::{Kind, ParseError, package};

/// Files that are in every archive of a type.
const MEMBERS: &[(&str, Kind)] = &[
    ("word/document.xml", Kind::Docx),
    ("word/document2.xml", Kind::Docx),
    ("ppt/presentation.xml", Kind::Pptx),
    ("xl/workbook.xml", Kind::Xlsx),
    ("xl/workbook.bin", Kind::Xlsb),
    ("META-INF/container.xml", Kind::Epub),
];

/// Contents of the file `mimetype`, which is stored first and uncompressed.
const MIME_TYPES: &[(&[u8], Kind)] = &[
    (b"mimetypeapplication/epub+zip", Kind::Epub),
    (b"mimetypeapplication/vnd.oasis.opendocument.text", Kind::Odt),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", Kind::Ods),
    (b"mimetypeapplication/vnd.oasis.opendocument.presentation", Kind::Odp),
];

/// The number of bytes of `mimetype`, or of the manifest, in which a type is looked for.
const DECLARED: u64 = 4096;

/// The number of bytes of an archive without a directory in which names are looked for.
const SEARCHED: usize = 64 << 10;

/// Returns the type of a zip archive.
pub(super) fn zip(bytes: &[u8]) -> Result<Kind, ParseError> {
    let head = &bytes[..bytes.len().min(256)];
    for (mime_type, kind) in MIME_TYPES {
        if memmem::find(head, mime_type).is_some() {
            return Ok(*kind);
        }
    }

    package::check_entries("a zip archive", bytes)?;
    let found = match zip::ZipArchive::new(Cursor::new(bytes)) {
        Ok(mut archive) => {
            if let Some(kind) = declared(&mut archive) {
                return Ok(kind);
            }
            MEMBERS.iter().find(|(name, _)| archive.index_for_name(name).is_some())
        }
        // What was cut off has names before its contents still, so that it is known for what it was.
        Err(_) => {
            let head = &bytes[..bytes.len().min(SEARCHED)];
            MEMBERS.iter().find(|(name, _)| memmem::find(head, name.as_bytes()).is_some())
        }
    };
    found.map(|(_, kind)| *kind).ok_or_else(|| ParseError::UnsupportedType("a zip archive".to_owned()))
}

/// Returns the type that an OpenDocument says it is of, though not in its first bytes, as some programs write it.
fn declared(archive: &mut zip::ZipArchive<Cursor<&[u8]>>) -> Option<Kind> {
    for name in ["mimetype", "META-INF/manifest.xml"] {
        let Ok(file) = archive.by_name(name) else { continue };
        let mut head = Vec::new();
        if file.take(DECLARED).read_to_end(&mut head).is_err() {
            continue;
        }
        for (mime_type, kind) in MIME_TYPES {
            let mime_type = mime_type.strip_prefix(b"mimetype").unwrap_or(mime_type);
            if memmem::find(&head, mime_type).is_some() {
                return Some(*kind);
            }
        }
    }
    None
}

/// Streams that are in every compound file of a type.
const STREAMS: &[(&str, Kind)] = &[
    ("/WordDocument", Kind::Doc),
    ("/Workbook", Kind::Xls),
    ("/Book", Kind::Xls),
    ("/PowerPoint Document", Kind::Ppt),
    ("/__properties_version1.0", Kind::OutlookEmail),
];

/// Returns the type of a compound file, the container of Office documents of before 2007.
pub(super) fn compound_file(bytes: &[u8]) -> Result<Kind, ParseError> {
    const NAME: &str = "a Microsoft Office document of before 2007";

    let file = cfb::CompoundFile::open(Cursor::new(bytes))
        .map_err(|error| ParseError::Damaged { kind: NAME, problem: error.to_string() })?;
    if file.is_stream("/EncryptedPackage") {
        return Err(ParseError::Encrypted("a Microsoft Office document"));
    }
    let found = STREAMS.iter().find(|(name, _)| file.exists(name));
    found.map(|(_, kind)| *kind).ok_or_else(|| ParseError::UnsupportedType("a compound file".to_owned()))
}
