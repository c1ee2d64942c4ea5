//! The type of a document: by its first bytes, then by its name, then by its content type.
//!
//! The signatures are a table of our own, as only their names are needed, and as general-purpose
//! libraries also know such ones as the `BM` of a bitmap, which make a picture of a page about cars.

use super::UnparsedDocument;
use super::text::looks_like_text;
use crate::config::TextFormat;

/// The type of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DocumentType {
    /// Plain text or Markdown.
    Text(TextFormat),
    /// Anything else, named as in "the document is …".
    Other(String),
}

/// The document's type. A signature wins over the name, except that a name of plain text or
/// Markdown wins over a beginning that looks like HTML, as in pgai.
pub(super) fn detect(document: &UnparsedDocument) -> DocumentType {
    if let Some(found) = signature(&document.bytes) {
        return DocumentType::Other(found.to_owned());
    }

    let extension = document.name.as_deref().and_then(extension);
    if let Some(known) = extension.as_deref().and_then(by_extension) {
        return known;
    }

    if begins_as_html(&document.bytes) {
        return DocumentType::Other(HTML.to_owned());
    }
    by_content_type(document, extension.as_deref())
}

const HTML: &str = "HTML";
const OFFICE: &str = "a Microsoft Office document of before 2007";

/// The number of bytes before a signature, the signature, and the name of the type.
type Signature = (usize, &'static [u8], &'static str);

/// Signatures of types that may be text throughout.
const TEXTUAL_SIGNATURES: &[Signature] = &[(0, b"%PDF-", "a PDF"), (0, b"{\\rtf", "an RTF document")];

/// Signatures of types that never are text: a text that has such letters there has them by chance.
const BINARY_SIGNATURES: &[Signature] = &[
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF87a", "a GIF image"),
    (0, b"GIF89a", "a GIF image"),
    (8, b"WEBPVP8", "a WebP image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"\x1f\x8b", "gzip-compressed"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard-compressed"),
    (0, b"BZh91AY&SY", "bzip2-compressed"),
    (0, b"\xfd7zXZ\0", "xz-compressed"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OFFICE),
    (4, b"ftyp", "an MP4 or QuickTime video"),
    (0, b"ID3\x03", "an MP3 audio"),
    (0, b"ID3\x04", "an MP3 audio"),
    (0, b"OggS\0", "an Ogg audio or video"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"\x7fELF", "a program"),
];

fn signature(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(zip_type(bytes));
    }
    let textual = find(TEXTUAL_SIGNATURES, bytes);
    textual.or_else(|| find(BINARY_SIGNATURES, bytes).filter(|_| !looks_like_text(bytes)))
}

/// Returns the name that goes with the first of these signatures that the bytes have.
fn find(signatures: &'static [Signature], bytes: &[u8]) -> Option<&'static str> {
    for (offset, signature, name) in signatures {
        if bytes.get(*offset..).is_some_and(|bytes| bytes.starts_with(signature)) {
            return Some(name);
        }
    }
    None
}

/// Office documents and EPUBs are zip archives. The names of their first entries tell them apart,
/// as they are stored uncompressed.
fn zip_type(bytes: &[u8]) -> &'static str {
    const KINDS: &[(&[u8], &str)] = &[
        (b"application/epub+zip", "an EPUB"),
        (b"application/vnd.oasis.opendocument", "an OpenDocument file"),
        (b"word/", "a Word document"),
        (b"xl/", "an Excel workbook"),
        (b"ppt/", "a PowerPoint presentation"),
    ];
    const SEARCHED: usize = 8192;

    let head = &bytes[..bytes.len().min(SEARCHED)];
    let holds = |needle: &[u8]| head.windows(needle.len()).any(|window| window == needle);
    KINDS.iter().find(|(needle, _)| holds(needle)).map_or("a zip archive", |(_, name)| name)
}

/// Returns whether the document says that it is HTML, after whitespace and a byte order mark.
fn begins_as_html(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |tag: &[u8]| bytes.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    begins(b"<!doctype html") || begins(b"<html")
}

/// Returns the ending of a file's name in lower case, without the dot. That of a compressed file is the one
/// before it: its content was decompressed, or its signature had been found.
fn extension(name: &str) -> Option<String> {
    let (stem, last) = split_ending(name)?;
    match last.as_str() {
        "gz" | "bz2" | "zst" => split_ending(stem).map(|(_, before)| before),
        _ => Some(last),
    }
}

/// Splits a name at its last dot; the ending is in lower case. `None` if there is nothing on one side of it.
fn split_ending(name: &str) -> Option<(&str, String)> {
    let (stem, ending) = name.rsplit_once('.')?;
    (!stem.is_empty() && !ending.is_empty()).then(|| (stem, ending.to_ascii_lowercase()))
}

fn by_extension(extension: &str) -> Option<DocumentType> {
    let other = |name: &str| Some(DocumentType::Other(name.to_owned()));
    match extension {
        "txt" | "text" | "log" | "rst" | "csv" | "tsv" => Some(DocumentType::Text(TextFormat::Text)),
        "md" | "markdown" => Some(DocumentType::Text(TextFormat::Markdown)),
        "html" | "htm" | "xhtml" => other(HTML),
        "pdf" => other("a PDF by its name, though not by its content"),
        "docx" | "xlsx" | "pptx" | "epub" | "odt" | "zip" => {
            other(&format!("a .{extension} file by its name, though not by its content"))
        }
        _ => None,
    }
}

