//! Reading PDFs: what a user relies on. Each test writes its own.

#![allow(clippy::unwrap_used)]

#[path = "support/pdf.rs"]
mod support;

use pgai_rs_parser::{ParseError, ParsedDocument, Source, parse};
use support::{Pdf, lines, rule, text};

fn read(pdf: &Pdf) -> Result<ParsedDocument, ParseError> {
    parse(&Source { bytes: &pdf.write(), name: Some("a.pdf"), content_type: None })
}

fn text_of(content: &str) -> String {
    read(Pdf::new().page(content)).unwrap().text
}

/// Words that fill a line of a column.
const PROSE: &[&str] = &[
    "The river runs to the sea, and the stones",
    "that it carries lie on its ground for as",
    "long as nobody moves them from there, so",
    "that they become round in many years.",
];

#[test]
fn pages_begin_where_they_say() {
    let mut pdf = Pdf::new();
    pdf.page(&lines(50.0, 600.0, &["First page."])).page("").page(&lines(50.0, 600.0, &["Third page."]));
    let parsed = read(&pdf).unwrap();

    assert_eq!(parsed.text, "First page.\n\nThird page.");
    let starts: Vec<(u32, &str)> =
        parsed.pages.iter().map(|page| (page.number, &parsed.text[page.start..page.start + 5])).collect();
    assert_eq!(starts, [(1, "First"), (3, "Third")]);
    assert_eq!(parsed.metadata.page_count, Some(3));
}

#[test]
fn metadata_is_what_the_document_says_of_itself() {
    let mut pdf = Pdf::new();
    let info =
        pdf.object("<</Title(A \\(small\\) report)/Author(Ada)/CreationDate(D:20240131093000+01'00')>>");
    pdf.trailer = format!("/Info {info} 0 R");
    pdf.catalog = "/Lang(pt-BR)".to_owned();
    let metadata = read(pdf.page(&lines(50.0, 600.0, PROSE))).unwrap().metadata;

    assert_eq!(metadata.title.as_deref(), Some("A (small) report"));
    assert_eq!(metadata.author.as_deref(), Some("Ada"));
    assert_eq!(metadata.created.as_deref(), Some("2024-01-31T09:30:00+01:00"));
    assert_eq!(metadata.modified, None);
    assert_eq!(metadata.language.as_deref(), Some("pt-BR"));
}

#[test]
fn running_heads_alternate_and_go_and_so_do_page_numbers() {
    let mut pdf = Pdf::new();
    for page in 1..=6 {
        let (x, head) = if page % 2 == 0 { (50.0, "A Book of Rivers") } else { (400.0, "Chapter on Stones") };
        let mut content = text('F', 9.0, x, 770.0, head);
        content += &lines(50.0, 600.0, PROSE);
        content += &text('F', 9.0, if page % 2 == 0 { 50.0 } else { 540.0 }, 30.0, &(page + 16).to_string());
        pdf.page(&content);
    }
    let text = read(&pdf).unwrap().text;
    assert!(!text.contains("Book of Rivers") && !text.contains("Chapter on Stones"), "{text}");
    assert!(!text.contains("17") && !text.contains("20"), "{text}");
    assert_eq!(text.matches("The river runs to the sea").count(), 6);
}

#[test]
fn a_line_that_is_in_the_middle_of_a_page_stays_at_the_top_of_others() {
    let mut pdf = Pdf::new();
    for page in 0..5 {
        let mut content = lines(50.0, 770.0, &["Results of the survey"]);
        if page == 0 {
            content = lines(50.0, 400.0, &["Results of the survey"]);
        }
        pdf.page(&(content + &lines(50.0, 600.0, PROSE)));
    }
    assert_eq!(read(&pdf).unwrap().text.matches("Results of the survey").count(), 5);
}

#[test]
fn overprinted_letters_are_read_once() {
    let word = text('F', 10.0, 50.0, 600.0, "Bold words");
    let again = text('F', 10.0, 50.3, 600.0, "Bold words") + &text('F', 10.0, 50.0, 600.3, "Bold words");
    assert_eq!(text_of(&(word + &again)), "Bold words");
}

#[test]
fn letters_of_one_word_stay_together_whatever_their_size_and_height() {
    // LaTeX's logo, and small capitals.
    let logo = "BT /F 10 Tf 50 600 Td (L) Tj /F 7 Tf 2 2 Td (A) Tj /F 10 Tf 3 -2 Td (T) Tj \
                4.4 -2.2 Td (E) Tj 5.4 2.2 Td (X) Tj ET\n";
    assert_eq!(text_of(logo), "LATEX");
    let capitals = "BT /F 10 Tf 50 600 Td (T) Tj /F 8 Tf (HE) Tj /F 10 Tf ( R) Tj /F 8 Tf (IVER) Tj ET\n";
    assert_eq!(text_of(capitals), "THE RIVER");
}

