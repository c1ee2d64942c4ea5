//! The cells of a sheet.

use std::collections::HashSet;

use super::super::bytes::Bytes;
use super::super::grid::{Book, Cell};
use super::super::shown::{boolean, error, packed};
use super::globals::Globals;
use super::record::{Record, Records};
use crate::ParseError;

/// Reads a sheet's cells into the workbook's last sheet.
pub(super) fn read(records: &mut Records<'_>, globals: &Globals, book: &mut Book) -> Result<(), ParseError> {
    const BEGIN: u16 = 0x809;
    const END: u16 = 0x0a;

    let mut sheet = SheetReader { globals, hidden: HashSet::new(), formula: None };
    let mut depth = 0_usize;
    for record in records {
        match record.kind {
            BEGIN => depth += 1,
            END => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            // A chart within the sheet has records of the same types.
            _ if depth == 1 => sheet.take(&record, book)?,
            _ => {}
        }
    }
    Ok(())
}

/// A sheet that is being read.
struct SheetReader<'g> {
    globals: &'g Globals,
    /// Rows that are hidden.
    hidden: HashSet<u16>,
    /// The place and the style of a formula whose text comes next.
    formula: Option<Place>,
}

/// The place of a cell, and its style.
#[derive(Clone, Copy)]
struct Place {
    row: u16,
    column: usize,
    style: usize,
}

impl SheetReader<'_> {
    fn take(&mut self, record: &Record<'_>, book: &mut Book) -> Result<(), ParseError> {
        let mut content = record.content();
        match record.kind {
            0x208 => self.row(content),
            0x7d => hide(content, book),
            0xbd => self.packed_numbers(content, book)?,
            0x207 => {
                let text = self.text(&mut content);
                if let (Some(place), Some(text)) = (self.formula.take(), text) {
                    self.put(place, self.globals.formats.text(place.column, place.style, &text), book)?;
                }
            }
            kind => {
                if let Some(place) = place(&mut content)
                    && let Some(cell) = self.cell(kind, place, content)
                {
                    self.put(place, cell, book)?;
                }
            }
        }
        Ok(())
    }

    fn put(&self, place: Place, cell: Cell, book: &mut Book) -> Result<(), ParseError> {
        if self.hidden.contains(&place.row) {
            return Ok(());
        }
        book.put(u32::from(place.row), cell)
    }

    fn row(&mut self, mut content: Bytes<'_>) {
        let row = content.u16();
        let flags = content.take(12).and_then(|rest| rest.get(10).copied()).unwrap_or(0);
        self.hidden.extend(row.filter(|_| flags & 0x20 != 0));
    }

    /// Returns a text that has its length in 16 bits before it.
    fn text(&self, content: &mut Bytes<'_>) -> Option<String> {
        let length = usize::from(content.u16()?);
        self.globals.texts.read(content, length)
    }

    fn cell(&mut self, kind: u16, place: Place, mut content: Bytes<'_>) -> Option<Cell> {
        let Place { column, style, .. } = place;
        let formats = &self.globals.formats;
        Some(match kind {
            0xfd => formats.text(column, style, self.globals.strings.get(content.u32()? as usize)?),
            0x203 => formats.number(column, style, content.f64()?),
            0x27e => formats.number(column, style, packed(content.u32()?)),
            0x205 => {
                let value = content.u8()?;
                if content.u8()? == 0 { boolean(column, value != 0) } else { error(column, value) }
            }
            0x204 | 0xd6 => formats.text(column, style, &self.text(&mut content)?),
            0x06 => return self.formula(place, content),
            _ => return None,
        })
    }

    /// Returns what a formula shows, unless it is a text, which comes next.
    fn formula(&mut self, place: Place, mut content: Bytes<'_>) -> Option<Cell> {
        let value = content.take(8)?;
        let [kind, _, result, .., 0xff, 0xff] = value else {
            return Some(self.globals.formats.number(place.column, place.style, Bytes(value).f64()?));
        };
        self.formula = (*kind == 0).then_some(place);
        match kind {
            1 => Some(boolean(place.column, *result != 0)),
            2 => Some(error(place.column, *result)),
            _ => None,
        }
    }

    /// Reads a row of numbers.
    fn packed_numbers(&self, mut content: Bytes<'_>, book: &mut Book) -> Result<(), ParseError> {
        let (Some(row), Some(first)) = (content.u16(), content.u16()) else { return Ok(()) };
        // The last two bytes are the last column.
        for column in usize::from(first).. {
            let (Some(style), Some(number)) = (content.u16(), content.u32()) else { break };
            let place = Place { row, column, style: usize::from(style) };
            self.put(place, self.globals.formats.number(column, place.style, packed(number)), book)?;
        }
        Ok(())
    }
}

fn place(content: &mut Bytes<'_>) -> Option<Place> {
    Some(Place {
        row: content.u16()?,
        column: usize::from(content.u16()?),
        style: usize::from(content.u16()?),
    })
}

fn hide(mut content: Bytes<'_>, book: &mut Book) {
    let columns = content.u16().zip(content.u16());
    let flags = content.take(6).and_then(|rest| rest.get(4).copied()).unwrap_or(0);
    if let Some((first, last)) = columns.filter(|_| flags & 1 != 0) {
        book.hide_columns(usize::from(first), usize::from(last));
    }
}
