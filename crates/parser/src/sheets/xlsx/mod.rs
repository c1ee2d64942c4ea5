//! Excel workbooks since 2007: XML files in a zip archive.

mod cells;
mod parts;

use super::format::Epoch;
use super::grid::Book;
use super::shown::Formats;
use crate::package::stream::{Token, Xml, utf8};
use crate::package::{Package, properties};
use crate::{Kind, ParseError};
use cells::CellContext;

/// A sheet that is to be read.
pub(super) struct ListedSheet {
    /// Its name.
    pub(super) name: String,
    /// The relation that leads to its file.
    pub(super) relation: String,
    /// `true` if it is shown.
    pub(super) is_shown: bool,
}

/// Returns the workbook in these bytes.
pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Book, ParseError> {
    let mut package = Package::open(kind.name(), bytes)?;
    let root = package.relationships("")?;
    let main = root.part("officeDocument").unwrap_or("xl/workbook.xml").to_owned();
    let relations = package.relationships(&main)?;
    let workbook = utf8(package.require(&main)?);
    let (listed, epoch) = workbook_sheets(&mut Xml::new(kind, &workbook))?;

    let mut strings = Vec::new();
    if let Some(part) = relations.part("sharedStrings")
        && let Some(xml) = package.part(part)?
    {
        strings = parts::shared_strings(&mut Xml::new(kind, &utf8(xml)))?;
    }
    let mut formats = Formats::default();
    formats.epoch = epoch;
    if let Some(part) = relations.part("styles")
        && let Some(xml) = package.part(part)?
    {
        parts::read_formats(&mut Xml::new(kind, &utf8(xml)), &mut formats)?;
    }

    let mut book = Book::new(kind);
    book.metadata = properties::read(&mut package, &root)?;
    let context = CellContext { strings, formats };
    for sheet in listed.iter().filter(|sheet| sheet.is_shown) {
        let Some(part) = relations.part_of_kind(&sheet.relation, "worksheet") else { continue };
        let Some(xml) = package.part(part)? else { continue };
        let links = package.relationships(part)?;
        book.begin(&sheet.name);
        cells::read(&mut Xml::new(kind, &utf8(xml)), &context, &links, &mut book)?;
        book.sort();
    }
    Ok(book)
}

/// Returns the sheets that a workbook lists, and what its days are counted from.
fn workbook_sheets(xml: &mut Xml<'_>) -> Result<(Vec<ListedSheet>, Epoch), ParseError> {
    let mut sheets = Vec::new();
    let mut epoch = Epoch::Of1900;
    loop {
        match xml.next()? {
            Token::Open(element) => match element.local().as_str() {
                "workbookPr" if element.is("date1904") => epoch = Epoch::Of1904,
                "sheet" => sheets.push(ListedSheet {
                    name: element.attribute("name").unwrap_or_default(),
                    relation: element.attribute("id").unwrap_or_default(),
                    is_shown: element.attribute("state").is_none_or(|state| state == "visible"),
                }),
                _ => {}
            },
            Token::End => return Ok((sheets, epoch)),
            _ => {}
        }
    }
}