#[test]
fn words_that_are_broken_at_the_end_of_a_line_become_one() {
    let broken = lines(50.0, 600.0, &["The water carries the stones to its es-", "tuary, where they lie."]);
    assert!(text_of(&broken).contains("to its estuary, where"));
}

#[test]
fn accents_that_are_drawn_on_their_own_belong_to_their_letters() {
    let accent = "BT /F 10 Tf 50 600 Td (caf) Tj 13.3 0 Td (\\264) Tj 0 0 Td (e noir) Tj ET\n";
    assert_eq!(text_of(accent), "café noir");
}

#[test]
fn ruled_tables_keep_their_cells() {
    let mut content = String::new();
    for (row, cells) in
        [["Name", "Price", "Left"], ["River stone", "1.50", "3"], ["Sand", "", "12"]].iter().enumerate()
    {
        let y = 600.0 - 20.0 * row as f32;
        for (column, cell) in cells.iter().enumerate() {
            content += &text('F', 10.0, 55.0 + 100.0 * column as f32, y + 5.0, cell);
        }
        content += &rule((50.0, y), (350.0, y));
    }
    content += &rule((50.0, 620.0), (350.0, 620.0));
    for column in 0..4 {
        let x = 50.0 + 100.0 * column as f32;
        content += &rule((x, 560.0), (x, 620.0));
    }
    let expected =
        "| Name | Price | Left |\n| --- | --- | --- |\n| River stone | 1.50 | 3 |\n| Sand |  | 12 |";
    assert_eq!(text_of(&content), expected);
}

/// Returns instructions for rows of cells.
fn rows(left: f32, top: f32, rows: &[[&str; 3]]) -> String {
    let mut content = String::new();
    for (row, cells) in rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            content += &text('F', 10.0, left + 90.0 * column as f32, top - 14.0 * row as f32, cell);
        }
    }
    content
}

const HARVEST: &[[&str; 3]] = &[
    ["Fruit", "Trees", "Harvest"],
    ["Apple", "12", "1,204"],
    ["Sweet pear", "7", "88"],
    ["Plum", "31", "2"],
];

const HARVEST_TABLE: &str = "| Fruit | Trees | Harvest |\n| --- | --- | --- |\n| Apple | 12 | 1,204 |\n\
                             | Sweet pear | 7 | 88 |\n| Plum | 31 | 2 |";

#[test]
fn tables_without_lines_between_columns_keep_their_cells() {
    let mut content = lines(50.0, 700.0, PROSE) + &rows(60.0, 600.0, HARVEST);
    content += &rule((50.0, 612.0), (330.0, 612.0));
    content += &rule((50.0, 596.0), (330.0, 596.0));
    content += &rule((50.0, 552.0), (330.0, 552.0));
    let text = text_of(&content);
    assert!(text.ends_with(&format!("many years.\n\n{HARVEST_TABLE}")), "{text}");
}

#[test]
fn tables_without_any_lines_keep_their_cells() {
    let text = text_of(&(lines(50.0, 700.0, PROSE) + &rows(60.0, 600.0, HARVEST)));
    assert!(text.ends_with(&format!("many years.\n\n{HARVEST_TABLE}")), "{text}");
}

#[test]
fn columns_are_read_one_after_the_other() {
    // Once column by column, and once to and fro, as some programs draw them.
    let left = [
        "Left one, which fills",
        "its line, and two, which",
        "does so, too, and three",
        "and the last of them.",
    ];
    let right = [
        "Right one is as wide",
        "as it can be, and two",
        "is no shorter, and then",
        "it ends at the bottom.",
    ];
    let columns = lines(50.0, 600.0, &left) + &lines(320.0, 600.0, &right);
    let expected = format!("{} {}", left.join(" "), right.join(" "));
    assert_eq!(text_of(&columns).replace("\n\n", " "), expected);
}

#[test]
fn headings_lists_and_code_are_marked_as_such() {
    let mut content = text('B', 18.0, 50.0, 700.0, "Rivers of the North");
    content += &lines(50.0, 670.0, PROSE);
    content += &text('B', 12.0, 50.0, 600.0, "Their stones");
    content += &lines(50.0, 580.0, &["\\225 round ones"]).replace("\\\\225", "\\225");
    content += &lines(50.0, 566.0, &["\\225 flat ones"]).replace("\\\\225", "\\225");
    content += &text('C', 10.0, 50.0, 500.0, "for stone in river:");
    content += &text('C', 10.0, 74.0, 488.0, "count(stone)");
    let text = text_of(&content);
    assert!(text.starts_with("# Rivers of the North\n\nThe river"), "{text}");
    assert!(text.contains("\n\n## Their stones\n\n- round ones\n- flat ones\n\n"), "{text}");
    assert!(text.ends_with("```\nfor stone in river:\n    count(stone)\n```"), "{text}");
}

