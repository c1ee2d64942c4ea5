//! Tables: merged cells, tables within cells, and tables that only lay text out.

use crate::ParseError;
use crate::package::Node;

use super::super::block::{self, Block};
use super::super::grid::Grid;
use super::body::Reader;

impl<'p> Reader<'_, 'p> {
    /// Appends a table. One that only lays text out, of one cell, or of one row or column with tables in it, becomes the
    /// blocks in it.
    pub(super) fn table(&mut self, table: Node<'p>, output: &mut Vec<Block>) -> Result<(), ParseError> {
        let mut rows = Vec::new();
        collect(table, "tr", &mut rows);
        rows.retain(|row| row.at(&["trPr", "del"]).is_none());
        let rows: Vec<(Node<'p>, Vec<Node<'p>>)> = rows
            .into_iter()
            .map(|row| {
                let mut cells = Vec::new();
                collect(row, "tc", &mut cells);
                (row, cells)
            })
            .collect();

        if lays_out(&rows) {
            for cell in rows.iter().flat_map(|(_, cells)| cells) {
                let blocks = self.inner(*cell)?;
                output.extend(blocks);
            }
            return Ok(());
        }

        let mut grid = Grid::default();
        for (row, cells) in rows {
            grid.begin_row();
            grid.blank(span(row.at(&["trPr", "gridBefore"])).unwrap_or(0));
            for cell in cells {
                self.cell(cell, &mut grid)?;
            }
        }
        output.push(Block::Table(grid));
        Ok(())
    }

    fn cell(&mut self, cell: Node<'p>, grid: &mut Grid) -> Result<(), ParseError> {
        let property = |name: &str| cell.at(&["tcPr", name]);
        let places = span(property("gridSpan")).unwrap_or(1).max(1);
        let continues = |name: &str| {
            let value = property(name).map(|merge| merge.attribute("val").unwrap_or("continue".into()));
            value.is_some_and(|value| value == "continue")
        };
        if continues("vMerge") || continues("hMerge") || property("cellDel").is_some() {
            grid.blank(places);
            return Ok(());
        }
        let text = block::lines(self.inner(cell)?);
        grid.cell(text, places);
        Ok(())
    }
}

/// Appends the rows of a table or the cells of a row, which may be wrapped in other elements.
fn collect<'a>(parent: Node<'a>, name: &str, output: &mut Vec<Node<'a>>) {
    for node in parent.elements() {
        match node.name() {
            found if found == name => output.push(node),
            "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" => collect(node, name, output),
            _ => {}
        }
    }
}

/// Returns the number of places that a property says.
fn span(property: Option<Node<'_>>) -> Option<usize> {
    property?.number("val")
}

/// Returns whether the table is not there for its rows and columns.
fn lays_out(rows: &[(Node<'_>, Vec<Node<'_>>)]) -> bool {
    let count: usize = rows.iter().map(|(_, cells)| cells.len()).sum();
    let widest = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let has_tables = || rows.iter().flat_map(|(_, cells)| cells).any(|cell| cell.descendant("tbl").is_some());
    count == 1 || ((rows.len() == 1 || widest == 1) && has_tables())
}
