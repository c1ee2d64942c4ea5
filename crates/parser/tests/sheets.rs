//! Workbooks, as a person sees them.

#![allow(clippy::unwrap_used)]

mod made;

use std::io::{Cursor, Write as _};

use made::{read, survives_damage, text, zip};
use pgai_rs_parser::ParseError;

const RELATIONS: &str = "<Relationships>\
    <Relationship Id='r1' Type='http://x/worksheet' Target='worksheets/sheet1.xml'/>\
    <Relationship Id='r2' Type='http://x/worksheet' Target='worksheets/sheet2.xml'/>\
    <Relationship Id='r3' Type='http://x/sharedStrings' Target='sharedStrings.xml'/>\
    <Relationship Id='r4' Type='http://x/styles' Target='styles.xml'/></Relationships>";

const STYLES: &str = "<styleSheet><numFmts><numFmt numFmtId='164' formatCode='yyyy\\-mm\\-dd'/>\
    <numFmt numFmtId='165' formatCode='#,##0.00\\ &quot;€&quot;'/></numFmts>\
    <cellStyleXfs><xf numFmtId='9'/></cellStyleXfs><cellXfs><xf numFmtId='0'/><xf numFmtId='164'/><xf numFmtId='10'/>\
    <xf numFmtId='165'/><xf numFmtId='46'/></cellXfs></styleSheet>";

fn workbook(properties: &str, strings: &str, sheet: &str) -> Vec<u8> {
    let workbook = format!(
        "<workbook>{properties}<sheets><sheet name='Data' r:id='r1'/><sheet name='Secret' state='veryHidden' r:id='r2'/>\
         </sheets></workbook>"
    );
    zip(&[
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes()),
        ("xl/sharedStrings.xml", format!("<sst>{strings}</sst>").as_bytes()),
        ("xl/styles.xml", STYLES.as_bytes()),
        ("xl/worksheets/sheet1.xml", format!("<worksheet>{sheet}</worksheet>").as_bytes()),
        ("xl/worksheets/sheet2.xml", b"<worksheet><sheetData><row><c><v>666</v></c></row></sheetData></worksheet>"),
        (
            "xl/worksheets/_rels/sheet1.xml.rels",
            b"<Relationships><Relationship Id='l1' Type='x/hyperlink' Target='https://a.example/' TargetMode='External'/></Relationships>",
        ),
    ])
}

fn sheet(rows: &str) -> String {
    text(&workbook("", "<si><t>shared</t></si>", &format!("<sheetData>{rows}</sheetData>")))
}

#[test]
fn a_sheet_is_a_heading_and_a_table() {
    let rows = "<row r='1'><c r='A1' t='inlineStr'><is><t>Name</t></is></c><c r='B1' t='str'><v>Sum</v></c></row>\
                <row r='2'><c r='A2' t='s'><v>0</v></c><c r='B2'><f>0.1+0.2</f><v>0.30000000000000004</v></c></row>";
    let parsed =
        read(&workbook("", "<si><t>shared</t></si>", &format!("<sheetData>{rows}</sheetData>"))).unwrap();
    assert_eq!(parsed.text, "## Data\n\n| Name | Sum |\n| --- | --- |\n| shared | 0.3 |");
    // A sheet is no page.
    assert_eq!((parsed.pages.len(), parsed.metadata.page_count), (0, None));
}

#[test]
fn a_cell_reads_as_a_person_sees_it() {
    let rows = "<row><c s='1'><v>45000</v></c><c s='2'><v>0.256</v></c><c s='3'><v>1234.5</v></c><c s='4'><v>1.5</v></c>\
                <c t='b'><v>1</v></c><c t='e'><v>#DIV/0!</v></c><c t='d'><v>2024-01-02T00:00:00</v></c></row>";
    let expected = "| 2023-03-15 | 25.60% | 1,234.50 € | 36:00:00 | TRUE | #DIV/0! | 2024-01-02 |";
    assert!(sheet(rows).contains(expected), "{}", sheet(rows));
}

#[test]
fn the_days_of_1904_are_counted_from_there() {
    let rows = "<sheetData><row><c s='1'><v>43538</v></c></row></sheetData>";
    assert_eq!(text(&workbook("<workbookPr date1904='1'/>", "", rows)), "## Data\n\n2023-03-15");
}

#[test]
fn shared_strings_are_the_text_of_their_runs_without_readings() {
    let strings =
        "<si><r><t>ri</t></r><r><t xml:space='preserve'>ch _x0041_&amp;</t></r><rPh><t>no</t></rPh></si>";
    let rows = "<sheetData><row><c t='s'><v>0</v></c><c t='s'><v>99</v></c></row></sheetData>";
    assert_eq!(text(&workbook("", strings, rows)), "## Data\n\nrich A&");
}

