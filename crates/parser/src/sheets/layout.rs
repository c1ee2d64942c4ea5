//! The tables on a sheet, by the empty rows and columns between them.
//!
//! A table is often set out with empty rows and columns for the eye, so not each of them ends it:
//!
//! * An empty row does, unless what follows goes on with numbers in the same columns.
//! * An empty column does, if what is right of it names its rows itself. Else the rows would be torn from their names.
//!
//! Empty rows and columns within a table are left out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::grid::{Cell, Sheet};
use crate::markdown::{Blocks, Table, one_line};

/// A row of a table, by its number.
type Row<'a> = (u32, &'a [Cell]);

/// The number of cells, empty ones among them, up to which any table is written as one.
const SMALL: usize = 100_000;

/// The number of cells, empty ones among them, beyond which none is.
const LARGE: usize = 40_000_000;

/// The share of its cells that a table in between must have text in: one in so many.
const SPARSE: usize = 20;

/// Appends the tables on a sheet, from top to bottom and from left to right.
pub(super) fn write(sheet: &Sheet, blocks: &mut Blocks) {
    for band in bands(sheet) {
        for rows in side_by_side(&band) {
            blocks.push(&block(&rows));
        }
    }
}

/// Returns the parts of the sheet with empty rows between them.
fn bands(sheet: &Sheet) -> Vec<Vec<Row<'_>>> {
    let mut bands: Vec<Vec<Row<'_>>> = Vec::new();
    let mut extent = (usize::MAX, 0);
    let mut last = None;
    for (number, cells) in sheet.rows() {
        let is_next = last.is_some_and(|last: u32| last + 1 == number);
        let columns =
            (cells.first().map_or(0, |cell| cell.column), cells.last().map_or(0, |cell| cell.column));
        let goes_on = is_next || continues(extent, columns, cells);
        match bands.last_mut().filter(|_| goes_on) {
            Some(band) => {
                band.push((number, cells));
                extent = (extent.0.min(columns.0), extent.1.max(columns.1));
            }
            None => {
                bands.push(vec![(number, cells)]);
                extent = columns;
            }
        }
        last = Some(number);
    }
    bands
}

/// Returns whether a row behind an empty one belongs to the table before.
fn continues(extent: (usize, usize), columns: (usize, usize), cells: &[Cell]) -> bool {
    let has_number = cells.iter().any(|cell| cell.is_number);
    let is_within = extent.0 <= columns.0 && columns.1 <= extent.1;
    cells.len() > 1 && has_number && is_within && extent.0 < extent.1
}

/// Returns the tables of a band that have an empty column between them.
fn side_by_side<'a>(band: &[Row<'a>]) -> Vec<Vec<Row<'a>>> {
    let columns: BTreeSet<usize> =
        band.iter().flat_map(|(_, cells)| cells.iter().map(|cell| cell.column)).collect();
    let mut starts = Vec::new();
    let mut last = None;
    for column in &columns {
        if last.is_some_and(|last: usize| last + 1 < *column) {
            starts.push(*column);
        }
        last = Some(*column);
    }

    // Each trial looks at all rows, and few sheets have many tables side by side.
    const MOST: usize = 16;
    let mut tables = Vec::new();
    let mut rest = band.to_vec();
    for start in starts.into_iter().take(MOST) {
        let (left, right) = cut(&rest, start);
        if is_table(&left, &columns) && names_rows(&right) {
            tables.push(left);
            rest = right;
        }
    }
    tables.push(rest);
    tables
}

/// Returns the rows left and right of the beginning of a column.
fn cut<'a>(rows: &[Row<'a>], column: usize) -> (Vec<Row<'a>>, Vec<Row<'a>>) {
    let mut left = Vec::new();
    let mut right = Vec::new();
    for (number, cells) in rows {
        let (before, behind) = cells.split_at(cells.partition_point(|cell| cell.column < column));
        if !before.is_empty() {
            left.push((*number, before));
        }
        if !behind.is_empty() {
            right.push((*number, behind));
        }
    }
    (left, right)
}

