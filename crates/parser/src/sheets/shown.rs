//! Cells, from the values of a workbook of Excel's and their styles.

use std::collections::HashMap;
use std::rc::Rc;

use super::format::{Epoch, NumberFormat, builtin, general};
use super::grid::Cell;

/// The formats of a workbook.
#[derive(Default)]
pub(super) struct Formats {
    codes: HashMap<u32, String>,
    known: HashMap<u32, Rc<NumberFormat>>,
    by_style: Vec<Rc<NumberFormat>>,
    /// The day from which dates are counted.
    pub(super) epoch: Epoch,
}

impl Formats {
    /// Adds the code that the workbook has for a number.
    pub(super) fn add_code(&mut self, number: u32, code: String) {
        self.codes.insert(number, code);
    }

    /// Adds a style of cells, by the number of its format. The styles are counted in this order.
    pub(super) fn add_style(&mut self, number: u32) {
        let codes = &self.codes;
        let format = self.known.entry(number).or_insert_with(|| {
            let code = codes.get(&number).map_or_else(|| builtin(number), String::as_str);
            Rc::new(NumberFormat::new(code))
        });
        self.by_style.push(Rc::clone(format));
    }

    fn of(&self, style: usize) -> Option<&NumberFormat> {
        self.by_style.get(style).map(Rc::as_ref)
    }

    /// Returns a cell with a number.
    pub(super) fn number(&self, column: usize, style: usize, value: f64) -> Cell {
        match self.of(style) {
            Some(format) => {
                Cell { column, text: format.number(value, self.epoch), is_number: !format.is_date() }
            }
            None => Cell { column, text: general(value), is_number: true },
        }
    }

    /// Returns a cell with a text.
    pub(super) fn text(&self, column: usize, style: usize, text: &str) -> Cell {
        let text = text.to_owned();
        let text = match self.of(style) {
            Some(format) => format.text(text),
            None => text,
        };
        Cell { column, text, is_number: false }
    }
}

/// Returns a cell with a truth value.
pub(super) fn boolean(column: usize, value: bool) -> Cell {
    let text = if value { "TRUE" } else { "FALSE" };
    Cell { column, text: text.to_owned(), is_number: false }
}

/// Returns a cell with an error, by its number in files that are not XML.
pub(super) fn error(column: usize, number: u8) -> Cell {
    let text = match number {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0f => "#VALUE!",
        0x17 => "#REF!",
        0x1d => "#NAME?",
        0x24 => "#NUM!",
        0x2a => "#N/A",
        0x2b => "#GETTING_DATA",
        _ => "#ERROR!",
    };
    Cell { column, text: text.to_owned(), is_number: false }
}

/// Returns the number that is packed into 30 bits.
pub(super) fn packed(packed: u32) -> f64 {
    let value = if packed & 2 == 0 {
        f64::from_bits(u64::from(packed & !3) << 32)
    } else {
        f64::from((packed as i32) >> 2)
    };
    if packed & 1 == 0 { value } else { value / 100.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unpacked() {
        assert_eq!(packed(0x3ff0_0000), 1.0);
        assert_eq!(packed((1234 << 2) | 2), 1234.0);
        assert_eq!(packed((1234 << 2) | 3), 12.34);
        assert_eq!(packed((-5_i32 << 2) as u32 | 2), -5.0);
    }
}
