//! Types of documents that are archives: by the names of what is in them.

use memchr::memmem;

use crate::compound::Compound;
use crate::package::Package;
use crate::{Kind, ParseError};

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

/// Media types of the main parts of Office files, as far as they tell one from another. What is within such a file, a
/// workbook in a presentation, has none of a main part.
const MAIN_PARTS: &[(&[u8], Kind)] = &[
    (b"wordprocessingml.document.main", Kind::Docx),
    (b"wordprocessingml.template.main", Kind::Docx),
    (b"ms-word.document.macroEnabled.main", Kind::Docx),
    (b"ms-word.template.macroEnabledTemplate.main", Kind::Docx),
    (b"presentationml.presentation.main", Kind::Pptx),
    (b"presentationml.slideshow.main", Kind::Pptx),
    (b"presentationml.template.main", Kind::Pptx),
    (b"ms-powerpoint.presentation.macroEnabled.main", Kind::Pptx),
    (b"ms-powerpoint.slideshow.macroEnabled.main", Kind::Pptx),
    (b"ms-powerpoint.template.macroEnabled.main", Kind::Pptx),
    (b"spreadsheetml.sheet.main", Kind::Xlsx),
    (b"spreadsheetml.template.main", Kind::Xlsx),
    (b"ms-excel.sheet.macroEnabled.main", Kind::Xlsx),
    (b"ms-excel.template.macroEnabled.main", Kind::Xlsx),
    (b"ms-excel.sheet.binary.macroEnabled.main", Kind::Xlsb),
];

/// The number of bytes of a file in which a type is looked for. A list of parts may have thousands before the main one.
const DECLARED: u64 = 1 << 20;

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

    let mut package = match Package::open("a zip archive", bytes) {
        Err(ParseError::Damaged { .. }) => return cut_off(bytes),
        opened => opened?,
    };
    let found = declared(&mut package, &["mimetype", "META-INF/manifest.xml"], MIME_TYPES)
        .or_else(|| MEMBERS.iter().find(|(name, _)| package.has(name)).map(|(_, kind)| *kind))
        .or_else(|| declared(&mut package, &["[Content_Types].xml"], MAIN_PARTS));
    found.ok_or_else(not_a_document)
}

/// Returns the type of an archive that was cut off: it has names before its contents still.
fn cut_off(bytes: &[u8]) -> Result<Kind, ParseError> {
    let head = &bytes[..bytes.len().min(SEARCHED)];
    let found = MEMBERS.iter().find(|(name, _)| memmem::find(head, name.as_bytes()).is_some());
    found.map(|(_, kind)| *kind).ok_or_else(not_a_document)
}

fn not_a_document() -> ParseError {
    ParseError::UnsupportedType("a zip archive".to_owned())
}

/// Returns the type whose media type one of these files names: an OpenDocument's that does not say so in its first
/// bytes, or an Office file's whose parts have names of their own.
fn declared(package: &mut Package<'_>, files: &[&str], types: &[(&[u8], Kind)]) -> Option<Kind> {
    for name in files {
        let Ok(Some(head)) = package.beginning(name, DECLARED) else { continue };
        for (media_type, kind) in types {
            let media_type = media_type.strip_prefix(b"mimetype").unwrap_or(media_type);
            if memmem::find(&head, media_type).is_some() {
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

    let file = Compound::open(NAME, bytes)?;
    if file.has("/EncryptedPackage") {
        return Err(ParseError::Encrypted("a Microsoft Office document"));
    }
    let found = STREAMS.iter().find(|(name, _)| file.has(name));
    found.map(|(_, kind)| *kind).ok_or_else(|| ParseError::UnsupportedType("a compound file".to_owned()))
}
