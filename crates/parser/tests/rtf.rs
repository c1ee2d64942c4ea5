//! RTF, as people and programs write it.

#![allow(clippy::unwrap_used)]

mod made;

use made::{read, survives_damage, text};
use pgai_rs_parser::ParseError;

fn rtf(body: &str) -> String {
    text(format!("{{\\rtf1\\ansi\\ansicpg1252 {body}}}").as_bytes())
}

#[test]
fn characters_of_many_charsets_are_read() {
    assert_eq!(rtf("caf\\'e9 \\emdash  \\u8364?"), "café — €");
    assert_eq!(rtf("{\\uc2\\u26085\\'93\\'fa\\u26412ab}c"), "日本c");
    assert_eq!(rtf("{\\uc0\\u55357\\u56832}"), "😀");
    assert_eq!(text(b"{\\rtf1\\ansi\\ansicpg1251 \\'cf\\'f0\\'e8}"), "При");
    assert_eq!(
        rtf("{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset128 Gothic;}}\\f1\\'82\\'a0\\f0\\'e9"),
        "あé"
    );
    assert_eq!(text("{\\rtf1\\ansi über}".as_bytes()), "über");
    assert_eq!(text(b"{\\rtf1\\pc \\'81}"), "ü");
}

#[test]
fn bytes_that_no_text_has_are_no_document() {
    let noise: String = (0..400_u32).map(|n| char::from((n * 7 % 32) as u8)).collect();
    let document = format!("{{\\rtf1\\ansi Dear all, {noise}}}");
    assert!(matches!(read(document.as_bytes()), Err(ParseError::Damaged { .. })));
    // One by accident is none.
    assert!(rtf("Dear\u{1} all").ends_with(" all"));
}

#[test]
fn headings_are_those_of_styles_and_of_outlines() {
    let styles = "{\\stylesheet{\\s0 Normal;}{\\s1\\outlinelevel0 \\'dcberschrift 1;}{\\s2 heading 2;}\
                  {\\s3\\sbasedon2 Mine;}{\\s4\\outlinelevel9\\sbasedon2 Like one;}}";
    let body = "\\pard\\s1 One\\par\\pard\\s2 Two\\par\\pard\\s3 Mine\\par\\pard\\s4 Not\\par\\pard\\outlinelevel2 Own\\par";
    assert_eq!(rtf(&format!("{styles}{body}")), "# One\n\n## Two\n\n## Mine\n\nNot\n\n### Own");
}

#[test]
fn lists_are_nested_and_numbered() {
    let body = "\\pard\\ls1{\\listtext\\'b7\\tab}one\\par\\pard\\ls1\\ilvl1{\\listtext 1.\\tab}deep\\par\
                \\pard\\ls1\\ilvl1{\\listtext 2.\\tab}er\\par\\pard\\ls1{\\listtext\\'b7\\tab}two\\par\\pard end\\par";
    assert_eq!(rtf(body), "- one\n  1. deep\n  2. er\n- two\n\nend");
    assert_eq!(rtf("{\\pntext a)\\tab}old\\par"), "- a) old");
}

#[test]
fn tables_have_rows_and_tables_in_their_cells_are_lines() {
    let row = "\\trowd\\cellx1\\cellx2\\pard\\intbl a|b\\cell c\\par d\\cell\\row";
    let nested = "\\trowd\\cellx1\\pard\\intbl\\itap2 x\\nestcell y\\nestcell{\\*\\nesttableprops\\trowd\\nestrow}\
                  {\\nonesttables\\par}\\pard\\intbl\\itap1 z\\cell\\row";
    let expected = "| a\\|b | c<br>d |\n| --- | --- |\n| x y<br>z |  |\n\nafter";
    assert_eq!(rtf(&format!("{row}{nested}\\pard after\\par")), expected);
}

