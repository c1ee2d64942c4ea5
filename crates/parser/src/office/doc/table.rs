//! Tables: paragraphs that say that they are in one. A letter of its own ends a cell, and another one a row.

use super::super::block::{self, Block};
use super::super::grid::Grid;
use super::looks::Paragraph;

/// The letter that ends a cell.
const CELL: u16 = 0x07;

/// Edges that are no further apart than this, in twentieths of a point, are one.
const NEAR: i16 = 20;

/// A table that is being read.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    cells: Vec<String>,
    cell: Vec<Block>,
    /// The cells of a row of a table within the cell.
    inner: Vec<String>,
    inner_cell: Vec<Block>,
    open: bool,
}

/// A row: its cells, and their edges, one more than there are cells.
struct Row {
    cells: Vec<String>,
    edges: Vec<i16>,
}

impl Table {
    /// Returns whether a table is being read.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Appends a paragraph that ends with this letter, to the output if it is in no table.
    pub(super) fn add(&mut self, look: &Paragraph, end: u16, block: Option<Block>, output: &mut Vec<Block>) {
        if look.tables == 0 {
            self.end(output);
            output.extend(block);
            return;
        }

        self.open = true;
        if look.tables > 1 {
            self.add_inner(look, block);
        } else if look.ends_row && end == CELL {
            self.cell.clear();
            let cells = std::mem::take(&mut self.cells);
            self.rows.push(Row { cells, edges: look.edges.clone() });
        } else {
            self.cell.extend(block);
            if end == CELL {
                self.cells.push(block::lines(std::mem::take(&mut self.cell)));
            }
        }
    }

    /// Appends blocks that stand beside the last paragraph.
    pub(super) fn add_beside(&mut self, blocks: Vec<Block>, output: &mut Vec<Block>) {
        if self.open {
            self.cell.extend(blocks);
        } else {
            output.extend(blocks);
        }
    }

    /// Appends a paragraph of a table within a cell.
    fn add_inner(&mut self, look: &Paragraph, block: Option<Block>) {
        if look.ends_inner_row {
            let row = std::mem::take(&mut self.inner);
            self.cell.push(Block::Paragraph(row.join(" | ")));
            return;
        }
        self.inner_cell.extend(block);
        if look.ends_inner_cell {
            let cell = block::lines(std::mem::take(&mut self.inner_cell));
            self.inner.push(crate::markdown::one_line(&cell));
        }
    }

    /// Ends the table, and appends it to the output.
    pub(super) fn end(&mut self, output: &mut Vec<Block>) {
        if !self.open {
            return;
        }
        let mut table = std::mem::take(self);
        // A table that is cut off has cells without the end of their row.
        if !table.inner_cell.is_empty() {
            table.cell.append(&mut table.inner_cell);
        }
        if !table.cell.is_empty() {
            table.cells.push(block::lines(table.cell));
        }
        if !table.cells.is_empty() {
            table.rows.push(Row { cells: table.cells, edges: Vec::new() });
        }

        match table.rows.as_mut_slice() {
            [Row { cells, .. }] if cells.len() == 1 => {
                let text = cells.pop().unwrap_or_default();
                output.extend(text.lines().map(|line| Block::Paragraph(line.to_owned())));
            }
            rows => output.push(Block::Table(grid(rows))),
        }
    }
}

/// Returns the table, in which cells are as wide as their edges say.
fn grid(rows: &mut [Row]) -> Grid {
    let mut edges: Vec<i16> = rows.iter().flat_map(|row| row.edges.iter().copied()).collect();
    edges.sort_unstable();
    edges.dedup_by(|next, last| next.saturating_sub(*last) <= NEAR);
    let column = |edge: i16| edges.partition_point(|known| *known <= edge).saturating_sub(1);

    let mut grid = Grid::default();
    for row in rows {
        grid.begin_row();
        let cells = std::mem::take(&mut row.cells);
        let is_known = row.edges.len() == cells.len() + 1;
        if is_known {
            grid.blank(row.edges.first().map_or(0, |edge| column(*edge)));
        }
        for (place, cell) in cells.into_iter().enumerate() {
            let edge = |place: usize| row.edges.get(place).map_or(0, |edge| column(*edge));
            let places = if is_known { edge(place + 1).saturating_sub(edge(place)) } else { 1 };
            grid.cell(cell, places);
        }
    }
    grid
}
