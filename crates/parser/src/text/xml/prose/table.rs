//! Tables of a document that is prose, as DocBook and as HTML write them.

use super::super::tree::Element;
use super::writer::Writer;
use crate::markdown;

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
    let mut cells = 0;
    collect(writer, table, level, &mut rows, &mut cells);

    let widest = rows.iter().map(Vec::len).max().unwrap_or_default();
    if widest.saturating_mul(rows.len()) > 4 * cells + 1000 {
        // A table would be nothing but padding.
        for row in rows {
            writer.blocks.push(&row.join(" "));
        }
        return;
    }
    writer.blocks.push(&markdown::table(&rows));
}

/// Collects the rows, whichever groups they are in.
fn collect(
    writer: &mut Writer,
    element: &Element,
    level: usize,
    rows: &mut Vec<Vec<String>>,
    cells: &mut usize,
) {
    const ROWS: &[&str] = &["row", "tr", "strow", "sthead", "table-row"];
    const GROUPS: &[&str] = &["tgroup", "thead", "tbody", "tfoot", "alternatives", "table"];

    for child in element.elements() {
        if ROWS.contains(&child.name.as_str()) {
            let row = row(writer, child, level);
            *cells += row.len();
            rows.push(row);
        } else if GROUPS.contains(&child.name.as_str()) {
            collect(writer, child, level, rows, cells);
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