#[test]
fn what_is_hidden_is_left_out() {
    let columns = "<cols><col min='2' max='2' hidden='1'/></cols>";
    let rows = "<sheetData><row r='1'><c r='A1'><v>1</v></c><c r='B1'><v>2</v></c><c r='C1'><v>3</v></c></row>\
                <row r='2' hidden='1'><c r='A2'><v>4</v></c></row><row r='3'><c r='A3'><v>5</v></c></row></sheetData>";
    let expected = "## Data\n\n| 1 | 3 |\n| --- | --- |\n\n5";
    assert_eq!(text(&workbook("", "", &format!("{columns}{rows}"))), expected);
}

#[test]
fn links_lead_out_of_the_workbook() {
    let rows = "<sheetData><row><c r='A1' t='str'><v>site</v></c></row></sheetData>\
                <hyperlinks><hyperlink ref='A1' r:id='l1'/><hyperlink ref='A1' location='B2'/></hyperlinks>";
    assert_eq!(text(&workbook("", "", rows)), "## Data\n\n[site](https://a.example/)");
}

#[test]
fn a_huge_sheet_costs_what_is_on_it() {
    let rows = "<dimension ref='A1:XFD1048576'/><sheetData><row r='1'><c r='A1'><v>1</v></c></row>\
                <row r='1048576'><c r='XFD1048576'><v>2</v></c><c r='ZZZZ9'><v>3</v></c></row></sheetData>";
    assert_eq!(text(&workbook("", "", rows)), "## Data\n\n1\n\n2");
}

#[test]
fn a_string_that_is_shared_by_too_many_cells_is_refused() {
    let strings = format!("<si><t>{}</t></si>", "x".repeat(1 << 20));
    let rows = format!("<sheetData><row>{}</row></sheetData>", "<c t='s'><v>0</v></c>".repeat(200));
    assert!(matches!(read(&workbook("", &strings, &rows)), Err(ParseError::TooComplex { .. })));
}

#[test]
fn an_empty_workbook_and_a_broken_one_are_refused() {
    assert!(matches!(read(&workbook("", "", "<sheetData/>")), Err(ParseError::Empty(_))));
    assert!(matches!(read(&workbook("", "", "<sheetData><row>")), Err(ParseError::Damaged { .. })));
    let whole = workbook("", "", "<sheetData/>");
    assert!(matches!(read(&whole[..whole.len() / 2]), Err(ParseError::Damaged { .. })));
}

fn ods(styles: &str, tables: &str) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:automatic-styles>{styles}</office:automatic-styles><office:body>\
         <office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    );
    let mime_type: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";
    zip(&[("mimetype", mime_type), ("content.xml", content.as_bytes())])
}

#[test]
fn an_open_document_shows_what_its_cells_say() {
    let styles =
        "<style:style style:name='ta2'><style:table-properties table:display='false'/></style:style>";
    let tables = "<table:table table:name='One'><table:table-column/><table:table-column table:visibility='collapse'/>\
        <table:table-row><table:table-cell office:value-type='float' office:value='0.30000000000000004'><text:p>0,3</text:p>\
        <office:annotation><text:p>remark</text:p></office:annotation></table:table-cell><table:table-cell><text:p>hidden</text:p></table:table-cell>\
        <table:table-cell><text:p>a<text:s/>b</text:p><text:p>c</text:p></table:table-cell></table:table-row>\
        <table:table-row table:number-rows-repeated='1048574'><table:table-cell table:number-columns-repeated='16384'/></table:table-row>\
        <table:table-row table:visibility='filter'><table:table-cell><text:p>filtered</text:p></table:table-cell></table:table-row>\
        </table:table><table:table table:name='Two' table:style-name='ta2'><table:table-row><table:table-cell><text:p>no</text:p>\
        </table:table-cell></table:table-row></table:table>";
    assert_eq!(text(&ods(styles, tables)), "## One\n\n| 0,3 | a b<br>c |\n| --- | --- |");
}

#[test]
fn repeated_cells_are_bounded() {
    let bomb = "<table:table table:name='One'><table:table-row table:number-rows-repeated='999999999'>\
        <table:table-cell table:number-columns-repeated='999999999'><text:p>x</text:p></table:table-cell></table:table-row></table:table>";
    assert!(matches!(read(&ods("", bomb)), Err(ParseError::TooComplex { .. })));
}

fn biff(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    [&kind.to_le_bytes()[..], &length.to_le_bytes(), content].concat()
}

fn compound_file(globals: &[Vec<u8>], cells: &[Vec<u8>]) -> Vec<u8> {
    compound_file_of(globals, cells, 1)
}

/// Returns a workbook whose sheets all are the same one.
fn compound_file_of(globals: &[Vec<u8>], cells: &[Vec<u8>], sheets: usize) -> Vec<u8> {
    let begin = |kind: u8| biff(0x809, &[0, 6, kind, 0, 0, 0, 0, 0]);
    let end = biff(0x0a, &[]);
    let listed = |place: u32| biff(0x85, &[&place.to_le_bytes()[..], &[0, 0, 4, 0], b"Data"].concat());
    let before = [begin(5), globals.concat()].concat();
    let place = u32::try_from(before.len() + listed(0).len() * sheets + end.len()).unwrap();
    let stream =
        [before, listed(place).repeat(sheets), end.clone(), begin(0x10), cells.concat(), end].concat();

    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_stream("/Workbook").unwrap().write_all(&stream).unwrap();
    file.into_inner().into_inner()
}

