//! Reading books of Mobipocket and Kindle: what a user relies on. Each test writes its own.

#![allow(clippy::unwrap_used)]

mod made;

use made::{read, survives_damage, text};
use pgai_rs_parser::{Kind, ParseError, Source, detect, parse};

/// A book whose text is the page `markup`, cut after each `size` bytes.
struct Book {
    markup: Vec<u8>,
    size: usize,
    /// The bytes at the end of each record that are none of the text.
    trailer: &'static [u8],
    trailers: u16,
    compression: u16,
    protection: u16,
    encoding: u32,
    version: u32,
    statements: Vec<(u32, Vec<u8>)>,
    /// The end of the text in what is unpacked.
    end: Option<u32>,
}

impl Default for Book {
    fn default() -> Self {
        Book {
            markup: "<html><body><h1>A book</h1><p>Its text.</p></body></html>".into(),
            size: 4096,
            trailer: b"",
            trailers: 0,
            compression: 1,
            protection: 0,
            encoding: 65001,
            version: 6,
            statements: Vec::new(),
            end: None,
        }
    }
}

impl Book {
    /// Returns the records of the book: its header, its text, and where that ends.
    fn records(&self) -> Vec<Vec<u8>> {
        const MOBI: usize = 232;
        let pieces: Vec<Vec<u8>> =
            self.markup.chunks(self.size).map(|piece| [&self.packed(piece), self.trailer].concat()).collect();
        let mut header = vec![0_u8; 16 + MOBI];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.compression.to_be_bytes());
        put(8, &u16::try_from(pieces.len()).unwrap().to_be_bytes());
        put(12, &self.protection.to_be_bytes());
        put(16, b"MOBI");
        put(20, &u32::try_from(MOBI).unwrap().to_be_bytes());
        put(28, &self.encoding.to_be_bytes());
        put(36, &self.version.to_be_bytes());
        put(128, &0x40_u32.to_be_bytes());
        let flows = self.end.map_or(u32::MAX, |_| u32::try_from(pieces.len()).unwrap() + 1);
        put(192, &flows.to_be_bytes());
        put(242, &self.trailers.to_be_bytes());

        let mut statements = Vec::new();
        for (kind, value) in &self.statements {
            statements.extend(kind.to_be_bytes());
            statements.extend((u32::try_from(value.len()).unwrap() + 8).to_be_bytes());
            statements.extend(value);
        }
        let name = header.len() + 12 + statements.len();
        header[84..88].copy_from_slice(&u32::try_from(name).unwrap().to_be_bytes());
        header[88..92].copy_from_slice(&4_u32.to_be_bytes());
        header.extend(b"EXTH\0\0\0\0");
        header.extend(u32::try_from(self.statements.len()).unwrap().to_be_bytes());
        header.extend(statements);
        header.extend(b"Name");

        let mut records = vec![header];
        records.extend(pieces);
        records.extend(self.end.map(|end| {
            let numbers = [12, 2, 0, end, end, end + 9].map(u32::to_be_bytes).concat();
            [&b"FDST"[..], &numbers].concat()
        }));
        records
    }

    /// Returns a piece of the text in the compression of the book, without what would make it shorter.
    fn packed(&self, piece: &[u8]) -> Vec<u8> {
        match self.compression {
            1 => piece.to_vec(),
            _ => piece.chunks(8).flat_map(|part| [&[part.len() as u8][..], part].concat()).collect(),
        }
    }

    fn file(&self) -> Vec<u8> {
        file(&self.records())
    }
}

/// Returns a database of these records.
fn file(records: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0; 78];
    file[60..68].copy_from_slice(b"BOOKMOBI");
    file[76..78].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    let mut at = 78 + records.len() * 8 + 2;
    for record in records {
        file.extend(u32::try_from(at).unwrap().to_be_bytes());
        file.extend([0; 4]);
        at += record.len();
    }
    file.extend([0; 2]);
    file.extend(records.concat());
    file
}

#[test]
fn a_book_is_read_with_what_it_says_of_itself() {
    let statements = vec![
        (100, b"Ann Author".to_vec()),
        (100, b"Bo Other".to_vec()),
        (106, b"2012-05-01T07:00:00+00:00".to_vec()),
        (524, b"en-gb".to_vec()),
    ];
    let book = Book { statements, ..Book::default() };
    let parsed = read(&book.file()).unwrap();
    assert_eq!(parsed.text, "# A book\n\nIts text.");
    assert_eq!(parsed.metadata.title.as_deref(), Some("Name"));
    assert_eq!(parsed.metadata.author.as_deref(), Some("Ann Author, Bo Other"));
    assert_eq!(parsed.metadata.created.as_deref(), Some("2012-05-01T07:00:00+00:00"));
    assert_eq!(parsed.metadata.language.as_deref(), Some("en-gb"));

    let named = Book { statements: vec![(503, b"A later title".to_vec())], ..Book::default() };
    assert_eq!(read(&named.file()).unwrap().metadata.title.as_deref(), Some("A later title"));
    let file = book.file();
    assert_eq!(detect(&Source { bytes: &file, name: None, content_type: None }), Ok(Kind::Kindle));
}

