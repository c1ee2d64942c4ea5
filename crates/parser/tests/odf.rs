//! Texts and presentations of OpenDocument.

#![allow(clippy::unwrap_used)]

mod made;

use made::{read, survives_damage, zip};
use pgai_rs_parser::{ParseError, ParsedDocument};

const SPACES: &str = r#"xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="t" xmlns:table="ta"
    xmlns:draw="d" xmlns:style="s" xmlns:xlink="x" xmlns:presentation="p" xmlns:dc="dc" xmlns:meta="m""#;

fn document(kind: &str, styles: &str, body: &str, others: &[(&str, &[u8])]) -> Vec<u8> {
    let content = format!(
        "<?xml version='1.0'?><office:document-content {SPACES}><office:automatic-styles>{styles}\
         </office:automatic-styles><office:body>{body}</office:body></office:document-content>"
    );
    let mime_type = format!("application/vnd.oasis.opendocument.{kind}");
    let mut files = vec![("mimetype", mime_type.as_bytes()), ("content.xml", content.as_bytes())];
    files.extend(others);
    zip(&files)
}

fn odt(styles: &str, body: &str) -> Result<ParsedDocument, ParseError> {
    read(&document("text", styles, &format!("<office:text>{body}</office:text>"), &[]))
}

fn text(body: &str) -> String {
    odt("", body).unwrap().text
}

#[test]
fn headings_are_those_of_outlines_and_of_styles() {
    let styles =
        "<style:style style:name='P1' style:family='paragraph' style:parent-style-name='Heading_20_2'/>";
    let body = "<text:p text:style-name='Title'>Title</text:p><text:h text:outline-level='3'>Three</text:h>\
                <text:p text:style-name='P1'>Two</text:p><text:p>text</text:p>";
    assert_eq!(odt(styles, body).unwrap().text, "# Title\n\n### Three\n\n## Two\n\ntext");
}

#[test]
fn whitespace_is_one_space_unless_it_is_written_otherwise() {
    assert_eq!(
        text("<text:p>  a \n b<text:s text:c='2'/>c<text:span> d </text:span> e</text:p>"),
        "a b  c d e"
    );
    assert_eq!(text("<text:p>a<text:line-break/>b</text:p>"), "a\nb");
}

#[test]
fn lists_are_nested_and_numbered() {
    let styles = "<text:list-style style:name='L1'><text:list-level-style-bullet text:level='1'/>\
                  <text:list-level-style-number text:level='2' style:num-format='1'/></text:list-style>";
    let body = "<text:list text:style-name='L1'><text:list-item><text:p>a</text:p><text:list>\
                <text:list-item><text:p>x</text:p><text:p>more</text:p></text:list-item>\
                <text:list-item><text:p>y</text:p></text:list-item></text:list></text:list-item>\
                <text:list-item><text:p>b</text:p></text:list-item></text:list>";
    assert_eq!(odt(styles, body).unwrap().text, "- a\n  1. x\n     more\n  2. y\n- b");
}

#[test]
fn a_heading_in_a_list_is_a_heading() {
    let body =
        "<text:list><text:list-item><text:h text:outline-level='1'>One</text:h></text:list-item></text:list>";
    assert_eq!(text(body), "# One");
}

#[test]
fn tables_keep_merged_repeated_and_nested_cells() {
    let body = "<table:table><table:table-header-rows><table:table-row>\
                <table:table-cell table:number-columns-spanned='2'><text:p>wide</text:p></table:table-cell>\
                <table:covered-table-cell/><table:table-cell><text:p>c|d</text:p></table:table-cell>\
                </table:table-row></table:table-header-rows><table:table-row>\
                <table:table-cell table:number-columns-repeated='2'><text:p>1</text:p><text:p>2</text:p></table:table-cell>\
                <table:table-cell><table:table><table:table-row><table:table-cell><text:p>in</text:p></table:table-cell>\
                <table:table-cell><text:p>ner</text:p></table:table-cell></table:table-row></table:table></table:table-cell>\
                </table:table-row></table:table>";
    assert_eq!(text(body), "| wide |  | c\\|d |\n| --- | --- | --- |\n| 1<br>2 | 1<br>2 | in ner |");
}

#[test]
fn repeated_cells_are_bounded() {
    let cell =
        "<table:table-cell table:number-columns-repeated='999999999'><text:p>x</text:p></table:table-cell>";
    let bomb = format!(
        "<table:table><table:table-row table:number-rows-repeated='999999999'>{cell}</table:table-row></table:table>"
    );
    assert!(matches!(odt("", &bomb), Err(ParseError::TooComplex { .. })));

    let empty = "<table:table><table:table-row table:number-rows-repeated='999999999'>\
                 <table:table-cell table:number-columns-repeated='4'/></table:table-row></table:table><text:p>a</text:p>";
    assert_eq!(text(empty), "a");
    assert!(
        text("<text:p>a<text:s text:c='4000000000'/><text:s text:c='999999999'/>b</text:p>").len() < 1000
    );
}

#[test]
fn links_notes_and_boxes_stay() {
    let link = "<text:p>see <text:a xlink:href='https://a.example/'>here</text:a>, <text:a xlink:href='#x'>there</text:a></text:p>";
    assert_eq!(text(link), "see [here](https://a.example/), there");
    let note = "<text:p>a<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>why</text:p>\
                </text:note-body></text:note> b</text:p><text:p>c</text:p>";
    assert_eq!(text(note), "a[^1] b\n\n[^1]: why\n\nc");
    let boxed =
        "<text:p>a<draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box></draw:frame></text:p>";
    assert_eq!(text(boxed), "a\n\nin a box");
}

