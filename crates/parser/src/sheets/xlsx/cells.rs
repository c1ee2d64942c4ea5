//! The cells of a sheet.

use std::rc::Rc;

use super::super::grid::{Book, Cell};
use super::super::shown::{Formats, boolean};
use super::parts::{rich_text, unescape};
use crate::ParseError;
use crate::odf::link;
use crate::package::Relationships;
use crate::package::stream::{Element, Token, Xml};

/// The texts and formats that cells refer to.
pub(super) struct CellContext {
    /// The texts that cells refer to, by their numbers.
    pub(super) strings: Vec<Rc<str>>,
    /// The formats of numbers.
    pub(super) formats: Formats,
}

/// Reads a sheet's cells into the workbook's last sheet.
pub(super) fn read(
    xml: &mut Xml<'_>,
    context: &CellContext,
    relations: &Relationships,
    book: &mut Book,
) -> Result<(), ParseError> {
    let mut place = Place::default();
    loop {
        match xml.next()? {
            Token::Open(element) => match element.local().as_str() {
                "col" if element.is("hidden") => hide(&element, book),
                "row" => {
                    place.begin_row(&element);
                    if element.is("hidden") {
                        xml.skip()?;
                    }
                }
                "c" => {
                    place.begin_cell(&element);
                    let cell = cell(xml, &element, context, place.column)?;
                    book.put(place.row, cell)?;
                }
                "hyperlinks" => book.sort(),
                "hyperlink" => add_link(&element, relations, book),
                // What a sheet says beside its cells: how it is printed, for one.
                "extLst" | "headerFooter" | "dataValidations" | "conditionalFormatting" => xml.skip()?,
                _ => {}
            },
            Token::End => return Ok(()),
            _ => {}
        }
    }
}

/// The place of the cell that is read. Rows and cells may say it, or follow the one before.
#[derive(Default)]
struct Place {
    row: u32,
    column: usize,
    next_row: u32,
    next_column: usize,
}

impl Place {
    fn begin_row(&mut self, element: &Element<'_>) {
        let number = element.number::<u32>("r").and_then(|number| number.checked_sub(1));
        self.row = number.unwrap_or(self.next_row);
        self.next_row = self.row.saturating_add(1);
        self.next_column = 0;
    }

    fn begin_cell(&mut self, element: &Element<'_>) {
        let named = element.attribute("r").and_then(|name| address(&name));
        if let Some((row, column)) = named {
            self.row = row;
            self.column = column;
        } else {
            self.column = self.next_column;
        }
        self.next_column = self.column.saturating_add(1);
    }
}

/// Returns the row and the column of an address such as `B7`, or of the first of a range.
fn address(name: &str) -> Option<(u32, usize)> {
    let name = name.split(':').next()?.replace('$', "");
    let digits = name.find(|letter: char| letter.is_ascii_digit())?;
    let (letters, number) = name.split_at_checked(digits)?;
    let mut column = 0_usize;
    for letter in letters.bytes() {
        let value = letter.to_ascii_uppercase().checked_sub(b'A').filter(|value| *value < 26)?;
        column = column.checked_mul(26)?.checked_add(usize::from(value) + 1)?;
    }
    Some((number.parse::<u32>().ok()?.checked_sub(1)?, column.checked_sub(1)?))
}

fn hide(element: &Element<'_>, book: &mut Book) {
    if let (Some(first), Some(last)) = (element.number::<usize>("min"), element.number::<usize>("max")) {
        book.hide_columns(first.saturating_sub(1), last.saturating_sub(1));
    }
}

/// Makes a link of a cell that leads out of the workbook.
fn add_link(element: &Element<'_>, relations: &Relationships, book: &mut Book) {
    let Some((row, column)) = element.attribute("ref").and_then(|name| address(&name)) else { return };
    let Some(target) =
        element.attribute("id").and_then(|name| relations.get(&name).map(|found| found.target.clone()))
    else {
        return;
    };
    book.change(row, column, |text| *text = link(text, &target));
}

/// Returns a cell as it is shown.
fn cell(
    xml: &mut Xml<'_>,
    element: &Element<'_>,
    context: &CellContext,
    column: usize,
) -> Result<Cell, ParseError> {
    let kind = element.attribute("t").unwrap_or_default();
    let style = element.number("s").unwrap_or(0);
    let mut value = None;
    let mut inline = None;
    loop {
        match xml.next()? {
            Token::Open(element) => match element.local().as_str() {
                "v" => value = Some(xml.text()?),
                "is" => inline = Some(rich_text(xml)?),
                _ => xml.skip()?,
            },
            Token::Close | Token::End => break,
            Token::Text(_) => {}
        }
    }

    let value = value.unwrap_or_default();
    let formats = &context.formats;
    let plain = |text: String| Cell { column, text, is_number: false };
    Ok(match kind.as_str() {
        "s" => {
            let string = value.trim().parse::<usize>().ok().and_then(|place| context.strings.get(place));
            formats.text(column, style, string.map_or("", |string| string))
        }
        "inlineStr" => formats.text(column, style, &inline.unwrap_or_default()),
        "str" => formats.text(column, style, &unescape(value)),
        "b" => boolean(column, value.trim() == "1" || value.trim().eq_ignore_ascii_case("true")),
        "e" => plain(value),
        "d" => plain(value.trim().trim_end_matches("T00:00:00").replace('T', " ")),
        _ => match value.trim().parse() {
            Ok(number) => formats.number(column, style, number),
            Err(_) => plain(inline.unwrap_or(value)),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_and_odd_ones_are_not() {
        assert_eq!(address("A1"), Some((0, 0)));
        assert_eq!(address("$XFD$1048576:B2"), Some((1_048_575, 16_383)));
        for odd in ["", "A", "1", "A0", "é1", "ZZZZZZZZZZZZZZZZZZZZ1", "A99999999999"] {
            assert_eq!(address(odd), None, "{odd}");
        }
    }
}