fn at(row: u16, column: u16, style: u16, rest: &[u8]) -> Vec<u8> {
    [&row.to_le_bytes()[..], &column.to_le_bytes(), &style.to_le_bytes(), rest].concat()
}

#[test]
fn an_old_workbook_reads_as_a_new_one() {
    let globals = [
        biff(0x22, &[1, 0]),
        biff(0x41e, b"\xa4\x00\x0a\x00\x00yyyy-mm-dd"),
        biff(0xe0, &[0, 0, 0, 0]),
        biff(0xe0, &[0, 0, 0xa4, 0]),
        biff(0xfc, b"\x01\0\0\0\x01\0\0\0\x04\0\x00na"),
        biff(0x3c, b"\x01m\0e\0"),
    ];
    let cells = [
        biff(0x208, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0]),
        biff(0x7d, &[1, 0, 1, 0, 0, 0, 0, 0, 1, 0]),
        biff(0xfd, &at(0, 0, 0, &[0, 0, 0, 0])),
        biff(0x203, &at(0, 1, 0, &1.0_f64.to_le_bytes())),
        biff(0x203, &at(0, 2, 1, &43538.0_f64.to_le_bytes())),
        biff(0x06, &at(1, 0, 0, &[0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0])),
        biff(0x207, b"\x02\0\0ok"),
        biff(0x205, &at(1, 2, 0, &[0x2a, 1])),
        biff(0x203, &at(2, 0, 0, &5.0_f64.to_le_bytes())),
        biff(0xbd, &[3, 0, 2, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0, 0x0e, 0, 0, 0, 3, 0]),
    ];
    let expected =
        "## Data\n\n| name | 2023-03-15 |\n| --- | --- |\n| ok | #N/A |\n\n| 2 | 3 |\n| --- | --- |";
    assert_eq!(text(&compound_file(&globals, &cells)), expected);
}

#[test]
fn an_old_workbook_with_a_password_is_encrypted() {
    let encrypted = compound_file(&[biff(0x2f, &[1, 0, 1, 0])], &[]);
    assert_eq!(read(&encrypted), Err(ParseError::Encrypted("an Excel workbook of before 2007")));
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, u8::try_from(content.len()).unwrap()][..], content].concat()
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], &units].concat()
}

#[test]
fn a_binary_workbook_reads_as_one_of_xml() {
    // Types above 127 have two bytes: 156 is 9c 01.
    let sheet = [&[0, 0, 0, 0, 1, 0, 0, 0][..], &wide("r1"), &wide("Data")].concat();
    let listed = [&[0x9c, 0x01, u8::try_from(sheet.len()).unwrap()][..], &sheet].concat();
    let cell = |column: u8, rest: &[u8]| [&[column, 0, 0, 0, 0, 0, 0, 0][..], rest].concat();
    let mut hidden_row = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0];
    let cells = [
        record(0, &[0; 17]),
        record(7, &cell(0, &[0, 0, 0, 0])),
        record(5, &cell(1, &2.5_f64.to_le_bytes())),
        record(0, &std::mem::take(&mut hidden_row)),
        record(4, &cell(0, &[1])),
    ];
    let relations = "<Relationships><Relationship Id='r1' Type='x/worksheet' Target='worksheets/sheet1.bin'/>\
                     <Relationship Id='r3' Type='x/sharedStrings' Target='sharedStrings.bin'/></Relationships>";
    let workbook = zip(&[
        ("xl/workbook.bin", &listed),
        ("xl/_rels/workbook.bin.rels", relations.as_bytes()),
        ("xl/sharedStrings.bin", &record(19, &[&[0][..], &wide("shared")].concat())),
        ("xl/worksheets/sheet1.bin", &cells.concat()),
    ]);
    assert_eq!(text(&workbook), "## Data\n\n| shared | 2.5 |\n| --- | --- |");
    survives_damage(&workbook);
}

#[test]
fn damage_makes_no_panic() {
    let rows = "<sheetData><row><c s='1'><v>45000</v></c><c t='s'><v>0</v></c></row></sheetData>";
    survives_damage(&workbook("", "<si><t>a</t></si>", rows));
    survives_damage(&ods(
        "",
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell></table:table-row></table:table>",
    ));
    survives_damage(&compound_file(
        &[biff(0xfc, b"\x01\0\0\0\x01\0\0\0\x01\0\x00a")],
        &[biff(0xfd, &at(0, 0, 0, &[0; 4]))],
    ));
}

#[test]
fn sheets_of_an_old_workbook_that_lie_in_each_other_are_refused() {
    let cells = vec![biff(0x203, &at(0, 0, 0, &1.0_f64.to_le_bytes())); 200];
    assert_eq!(text(&compound_file_of(&[], &cells, 1)), "## Data\n\n1");
    assert!(matches!(read(&compound_file_of(&[], &cells, 5)), Err(ParseError::Damaged { .. })));
}