#[test]
fn links_lead_where_they_did() {
    let mut pdf = Pdf::new();
    let link = pdf.object(
        "<</Type/Annot/Subtype/Link/Rect[70 595 118.5 610]/A<</S/URI/URI(https://example.org/stones)>>>>",
    );
    pdf.page_with(&format!("/Annots[{link} 0 R]"), &lines(50.0, 600.0, &["See their home page."]));
    assert_eq!(read(&pdf).unwrap().text, "See [their home](https://example.org/stones) page.");
}

#[test]
fn a_page_that_is_turned_is_read_as_it_is_shown() {
    let mut pdf = Pdf::new();
    let content =
        "BT /F 10 Tf 0 1 -1 0 300 100 Tm (Turned words) Tj ET\nBT /F 10 Tf 0 1 -1 0 314 100 Tm (go on) Tj ET";
    pdf.page_with("/Rotate 90", content);
    assert_eq!(read(&pdf).unwrap().text, "Turned words go on");
    assert_eq!(text_of(content), "Turned words go on");
}

#[test]
fn text_outside_of_what_is_shown_is_left_out() {
    let hidden = "q 50 500 200 50 re W n\n".to_owned() + &lines(50.0, 700.0, &["Clipped"]) + "Q\n";
    let outside = lines(700.0, 600.0, &["Outside"]);
    assert_eq!(text_of(&(hidden + &outside + &lines(50.0, 520.0, &["Shown"]))), "Shown");
}

/// Returns a font with these letters for the codes from 1, each as wide as its size, and its resources.
fn unicode_font(pdf: &mut Pdf, letters: &str) -> String {
    let mut map = "begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange\n".to_owned();
    for (code, letter) in (1..).zip(letters.chars()) {
        map += &format!("1 beginbfchar <{code:04x}> <{:04x}> endbfchar\n", letter as u32);
    }
    let map = pdf.stream("", (map + "endcmap").as_bytes());
    let descendant = pdf.object(
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/X/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 600>>",
    );
    let font = pdf.object(format!(
        "<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H/DescendantFonts[{descendant} 0 R]/ToUnicode {map} 0 R>>"
    ));
    format!("/Resources<</Font<</F {font} 0 R>>>>")
}

#[test]
fn hebrew_is_in_the_order_in_which_it_is_read() {
    // Drawn from left to right: the last letter first.
    let mut pdf = Pdf::new();
    let resources = unicode_font(&mut pdf, "םולש");
    pdf.page_with(&resources, "BT /F 10 Tf 50 600 Td <0001000200030004> Tj ET");
    assert_eq!(read(&pdf).unwrap().text, "שלום");
}

#[test]
fn chinese_lines_are_joined_without_spaces() {
    let mut pdf = Pdf::new();
    let resources = unicode_font(&mut pdf, "中文文档");
    pdf.page_with(&resources, "BT /F 10 Tf 50 600 Td <00010002> Tj 0 -12 Td <00030004> Tj ET");
    assert_eq!(read(&pdf).unwrap().text, "中文文档");
}

#[test]
fn ligatures_are_spelled_out() {
    let mut pdf = Pdf::new();
    let resources = unicode_font(&mut pdf, "o\u{fb03}ce");
    pdf.page_with(&resources, "BT /F 10 Tf 50 600 Td <0001000200030004> Tj ET");
    assert_eq!(read(&pdf).unwrap().text, "office");
}

#[test]
fn pages_of_images_need_ocr_and_pages_of_nothing_are_empty() {
    let mut scanned = Pdf::new();
    let image =
        scanned.stream("/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray", b"x");
    let resources = format!("/Resources<</XObject<</I {image} 0 R>>>>");
    scanned.page_with(&resources, "q 600 0 0 800 0 0 cm /I Do Q");
    assert_eq!(read(&scanned), Err(ParseError::NeedsOcr("a PDF")));

    assert_eq!(read(Pdf::new().page("0 0 100 100 re f")), Err(ParseError::Empty("a PDF")));
}

#[test]
fn a_scan_whose_only_text_is_its_page_number_needs_ocr() {
    let mut pdf = Pdf::new();
    for page in 1..=4 {
        let number = text('F', 9.0, 300.0, 30.0, &page.to_string());
        pdf.page(&format!("q BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q\n{number}"));
    }
    assert_eq!(read(&pdf), Err(ParseError::NeedsOcr("a PDF")));
}

