//! Tables with merged cells, as rows of equal places.

use std::collections::BTreeSet;

use crate::markdown;

/// The largest number of places of a table that is written as one.
const LARGEST: usize = 2 << 20;

/// A table that is read row by row. A merged cell's text is in the first of its places.
#[derive(Debug, Clone, Default)]
pub(super) struct Grid {
    rows: Vec<Row>,
}

/// A row: only its places with text are held, for a file may say of any number that they are there.
#[derive(Debug, Clone, Default)]
struct Row {
    /// Columns and texts.
    cells: Vec<(usize, String)>,
    /// The number of places so far.
    width: usize,
}

impl Grid {
    /// Begins a row.
    pub(super) fn begin_row(&mut self) {
        self.rows.push(Row::default());
    }

    /// Appends a cell to the row that is as wide as so many places.
    pub(super) fn cell(&mut self, text: String, places: usize) {
        if self.rows.is_empty() {
            self.begin_row();
        }
        if let Some(row) = self.rows.last_mut() {
            if !text.trim().is_empty() {
                row.cells.push((row.width, text));
            }
            row.width = row.width.saturating_add(places.max(1));
        }
    }

    /// Appends places without text.
    pub(super) fn blank(&mut self, places: usize) {
        if places > 0 {
            self.cell(String::new(), places);
        }
    }

    /// Returns the table as Markdown. One that is too wide and too long to be filled up is written a line a row.
    pub(super) fn markdown(&self) -> String {
        let columns: BTreeSet<usize> =
            self.rows.iter().flat_map(|row| row.cells.iter().map(|(column, _)| *column)).collect();
        if self.rows.len().saturating_mul(columns.len()) > LARGEST {
            return self.lines().join("\n");
        }

        // Rows and columns that are blank throughout are left out: merged cells leave many.
        let columns: Vec<usize> = columns.into_iter().collect();
        let rows = self.rows.iter().filter(|row| !row.cells.is_empty());
        let filled: Vec<Vec<String>> = rows.map(|row| row.fill(&columns)).collect();
        markdown::table(&filled)
    }

    /// Returns a line a row, with bars between the cells.
    pub(super) fn lines(&self) -> Vec<String> {
        let rows = self.rows.iter().filter(|row| !row.cells.is_empty());
        rows.map(Row::line).collect()
    }
}

impl Row {
    /// Returns the texts of these columns, in their order.
    fn fill(&self, columns: &[usize]) -> Vec<String> {
        let mut filled = vec![String::new(); columns.len()];
        for (column, text) in &self.cells {
            if let Some(place) = columns.binary_search(column).ok().and_then(|place| filled.get_mut(place)) {
                place.clone_from(text);
            }
        }
        filled
    }

    fn line(&self) -> String {
        self.cells.iter().map(|(_, text)| markdown::one_line(text)).collect::<Vec<_>>().join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_cells_keep_the_others_in_their_columns() {
        let mut grid = Grid::default();
        for row in [["a", "b", "c"], ["1", "2", "3"]] {
            grid.begin_row();
            row.iter().for_each(|cell| grid.cell((*cell).to_owned(), 1));
        }
        grid.begin_row();
        grid.cell("wide".to_owned(), 2);
        grid.cell("last".to_owned(), 1);
        assert_eq!(grid.markdown(), "| a | b | c |\n| --- | --- | --- |\n| 1 | 2 | 3 |\n| wide |  | last |");
    }

    #[test]
    fn columns_and_rows_that_are_blank_throughout_are_left_out() {
        let mut grid = Grid::default();
        grid.blank(2);
        grid.cell("a".to_owned(), 3);
        grid.cell("b".to_owned(), 1);
        grid.begin_row();
        grid.begin_row();
        grid.cell(String::new(), 5);
        grid.cell("c".to_owned(), 1);
        assert_eq!(grid.markdown(), "| a | b |\n| --- | --- |\n|  | c |");
    }

    #[test]
    fn widths_that_a_file_makes_up_are_not_believed() {
        let mut grid = Grid::default();
        for _ in 0..10_000 {
            grid.begin_row();
            grid.cell("x".to_owned(), 1_000_000);
            grid.cell("y".to_owned(), usize::MAX);
        }
        assert!(grid.markdown().starts_with("| x | y |\n| --- | --- |\n| x | y |\n"));
    }

    #[test]
    fn a_table_that_would_fill_the_memory_is_written_a_line_a_row() {
        let mut grid = Grid::default();
        for place in 0..5_000 {
            grid.begin_row();
            grid.blank(place);
            grid.cell("x".to_owned(), 1);
            grid.cell("y".to_owned(), 1);
        }
        assert!(grid.markdown().starts_with("x | y\nx | y\n"));
    }
}
