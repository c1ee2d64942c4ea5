//! Tables: drawn as a grid, or between lines of `=`.

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
    match Grid::of(&block) {
        Some(grid) => {
            let rows: Vec<_> = grid.rows().iter().map(|row| reader.cells(row, depth)).collect();
            reader.push_table(rows, grid.has_head);
        }
        None => reader.push_code("", &lines[..used]),
    }
    Some(used)
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
            && (2..=WIDEST).contains(&bounds.len())
            && lines.iter().all(|line| line.len() <= LONGEST_LINE);
        is_grid.then_some(Grid { lines, bounds, rules, has_head })
    }

    /// Returns the lines of each cell of each row. Cells that another covers are empty.
    fn rows(&self) -> Vec<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        for (row, top) in self.rules.iter().enumerate().take(self.rules.len().saturating_sub(1)) {
            let mut cells = Vec::new();
            while cells.len() + 1 < self.bounds.len() {
                let column = cells.len();
                let end = self.end_of_cell(*top, column);
                cells.push(self.cell(row, column, end));
                cells.resize(end, Vec::new());
            }
            rows.push(cells);
        }
        rows
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

    fn cell(&self, row: usize, column: usize, end: usize) -> Vec<String> {
        let (Some(left), Some(right)) = (self.bounds.get(column), self.bounds.get(end)) else {
            return Vec::new();
        };
        let next = self.bounds.get(column + 1).unwrap_or(right);
        let ruled = |place: usize| self.lines.get(place).is_some_and(|line| is_ruled(line, *left, *next));
        // No line above it: it was part of a cell of the row before.
        if !self.rules.get(row).is_some_and(|top| ruled(*top)) {
            return Vec::new();
        }

        let top = self.rules.get(row).map_or(0, |top| top + 1);
        let mut lines = Vec::new();
        for place in top..self.lines.len() {
            if ruled(place) {
                break;
            }
            let text = self.lines.get(place).and_then(|line| line.get(left + 1..(*right).min(line.len())));
            let text: String = text.unwrap_or_default().iter().filter(|c| **c != '\0').collect();
            lines.push(text.trim_end().to_owned());
        }
        lines
    }
}

/// Returns whether there is a line between two columns.
fn is_ruled(line: &[char], left: usize, right: usize) -> bool {
    line.get(left + 1..right).is_some_and(|part| !part.is_empty() && part.iter().all(|c| "-=+".contains(*c)))
}

/// Returns a line with a NUL behind each character that takes up two columns.
fn columns(line: &str) -> Vec<char> {
    let mut columns = Vec::with_capacity(line.len());
    for c in line.chars() {
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

/// Reads a table between lines of `=`.
pub(super) fn read_simple(reader: &mut Reader, lines: &[&str], depth: usize) -> Option<usize> {
    let rule = lines.first()?;
    let starts = starts(rule, '=').filter(|starts| (2..=WIDEST).contains(&starts.len()))?;
    let is_rule = |line: &&str| line.starts_with("==") && self::starts(line, '=').is_some();

    // It ends with the third line of `=`, or the second if a blank one or nothing follows that.
    let rules: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| is_rule(line)).map(|(place, _)| place).take(3).collect();
    let end = rules
        .iter()
        .skip(1)
        .find(|place| lines.get(**place + 1).is_none_or(|next| next.is_empty()))
        .copied()?;
    let head = rules.get(1).filter(|place| **place < end).copied();

    // Each line has a part in each column, even if it is a word in the first of many.
    let bytes: usize = lines.iter().take(end).map(|line| line.len()).sum();
    if end.saturating_mul(starts.len()) > bytes.saturating_mul(4) {
        return None;
    }

    let mut rows: Vec<Vec<Vec<String>>> = Vec::new();
    for (place, line) in lines.iter().enumerate().take(end).skip(1) {
        if Some(place) == head || self::starts(line, '-').is_some() || line.is_empty() {
            continue;
        }
        let parts = parts(&columns(line), &starts);
        match rows.last_mut() {
            Some(row) if parts.first().is_some_and(String::is_empty) && head != Some(place - 1) => {
                for (cell, part) in row.iter_mut().zip(parts) {
                    cell.push(part);
                }
            }
            _ => rows.push(parts.into_iter().map(|part| vec![part]).collect()),
        }
    }
    let rows: Vec<_> = rows.iter().map(|row| reader.cells(row, depth)).collect();
    reader.push_table(rows, head.is_some());
    Some(end + 1)
}

/// Returns the columns in which the parts of a line of nothing but this character begin.
fn starts(line: &str, character: char) -> Option<Vec<usize>> {
    let is_rule = line.starts_with(character) && line.chars().all(|c| c == character || c == ' ');
    is_rule.then(|| {
        let bytes = line.as_bytes();
        (0..bytes.len()).filter(|at| bytes[*at] != b' ' && (*at == 0 || bytes[at - 1] == b' ')).collect()
    })
}

/// Returns the parts of a line that begin in these columns.
fn parts(line: &[char], starts: &[usize]) -> Vec<String> {
    let mut parts = Vec::with_capacity(starts.len());
    for (place, start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(line.len()).min(line.len());
        let part = line.get(*start..end).unwrap_or_default();
        parts.push(part.iter().filter(|c| **c != '\0').collect::<String>().trim().to_owned());
    }
    parts
}
