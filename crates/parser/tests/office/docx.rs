//! Documents of Word since 2007.

use super::package::{WORD, parse, relationships, zip};

/// Returns the text of a document with this body, and with these other parts of `word/`.
fn text_with(body: &str, parts: &[(&str, &str)]) -> String {
    let document = format!("<w:document {WORD}><w:body>{body}</w:body></w:document>");
    let mut files = vec![("word/document.xml", document.as_str())];
    files.extend_from_slice(parts);
    parse(&zip(&files)).unwrap().text
}

fn text(body: &str) -> String {
    text_with(body, &[])
}

/// Returns a document's text whose links have this target.
fn linked(body: &str, target: &str) -> String {
    let references = relationships(&[("rId1", "hyperlink", target)]);
    text_with(body, &[("word/_rels/document.xml.rels", &references)])
}

fn p(text: &str) -> String {
    format!("<w:p>{}</w:p>", r(text))
}

fn r(text: &str) -> String {
    format!("<w:r><w:t>{text}</w:t></w:r>")
}

fn styled(style: &str, text: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val='{style}'/></w:pPr>{}</w:p>", r(text))
}

fn cell(content: &str) -> String {
    format!("<w:tc>{content}</w:tc>")
}

fn row(cells: &[&str]) -> String {
    format!("<w:tr>{}</w:tr>", cells.iter().map(|content| cell(&p(content))).collect::<String>())
}

fn table(rows: &str) -> String {
    format!("<w:tbl>{rows}</w:tbl>")
}

#[test]
fn a_document_is_known_whatever_the_name_of_its_main_part() {
    let document = format!("<w:document {WORD}><w:body>{}</w:body></w:document>", p("Hello"));
    let types = "<Types><Default Extension='xlsx' \
        ContentType='application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'/>\
        <Override PartName='/doc/main.xml' \
        ContentType='application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml'/></Types>";
    let root = relationships(&[("rId1", "officeDocument", "doc/main.xml")]);
    let files = [("[Content_Types].xml", types), ("_rels/.rels", &root), ("doc/main.xml", &document)];
    assert_eq!(parse(&zip(&files)).unwrap().text, "Hello");
}

#[test]
fn headings_have_the_level_of_their_style_whatever_its_language() {
    let styles = "<w:styles><w:style w:type='paragraph' w:styleId='berschrift2'><w:name w:val='heading 2'/></w:style>\
                  <w:style w:type='paragraph' w:styleId='x'><w:name w:val='Titre 3'/></w:style>\
                  <w:style w:type='paragraph' w:styleId='t'><w:name w:val='Title'/></w:style></w:styles>";
    let references = relationships(&[("rId1", "styles", "styles.xml")]);
    let body = styled("t", "Book")
        + &styled("berschrift2", "Two")
        + &styled("x", "Three")
        + &styled("Heading1", "One");
    let outline = "<w:p><w:pPr><w:outlineLvl w:val='3'/></w:pPr><w:r><w:t>Four</w:t></w:r></w:p>";
    assert_eq!(
        text_with(
            &(body + outline),
            &[("word/styles.xml", styles), ("word/_rels/document.xml.rels", &references)]
        ),
        "# Book\n\n## Two\n\n### Three\n\n# One\n\n#### Four"
    );
}

#[test]
fn lists_are_known_by_the_names_of_their_styles_alone() {
    let body = styled("ListBullet", "one") + &styled("ListBullet2", "deeper") + &styled("ListBullet", "two");
    assert_eq!(text(&body), "- one\n  - deeper\n- two");
}

#[test]
fn lists_are_numbered_as_word_numbers_them() {
    let level = |place: u32, format: &str, text: &str| {
        format!(
            "<w:lvl w:ilvl='{place}'><w:start w:val='1'/><w:numFmt w:val='{format}'/><w:lvlText w:val='{text}'/></w:lvl>"
        )
    };
    let numbering = format!(
        "<w:numbering><w:abstractNum w:abstractNumId='0'>{}{}</w:abstractNum>\
         <w:num w:numId='7'><w:abstractNumId w:val='0'/></w:num></w:numbering>",
        level(0, "decimal", "%1."),
        level(1, "lowerLetter", "(%2)")
    );
    let item = |level: u32, text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='7'/></w:numPr></w:pPr>{}</w:p>",
            r(text)
        )
    };
    let heading = item(0, "Scope").replace("<w:numPr>", "<w:pStyle w:val='Heading1'/><w:numPr>");
    let body =
        item(0, "one") + &item(1, "inner") + &item(0, "two") + &p("between") + &item(0, "three") + &heading;
    let references = relationships(&[("rId1", "numbering", "numbering.xml")]);
    assert_eq!(
        text_with(
            &body,
            &[("word/numbering.xml", &numbering), ("word/_rels/document.xml.rels", &references)]
        ),
        "1. one\n   - (a) inner\n2. two\n\nbetween\n\n3. three\n\n# 4. Scope"
    );
}

