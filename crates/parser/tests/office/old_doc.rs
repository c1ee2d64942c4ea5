//! Documents of Word before 2007.

use pgai_rs_parser::ParseError;

use super::package::{compound, parse};

/// The place of the text in its stream.
const START: usize = 0x400;

/// A document that is being written.
#[derive(Default)]
struct Doc {
    /// The main text, the footnotes and the headers.
    texts: [String; 3],
    /// Ends of paragraphs, in letters, and their looks, which begin with the number of the style.
    paragraphs: Vec<(usize, Vec<u8>)>,
    /// Ends of runs of text, in letters, and their looks.
    runs: Vec<(usize, Vec<u8>)>,
    /// Parts of the table stream, by their numbers.
    parts: Vec<(usize, Vec<u8>)>,
    flags: u16,
}

impl Doc {
    fn new(text: &str) -> Self {
        Doc { texts: [text.to_owned(), String::new(), String::new()], ..Doc::default() }
    }

    /// Says how the next letters look: those of a paragraph.
    fn paragraph(mut self, length: usize, style: u16, changes: &[u8]) -> Self {
        let end = self.paragraphs.last().map_or(0, |(end, _)| *end) + length;
        self.paragraphs.push((end, [&style.to_le_bytes(), changes].concat()));
        self
    }

    fn run(mut self, length: usize, changes: &[u8]) -> Self {
        let end = self.runs.last().map_or(0, |(end, _)| *end) + length;
        self.runs.push((end, changes.to_vec()));
        self
    }

    fn part(mut self, number: usize, bytes: Vec<u8>) -> Self {
        self.parts.push((number, bytes));
        self
    }

    fn bytes(mut self) -> Vec<u8> {
        let text: Vec<u16> = self.texts.concat().encode_utf16().collect();
        let mut document = vec![0; START];
        document.extend(text.iter().flat_map(|letter| letter.to_le_bytes()));
        document.resize(document.len().next_multiple_of(512), 0);
        for (part, ranges, width) in [(13, &self.paragraphs, 13), (12, &self.runs, 1)] {
            let number = u32::try_from(document.len() / 512).unwrap();
            document.extend(page(ranges, width));
            let places = [0, u32::MAX, number].into_iter().flat_map(u32::to_le_bytes);
            self.parts.push((part, places.collect()));
        }
        if !self.parts.iter().any(|(number, _)| *number == 33) {
            self.parts.push((33, pieces(&[(text.len(), u32::try_from(START).unwrap())])));
        }

        let mut table = Vec::new();
        for (number, bytes) in &self.parts {
            put(&mut document, 0x9a + number * 8, table.len());
            put(&mut document, 0x9e + number * 8, bytes.len());
            table.extend(bytes);
        }
        document[0..4].copy_from_slice(&[0xec, 0xa5, 0xc1, 0]);
        document[10..12].copy_from_slice(&(0x0200 | self.flags).to_le_bytes());
        for (place, text) in self.texts.iter().enumerate() {
            put(&mut document, 0x4c + place * 4, text.encode_utf16().count());
        }
        compound(&[("/WordDocument", &document), ("/1Table", &table)])
    }

    fn text(self) -> String {
        parse(&self.bytes()).unwrap().text
    }
}

fn put(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
}

/// Returns a list of pieces, by their lengths and places.
fn pieces(pieces: &[(usize, u32)]) -> Vec<u8> {
    let mut places = vec![0u32];
    for (length, _) in pieces {
        places.push(places.last().unwrap() + u32::try_from(*length).unwrap());
    }
    let mut list: Vec<u8> = places.iter().flat_map(|place| place.to_le_bytes()).collect();
    for (_, place) in pieces {
        list.extend([0, 0]);
        list.extend(place.to_le_bytes());
        list.extend([0, 0]);
    }
    let length = u32::try_from(list.len()).unwrap().to_le_bytes();
    [&[2], length.as_slice(), &list].concat()
}

/// Returns a page of looks.
fn page(ranges: &[(usize, Vec<u8>)], width: usize) -> Vec<u8> {
    let mut page = vec![0; 512];
    let mut free = 510;
    for (index, (end, changes)) in ranges.iter().enumerate() {
        if index == 0 {
            put(&mut page, 0, START);
        }
        put(&mut page, (index + 1) * 4, START + end * 2);
        let entry = match width {
            1 => [&[u8::try_from(changes.len()).unwrap()], changes.as_slice()].concat(),
            _ if changes.len() % 2 == 0 => {
                [&[0, u8::try_from(changes.len() / 2).unwrap()], changes.as_slice()].concat()
            }
            _ => [&[u8::try_from(changes.len().div_ceil(2)).unwrap()], changes.as_slice()].concat(),
        };
        free = (free - entry.len()) / 2 * 2;
        page[free..free + entry.len()].copy_from_slice(&entry);
        page[(ranges.len() + 1) * 4 + index * width] = u8::try_from(free / 2).unwrap();
    }
    page[511] = u8::try_from(ranges.len()).unwrap();
    page
}