/// Returns whether rows have more than one column.
fn is_table(rows: &[Row<'_>], columns: &BTreeSet<usize>) -> bool {
    let first = rows.iter().filter_map(|(_, cells)| cells.first()).map(|cell| cell.column).min();
    let last = rows.iter().filter_map(|(_, cells)| cells.last()).map(|cell| cell.column).max();
    let (Some(first), Some(last)) = (first, last) else { return false };
    rows.len() > 1 && columns.range(first..=last).count() > 1
}

/// Returns whether rows begin with names of their own, below a head of more than one column.
fn names_rows(rows: &[Row<'_>]) -> bool {
    let Some(((_, head), body)) = rows.split_first() else { return false };
    let Some(first) = rows.iter().filter_map(|(_, cells)| cells.first()).map(|cell| cell.column).min() else {
        return false;
    };
    let named = body.iter().filter(|(_, cells)| begins_with_name(cells, first)).count();
    head.len() > 1 && head.iter().all(|cell| !cell.is_number) && named > 0 && named * 2 > body.len()
}

/// Returns whether cells begin with a text in this column, and go on.
fn begins_with_name(cells: &[Cell], column: usize) -> bool {
    cells.len() > 1 && cells.first().is_some_and(|cell| cell.column == column && !cell.is_number)
}

/// Returns rows as Markdown: one cell as a paragraph, a table as one, and what is scattered as lines.
fn block(rows: &[Row<'_>]) -> String {
    if let [(_, [cell])] = rows {
        return cell.text.clone();
    }
    let columns: BTreeSet<usize> =
        rows.iter().flat_map(|(_, cells)| cells.iter().map(|cell| cell.column)).collect();
    let filled: usize = rows.iter().map(|(_, cells)| cells.len()).sum();
    let area = rows.len().saturating_mul(columns.len());
    if area > LARGE || (area > SMALL && area / SPARSE > filled) {
        return scattered(rows);
    }

    let mut table = Table::default();
    for (_, cells) in rows {
        let mut cells = cells.iter().peekable();
        for column in &columns {
            let cell = cells.next_if(|cell| cell.column == *column);
            table.cell(cell.map_or("", |cell| &cell.text));
        }
        table.end_row();
    }
    table.finish()
}

/// Returns a line for each row, with the names of its cells.
fn scattered(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for (number, cells) in rows {
        text.push_str("- ");
        for (place, cell) in cells.iter().enumerate() {
            let comma = if place == 0 { "" } else { "; " };
            let name = column_name(cell.column);
            // Writing to a string does not fail.
            _ = write!(text, "{comma}{name}{}: {}", u64::from(*number) + 1, one_line(&cell.text));
        }
        text.push('\n');
    }
    text
}

/// Returns a column's name: A to Z, then AA.
fn column_name(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::super::grid::Book;
    use super::*;

    fn written(cells: &[(u32, usize, &str)]) -> Vec<String> {
        let mut blocks = Blocks::default();
        write(&Book::of(cells).sheets[0], &mut blocks);
        blocks.finish().0.split("\n\n").map(str::to_owned).collect()
    }

    #[test]
    fn an_empty_row_ends_a_table_and_a_lone_cell_is_a_paragraph() {
        let cells =
            [(0, 0, "Title"), (2, 0, "a"), (2, 1, "b"), (3, 0, "1"), (3, 1, "2"), (5, 0, "x"), (5, 1, "y")];
        let expected = ["Title", "| a | b |\n| --- | --- |\n| 1 | 2 |", "| x | y |\n| --- | --- |"];
        assert_eq!(written(&cells), expected);
    }

    #[test]
    fn numbers_in_the_same_columns_go_on_behind_an_empty_row() {
        let cells = [(0, 0, "a"), (0, 1, "b"), (1, 0, "one"), (1, 1, "1"), (3, 0, "two"), (3, 1, "2")];
        assert_eq!(written(&cells), ["| a | b |\n| --- | --- |\n| one | 1 |\n| two | 2 |"]);
    }

    #[test]
    fn an_empty_column_does_not_tear_rows_from_their_names() {
        let cells =
            [(0, 0, "Item"), (0, 2, "2023"), (0, 4, "2024"), (1, 0, "Sales"), (1, 2, "10"), (1, 4, "20")];
        assert_eq!(written(&cells), ["| Item | 2023 | 2024 |\n| --- | --- | --- |\n| Sales | 10 | 20 |"]);
    }

    #[test]
    fn tables_side_by_side_are_two() {
        let cells = [
            (0, 0, "Item"),
            (0, 1, "Price"),
            (0, 3, "City"),
            (0, 4, "People"),
            (1, 0, "Tea"),
            (1, 1, "3"),
            (1, 3, "Rome"),
            (1, 4, "5"),
        ];
        let expected = [
            "| Item | Price |\n| --- | --- |\n| Tea | 3 |",
            "| City | People |\n| --- | --- |\n| Rome | 5 |",
        ];
        assert_eq!(written(&cells), expected);
    }

    #[test]
    fn a_large_and_empty_table_costs_what_is_in_it() {
        let names: Vec<_> = (0..2000).map(|place| (place as u32, place, "x")).collect();
        let text = written(&names).concat();
        assert!(text.starts_with("- A1: x\n- B2: x\n"), "{}", &text[..40]);
        assert!(text.len() < 40_000);
        assert_eq!(column_name(16_383), "XFD");
    }
}
