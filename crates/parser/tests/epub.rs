//! Reading electronic books: what a user relies on.

#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Write as _};

use pgai_rs_parser::{ParseError, ParsedDocument, Source, parse};
use zip::write::SimpleFileOptions;

const CONTAINER: &str =
    "<container><rootfiles><rootfile full-path='OEBPS/book.opf'/></rootfiles></container>";

/// Returns a book of these files, beside its container.
fn book(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("mimetype", stored).unwrap();
    zip.write_all(b"application/epub+zip").unwrap();
    for (name, content) in [("META-INF/container.xml", CONTAINER)].iter().chain(files) {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn read(files: &[(&str, &str)]) -> Result<ParsedDocument, ParseError> {
    parse(&Source { bytes: &book(files), name: Some("book.epub"), content_type: None })
}

/// Returns a package document with these chapters, of which the second comes first.
fn package(metadata: &str) -> String {
    format!(
        "<?xml version='1.0'?><package xmlns:dc='x' xmlns:opf='y'><metadata>{metadata}</metadata><manifest>\
         <item id='b' href='b.xhtml' media-type='application/xhtml+xml'/>\
         <item id='a' href='text/a%20a.xhtml' media-type='application/xhtml+xml'/>\
         <item id='nav' href='nav.xhtml' media-type='application/xhtml+xml' properties='nav'/>\
         <item id='ncx' href='toc.ncx' media-type='application/x-dtbncx+xml'/>\
         </manifest><spine toc='ncx'><itemref idref='nav'/><itemref idref='a'/><itemref idref='b'/></spine></package>"
    )
}

#[test]
fn chapters_come_in_the_order_of_the_spine_and_without_the_navigation() {
    let b = "<html><head><title/></head><body><h1>B</h1><p>See <a href='text/a%20a.xhtml#x'>A</a>.</p></body></html>";
    let text = read(&[
        ("OEBPS/book.opf", &package("")),
        ("OEBPS/b.xhtml", b),
        ("OEBPS/text/a a.xhtml", "<html><body><h1>A</h1><p>First.</p></body></html>"),
        ("OEBPS/nav.xhtml", "<html><body><nav><ol><li><a href='b.xhtml'>B</a></li></ol></nav></body></html>"),
    ]);
    assert_eq!(text.unwrap().text, "# A\n\nFirst.\n\n# B\n\nSee A.");
}

#[test]
fn a_chapter_without_a_heading_has_that_of_the_table_of_contents() {
    let nav = "<html xmlns:epub='e'><body><nav epub:type='toc'><ol><li><a href='text/a%20a.xhtml'>Part <i>One</i></a><ol>\
               <li><a href='b.xhtml#s'>The end</a></li></ol></li></ol></nav></body></html>";
    let text = read(&[
        ("OEBPS/book.opf", &package("")),
        ("OEBPS/b.xhtml", "<html><body><p>Last.</p></body></html>"),
        ("OEBPS/text/a a.xhtml", "<html><body><p><b>PART ONE</b></p><p>First.</p></body></html>"),
        ("OEBPS/nav.xhtml", nav),
    ]);
    assert_eq!(text.unwrap().text, "# Part One\n\nFirst.\n\n## The end\n\nLast.");
}

#[test]
fn an_older_book_has_its_titles_in_its_ncx() {
    let ncx = "<ncx><navMap><navPoint><navLabel><text>A &amp; One</text></navLabel><content src='text/a%20a.xhtml'/>\
               <navPoint><navLabel><text>Two</text></navLabel><content src='b.xhtml'/></navPoint></navPoint></navMap></ncx>";
    let text = read(&[
        ("OEBPS/book.opf", &package("")),
        ("OEBPS/b.xhtml", "<html><body><p>Last.</p></body></html>"),
        ("OEBPS/text/a a.xhtml", "<html><body><p>First.</p></body></html>"),
        ("OEBPS/toc.ncx", ncx),
    ]);
    assert_eq!(text.unwrap().text, "# A & One\n\nFirst.\n\n## Two\n\nLast.");
}

#[test]
fn notes_in_another_file_belong_to_their_references() {
    let notes = "<body><h2>Notes</h2><aside epub:type='footnote' id='n1' hidden=''>A note.</aside></body>";
    let text = read(&[
        ("OEBPS/book.opf", &package("")),
        ("OEBPS/b.xhtml", notes),
        (
            "OEBPS/text/a a.xhtml",
            "<body><h2>A</h2><p>Text<a epub:type='noteref' href='../b.xhtml#n1'>1</a>.<span epub:type='pagebreak'>12</span></p></body>",
        ),
    ]);
    assert_eq!(text.unwrap().text, "## A\n\nText[^1].\n\n## Notes\n\n[^1]: A note.");
}

#[test]
fn a_book_says_who_wrote_it() {
    let package = package(
        "<dc:title>A Book</dc:title><dc:creator id='c1'>Ann</dc:creator><dc:creator opf:role='ill'>Bob</dc:creator>\
         <dc:creator id='c2'>Cat</dc:creator><meta refines='#c2' property='role'>trl</meta>\
         <dc:date>2001-02-03</dc:date><meta property='dcterms:modified'>2020-01-01T00:00:00Z</meta><dc:language>de</dc:language>",
    );
    let metadata = read(&[("OEBPS/book.opf", &package), ("OEBPS/b.xhtml", "<p>x</p>")]).unwrap().metadata;
    assert_eq!(metadata.title.as_deref(), Some("A Book"));
    assert_eq!(metadata.author.as_deref(), Some("Ann"));
    assert_eq!(metadata.created.as_deref(), Some("2001-02-03"));
    assert_eq!(metadata.modified.as_deref(), Some("2020-01-01T00:00:00Z"));
    assert_eq!(metadata.language.as_deref(), Some("de"));
}

/// Returns what becomes of a book in which a file is encrypted.
fn read_encrypted(algorithm: &str, file: &str) -> Result<ParsedDocument, ParseError> {
    let encryption = format!(
        "<encryption><enc:EncryptedData xmlns:enc='e'><enc:EncryptionMethod Algorithm='{algorithm}'/>\
         <enc:CipherData><enc:CipherReference URI='{file}'/></enc:CipherData></enc:EncryptedData></encryption>"
    );
    read(&[
        ("META-INF/encryption.xml", &encryption),
        ("OEBPS/book.opf", &package("")),
        ("OEBPS/b.xhtml", "<p>Text</p>"),
    ])
}

#[test]
fn an_encrypted_book_says_so_but_hidden_fonts_are_none_of_that() {
    let aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
    assert_eq!(read_encrypted(aes, "OEBPS/b.xhtml"), Err(ParseError::Encrypted("an EPUB")));
    assert_eq!(read_encrypted("http://www.idpf.org/2008/embedding", "OEBPS/f.otf").unwrap().text, "Text");
    assert_eq!(read_encrypted(aes, "OEBPS/f.otf").unwrap().text, "Text");
}

#[test]
fn a_bomb_is_refused() {
    let bomb = "text ".repeat(8 << 20);
    let error = read(&[("OEBPS/book.opf", &package("")), ("OEBPS/b.xhtml", &bomb)]).unwrap_err();
    assert!(matches!(error, ParseError::TooComplex { .. }), "{error:?}");
}

#[test]
fn a_damaged_book_is_an_error() {
    let is_damaged = |result| matches!(result, Err(ParseError::Damaged { .. }));
    assert!(is_damaged(read(&[])));
    assert!(is_damaged(read(&[("OEBPS/book.opf", "<package/>")])));
    assert!(is_damaged(read(&[("OEBPS/book.opf", &package(""))])));

    let whole = book(&[("OEBPS/book.opf", &package("")), ("OEBPS/b.xhtml", "<p>Text</p>")]);
    let half = &whole[..whole.len() / 2];
    assert!(is_damaged(parse(&Source { bytes: half, name: Some("book.epub"), content_type: None })));
}

#[test]
fn a_book_of_pictures_is_empty() {
    let picture = "<body><img src='x.png'/></body>";
    let result = read(&[("OEBPS/book.opf", &package("")), ("OEBPS/b.xhtml", picture)]);
    assert_eq!(result, Err(ParseError::Empty("an EPUB")));
}
