//! The type of a document: by its first bytes, by what is in it if it is an archive, by its name, and by the media
//! type that its store gave it.
//!
//! The signatures are a table of our own, as general-purpose libraries also know such ones as the `BM` of a bitmap,
//! which make a picture of a page about cars.

mod archive;
mod content;
mod name;

use memchr::memmem;

use crate::{Kind, ParseError, Source};
use content::Head;

/// The type and the creator of the database that a Kindle book is, which stand after its name and times.
const KINDLE: &[u8] = b"BOOKMOBI";

/// The line with which a file in BinHex begins. What follows is text only to mailers.
const BINHEX: &[u8] = b"(This file must be converted with BinHex 4.0)";

/// The number of bytes in which a PDF's signature is looked for, as PDF readers do.
const PDF_HEAD: usize = 1024;

/// Returns the document's type.
pub(crate) fn detect(source: &Source<'_>) -> Result<Kind, ParseError> {
    let named = name::by_name(source.name);
    if let Some(kind) = by_signature(source.bytes, named)? {
        return Ok(kind);
    }
    let head = Head::of(source.bytes);
    if let Some(kind) = named {
        return of_name(kind, head.as_ref(), source.bytes);
    }
    if let Some(kind) = head.as_ref().map(Head::declared).transpose()?.flatten() {
        return Ok(kind);
    }
    if let Some(kind) = name::by_content_type(source.content_type)? {
        return of_name(kind, head.as_ref(), source.bytes);
    }
    match head {
        Some(head) => Ok(head.suggested(source.bytes).unwrap_or(Kind::Text)),
        None => Err(ParseError::UnsupportedType(name::description(source))),
    }
}

/// Returns the type of a document whose name or store says what it is, which may be wrong.
fn of_name(kind: Kind, head: Option<&Head>, bytes: &[u8]) -> Result<Kind, ParseError> {
    if is_binary(kind) {
        return mislabelled(kind, head, bytes);
    }
    let Some(head) = head else { return Ok(kind) };
    match kind {
        // Their text may well begin as another type does.
        Kind::Markdown | Kind::ReStructuredText | Kind::SourceCode | Kind::Email | Kind::Notebook => Ok(kind),
        Kind::Json | Kind::JsonLines if head.is_notebook() => Ok(Kind::Notebook),
        Kind::Xml => match head.declared()? {
            Some(Kind::Html) => Ok(Kind::Html),
            _ => Ok(Kind::Xml),
        },
        _ if head.is_html() => Ok(Kind::Html),
        _ => Ok(kind),
    }
}

/// Returns the type of what should be of a binary format, but has not its signature: what programs export as "Excel"
/// often is a page or a table in text.
fn mislabelled(kind: Kind, head: Option<&Head>, bytes: &[u8]) -> Result<Kind, ParseError> {
    if bytes.is_empty() {
        return Err(ParseError::Empty(kind.name()));
    }
    if let Some(head) = head {
        if let Some(found) = head.declared()? {
            return Ok(found);
        }
        if head.is_html_fragment() {
            return Ok(Kind::Html);
        }
        match kind {
            Kind::Xls | Kind::Xlsx | Kind::Xlsb | Kind::Ods => return Ok(Kind::Csv),
            Kind::Doc | Kind::Docx | Kind::Odt | Kind::Rtf => return Ok(Kind::Text),
            _ => {}
        }
    }
    Err(ParseError::Damaged { kind: kind.name(), problem: "it does not begin as one".to_owned() })
}

/// Returns the type that the first bytes show, whatever its name says.
fn by_signature(bytes: &[u8], named: Option<Kind>) -> Result<Option<Kind>, ParseError> {
    // Before a PDF's, which such a book may hold.
    if bytes.get(60..).is_some_and(|bytes| bytes.starts_with(KINDLE)) && bytes.contains(&0) {
        return Ok(Some(Kind::Kindle));
    }
    if memmem::find(&bytes[..bytes.len().min(PDF_HEAD)], b"%PDF-")
        .is_some_and(|at| at == 0 || named.is_none_or(is_binary))
    {
        return Ok(Some(Kind::Pdf));
    }
    if bytes.starts_with(b"{\\rtf") {
        return Ok(Some(Kind::Rtf));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return archive::zip(bytes).map(Some);
    }
    if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return archive::compound_file(bytes).map(Some);
    }
    if bytes.trim_ascii_start().starts_with(BINHEX) {
        return Err(ParseError::UnsupportedType("a BinHex archive".to_owned()));
    }
    match find(BINARY_SIGNATURES, bytes) {
        Some((signature, found)) if !may_be_text(signature, bytes) => {
            Err(ParseError::UnsupportedType(found.to_owned()))
        }
        _ => Ok(None),
    }
}

/// Returns whether documents of this type have a signature.
fn is_binary(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pdf
            | Kind::Docx
            | Kind::Pptx
            | Kind::Xlsx
            | Kind::Xlsb
            | Kind::Doc
            | Kind::Ppt
            | Kind::Xls
            | Kind::Odt
            | Kind::Ods
            | Kind::Odp
            | Kind::Rtf
            | Kind::Epub
            | Kind::Kindle
            | Kind::OutlookEmail
    )
}

