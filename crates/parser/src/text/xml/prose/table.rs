//! Tables of a document that is prose, as DocBook and as HTML write them.

use super::super::tree::Element;
use super::writer::Writer;
use crate::markdown::table_or_lines;

/// The most columns that a cell may say it covers.
const WIDEST_CELL: usize = 100;

/// Appends a table under its title.
pub(super) fn write(writer: &mut Writer, table: &Element, level: usize) {
    for name in ["title", "caption"] {
        if let Some(title) = table.child(name) {
            writer.blocks.push(&title.text());
        }
    }

    let mut rows = Vec::new();
    collect(writer, table, level, &mut rows);
    writer.blocks.push(&table_or_lines(&rows));
}

/// Collects the rows, whichever groups they are in.
fn collect(writer: &mut Writer, element: &Element, level: usize, rows: &mut Vec<Vec<String>>) {
    const ROWS: &[&str] = &["row", "tr", "strow", "sthead", "table-row"];
    const GROUPS: &[&str] = &["tgroup", "thead", "tbody", "tfoot", "alternatives", "table"];

    for child in element.elements() {
        if ROWS.contains(&child.name.as_str()) {
            rows.push(row(writer, child, level));
        } else if GROUPS.contains(&child.name.as_str()) {
            collect(writer, child, level, rows);
        }
    }
}

fn row(writer: &mut Writer, row: &Element, level: usize) -> Vec<String> {
    const CELLS: &[&str] = &["entry", "td", "th", "tc", "stentry", "cell", "table-cell"];

    let mut cells = Vec::new();
    for cell in row.elements().filter(|child| CELLS.contains(&child.name.as_str())) {
        let covered = ["colspan", "cols", "columns-spanned"]
            .iter()
            .find_map(|name| cell.attribute(name)?.parse::<usize>().ok());
        cells.push(writer.nested(cell, level));
        // What a cell covers beside itself is empty.
        let others = covered.unwrap_or(1).clamp(1, WIDEST_CELL) - 1;
        cells.resize(cells.len() + others, String::new());
    }
    cells
}
