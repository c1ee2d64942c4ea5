//! Files that somebody made to cost more than they are worth, and files that were damaged.

use pgai_rs_parser::ParseError;

use super::package::{SLIDE, WORD, compound, parse, zip};

const DOCX: &str = "a Word document";

fn document(body: &str) -> Vec<u8> {
    zip(&[("word/document.xml", &format!("<w:document {WORD}><w:body>{body}</w:body></w:document>"))])
}

fn is_too_complex(bytes: &[u8]) -> bool {
    matches!(parse(bytes), Err(ParseError::TooComplex { .. }))
}

fn is_damaged(bytes: &[u8]) -> bool {
    matches!(parse(bytes), Err(ParseError::Damaged { .. }))
}

#[test]
fn a_long_text_that_repeats_itself_is_no_bomb() {
    let text = "word ".repeat(2 << 20);
    let parsed = parse(&document(&format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"))).unwrap();
    assert_eq!(parsed.text, text.trim());
}

#[test]
fn sizes_that_an_archive_states_are_not_believed() {
    let mut bytes = document("<w:p><w:r><w:t>text</w:t></w:r></w:p>");
    // The directory says how large an entry is when it is unpacked.
    let directory = memchr::memmem::find(&bytes, b"PK\x01\x02").unwrap();
    bytes[directory + 24..directory + 28].copy_from_slice(&u32::MAX.wrapping_sub(1).to_le_bytes());
    let outcome = parse(&bytes);
    assert!(outcome.is_ok_and(|parsed| parsed.text == "text") || is_damaged(&bytes));
}

#[test]
fn deep_nesting_is_refused() {
    for name in ["w:sdt", "w:p", "w:tbl", "w:smartTag"] {
        let (open, close) = (format!("<{name}>").repeat(100_000), format!("</{name}>").repeat(100_000));
        assert!(is_too_complex(&document(&(open + &close))), "{name}");
    }
}

#[test]
fn tables_within_tables_are_read_as_deep_as_is_allowed() {
    let mut body = "<w:p><w:r><w:t>text</w:t></w:r></w:p>".to_owned();
    for _ in 0..80 {
        body = format!("<w:tbl><w:tr><w:tc>{body}</w:tc></w:tr></w:tbl>");
    }
    assert_eq!(parse(&document(&body)).unwrap().text, "text");
}

#[test]
fn widths_that_a_table_makes_up_take_no_memory() {
    let cell = |text: &str| {
        format!(
            "<w:tc><w:tcPr><w:gridSpan w:val='1000000'/></w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"
        )
    };
    let row =
        format!("<w:tr><w:trPr><w:gridBefore w:val='4000000000'/></w:trPr>{}{}</w:tr>", cell("a"), cell("b"));
    let text = parse(&document(&format!("<w:tbl>{}</w:tbl>", row.repeat(1000)))).unwrap().text;
    assert!(text.starts_with("| a | b |\n| --- | --- |\n| a | b |"));
}

#[test]
fn a_staircase_of_cells_is_not_filled_up() {
    let row = |width: usize| {
        format!(
            "<w:tr><w:trPr><w:gridBefore w:val='{width}'/></w:trPr><w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>\
             <w:tc><w:p><w:r><w:t>y</w:t></w:r></w:p></w:tc></w:tr>"
        )
    };
    let rows: String = (0..3_000).map(|place| row(place * 3)).collect();
    let text = parse(&document(&format!("<w:tbl>{rows}</w:tbl>"))).unwrap().text;
    assert!(text.len() < 30_000);
}

#[test]
fn a_hundred_thousand_attributes_are_read() {
    let attributes: String = (0..100_000).map(|number| format!(" w:a{number}='1'")).collect();
    let body = format!("<w:p{attributes}><w:r{attributes}><w:t{attributes}>text</w:t></w:r></w:p>");
    assert_eq!(parse(&document(&body)).unwrap().text, "text");
}

#[test]
fn entities_are_not_resolved() {
    let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>\
                <!ENTITY c SYSTEM 'file:///etc/passwd'>]>";
    let xml = format!(
        "{bomb}<w:document {WORD}><w:body><w:p><w:r><w:t>1&b;&c;2</w:t></w:r></w:p></w:body></w:document>"
    );
    assert_eq!(parse(&zip(&[("word/document.xml", &xml)])).unwrap().text, "12");
}

#[test]
fn fields_that_never_end_and_notes_that_refer_to_themselves_end() {
    let begin = "<w:r><w:fldChar w:fldCharType='begin'/></w:r>".repeat(10_000);
    let body =
        format!("<w:p>{begin}</w:p><w:p><w:r><w:t>text</w:t><w:footnoteReference w:id='1'/></w:r></w:p>");
    let document = format!("<w:document {WORD}><w:body>{body}</w:body></w:document>");
    let notes = format!(
        "<w:footnotes {WORD}><w:footnote w:id='1'><w:p><w:r><w:t>n</w:t><w:footnoteReference w:id='1'/></w:r></w:p>\
         </w:footnote></w:footnotes>"
    );
    let references = super::package::relationships(&[("rId1", "footnotes", "footnotes.xml")]);
    let files = [
        ("word/document.xml", document.as_str()),
        ("word/footnotes.xml", &notes),
        ("word/_rels/document.xml.rels", &references),
    ];
    assert_eq!(parse(&zip(&files)).unwrap().text, "text[^1]\n\n[^1]: n[^1]");
}

#[test]
fn groups_of_shapes_may_not_nest_forever() {
    let (open, close) = ("<p:grpSp>".repeat(200), "</p:grpSp>".repeat(200));
    let slide = format!("<p:sld {SLIDE}><p:cSld><p:spTree>{open}{close}</p:spTree></p:cSld></p:sld>");
    let main =
        format!("<p:presentation {SLIDE}><p:sldIdLst><p:sldId r:id='a'/></p:sldIdLst></p:presentation>");
    let references = super::package::relationships(&[("a", "slide", "s.xml")]);
    let files = [
        ("ppt/presentation.xml", main.as_str()),
        ("ppt/_rels/presentation.xml.rels", &references),
        ("ppt/s.xml", &slide),
    ];
    assert!(is_too_complex(&zip(&files)));
}

#[test]
fn what_is_cut_off_is_damaged() {
    let whole = document(&"<w:p><w:r><w:t>text</w:t></w:r></w:p>".repeat(1000));
    for length in [60, whole.len() / 2, whole.len() - 1] {
        assert!(is_damaged(&whole[..length]), "{length}");
    }
    let xml = format!("<w:document {WORD}><w:body><w:p>");
    assert!(is_damaged(&zip(&[("word/document.xml", &xml)])));
}

#[test]
fn a_document_without_text_is_empty() {
    let mut message = b"{\"version\":1}\n".to_vec();
    message.extend(document("<w:p/>"));
    let (header, text) = pgai_rs_parser::answer(&message, &[]).unwrap();
    assert!(String::from_utf8(header).unwrap().contains("empty_document"));
    assert_eq!(text, "");
}

#[test]
fn what_is_encrypted_says_so() {
    let bytes = compound(&[("/EncryptedPackage", b"x"), ("/EncryptionInfo", b"x")]);
    assert_eq!(parse(&bytes), Err(ParseError::Encrypted("a Microsoft Office document")));
}

#[test]
fn messages_do_not_quote_the_document() {
    let xml = format!("<w:document {WORD}><w:body><w:secret></w:p></w:body></w:document>");
    let Err(ParseError::Damaged { kind, problem }) = parse(&zip(&[("word/document.xml", &xml)])) else {
        panic!("it is not damaged");
    };
    assert_eq!(kind, DOCX);
    assert!(problem.starts_with("word/document.xml: XML that is not well-formed at byte"), "{problem}");
    assert!(!problem.contains("secret"));
}

#[test]
fn flipped_bits_never_panic() {
    let whole = document("<w:p><w:r><w:t>text</w:t></w:r></w:p>");
    for place in 0..whole.len() {
        for bit in [0, 3, 7] {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << bit;
            let _outcome = parse(&bytes);
        }
    }
}