/// The number of bytes before a signature, the signature, and the name of the type.
type Signature = (usize, &'static [u8], &'static str);

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
    (4, b"ftyp", "an MP4 or QuickTime video"),
    (0, b"ID3\x03", "an MP3 audio"),
    (0, b"ID3\x04", "an MP3 audio"),
    (0, b"OggS\0", "an Ogg audio or video"),
    (0, b"fLaC", "a FLAC audio"),
    (8, b"WAVEfmt", "a WAV audio"),
    (8, b"AVI LIST", "an AVI video"),
    (0, b"AT&TFORM", "a DjVu document"),
    (0, b"ITSF\x03", "a compiled help file"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ\x90\0", "a program"),
];

/// Returns the first of these signatures that the bytes have, and the name of its type.
fn find(signatures: &'static [Signature], bytes: &[u8]) -> Option<(&'static [u8], &'static str)> {
    for (offset, signature, name) in signatures {
        if bytes.get(*offset..).is_some_and(|bytes| bytes.starts_with(signature)) {
            return Some((signature, name));
        }
    }
    None
}

/// Returns whether the bytes may be a text that has the letters of this signature by chance: without NUL, and in UTF-8 if
/// the signature has what is no letter. One in UTF-16 with its mark may be, too.
fn may_be_text(signature: &[u8], bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return true;
    }
    let is_of_letters = signature.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    !bytes.contains(&0) && (is_of_letters || std::str::from_utf8(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8], name: &str, content_type: &str) -> Result<Kind, ParseError> {
        fn given(value: &str) -> Option<&str> {
            (!value.is_empty()).then_some(value)
        }
        detect(&Source { bytes, name: given(name), content_type: given(content_type) })
    }

    fn unsupported(name: &str) -> Result<Kind, ParseError> {
        Err(ParseError::UnsupportedType(name.to_owned()))
    }

    #[test]
    fn content_wins_over_name_and_media_type() {
        assert_eq!(typed(b"%PDF-1.4", "notes.txt", "text/plain"), Ok(Kind::Pdf));
        assert_eq!(typed(b"junk\n%PDF-1.4", "report.pdf", ""), Ok(Kind::Pdf));
        assert_eq!(typed(b"{\\rtf1", "letter.doc", "application/msword"), Ok(Kind::Rtf));
        assert_eq!(typed(b"\x89PNG\r\n\x1a\n\0", "notes.md", "text/markdown"), unsupported("a PNG image"));
        assert_eq!(typed(b"\x89PNG\r\n\x1a\n", "", ""), unsupported("a PNG image"));
        assert_eq!(typed(b"\0\0\0\x18ftypmp42", "", ""), unsupported("an MP4 or QuickTime video"));
    }

    #[test]
    fn text_that_has_letters_of_a_signature_stays_text() {
        assert_eq!(typed(b"BMW makes cars", "", ""), Ok(Kind::Text));
        assert_eq!(typed(b"The ftyp box", "", ""), Ok(Kind::Text));
        assert_eq!(typed(b"GIF89a is a format", "", ""), Ok(Kind::Text));
        assert_eq!(typed(b"A file that begins with %PDF- is a PDF.", "notes.txt", ""), Ok(Kind::Text));
    }

    #[test]
    fn the_name_decides_whatever_its_case() {
        assert_eq!(typed(b"x", "READ.ME.Markdown", "application/pdf"), Ok(Kind::Markdown));
        assert_eq!(typed(b"x", "server.LOG", ""), Ok(Kind::Text));
        assert_eq!(typed(b"x", "notes.md.gz", ""), Ok(Kind::Markdown));
        assert_eq!(typed(b"x", "page.htm?version=2", "text/plain"), Ok(Kind::Html));
    }

    #[test]
    fn a_binary_format_without_its_signature_is_damaged() {
        let problem = "it does not begin as one".to_owned();
        assert_eq!(typed(b"x", "a.pdf", ""), Err(ParseError::Damaged { kind: "a PDF", problem }));
        assert_eq!(typed(b"", "a.docx", ""), Err(ParseError::Empty("a Word document")));
    }

    #[test]
    fn html_is_known_by_its_beginning_unless_the_name_says_otherwise() {
        assert_eq!(typed(b"\n <!DOCTYPE html><p>", "page", "text/plain"), Ok(Kind::Html));
        assert_eq!(typed(b"<HTML lang=en>", "", ""), Ok(Kind::Html));
        assert_eq!(typed(b"<html>", "example.md", ""), Ok(Kind::Markdown));
        assert_eq!(typed(b"<p>a piece of a page</p>", "", ""), Ok(Kind::Html));
        assert_eq!(typed(b"<p>a piece of a page</p>", "notes.txt", ""), Ok(Kind::Text));
        assert_eq!(typed(b"<pre-alpha> of a thing", "", ""), Ok(Kind::Text));
        assert_eq!(typed(b"<!doctype html><p>x", "export.csv", "text/csv"), Ok(Kind::Html));
    }

    #[test]
    fn a_nameless_document_is_known_by_how_it_begins() {
        let notebook = br#"{"cells": [{"cell_type": "code"}], "nbformat": 4}"#;
        let email = b"Received: from a\r\n by b\r\nFrom: a@b\r\nSubject: x\r\n\r\nHello";
        let cases: &[(&[u8], Kind)] = &[
            (b"{\"a\": 1}", Kind::Json),
            (b"{\"a\": 1}\n{\"a\": 2}\n", Kind::JsonLines),
            (b"{not json}", Kind::Text),
            (b"[a link](http://x)", Kind::Text),
            (notebook, Kind::Notebook),
            (br#"{"properties": {"cells": {"type": "array"}, "nbformat": {"minimum": 4}}}"#, Kind::Json),
            (email, Kind::Email),
            (b"From: my desk\nSubject: a memo\n\nHello", Kind::Text),
            (b"<?xml version='1.0'?><a/>", Kind::Xml),
            (b"<!-- x --><rss version='2.0'></rss>", Kind::Xml),
            (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC 'x'>\n<html/>", Kind::Html),
            (b"<thing>without a declaration</thing>", Kind::Text),
            (b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi", Kind::Subtitles),
            (b"1\n00:00:01,000 --> 00:00:02,000\nHi", Kind::Subtitles),
            (b"a;b;c\n1;2;3\n4;5;6\n", Kind::Csv),
            (b"Dear Sir,\nthank you, and\ngoodbye, yes", Kind::Text),
            (b"\xff\xfe{\0}\0", Kind::Json),
            (b"H\0e\0l\0l\0o\0", Kind::Text),
        ];
        for (bytes, kind) in cases {
            assert_eq!(typed(bytes, "", ""), Ok(*kind), "{}", String::from_utf8_lossy(bytes));
            assert_eq!(typed(bytes, "document", "binary/octet-stream"), Ok(*kind));
        }
        assert_eq!(typed(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "", ""), unsupported("an SVG image"));
        assert_eq!(typed(b"%!PS-Adobe-3.0\n", "", ""), unsupported("a PostScript document"));
    }

    #[test]
    fn what_is_mislabelled_is_read_as_what_it_is() {
        let cases: &[(&[u8], &str, Kind)] = &[
            (b"<html><table><tr><td>1</td></tr></table></html>", "export.xls", Kind::Html),
            (b"<table><tr><td>1</td></tr></table>", "export.xls", Kind::Html),
            (b"<?xml version='1.0'?><Workbook xmlns='urn:x'/>", "export.xls", Kind::Xml),
            (b"a\tb\n1\t2\n", "export.xls", Kind::Csv),
            (b"{\\rtf1 x}", "letter.doc", Kind::Rtf),
            (b"{\\rtf1 x}", "letter.docx", Kind::Rtf),
            (b"<!DOCTYPE HTML><p>x", "letter.docx", Kind::Html),
            (b"Just words.", "letter.DOC", Kind::Text),
            (b"<html>Not found</html>", "report.pdf", Kind::Html),
            (b"MIME-Version: 1.0\nFrom: x\nSubject: y\n\nz", "letter.doc", Kind::Email),
            (br#"{"cells": [], "metadata": {}, "nbformat": 4}"#, "analysis.json", Kind::Notebook),
            (b"<?xml version='1.0'?><html xmlns='x'/>", "page.xml", Kind::Html),
            (b"\xff\xfea\0;\0b\0", "export.csv", Kind::Csv),
        ];
        for (bytes, name, kind) in cases {
            assert_eq!(typed(bytes, name, ""), Ok(*kind), "{name}: {}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn queries_and_fragments_are_no_part_of_a_name_unless_they_must_be() {
        assert_eq!(typed(b"x", "DATA.CSV?versionId=a.html", ""), Ok(Kind::Csv));
        assert_eq!(typed(b"x", "guide.md#part", ""), Ok(Kind::Markdown));
        assert_eq!(typed(b"x", "C# and F#.rst", ""), Ok(Kind::ReStructuredText));
        assert_eq!(typed(b"x", "who? me.md", ""), Ok(Kind::Markdown));
        assert_eq!(typed(b"x", "thing", "application/vnd.api+json; charset=utf-8"), Ok(Kind::Json));
        assert_eq!(typed(b"x", "thing", "APPLICATION/ATOM+XML"), Ok(Kind::Xml));
    }

    #[test]
    fn without_an_ending_the_media_type_decides() {
        assert_eq!(typed(b"x", "README", "Text/Markdown; charset=utf-8"), Ok(Kind::Markdown));
        assert_eq!(typed(b"x", "README", "application/json"), Ok(Kind::Json));
        assert_eq!(typed(b"x", "data.unheard-of", "binary/octet-stream"), Ok(Kind::Text));
        assert_eq!(typed(b"a\0b", "data.unheard-of", ""), unsupported("a .unheard-of file"));
        assert_eq!(typed(b"a\0b", "", "application/x-thing"), unsupported("of type application/x-thing"));
        assert_eq!(typed(b"a\0b", "", ""), unsupported("of an unknown type"));
    }
}