#[test]
fn breaks_in_cells_stay_in_their_cells() {
    let broken =
        cell("<w:p><w:r><w:t>multi</w:t><w:br/><w:t>line</w:t></w:r></w:p>") + &cell(&(p("a|b") + &p("c")));
    let body = table(&(row(&["x", "y"]) + &format!("<w:tr>{broken}</w:tr>")));
    assert_eq!(text(&body), "| x | y |\n| --- | --- |\n| multi<br>line | a\\|b<br>c |");
}

#[test]
fn merged_cells_keep_the_others_in_their_columns() {
    let wide = format!(
        "<w:tr><w:tc><w:tcPr><w:gridSpan w:val='2'/></w:tcPr>{}</w:tc>{}</w:tr>",
        p("wide"),
        cell(&p("c"))
    );
    let high = |merge: &str, text: &str| {
        format!(
            "<w:tr><w:tc><w:tcPr>{merge}</w:tcPr>{}</w:tc>{}{}</w:tr>",
            p(text),
            cell(&p("1")),
            cell(&p("2"))
        )
    };
    let body = table(&(wide + &high("<w:vMerge w:val='restart'/>", "high") + &high("<w:vMerge/>", "")));
    assert_eq!(text(&body), "| wide |  | c |\n| --- | --- | --- |\n| high | 1 | 2 |\n|  | 1 | 2 |");
}

#[test]
fn a_table_within_a_cell_is_lines_of_the_cell() {
    let inner = table(&(row(&["1", "2"]) + &row(&["3", "4"])));
    let body =
        table(&(row(&["a", "b"]) + &format!("<w:tr>{}{}</w:tr>", cell(&(p("see") + &inner)), cell(&p("c")))));
    assert_eq!(text(&body), "| a | b |\n| --- | --- |\n| see<br>1 \\| 2<br>3 \\| 4 | c |");
}

#[test]
fn a_table_that_frames_text_is_the_text() {
    let inner = table(&(row(&["1", "2"]) + &row(&["3", "4"])));
    let body = table(&format!("<w:tr>{}</w:tr>", cell(&(styled("Heading2", "Boxed") + &p("text") + &inner))));
    assert_eq!(text(&body), "## Boxed\n\ntext\n\n| 1 | 2 |\n| --- | --- |\n| 3 | 4 |");
}

#[test]
fn a_link_over_several_runs_is_one() {
    let link = format!("<w:p><w:hyperlink r:id='rId1'>{}{}</w:hyperlink></w:p>", r("the "), r("page"));
    assert_eq!(linked(&link, "https://example.org/a b"), "[the page](https://example.org/a%20b)");
}

#[test]
fn a_link_without_a_target_is_its_text() {
    let link = format!("<w:p>{}<w:hyperlink r:id='rId1'>{}</w:hyperlink></w:p>", r("see "), r("this"));
    assert_eq!(linked(&link, ""), "see this");
}

#[test]
fn links_of_fields_are_links_and_page_numbers_are_left_out() {
    let sign = |kind: &str| format!("<w:r><w:fldChar w:fldCharType='{kind}'/></w:r>");
    let instruction = |text: &str| format!("<w:r><w:instrText>{text}</w:instrText></w:r>");
    let field = |code: &str, result: &str| {
        sign("begin") + &instruction(code) + &sign("separate") + &r(result) + &sign("end")
    };
    let body =
        format!("<w:p>{}{}{}</w:p>", field("HYPERLINK \"http://x\"", "link"), r(" and "), field("PAGE", "7"));
    assert_eq!(text(&body), "[link](http://x) and");
}

#[test]
fn links_within_the_document_lead_to_headings() {
    let link = format!("<w:p><w:hyperlink w:anchor='_Ref1'>{}</w:hyperlink></w:p>", r("below"));
    let heading = "<w:p><w:pPr><w:pStyle w:val='Heading1'/></w:pPr><w:bookmarkStart w:id='0' w:name='_Ref1'/>\
                   <w:r><w:t>The End</w:t></w:r></w:p>";
    assert_eq!(text(&(link + heading)), "[below](#the-end)\n\n# The End");
}