#[test]
fn comments_deletions_and_numbers_of_pages_are_left_out() {
    let body = "<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p></text:deletion>\
                </text:changed-region></text:tracked-changes><text:p>a<office:annotation><text:p>remark</text:p>\
                </office:annotation>b<text:ruby><text:ruby-base>c</text:ruby-base><text:ruby-text>see</text:ruby-text></text:ruby></text:p>\
                <text:table-of-content><text:index-body><text:p>One<text:tab/>3</text:p><text:p>Two<text:tab/>xi</text:p>\
                </text:index-body></text:table-of-content>";
    assert_eq!(text(body), "abc\n\n- One\n- Two");
}

#[test]
fn preformatted_lines_are_code() {
    let body = "<text:p text:style-name='Preformatted_20_Text'>a</text:p><text:p text:style-name='Preformatted_20_Text'/>\
                <text:p text:style-name='Preformatted_20_Text'><text:s text:c='2'/>b</text:p>";
    assert_eq!(text(body), "```\na\n\n  b\n```");
}

#[test]
fn the_document_says_what_it_is_and_whether_it_is_encrypted() {
    let meta = format!(
        "<office:document-meta {SPACES}><office:meta><dc:title>T</dc:title><dc:creator>last</dc:creator>\
         <meta:initial-creator>first</meta:initial-creator><dc:date>2024-05-06T07:08:09</dc:date>\
         <dc:language>de-DE</dc:language><meta:document-statistic meta:page-count='3'/></office:meta></office:document-meta>"
    );
    let body = "<office:text><text:p>a</text:p></office:text>";
    let metadata = read(&document("text", "", body, &[("meta.xml", meta.as_bytes())])).unwrap().metadata;
    assert_eq!(metadata.title.as_deref(), Some("T"));
    assert_eq!(metadata.author.as_deref(), Some("first"));
    assert_eq!(metadata.modified.as_deref(), Some("2024-05-06T07:08:09"));
    assert_eq!(metadata.language.as_deref(), Some("de-DE"));
    assert_eq!(metadata.page_count, Some(3));

    let manifest = b"<m:manifest xmlns:m='m'><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>";
    let encrypted = document("text", "", body, &[("META-INF/manifest.xml", manifest)]);
    assert_eq!(read(&encrypted), Err(ParseError::Encrypted("an OpenDocument text")));
}

#[test]
fn slides_are_pages_with_titles_and_notes() {
    let styles = "<style:style style:name='dp1' style:family='drawing-page'>\
                  <style:drawing-page-properties presentation:visibility='hidden'/></style:style>";
    let frame = |class: &str, text: &str| {
        format!(
            "<draw:frame presentation:class='{class}'><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
        )
    };
    let body = format!(
        "<office:presentation><draw:page>{}{}<draw:g><draw:custom-shape><text:p>shape</text:p></draw:custom-shape></draw:g>\
         {}<presentation:notes><draw:page-thumbnail/>{}</presentation:notes></draw:page>\
         <draw:page draw:style-name='dp1'>{}</draw:page><draw:page>{}</draw:page></office:presentation>",
        frame("outline", "point"),
        frame("title", "Title"),
        frame("page-number", "7"),
        frame("notes", "say it"),
        frame("outline", "hidden"),
        frame("outline", "last"),
    );
    let parsed = read(&document("presentation", styles, &body, &[])).unwrap();
    assert_eq!(parsed.text, "## Title\n\npoint\n\nshape\n\n> Notes:\n>\n> say it\n\nlast");
    let pages: Vec<_> =
        parsed.pages.iter().map(|page| (page.number, &parsed.text[page.start..][..4])).collect();
    assert_eq!(pages, [(1, "## T"), (3, "last")]);
}

#[test]
fn what_is_broken_empty_deep_or_multiplies_is_refused() {
    assert!(matches!(odt("", "<text:p/>"), Err(ParseError::Empty(_))));
    let deep = format!("{}{}", "<text:section>".repeat(100_000), "</text:section>".repeat(100_000));
    assert!(matches!(odt("", &deep), Err(ParseError::TooComplex { .. })));
    let whole = document("text", "", "<office:text><text:p>a</text:p></office:text>", &[]);
    let cut = read(&whole[..whole.len() - 30]);
    assert!(matches!(cut, Err(ParseError::Damaged { .. })), "{cut:?}");
    let missing = zip(&[("mimetype", b"application/vnd.oasis.opendocument.text")]);
    assert!(matches!(read(&missing), Err(ParseError::Damaged { .. })));

    let laughs = "<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><office:body><office:text><text:p>x&b;</text:p></office:text></office:body>";
    let laughs =
        zip(&[("mimetype", b"application/vnd.oasis.opendocument.text"), ("content.xml", laughs.as_bytes())]);
    assert_eq!(read(&laughs).unwrap().text, "x");
}

#[test]
fn a_type_that_is_told_late_or_in_the_manifest_only_is_found() {
    let content = b"<office:body><office:text><text:p>a</text:p></office:text></office:body>";
    let manifest =
        b"<m:manifest><m:file-entry m:media-type='application/vnd.oasis.opendocument.text'/></m:manifest>";
    let late = zip(&[("content.xml", content), ("mimetype", b"application/vnd.oasis.opendocument.text")]);
    let only = zip(&[("content.xml", content), ("META-INF/manifest.xml", manifest)]);
    assert_eq!(read(&late).unwrap().text, "a");
    assert_eq!(read(&only).unwrap().text, "a");
}

#[test]
fn damage_makes_no_panic() {
    let body = "<office:text><text:h text:outline-level='2'>a</text:h><text:list><text:list-item><text:p>b</text:p>\
                </text:list-item></text:list><table:table><table:table-row><table:table-cell><text:p>c</text:p>\
                </table:table-cell></table:table-row></table:table></office:text>";
    survives_damage(&document("text", "", body, &[]));
}