#[test]
fn authors_by_the_million_take_no_longer_than_as_many_bytes() {
    let count = 2_000_000;
    let statements = vec![(100, b"A".to_vec()); count];
    let parsed = read(&Book { statements, ..Book::default() }.file()).unwrap();
    assert_eq!(parsed.metadata.author.unwrap().len(), 3 * count - 2);
}

#[test]
fn a_text_in_pieces_is_whole_whatever_is_at_their_ends() {
    let markup = "<p>Ünïcödé, ein Wort über das Ende hinaus, that is long enough.</p>";
    let expected = &markup[3..markup.len() - 4];
    for compression in [1, 2] {
        let book = Book { markup: markup.into(), size: 16, compression, ..Book::default() };
        assert_eq!(text(&book.file()), expected);
        // Three bytes that say so, and the rest of a character, of which there is none.
        let book = Book { trailer: b"\0xy\x83", trailers: 0b11, ..book };
        assert_eq!(text(&book.file()), expected);
    }
}

#[test]
fn links_within_a_book_lead_nowhere_and_pages_of_its_end() {
    let markup = "<p>See <a filepos=0000000123>here</a>, <a href='kindle:pos:fid:0001'>there</a> and \
                  <a href='https://example.com/'>out</a>.</p><mbp:pagebreak/><p>Next.</p>";
    let book = Book { markup: markup.into(), ..Book::default() };
    assert_eq!(text(&book.file()), "See here, there and [out](https://example.com/).\n\nNext.");
}

#[test]
fn of_a_book_in_two_forms_the_newer_is_read_and_its_styles_are_not() {
    let markup =
        "<html><body><p>Newer.</p></body></html><html><body></body></html><p>More.</p>p { color: red }";
    let end = u32::try_from(markup.find("p {").unwrap()).unwrap();
    let newer = Book { markup: markup.into(), version: 8, end: Some(end), ..Book::default() };
    assert_eq!(text(&newer.file()), "Newer.\n\nMore.");

    let older = Book { statements: vec![(121, 3_u32.to_be_bytes().to_vec())], ..Book::default() };
    let mut records = older.records();
    records.push(b"BOUNDARY".to_vec());
    records.extend(newer.records());
    assert_eq!(text(&file(&records)), "Newer.\n\nMore.");

    // One that is not there is no reason to lose the other.
    let alone = Book { statements: vec![(121, 77_u32.to_be_bytes().to_vec())], ..Book::default() };
    assert_eq!(text(&alone.file()), "# A book\n\nIts text.");
}

#[test]
fn an_older_encoding_is_read() {
    let book =
        Book { markup: b"<p>caf\xe9 \x96 \x93ol\xe9\x94</p>".to_vec(), encoding: 1252, ..Book::default() };
    assert_eq!(text(&book.file()), "café – “olé”");
}

#[test]
fn books_that_can_not_be_read_are_refused_by_what_they_are() {
    let refused = |book: Book| read(&book.file()).unwrap_err();
    let protected = Book { protection: 2, ..Book::default() };
    assert_eq!(refused(protected), ParseError::Encrypted("a Kindle book"));
    let name = "a Kindle book in the compression HUFF/CDIC".to_owned();
    let huff = Book { compression: 0x4448, ..Book::default() };
    assert_eq!(refused(huff), ParseError::UnsupportedType(name));
    let replica = Book { markup: b"%MOP\0\0\0\x01%PDF-1.4".to_vec(), ..Book::default() };
    assert_eq!(refused(replica), ParseError::UnsupportedType("a print replica for Kindle".to_owned()));
    let empty = Book { markup: b"<html><body></body></html>".to_vec(), ..Book::default() };
    assert_eq!(refused(empty), ParseError::Empty("a Kindle book"));

    let other = parse(&Source { bytes: b"<p>x", name: Some("a.azw3"), content_type: None });
    assert!(matches!(other, Err(ParseError::Damaged { kind: "a Kindle book", .. })));
    let mut records = Book { size: 16, ..Book::default() }.records();
    records.pop();
    assert!(matches!(read(&file(&records)), Err(ParseError::Damaged { .. })));
}

#[test]
fn damage_is_survived() {
    for compression in [1, 2] {
        let statements = vec![(100, b"Ann".to_vec()), (121, 4_u32.to_be_bytes().to_vec())];
        survives_damage(
            &Book { size: 16, compression, statements, end: Some(40), version: 8, ..Book::default() }.file(),
        );
    }
}