#[test]
fn notes_follow_the_block_that_refers_to_them() {
    let body = format!("<w:p>{}<w:r><w:footnoteReference w:id='2'/></w:r></w:p>{}", r("claim"), p("next"));
    let notes = format!(
        "<w:footnotes {WORD}><w:footnote w:type='separator' w:id='0'>{}</w:footnote>\
         <w:footnote w:id='2'>{}{}</w:footnote></w:footnotes>",
        p("no note"),
        p("proof"),
        p("more")
    );
    let references = relationships(&[("rId1", "footnotes", "footnotes.xml")]);
    assert_eq!(
        text_with(&body, &[("word/footnotes.xml", &notes), ("word/_rels/document.xml.rels", &references)]),
        "claim[^1]\n\n[^1]: proof\n    more\n\nnext"
    );
}

#[test]
fn code_is_fenced_and_keeps_its_spaces() {
    let mono = "<w:p><w:r><w:rPr><w:rFonts w:ascii='Courier New'/></w:rPr><w:t>if x:</w:t><w:br/>\
                <w:tab/><w:t>y  = 1</w:t></w:r></w:p>";
    let body = p("Run") + mono + &styled("SourceCode", "done()") + &p("Text") + &p("More") + &p("End");
    assert_eq!(text(&body), "Run\n\n```\nif x:\n\ty  = 1\ndone()\n```\n\nText\n\nMore\n\nEnd");
}

#[test]
fn headers_footers_comments_and_hidden_text_are_left_out() {
    let body = "<w:p><w:commentRangeStart w:id='0'/><w:r><w:t>text</w:t></w:r><w:commentRangeEnd w:id='0'/>\
                <w:r><w:commentReference w:id='0'/></w:r><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>\
                <w:sectPr><w:headerReference r:id='rId1'/></w:sectPr>";
    let references =
        relationships(&[("rId1", "header", "header1.xml"), ("rId2", "comments", "comments.xml")]);
    let header = format!("<w:hdr {WORD}>{}</w:hdr>", p("running head"));
    let comments =
        format!("<w:comments {WORD}><w:comment w:id='0'>{}</w:comment></w:comments>", p("a remark"));
    let parts = [
        ("word/header1.xml", header.as_str()),
        ("word/comments.xml", &comments),
        ("word/_rels/document.xml.rels", &references),
    ];
    assert_eq!(text_with(body, &parts), "text");
}

#[test]
fn changes_that_were_tracked_are_accepted() {
    let body = format!(
        "<w:p>{}<w:ins>{}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>\
         <w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr>{}</w:p>{}",
        r("the "),
        r("new"),
        r("one "),
        p("paragraph")
    );
    assert_eq!(text(&body), "the new\n\none paragraph");
}

#[test]
fn text_boxes_are_read_once() {
    let content = format!("<w:txbxContent>{}</w:txbxContent>", p("boxed"));
    let body = format!(
        "<w:p>{}<w:r><mc:AlternateContent xmlns:mc='http://mc'><mc:Choice><w:drawing>{content}</w:drawing></mc:Choice>\
         <mc:Fallback><w:pict>{content}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>",
        r("around")
    );
    assert_eq!(text(&body), "around\n\nboxed");
}

#[test]
fn prompts_of_forms_are_left_out() {
    let sdt = |shows: &str, text: &str| {
        format!("<w:sdt><w:sdtPr>{shows}</w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>", p(text))
    };
    assert_eq!(text(&(sdt("<w:showingPlcHdr/>", "Click here") + &sdt("", "An answer"))), "An answer");
}

#[test]
fn the_document_tells_of_itself() {
    let references = relationships(&[
        ("rId1", "officeDocument", "word/document.xml"),
        ("rId2", "core-properties", "docProps/core.xml"),
    ]);
    let core = "<cp:coreProperties xmlns:cp='http://cp' xmlns:dc='http://dc' xmlns:dcterms='http://t'>\
                <dc:title>A report</dc:title><dc:creator>Ann; Bob</dc:creator><dc:language>pt-BR</dc:language>\
                <dcterms:created>2024-01-02T03:04:05Z</dcterms:created></cp:coreProperties>";
    let document = format!("<w:document {WORD}><w:body>{}</w:body></w:document>", p("text"));
    let files =
        [("_rels/.rels", references.as_str()), ("docProps/core.xml", core), ("word/document.xml", &document)];
    let metadata = parse(&zip(&files)).unwrap().metadata;
    assert_eq!(metadata.title.as_deref(), Some("A report"));
    assert_eq!(metadata.author.as_deref(), Some("Ann, Bob"));
    assert_eq!(metadata.language.as_deref(), Some("pt-BR"));
    assert_eq!(metadata.created.as_deref(), Some("2024-01-02T03:04:05Z"));
}
