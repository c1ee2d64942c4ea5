//! Tables: drawn as a grid, or between lines of `=`.
//!
//! A table whose lines are not where they should be loses nothing: it stays as it is drawn.

mod simple;

use unicode_normalization::UnicodeNormalization as _;

use super::Reader;
use crate::markdown::table_or_lines;

/// The most columns of a table.
const WIDEST: usize = 200;

/// The most characters of a line of a table.
const LONGEST_LINE: usize = 10_000;

/// Reads a table that is drawn as a grid.
pub(super) fn read_grid(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    let first = lines.first()?;
    let is_rule = first.starts_with("+-") && first.ends_with('+') && first.chars().all(|c| "+-=".contains(c));
    if !is_rule {
        return None;
    }
    let used = lines.iter().take_while(|line| line.starts_with(['+', '|'])).count();
    let block: Vec<Vec<char>> = lines[..used].iter().map(|line| columns(line)).collect();
    let grid = Grid::of(&block);
    match grid.as_ref().and_then(Grid::rows).zip(grid.as_ref()) {
        Some((rows, grid)) => {
            let rows: Vec<_> = rows.iter().map(|row| reader.cells(row, depth)).collect();
            reader.push_table(rows, grid.has_head);
        }
        None => reader.push_code("", &lines[..used]),
    }
    Some(used)
}

/// Reads a table between lines of `=`.
pub(super) fn read_simple(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    let table = simple::read(lines)?;
    let rows: Vec<_> = table.rows.iter().map(|row| reader.cells(row, depth)).collect();
    reader.push_table(rows, table.has_head);
    Some(table.used)
}

impl Reader {
    fn cells(&mut self, row: &[Vec<String>], depth: usize) -> Vec<String> {
        let mut cells = Vec::with_capacity(row.len());
        for lines in row {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            cells.push(self.nested(&super::dedented(&lines), depth + 1));
        }
        cells
    }

    /// Appends a table, of which the first row is the head if there is one.
    pub(super) fn push_table(&mut self, mut rows: Vec<Vec<String>>, has_head: bool) {
        if !has_head {
            rows.insert(0, Vec::new());
        }
        let table = table_or_lines(&rows);
        self.blocks.push(&table);
    }
}

/// A table that is drawn.
struct Grid<'a> {
    lines: &'a [Vec<char>],
    /// The columns in which there is a line.
    bounds: Vec<usize>,
    /// The lines that are one, at least between two columns.
    rules: Vec<usize>,
    has_head: bool,
}

impl<'a> Grid<'a> {
    fn of(lines: &'a [Vec<char>]) -> Option<Self> {
        let mut bounds: Vec<usize> = Vec::new();
        let mut rules = Vec::new();
        for (place, line) in lines.iter().enumerate() {
            let corners: Vec<_> =
                line.iter().enumerate().filter(|(_, c)| **c == '+').map(|(column, _)| column).collect();
            let is_rule = corners.windows(2).any(|pair| is_ruled(line, pair[0], pair[1]));
            if is_rule {
                rules.push(place);
                bounds.extend(corners);
            }
        }
        bounds.sort_unstable();
        bounds.dedup();
        let has_head = rules
            .iter()
            .any(|place| lines.get(*place).is_some_and(|line| line.contains(&'=') && !line.contains(&'-')));
        let is_grid = rules.len() >= 2
            && rules.last().is_some_and(|last| last + 1 == lines.len())
            && (2..=WIDEST).contains(&bounds.len())
            && lines.iter().all(|line| line.len() <= LONGEST_LINE);
        is_grid.then_some(Grid { lines, bounds, rules, has_head })
    }

    /// Returns the lines of each cell of each row; `None` if one is not closed on its sides. Cells that another covers
    /// are empty.
    fn rows(&self) -> Option<Vec<Vec<Vec<String>>>> {
        let mut rows = Vec::new();
        for (row, top) in self.rules.iter().enumerate().take(self.rules.len().saturating_sub(1)) {
            let mut cells = Vec::new();
            while cells.len() + 1 < self.bounds.len() {
                let column = cells.len();
                let end = self.end_of_cell(*top, column);
                cells.push(self.cell(row, column, end)?);
                cells.resize(end, Vec::new());
            }
            rows.push(cells);
        }
        Some(rows)
    }

    /// Returns the bound at which a cell ends.
    fn end_of_cell(&self, top: usize, column: usize) -> usize {
        let line = self.lines.get(top + 1);
        let is_bound = |bound: &usize| {
            let at = self.bounds.get(*bound).and_then(|at| line?.get(*at));
            matches!(at, Some('|' | '+') | None)
        };
        (column + 1..self.bounds.len()).find(is_bound).unwrap_or(self.bounds.len() - 1)
    }

    /// Returns the lines of a cell; `None` if one of them goes beyond its sides.
    fn cell(&self, row: usize, column: usize, end: usize) -> Option<Vec<String>> {
        let (left, right) = (*self.bounds.get(column)?, *self.bounds.get(end)?);
        let next = self.bounds.get(column + 1).copied().unwrap_or(right);
        let ruled = |place: usize| self.lines.get(place).is_some_and(|line| is_ruled(line, left, next));
        let top = *self.rules.get(row)?;
        // No line above it: it was part of a cell of the row before.
        if !ruled(top) {
            return Some(Vec::new());
        }

        let mut lines = Vec::new();
        for (place, line) in self.lines.iter().enumerate().skip(top + 1) {
            if ruled(place) {
                break;
            }
            if [left, right].iter().any(|bound| !matches!(line.get(*bound), Some('|' | '+'))) {
                return None;
            }
            let text: String = line.get(left + 1..right)?.iter().filter(|c| **c != '\0').collect();
            lines.push(text.trim_end().to_owned());
        }
        Some(lines)
    }
}

/// Returns whether there is a line between two columns.
fn is_ruled(line: &[char], left: usize, right: usize) -> bool {
    line.get(left + 1..right).is_some_and(|part| !part.is_empty() && part.iter().all(|c| "-=+".contains(*c)))
}

/// Returns a line with a NUL behind each character that takes up two columns. A letter with its accent is one.
fn columns(line: &str) -> Vec<char> {
    let mut columns = Vec::with_capacity(line.len());
    for c in line.nfc() {
        columns.push(c);
        if is_wide(c) {
            columns.push('\0');
        }
    }
    columns
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}')
}
