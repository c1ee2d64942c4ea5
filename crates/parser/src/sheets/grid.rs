//! The cells of a workbook's sheets.

use std::collections::BTreeMap;

use pgai_rs_parser_protocol::Metadata;

use crate::{Kind, ParseError};

/// The most cells with text that a workbook may have.
const MAX_CELLS: usize = 4_000_000;

/// The most text that a workbook may have, in bytes. Cells share their strings, so that it can be more than its file.
const MAX_TEXT: usize = 128 << 20;

/// The number of columns that a sheet may have; Excel's limit, too.
const MAX_COLUMNS: usize = 16_384;

/// A workbook.
pub(super) struct Book {
    kind: Kind,
    /// Its sheets that are shown.
    pub(super) sheets: Vec<Sheet>,
    /// Its statements about itself.
    pub(super) metadata: Metadata,
    cells: usize,
    text: usize,
}

/// A cell that has text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    /// The column, from 0.
    pub(super) column: usize,
    /// The text as it is shown.
    pub(super) text: String,
    /// `true` if it holds a number.
    pub(super) is_number: bool,
}

/// A sheet.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    name: String,
    rows: BTreeMap<u32, Vec<Cell>>,
    hidden: Vec<bool>,
}

impl Book {
    /// Returns a workbook without sheets.
    pub(super) fn new(kind: Kind) -> Self {
        Book { kind, sheets: Vec::new(), metadata: Metadata::default(), cells: 0, text: 0 }
    }

    /// Begins a sheet, to which the cells belong that are put from now on.
    pub(super) fn begin(&mut self, name: &str) {
        self.sheets.push(Sheet { name: name.to_owned(), ..Sheet::default() });
    }

    /// Hides columns, from the first to the last.
    pub(super) fn hide_columns(&mut self, first: usize, last: usize) {
        let Some(sheet) = self.sheets.last_mut() else { return };
        let end = last.saturating_add(1).min(MAX_COLUMNS);
        if sheet.hidden.len() < end {
            sheet.hidden.resize(end, false);
        }
        for hidden in sheet.hidden.iter_mut().take(end).skip(first) {
            *hidden = true;
        }
    }

    /// Puts a cell on the sheet, unless it is hidden or has no text.
    pub(super) fn put(&mut self, row: u32, cell: Cell) -> Result<(), ParseError> {
        let Some(sheet) = self.sheets.last_mut() else { return Ok(()) };
        let hidden = sheet.hidden.get(cell.column).copied().unwrap_or(false);
        if hidden || cell.column >= MAX_COLUMNS || cell.text.trim().is_empty() {
            return Ok(());
        }

        self.cells += 1;
        self.text = self.text.saturating_add(cell.text.len());
        if self.cells > MAX_CELLS || self.text > MAX_TEXT {
            let problem =
                format!("it has more than {MAX_CELLS} cells, or more than {} MB of text", MAX_TEXT >> 20);
            return Err(ParseError::TooComplex { kind: self.kind.name(), problem });
        }
        sheet.rows.entry(row).or_default().push(cell);
        Ok(())
    }

    /// Changes the cell that stands at a place of the last sheet, whose cells are in their order.
    pub(super) fn change(&mut self, row: u32, column: usize, change: impl FnOnce(&mut String)) {
        let Some(cells) = self.sheets.last_mut().and_then(|sheet| sheet.rows.get_mut(&row)) else { return };
        let place = cells.binary_search_by_key(&column, |cell| cell.column).ok();
        if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
            change(&mut cell.text);
        }
    }

    /// Puts the cells of each row of the last sheet in their order. Of two for one place, the first stays.
    pub(super) fn sort(&mut self) {
        let Some(sheet) = self.sheets.last_mut() else { return };
        for cells in sheet.rows.values_mut() {
            if !cells.is_sorted_by_key(|cell| cell.column) {
                cells.sort_by_key(|cell| cell.column);
            }
            cells.dedup_by_key(|cell| cell.column);
        }
    }
}

impl Sheet {
    /// Returns the sheet's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether there is no text on the sheet.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the rows with text, by their numbers, which count from 0.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, &[Cell])> {
        self.rows.iter().map(|(number, cells)| (*number, cells.as_slice()))
    }
}

#[cfg(test)]
impl Book {
    /// Returns a workbook of one sheet with these cells; digits are numbers.
    pub(super) fn of(cells: &[(u32, usize, &str)]) -> Self {
        let mut book = Book::new(Kind::Xlsx);
        book.begin("sheet");
        for (row, column, text) in cells {
            let is_number = text.parse::<f64>().is_ok();
            book.put(*row, Cell { column: *column, text: (*text).to_owned(), is_number }).unwrap();
        }
        book.sort();
        book
    }
}
