//! Presentations of PowerPoint before 2007.

use pgai_rs_parser::{ParseError, ParsedDocument};
use pgai_rs_parser_protocol::Page;

use super::package::{compound, parse};

/// Returns a record of a type, with a number of its own.
fn record(kind: u16, instance: u16, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&(instance << 4 | 0x0f).to_le_bytes(), kind.to_le_bytes().as_slice(), &length.to_le_bytes(), bytes]
        .concat()
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Returns a text in a role: 0 is a title, 1 a body, 2 notes, 4 another.
fn text(role: u32, text: &str) -> Vec<u8> {
    let letters: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [record(0x0f9f, 0, &numbers(&[role])), record(0x0fa0, 0, &letters)].concat()
}

/// Returns a shape with this content of its text box, below others that are further up.
fn shape(top: i16, content: &[u8]) -> Vec<u8> {
    let anchor: Vec<u8> = [top, 0, 100, top + 10].iter().flat_map(|number| number.to_le_bytes()).collect();
    record(0xf004, 0, &[record(0xf010, 0, &anchor), record(0xf00d, 0, content)].concat())
}

/// Returns a slide or a page of notes of these shapes.
fn page(kind: u16, others: &[u8], shapes: &[Vec<u8>]) -> Vec<u8> {
    let drawing = record(0x040c, 0, &record(0xf002, 0, &record(0xf003, 0, &shapes.concat())));
    record(kind, 0, &[others, &drawing].concat())
}

/// Returns what becomes of a presentation with these parts, of which the first lists the others.
fn presentation(parts: &[Vec<u8>]) -> Result<ParsedDocument, ParseError> {
    let mut stream = Vec::new();
    let mut places = vec![1 | u32::try_from(parts.len()).unwrap() << 20];
    for part in parts {
        places.push(u32::try_from(stream.len()).unwrap());
        stream.extend(part);
    }
    let list = u32::try_from(stream.len()).unwrap();
    stream.extend(record(0x1772, 0, &numbers(&places)));
    let edit = u32::try_from(stream.len()).unwrap();
    stream.extend(record(0x0ff5, 0, &numbers(&[0, 0, 0, list, 1, 0, 0])));
    let user = record(0x0ff6, 0, &numbers(&[20, 0xe391_c05f, edit]));
    parse(&compound(&[("/PowerPoint Document", &stream), ("/Current User", &user)]))
}

/// Returns the entry of a slide in a list, with the texts of its outline.
fn entry(part: u32, id: u32, outline: &[u8]) -> Vec<u8> {
    [record(0x03f3, 0, &numbers(&[part, 0, 0, id, 0])), outline.to_vec()].concat()
}

#[test]
fn slides_have_titles_bullets_and_notes_in_their_order() {
    let outline = [text(0, "The title"), text(1, "one\rtwo")].concat();
    let slides = record(0x0ff0, 0, &[entry(2, 256, &outline), entry(3, 257, &[])].concat());
    let notes = record(0x0ff0, 2, &entry(4, 999, &[]));
    let refer = |index: u32| record(0x0f9e, 0, &numbers(&[index]));
    let atom = record(0x03ef, 0, &numbers(&[0, 0, 0, 0, 999, 0]));

    let parsed = presentation(&[
        record(0x03e8, 0, &[slides, notes].concat()),
        page(0x03ee, &atom, &[shape(50, &refer(1)), shape(0, &refer(0)), shape(20, &text(4, "between"))]),
        page(0x03ee, &[], &[shape(0, &text(0, "Second"))]),
        page(0x03f0, &[], &[shape(0, &text(2, "Say this"))]),
    ])
    .unwrap();
    assert_eq!(parsed.text, "# The title\n\nbetween\n\n- one\n- two\n\n> **Notes:** Say this\n\n# Second");
    assert_eq!(parsed.pages, [Page { number: 1, start: 0 }, Page { number: 2, start: 58 }]);
}

#[test]
fn hidden_slides_and_slide_numbers_are_left_out() {
    let slides = record(0x0ff0, 0, &[entry(2, 256, &[]), entry(3, 257, &[])].concat());
    let hidden = record(0x03f9, 0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let number = shape(90, &text(4, "*"));
    let parsed = presentation(&[
        record(0x03e8, 0, &slides),
        page(0x03ee, &hidden, &[shape(0, &text(0, "Hidden"))]),
        page(0x03ee, &[], &[shape(0, &text(0, "Shown")), number]),
    ])
    .unwrap();
    assert_eq!(parsed.text, "# Shown");
    assert_eq!(parsed.pages, [Page { number: 2, start: 0 }]);
}

#[test]
fn a_slide_without_a_drawing_is_its_outline() {
    let outline = [text(0, "The title"), text(1, "one\rtwo")].concat();
    let slides = record(0x0ff0, 0, &[entry(2, 256, &outline), entry(3, 257, &outline)].concat());
    let parsed = presentation(&[
        record(0x03e8, 0, &slides),
        record(0x03ee, 0, &record(0x03ef, 0, &numbers(&[0, 0, 0, 0, 0, 0]))),
        page(0x03ee, &[], &[shape(0, &text(4, "drawn"))]),
    ])
    .unwrap();
    assert_eq!(parsed.text, "# The title\n\n- one\n- two\n\ndrawn");
}

#[test]
fn what_is_encrypted_says_so() {
    let user = record(0x0ff6, 0, &numbers(&[20, 0xf3d1_c4df, 0]));
    let bytes = compound(&[("/PowerPoint Document", &[0; 64]), ("/Current User", &user)]);
    assert_eq!(parse(&bytes), Err(ParseError::Encrypted("a PowerPoint presentation of before 2007")));
}

#[test]
fn edits_in_a_circle_end() {
    let edit = record(0x0ff5, 0, &numbers(&[0, 0, 0, 0, 1, 0, 0]));
    let user = record(0x0ff6, 0, &numbers(&[20, 0xe391_c05f, 0]));
    let outcome = parse(&compound(&[("/PowerPoint Document", &edit), ("/Current User", &user)]));
    assert!(matches!(outcome, Err(ParseError::Damaged { .. })));
}

#[test]
fn groups_of_shapes_may_not_nest_forever() {
    let mut group = shape(0, &text(4, "deep"));
    for _ in 0..1000 {
        group = record(0xf003, 0, &group);
    }
    let slides = record(0x0ff0, 0, &entry(2, 256, &[]));
    let outcome = presentation(&[record(0x03e8, 0, &slides), page(0x03ee, &[], &[group])]);
    assert!(matches!(outcome, Err(ParseError::TooComplex { .. })));
}