#[test]
fn a_document_that_asks_for_a_password_says_so() {
    let mut pdf = Pdf::new();
    let key = "00".repeat(32);
    let encrypt = pdf.object(format!("<</Filter/Standard/V 2/R 3/Length 128/P -4/O<{key}>/U<{key}>>>"));
    pdf.trailer = format!("/Encrypt {encrypt} 0 R/ID[<00><00>]");
    assert_eq!(read(pdf.page(&lines(50.0, 600.0, PROSE))), Err(ParseError::Encrypted("a PDF")));
}

#[test]
fn what_is_left_of_a_broken_document_is_no_success() {
    let whole = Pdf::new().page(&lines(50.0, 600.0, PROSE)).write();
    let broken = |bytes: &[u8]| parse(&Source { bytes, name: Some("a.pdf"), content_type: None });
    assert!(matches!(broken(&whole[..40]), Err(ParseError::Damaged { .. })));
    assert!(matches!(broken(b"%PDF-1.7\nnothing"), Err(ParseError::Damaged { .. })));

    // The page is there, but what is written on it is not.
    let mut lost = Pdf::new();
    lost.packed_page(b"no zlib at all");
    assert!(matches!(read(&lost), Err(ParseError::Damaged { .. })));
}

#[test]
fn a_document_whose_cross_references_are_lost_is_read_all_the_same() {
    let mut file = Pdf::new().page(&lines(50.0, 600.0, &["Still here."])).write();
    let end = file.windows(4).rposition(|part| part == b"xref").unwrap();
    file.truncate(end - 5);
    file.extend_from_slice(b"trailer <</Root 1 0 R>>");
    let parsed = parse(&Source { bytes: &file, name: None, content_type: None }).unwrap();
    assert_eq!(parsed.text, "Still here.");
}

fn is_too_complex(pdf: &Pdf) -> bool {
    matches!(read(pdf), Err(ParseError::TooComplex { .. }))
}

#[test]
fn deep_nesting_is_refused_and_does_not_end_the_process() {
    for (open, close) in [("[", "]"), ("<</A ", ">>")] {
        let mut pdf = Pdf::new();
        pdf.object(open.repeat(200_000) + "1" + &close.repeat(200_000));
        assert!(is_too_complex(pdf.page(&lines(50.0, 600.0, PROSE))));
    }
    // In a page's content nothing descends.
    let deep = "[".repeat(300_000) + &"<<".repeat(300_000) + "\n";
    assert_eq!(text_of(&(lines(50.0, 600.0, &["Before"]) + &deep)), "Before");
}

#[test]
fn nesting_that_the_programs_stack_bears_is_read() {
    let mut pdf = Pdf::new();
    pdf.object("[".repeat(9000) + &"]".repeat(9000));
    pdf.page(&lines(50.0, 600.0, &["Fine."]));

    let on_such_a_stack = std::thread::Builder::new().stack_size(pgai_rs_parser::sandbox::STACK);
    let parsed = on_such_a_stack.spawn(move || read(&pdf)).unwrap().join().unwrap();
    assert_eq!(parsed.unwrap().text, "Fine.");
}

#[test]
fn deep_nesting_in_packed_objects_is_refused() {
    use std::io::Write as _;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(("900 0 ".to_owned() + &"[".repeat(3_000_000)).as_bytes()).unwrap();
    let mut pdf = Pdf::new();
    pdf.stream("/Type/ObjStm/N 1/First 6/Filter/FlateDecode", &packer.finish().unwrap());
    assert!(is_too_complex(pdf.page(&lines(50.0, 600.0, PROSE))));
}

#[test]
fn forms_that_draw_each_other_ever_more_often_are_refused() {
    let mut pdf = Pdf::new();
    let mut inner = pdf.stream("/Subtype/Form/BBox[0 0 600 800]", b"BT ET");
    for _ in 0..10 {
        let resources = format!("/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X {inner} 0 R>>>>");
        inner = pdf.stream(&resources, "/X Do ".repeat(12).as_bytes());
    }
    pdf.page_with(&format!("/Resources<</XObject<</X {inner} 0 R>>>>"), "/X Do");
    assert!(is_too_complex(&pdf));
}

#[test]
fn a_form_that_draws_itself_ends() {
    let mut pdf = Pdf::new();
    pdf.stream(
        "/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X 6 0 R>>/Font<</F 3 0 R>>>>",
        b"BT /F 10 Tf 50 600 Td (Once) Tj ET /X Do",
    );
    pdf.page_with("/Resources<</XObject<</X 6 0 R>>>>", "/X Do");
    assert_eq!(read(&pdf).unwrap().text, "Once");
}

#[test]
fn a_drawing_of_many_lines_is_no_table() {
    let mut content = lines(50.0, 700.0, &["Above the drawing."]);
    for line in 0..80_000 {
        let x = (line % 600) as f32;
        content += &rule((x, (line / 600) as f32), (x, 400.0));
        content += &rule((0.0, x), (600.0, x));
    }
    assert_eq!(text_of(&content), "Above the drawing.");
}