/// The type of a document whose name says nothing.
fn by_content_type(document: &UnparsedDocument, extension: Option<&str>) -> DocumentType {
    let content_type = document.content_type.as_deref().unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "text/html" | "application/xhtml+xml" => DocumentType::Other(HTML.to_owned()),
        "text/markdown" | "text/x-markdown" => DocumentType::Text(TextFormat::Markdown),
        _ if media_type.starts_with("text/") => DocumentType::Text(TextFormat::Text),
        "" | "application/octet-stream" | "binary/octet-stream" => match extension {
            None if looks_like_text(&document.bytes) => DocumentType::Text(TextFormat::Text),
            None => DocumentType::Other("of an unknown type".to_owned()),
            Some(extension) => DocumentType::Other(format!("a .{} file", printable(extension))),
        },
        _ => DocumentType::Other(format!("of type {}", printable(&media_type))),
    }
}

/// A name from outside, fit for a message.
fn printable(name: &str) -> String {
    const LONGEST: usize = 80;
    name.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const TEXT: DocumentType = DocumentType::Text(TextFormat::Text);
    const MARKDOWN: DocumentType = DocumentType::Text(TextFormat::Markdown);

    fn typed(bytes: &[u8], name: &str, content_type: &str) -> DocumentType {
        let given = |value: &str| (!value.is_empty()).then(|| value.to_owned());
        let bytes = Bytes::copy_from_slice(bytes);
        detect(&UnparsedDocument { bytes, name: given(name), content_type: given(content_type) })
    }

    fn other(name: &str) -> DocumentType {
        DocumentType::Other(name.to_owned())
    }

    #[test]
    fn a_signature_wins_over_name_and_content_type() {
        assert_eq!(typed(b"%PDF-1.4", "notes.txt", "text/plain"), other("a PDF"));
        assert_eq!(typed(b"\x89PNG\r\n\x1a\n", "notes.md", "text/markdown"), other("a PNG image"));
        assert_eq!(typed(b"\x1f\x8b\x08", "notes.txt", ""), other("gzip-compressed"));
        assert_eq!(typed(b"\0\0\0\x18ftypmp42", "", ""), other("an MP4 or QuickTime video"));
    }

    #[test]
    fn zip_archives_are_told_apart_by_their_entries() {
        assert_eq!(typed(b"PK\x03\x04....mimetypeapplication/epub+zip", "", ""), other("an EPUB"));
        assert_eq!(typed(b"PK\x03\x04....word/document.xml", "", ""), other("a Word document"));
        assert_eq!(typed(b"PK\x03\x04....a.txt", "", ""), other("a zip archive"));
    }

    #[test]
    fn text_that_begins_with_letters_of_a_signature_stays_text() {
        assert_eq!(typed(b"BMW makes cars", "", ""), TEXT);
        assert_eq!(typed(b"The ftyp box", "", ""), TEXT);
        assert_eq!(typed(b"loftypet", "", ""), TEXT);
        assert_eq!(typed(b"GIF89a is a format", "", ""), TEXT);
    }

    #[test]
    fn the_name_decides_whatever_its_case() {
        assert_eq!(typed(b"x", "READ.ME.Markdown", "application/pdf"), MARKDOWN);
        assert_eq!(typed(b"x", "server.LOG", ""), TEXT);
        assert_eq!(typed(b"x", "notes.md.gz", ""), MARKDOWN);
        assert_eq!(typed(b"x", "page.htm", "text/plain"), other("HTML"));
        assert_eq!(typed(b"x", "a.pdf", ""), other("a PDF by its name, though not by its content"));
    }

    #[test]
    fn html_is_known_by_its_beginning_unless_the_name_says_text() {
        assert_eq!(typed(b"\n <!DOCTYPE html><p>", "page", "text/plain"), other("HTML"));
        assert_eq!(typed(b"<HTML lang=en>", "", ""), other("HTML"));
        assert_eq!(typed(b"<html>", "example.md", ""), MARKDOWN);
        assert_eq!(typed(b"<p>not a page</p>", "", ""), TEXT);
    }

    #[test]
    fn without_an_ending_the_content_type_decides() {
        assert_eq!(typed(b"x", "README", "Text/Markdown; charset=utf-8"), MARKDOWN);
        assert_eq!(typed(b"x", "code.py", "text/x-python"), TEXT);
        assert_eq!(typed(b"x", "README", "application/json"), other("of type application/json"));
    }

    #[test]
    fn without_either_utf8_is_text() {
        assert_eq!(typed("é".as_bytes(), "README", "binary/octet-stream"), TEXT);
        assert_eq!(typed(b"", "", ""), TEXT);
        assert_eq!(typed(b".", ".profile", ""), TEXT);
        assert_eq!(typed(b"\xff\xfeh\0i\0", "", "application/octet-stream"), TEXT);
        assert_eq!(typed(b"a\0b", "README", ""), other("of an unknown type"));
        assert_eq!(typed(b"\xe9", "", ""), other("of an unknown type"));
        assert_eq!(typed(b"{}", "data.json", "binary/octet-stream"), other("a .json file"));
    }
}
