//! Tables between lines of `=`.

use super::{WIDEST, columns};

/// A table that is read.
pub(super) struct Table {
    /// The lines of each cell of each row.
    pub(super) rows: Vec<Vec<Vec<String>>>,
    /// `true` if the first rows are the head.
    pub(super) has_head: bool,
    /// The number of lines that it takes.
    pub(super) used: usize,
}

/// Reads a table between lines of `=`.
pub(super) fn read(lines: &[&str]) -> Option<Table> {
    let rule = lines.first()?;
    let bounds = Bounds::of(rule, '=').filter(|bounds| (2..=WIDEST).contains(&bounds.starts.len()))?;
    let is_rule = |line: &&str| Bounds::of(line, '=').is_some_and(|of_line| of_line.starts == bounds.starts);

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
    if end.saturating_mul(bounds.starts.len()) > bytes.saturating_mul(4) {
        return None;
    }

    let mut rows = Rows { bounds: &bounds, rows: Vec::new(), open: Vec::new() };
    for (place, line) in lines.iter().enumerate().take(end).skip(1) {
        if Some(place) == head {
            rows.end_row(&bounds);
        } else if let Some(spans) = Bounds::of(line, '-').filter(|spans| spans.are_within(&bounds)) {
            rows.end_row(&spans);
        } else {
            rows.line(line);
        }
    }
    Some(Table { rows: rows.finish(), has_head: head.is_some(), used: end + 1 })
}

/// The columns in which the parts of a line begin, and those before which they end.
struct Bounds {
    starts: Vec<usize>,
    ends: Vec<usize>,
}

impl Bounds {
    /// Returns the bounds of the parts of a line of nothing but this character.
    fn of(line: &str, character: char) -> Option<Bounds> {
        let is_rule = line.starts_with(character) && line.chars().all(|c| c == character || c == ' ');
        let bytes = line.as_bytes();
        let is_blank = |at: usize| bytes.get(at).is_none_or(|byte| *byte == b' ');
        is_rule.then(|| Bounds {
            starts: (0..bytes.len()).filter(|at| !is_blank(*at) && (*at == 0 || is_blank(at - 1))).collect(),
            ends: (1..=bytes.len()).filter(|at| is_blank(*at) && !is_blank(at - 1)).collect(),
        })
    }

    /// Returns whether each part spans whole columns of these: otherwise it is a row whose cells are dashes.
    fn are_within(&self, columns: &Bounds) -> bool {
        self.starts.iter().all(|start| columns.starts.contains(start))
            && self.ends.iter().all(|end| columns.ends.contains(end))
    }
}

/// Rows that are being read, each with the lines of its cells.
struct Rows<'a> {
    bounds: &'a Bounds,
    rows: Vec<Vec<Vec<String>>>,
    /// The lines of the row that is not yet ended.
    open: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    /// Notes a line. One with nothing in the first column belongs to the row before it.
    fn line(&mut self, line: &'a str) {
        let second = self.bounds.starts.get(1).copied().unwrap_or_default();
        if line.chars().take(second).any(|c| c != ' ') {
            self.end_row(self.bounds);
        }
        if !line.is_empty() || !self.open.is_empty() {
            self.open.push(line);
        }
    }

    /// Ends the row, whose cells have these bounds.
    fn end_row(&mut self, bounds: &Bounds) {
        if self.open.is_empty() {
            return;
        }
        let mut row = vec![Vec::new(); self.bounds.starts.len()];
        for line in std::mem::take(&mut self.open) {
            for (start, part) in parts(&columns(line), &bounds.starts) {
                if let Ok(column) = self.bounds.starts.binary_search(&start)
                    && let Some(cell) = row.get_mut(column)
                {
                    cell.push(part);
                }
            }
        }
        self.rows.push(row);
    }

    fn finish(mut self) -> Vec<Vec<Vec<String>>> {
        self.end_row(self.bounds);
        self.rows
    }
}

/// Returns the parts of a line, each with the column in which it begins: one of these. A word that goes on into the
/// next column takes that with it.
fn parts(line: &[char], starts: &[usize]) -> Vec<(usize, String)> {
    let is_blank = |at: usize| line.get(at).is_none_or(|c| *c == ' ');
    let mut parts = Vec::with_capacity(starts.len());
    let mut begun = 0;
    for next in starts.iter().copied().skip(1).chain([usize::MAX]) {
        if next < line.len() && !is_blank(next) && !is_blank(next - 1) {
            continue;
        }
        let part = line.get(begun..next.min(line.len())).unwrap_or_default();
        parts.push((begun, part.iter().filter(|c| **c != '\0').collect::<String>().trim_end().to_owned()));
        begun = next;
    }
    parts
}
