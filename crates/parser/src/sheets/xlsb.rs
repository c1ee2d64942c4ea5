//! Binary workbooks: the zip archive of an Excel workbook, with records in place of XML.
//!
//! A record is a number of a type, a length, and bytes; both numbers have seven bits a byte.

use std::rc::Rc;

use super::bytes::Bytes;
use super::format::Epoch;
use super::grid::{Book, Cell};
use super::shown::{Formats, boolean, error, packed};
use crate::odf::link;
use crate::package::{Package, Relationships, properties};
use crate::{Kind, ParseError};

/// A sheet that the workbook lists.
struct Listed {
    name: String,
    relation: String,
    is_shown: bool,
}

/// Returns the workbook in these bytes.
pub(super) fn read(kind: Kind, bytes: &[u8]) -> Result<Book, ParseError> {
    let mut package = Package::open(kind.name(), bytes)?;
    let root = package.relationships("")?;
    let main = root.part("officeDocument").unwrap_or("xl/workbook.bin").to_owned();
    let relations = package.relationships(&main)?;
    let (listed, epoch) = sheets(&package.require(&main)?);

    let mut strings = Vec::new();
    if let Some(part) = relations.part("sharedStrings")
        && let Some(records) = package.part(part)?
    {
        strings = shared_strings(&records);
    }
    let mut formats = Formats::default();
    if let Some(part) = relations.part("styles")
        && let Some(records) = package.part(part)?
    {
        read_formats(&records, &mut formats);
    }
    formats.epoch = epoch;

    let mut book = Book::new(kind);
    book.metadata = properties::read(&mut package, &root)?;
    for sheet in listed.iter().filter(|sheet| sheet.is_shown) {
        let Some(part) = relations.part_of_kind(&sheet.relation, "worksheet") else { continue };
        let Some(records) = package.part(part)? else { continue };
        let links = package.relationships(part)?;
        book.begin(&sheet.name);
        read_cells(&records, &strings, &formats, &links, &mut book)?;
        book.sort();
    }
    Ok(book)
}

/// The records of a file.
struct Records<'a>(Bytes<'a>);

impl<'a> Iterator for Records<'a> {
    type Item = (u32, Bytes<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.number(2)?;
        let length = self.number(4)?;
        let content = self.0.take(usize::try_from(length).ok()?)?;
        Some((kind, Bytes(content)))
    }
}

impl Records<'_> {
    /// Returns a number of up to so many bytes of seven bits.
    fn number(&mut self, bytes: u32) -> Option<u32> {
        let mut number = 0;
        for place in 0..bytes {
            let byte = u32::from(self.0.u8()?);
            number |= (byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    }
}

fn sheets(records: &[u8]) -> (Vec<Listed>, Epoch) {
    const PROPERTIES: u32 = 153;
    const SHEET: u32 = 156;

    let mut listed = Vec::new();
    let mut epoch = Epoch::Of1900;
    for (kind, mut content) in Records(Bytes(records)) {
        match kind {
            PROPERTIES if content.u32().is_some_and(|flags| flags & 1 != 0) => epoch = Epoch::Of1904,
            SHEET => listed.extend(sheet(content)),
            _ => {}
        }
    }
    (listed, epoch)
}

fn sheet(mut content: Bytes<'_>) -> Option<Listed> {
    let is_shown = content.u32()? == 0;
    content.u32()?;
    let relation = content.wide()?;
    let name = content.wide()?;
    Some(Listed { name, relation, is_shown })
}

fn shared_strings(records: &[u8]) -> Vec<Rc<str>> {
    const ITEM: u32 = 19;

    let mut strings = Vec::new();
    for (kind, mut content) in Records(Bytes(records)) {
        if kind == ITEM {
            strings.push(rich(&mut content).unwrap_or_default().into());
        }
    }
    strings
}

/// Returns a text that may have runs and readings behind it.
fn rich(content: &mut Bytes<'_>) -> Option<String> {
    content.u8()?;
    content.wide()
}

fn read_formats(records: &[u8], formats: &mut Formats) {
    const CODE: u32 = 44;
    const STYLE: u32 = 47;
    const CELLS: u32 = 617;
    const CELLS_END: u32 = 618;

    let mut in_cells = false;
    for (kind, mut content) in Records(Bytes(records)) {
        match kind {
            CODE => {
                if let (Some(number), Some(code)) = (content.u16(), content.wide()) {
                    formats.add_code(u32::from(number), code);
                }
            }
            CELLS => in_cells = true,
            CELLS_END => in_cells = false,
            STYLE if in_cells => {
                _ = content.u16();
                formats.add_style(content.u16().unwrap_or(0).into());
            }
            _ => {}
        }
    }
}

/// Reads a sheet's cells into the workbook's last sheet.
fn read_cells(
    records: &[u8],
    strings: &[Rc<str>],
    formats: &Formats,
    relations: &Relationships,
    book: &mut Book,
) -> Result<(), ParseError> {
    const ROW: u32 = 0;
    const CELL: std::ops::RangeInclusive<u32> = 1..=11;
    const RICH_CELL: u32 = 62;
    const COLUMNS: u32 = 60;
    const LINK: u32 = 494;

    let mut row = 0;
    let mut is_hidden = false;
    let mut is_sorted = false;
    for (kind, mut content) in Records(Bytes(records)) {
        if kind == ROW {
            row = content.u32().unwrap_or(0);
            let flags = content.take(8).and_then(|rest| rest.get(7).copied()).unwrap_or(0);
            is_hidden = flags & 0x10 != 0;
        } else if CELL.contains(&kind) || kind == RICH_CELL {
            if let Some(cell) = cell(kind, content, strings, formats).filter(|_| !is_hidden) {
                book.put(row, cell)?;
            }
        } else if kind == COLUMNS {
            hide(content, book);
        } else if kind == LINK {
            if !is_sorted {
                book.sort();
                is_sorted = true;
            }
            add_link(content, relations, book);
        }
    }
    Ok(())
}

fn cell(kind: u32, mut content: Bytes<'_>, strings: &[Rc<str>], formats: &Formats) -> Option<Cell> {
    let column = content.u32()? as usize;
    let style = (content.u32()? & 0x00ff_ffff) as usize;
    Some(match kind {
        2 => formats.number(column, style, packed(content.u32()?)),
        3 | 11 => error(column, content.u8()?),
        4 | 10 => boolean(column, content.u8()? != 0),
        5 | 9 => formats.number(column, style, content.f64()?),
        6 | 8 => formats.text(column, style, &content.wide()?),
        7 => formats.text(column, style, strings.get(content.u32()? as usize)?),
        62 => formats.text(column, style, &rich(&mut content)?),
        _ => return None,
    })
}

fn hide(mut content: Bytes<'_>, book: &mut Book) {
    let columns = content.u32().zip(content.u32());
    let flags = content.take(10).and_then(|rest| rest.get(8).copied()).unwrap_or(0);
    if let Some((first, last)) = columns.filter(|_| flags & 1 != 0) {
        book.hide_columns(first as usize, last as usize);
    }
}

fn add_link(mut content: Bytes<'_>, relations: &Relationships, book: &mut Book) {
    let row = content.u32();
    _ = content.u32();
    let column = content.u32();
    _ = content.u32();
    let target = content.wide().and_then(|name| relations.get(&name).map(|found| found.target.clone()));
    if let (Some(row), Some(column), Some(target)) = (row, column, target) {
        book.change(row, column as usize, |text| *text = link(text, &target));
    }
}
