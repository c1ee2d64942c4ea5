//! Tables, and those that only arrange parts of the page.

use super::{Id, Inline, Name, Output, Renderer, Tag};
use crate::markdown;

/// The most tables in each other's cells that are read as tables.
const DEEPEST: usize = 4;

/// The longest text of a cell, in bytes, that says that the table is one.
const LONGEST_CELL: usize = 3000;

/// The longest text that is repeated in the rows that its cell spans, in bytes.
const LONGEST_REPEATED: usize = 200;

/// The most columns that a cell spans.
const MOST_COLUMNS: usize = 200;

/// The most rows that a cell spans.
const MOST_ROWS: usize = 10_000;

/// The largest table whose cells may span others, and the number of places for each cell beyond that.
const PLACES: (usize, usize) = (20_000, 8);

/// A cell of a table.
struct Cell {
    id: Id,
    columns: usize,
    rows: usize,
}

/// The rows of a table, and what else is in it.
#[derive(Default)]
struct Parts {
    rows: Vec<Vec<Cell>>,
    captions: Vec<Id>,
    /// The text between cells.
    strays: Vec<Id>,
    has_head: bool,
}

impl Renderer<'_> {
    /// Writes a table: as Markdown's, within a cell as lines, and as blocks if it only arranges its content.
    pub(super) fn table(&mut self, id: Id) {
        self.flush();
        let mut parts = Parts::default();
        self.gather(id, &mut parts);
        for part in parts.captions.iter().chain(&parts.strays) {
            match self.tree.tag(*part) {
                Tag::Caption => self.container(*part),
                _ => self.node(*part),
            }
        }
        self.flush();

        if self.cells >= DEEPEST || self.is_arrangement(id, &parts) {
            self.rows_as_blocks(&parts);
            return;
        }
        let rows = self.grid(&parts);
        if self.cells > 0 {
            let lines = rows.iter().map(|row| joined(row, ", "));
            self.output.block(&lines.collect::<Vec<_>>().join("\n"));
            return;
        }
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells: usize = rows.iter().map(Vec::len).sum();
        if width * rows.len() > PLACES.0 + PLACES.1 * cells {
            // One row that is much longer than the others: a table would be mostly empty.
            for row in &rows {
                self.output.block(&joined(row, " | "));
            }
            return;
        }
        self.output.block(&markdown::table(&without_empty_columns(rows, width)));
    }

    /// Writes the cells of a table one after the other.
    pub(super) fn cells_as_blocks(&mut self, id: Id) {
        let mut parts = Parts::default();
        self.gather(id, &mut parts);
        self.rows_as_blocks(&parts);
    }

    fn rows_as_blocks(&mut self, parts: &Parts) {
        for cell in parts.rows.iter().flatten() {
            if !self.is_left_out(cell.id) {
                self.within_content(cell.id, Renderer::container);
            }
        }
    }

    fn gather(&self, id: Id, parts: &mut Parts) {
        let tree = self.tree;
        let mut cells = Vec::new();
        for child in tree.children(id) {
            let tag = tree.tag(child);
            if tag == Tag::Text && tree.text(child).trim().is_empty() {
                continue;
            }
            if !matches!(tag, Tag::Td | Tag::Th) && !cells.is_empty() {
                parts.rows.push(std::mem::take(&mut cells));
            }
            match tag {
                Tag::Colgroup | Tag::Col => {}
                _ if self.is_left_out(child) => {}
                Tag::Td | Tag::Th => {
                    parts.has_head |= tag == Tag::Th;
                    cells.push(self.cell(child));
                }
                Tag::Caption => parts.captions.push(child),
                Tag::Thead => {
                    parts.has_head = true;
                    self.gather(child, parts);
                }
                Tag::Tr | Tag::Tbody | Tag::Tfoot | Tag::Form => self.gather(child, parts),
                _ => parts.strays.push(child),
            }
        }
        if !cells.is_empty() {
            parts.rows.push(cells);
        }
    }

    fn cell(&self, id: Id) -> Cell {
        let span = |name| self.tree.attribute(id, name).and_then(|value| value.trim().parse::<usize>().ok());
        Cell {
            id,
            columns: span(Name::Colspan).unwrap_or(1).clamp(1, MOST_COLUMNS),
            rows: span(Name::Rowspan).unwrap_or(1).clamp(1, MOST_ROWS),
        }
    }

    /// Returns whether a table only arranges parts of the page: what it says of itself, else if it is a single row or
    /// column, or if there are headings, tables, code or long texts in its cells, and it has no head.
    fn is_arrangement(&self, id: Id, parts: &Parts) -> bool {
        if self.tree.attribute(id, Name::Role).is_some_and(|role| matches!(role, "presentation" | "none")) {
            return true;
        }
        let width = parts.rows.iter().map(Vec::len).max().unwrap_or(0);
        if width <= 1
            && (self.cells == 0 || parts.rows.len() <= 1)
            && !(parts.has_head && parts.rows.len() > 1)
        {
            return true;
        }
        if parts.has_head || !parts.captions.is_empty() {
            return false;
        }
        if parts.rows.len() <= 1 && self.cells == 0 {
            return true;
        }
        parts.rows.iter().flatten().any(|cell| self.is_part_of_page(cell.id))
    }

    fn is_part_of_page(&self, cell: Id) -> bool {
        let mut length = 0;
        self.tree
            .find(cell, |id| {
                let tag = self.tree.tag(id);
                length += self.tree.text(id).len();
                let is_part = tag.heading().is_some() || tag == Tag::Table || tag.is_preformatted();
                Some(is_part || length > LONGEST_CELL)
            })
            .is_some()
    }

    /// Returns the texts of a table by row and column. A text that spans rows is in each of them, so that each says
    /// what it is about; one that spans columns is in the first.
    fn grid(&mut self, parts: &Parts) -> Vec<Vec<String>> {
        let cells: usize = parts.rows.iter().map(Vec::len).sum();
        let mut left = PLACES.0 + PLACES.1 * cells;
        let mut grid = Vec::with_capacity(parts.rows.len());
        // The texts that span the next rows, by column, and the number of these rows.
        let mut spanning: Vec<Option<(usize, String)>> = Vec::new();
        for cells in &parts.rows {
            let mut row = Vec::new();
            for cell in cells {
                continue_spans(&mut spanning, &mut row);
                let text = self.cell_text(cell.id);
                let mut columns = cell.columns;
                if left < columns {
                    columns = 1;
                }
                left = left.saturating_sub(columns);
                let repeated = if text.len() <= LONGEST_REPEATED { text.clone() } else { String::new() };
                for place in 0..columns {
                    let column = row.len();
                    row.push(String::new());
                    if cell.rows > 1 {
                        if spanning.len() <= column {
                            spanning.resize(column + 1, None);
                        }
                        let text = if place == 0 { repeated.clone() } else { String::new() };
                        spanning[column] = Some((cell.rows - 1, text));
                    }
                }
                let first = row.len() - columns;
                row[first] = text;
            }
            continue_spans(&mut spanning, &mut row);
            left = left.saturating_sub(row.len());
            if left == 0 {
                spanning.clear();
            }
            grid.push(row);
        }
        grid
    }

    fn cell_text(&mut self, id: Id) -> String {
        let mut inner = Renderer::new(self.manner, self.page, self.tree, Output::of_cell());
        inner.cells = self.cells + 1;
        inner.in_note = self.in_note;
        if self.tree.tag(id) == Tag::Th {
            inner.line = Inline::plain();
        }
        inner.children(id);
        inner.flush();
        inner.output.finish()
    }
}

/// Appends the texts that span the row, up to the next free column.
fn continue_spans(spanning: &mut [Option<(usize, String)>], row: &mut Vec<String>) {
    while let Some(place) = spanning.get_mut(row.len())
        && let Some((rows, text)) = place
    {
        row.push(text.clone());
        *rows -= 1;
        if *rows == 0 {
            *place = None;
        }
    }
}

/// Returns the texts of a row that are not empty, on one line.
fn joined(row: &[String], separator: &str) -> String {
    let texts = row.iter().map(|text| text.replace('\n', " ")).filter(|text| !text.trim().is_empty());
    texts.collect::<Vec<_>>().join(separator)
}

/// Returns rows without the columns that are empty in all of them, such as those that only make room.
fn without_empty_columns(mut rows: Vec<Vec<String>>, width: usize) -> Vec<Vec<String>> {
    let mut used = vec![false; width];
    for row in &rows {
        for (used, text) in used.iter_mut().zip(row) {
            *used |= !text.trim().is_empty();
        }
    }
    rows.retain(|row| row.iter().any(|text| !text.trim().is_empty()));
    for row in &mut rows {
        let mut is_used = used.iter();
        row.retain(|_| is_used.next().copied().unwrap_or(false));
    }
    rows
}