#[test]
fn links_notes_and_shapes_stay() {
    let link = "{\\field{\\*\\fldinst HYPERLINK \"https://a.example/x\"}{\\fldrslt here}}";
    assert_eq!(rtf(&format!("see {link}.")), "see [here](https://a.example/x).");
    let within = "{\\field{\\*\\fldinst HYPERLINK \\\\l \"there\"}{\\fldrslt there}}";
    assert_eq!(rtf(within), "there");
    assert_eq!(rtf("a{\\footnote{\\chftn} note\\par more}b\\par"), "a[^1]b\n\n[^1]: note more");
    let shape =
        "text{\\shp{\\*\\shpinst{\\sp{\\sn x}{\\sv 1}}{\\shptxt in a box\\par}}{\\shprslt twice}}\\par";
    assert_eq!(rtf(shape), "text\n\nin a box");
}

#[test]
fn what_is_no_text_is_left_out() {
    let body = "{\\header Head\\par}{\\footerf Foot \\chpgn\\par}a{\\pict\\wmetafile8 0102}{\\*\\unknown x}\
                {\\v hidden}{\\deleted gone}{\\*\\annotation remark}{\\object{\\*\\objdata 00}{\\result shown}}\\par";
    assert_eq!(rtf(body), "ashown");
    assert_eq!(rtf("Page {\\field{\\*\\fldinst PAGE}{\\fldrslt 3}}\\par"), "Page");
    assert_eq!(text(b"{\\rtf1 a{\\pict\\bin5 }}{\\\\}b}"), "ab");
    assert_eq!(rtf("{\\upr{plain}{\\*\\ud{unicode}}}"), "unicode");
}

#[test]
fn the_document_says_what_it_is() {
    let info =
        "{\\info{\\title A \\'e4}{\\author Me}{\\creatim\\yr2024\\mo2\\dy3\\hr4\\min5}{\\nofpages7}}text";
    let parsed = read(format!("{{\\rtf1\\ansi {info}}}").as_bytes()).unwrap();
    assert_eq!(parsed.text, "text");
    assert_eq!(parsed.metadata.title.as_deref(), Some("A ä"));
    assert_eq!(parsed.metadata.author.as_deref(), Some("Me"));
    assert_eq!(parsed.metadata.created.as_deref(), Some("2024-02-03T04:05"));
    assert_eq!(parsed.metadata.page_count, Some(7));
}

#[test]
fn contents_have_no_page_numbers() {
    let body = "{\\stylesheet{\\s20 toc 1;}}\\pard\\s20 One\\tab 3\\par\\pard\\s20 Two\\tab iv\\par";
    assert_eq!(rtf(body), "- One\n- Two");
}

#[test]
fn what_is_broken_empty_or_deep_is_refused() {
    assert!(matches!(read(b"{\\rtf1 a{\\b b{\\i c"), Err(ParseError::Damaged { .. })));
    assert!(matches!(read(b"{\\rtf1\\par}"), Err(ParseError::Empty(_))));
    let deep = format!("{{\\rtf1 {}", "{".repeat(1_000_000));
    assert!(matches!(read(deep.as_bytes()), Err(ParseError::TooComplex { .. })));
    assert_eq!(text(b"{\\rtf1 a brace is missing"), "a brace is missing");
}

#[test]
fn one_wide_row_among_many_costs_what_is_in_it() {
    let wide = "\\cell".repeat(20_000);
    let body = format!("\\intbl {wide} x\\cell\\row {}", "y\\cell\\row ".repeat(20_000));
    assert!(rtf(&body).len() < 500_000);
}

#[test]
fn damage_makes_no_panic() {
    survives_damage(
        b"{\\rtf1\\ansi\\ansicpg932{\\fonttbl{\\f0\\fcharset2 Symbol;}}{\\stylesheet{\\s1 heading 1;}}\
          {\\info{\\title t}}\\s1 a\\u-10179?\\u-8704?\\par{\\field{\\*\\fldinst HYPERLINK \"u\"}{\\fldrslt x}}\
          \\f0\\'b7\\intbl a\\cell b\\cell\\row\\pard{\\footnote n}{\\pict\\bin3 abc}{\\shptxt s}\\ls1\\ilvl3 i\\par}",
    );
}