/// Returns styles, by the numbers that Word itself gives them, and their names.
fn styles(styles: &[(u16, &str)]) -> Vec<u8> {
    let mut bytes = vec![18, 0];
    bytes.extend(u16::try_from(styles.len()).unwrap().to_le_bytes());
    bytes.extend([10, 0]);
    bytes.resize(20, 0);
    for (built_in, name) in styles {
        let name: Vec<u16> = name.encode_utf16().collect();
        let mut style = built_in.to_le_bytes().to_vec();
        // A style of paragraphs that inherits from none.
        style.extend([0xf1, 0xff, 0, 0, 0, 0, 0, 0]);
        style.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        style.extend(name.iter().flat_map(|letter| letter.to_le_bytes()));
        style.extend([0, 0]);
        bytes.extend(u16::try_from(style.len()).unwrap().to_le_bytes());
        bytes.extend(style);
    }
    bytes
}

#[test]
fn pieces_of_one_and_of_two_bytes_a_letter_are_one_text() {
    let doc = Doc::new("\u{201c}two\u{201d} ");
    let mut bytes = doc.texts[0].encode_utf16().count();
    let place = u32::try_from(START).unwrap();
    // The first letter again, as one byte: that of two bytes begins with 0x1c, which no text has, so take the next.
    let one = ((place + 2) * 2) | 0x4000_0000;
    let list = pieces(&[(bytes, place), (1, one)]);
    bytes += 1;
    let mut doc = doc.part(33, list);
    doc.texts[0].push('\r');
    assert_eq!(doc.texts[0].encode_utf16().count(), bytes);
    assert_eq!(doc.text(), "\u{201c}two\u{201d} t");
}

#[test]
fn headings_have_the_level_of_their_style() {
    let doc = Doc::new("Head\rtext\rTitre\r")
        .part(1, styles(&[(0, "Normal"), (2, "anything"), (0x0fff, "Titre 3")]));
    let doc = doc.paragraph(5, 1, &[]).paragraph(5, 0, &[]).paragraph(6, 2, &[]);
    assert_eq!(doc.text(), "## Head\n\ntext\n\n### Titre");
}

#[test]
fn rows_and_cells_are_a_table() {
    let (inside, row) = ([0x16, 0x24, 1], [0x16, 0x24, 1, 0x17, 0x24, 1]);
    let doc = Doc::new("a\u{7}b\rc\u{7}\u{7}1\u{7}2\u{7}\u{7}end\r");
    let doc =
        doc.paragraph(2, 0, &inside).paragraph(2, 0, &inside).paragraph(2, 0, &inside).paragraph(1, 0, &row);
    let doc =
        doc.paragraph(2, 0, &inside).paragraph(2, 0, &inside).paragraph(1, 0, &row).paragraph(4, 0, &[]);
    assert_eq!(doc.text(), "| a | b<br>c |\n| --- | --- |\n| 1 | 2 |\n\nend");
}

#[test]
fn footnotes_follow_the_paragraph_that_refers_to_them_and_headers_are_left_out() {
    let places = |places: &[u32]| places.iter().flat_map(|place| place.to_le_bytes()).collect::<Vec<u8>>();
    let mut doc = Doc::new("claim\u{2}\rnext\r");
    doc.texts[1] = "\u{2} proof\r\r".to_owned();
    doc.texts[2] = "running head\r".to_owned();
    let mut references = places(&[5, 12]);
    references.extend([1, 0]);
    let doc = doc.part(2, references).part(3, places(&[0, 8, 9]));
    assert_eq!(doc.text(), "claim[^1]\n\n[^1]: proof\n\nnext");
}

#[test]
fn links_are_links_and_deleted_text_is_left_out() {
    let doc = Doc::new("\u{13} HYPERLINK \"http://x\" \u{14}link\u{15} old\r");
    let doc = doc.run(30, &[]).run(4, &[0x00, 0x08, 1]).run(1, &[]);
    assert_eq!(doc.text(), "[link](http://x)");
}

#[test]
fn pieces_that_lie_upon_each_other_are_no_text() {
    let place = u32::try_from(START).unwrap();
    let mut doc = Doc::new("text\r");
    doc.texts[0] = "x".repeat(1000);
    let doc = doc.part(33, pieces(&[(1000, place); 2000]));
    assert!(matches!(parse(&doc.bytes()), Err(ParseError::Damaged { .. })));
}

#[test]
fn what_is_encrypted_says_so() {
    let doc = Doc { flags: 0x0100, ..Doc::new("text\r") };
    assert_eq!(parse(&doc.bytes()), Err(ParseError::Encrypted("a Word document of before 2007")));
}

#[test]
fn bytes_that_mean_nothing_never_panic() {
    let doc = || {
        Doc::new("a\u{13}b\rc\r").part(1, styles(&[(1, "x")])).paragraph(4, 0, &[0x16, 0x24, 1]).run(2, &[])
    };
    let whole = doc().bytes();
    for place in (0..whole.len()).step_by(13) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        let _outcome = parse(&bytes);
    }
}
