//! Columns that no line parts: words below each other, with a white gap that goes through all rows.

use super::line::text_of;
use super::list::{is_leader, is_mark, is_section_number};
use super::segment::Word;

/// A row of words, from left to right, with the size of its letters.
#[derive(Debug, Clone)]
pub(super) struct WordRow {
    /// The words, from left to right.
    pub(super) words: Vec<Word>,
    /// The place of its baseline, in points from the top of the page.
    pub(super) y: f32,
    /// The size of its letters, in points.
    pub(super) size: f32,
}

/// A row's cells by its columns, and whether one of them reaches over several columns.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// The words of each column, from the left.
    pub(super) words: Vec<Vec<Word>>,
    /// `true` if a cell reaches over several columns.
    pub(super) spanning: bool,
}

impl Cells {
    /// Returns the number of cells with text.
    pub(super) fn filled(&self) -> usize {
        self.words.iter().filter(|words| !words.is_empty()).count()
    }

    /// Returns whether the first cell has no more than a mark or a number of an item.
    fn is_marked(&self) -> bool {
        let mark = self.words.first().map(|words| text_of(words.iter())).unwrap_or_default();
        mark.is_empty() || is_mark(&mark) || is_section_number(&mark)
    }
}

impl WordRow {
    /// Returns the extents of the row's words, of which those with a smaller gap between them are one.
    fn extents(&self, gap: f32) -> Vec<(f32, f32)> {
        let mut extents: Vec<(f32, f32)> = Vec::new();
        for word in &self.words {
            match extents.last_mut() {
                Some(last) if word.left - last.1 < gap => last.1 = last.1.max(word.right),
                _ => extents.push((word.left, word.right)),
            }
        }
        extents
    }

    /// Returns the row's words in columns that are parted at these places.
    pub(super) fn cells(&self, separators: &[f32]) -> Cells {
        let mut cells = Cells { words: vec![Vec::new(); separators.len() + 1], spanning: false };
        let mut column = 0;
        let mut last: Option<&Word> = None;
        for word in &self.words {
            let middle = (word.left + word.right) / 2.0;
            let here = separators.iter().filter(|separator| **separator < middle).count();
            let apart = last.is_none_or(|last| word.left - last.right > 0.38 * self.size);
            if apart && !word.glued {
                column = here;
            } else if here > column {
                cells.spanning = true;
            }
            cells.words[column].push(word.clone());
            last = Some(word);
        }
        cells
    }
}

/// Returns the places that part the columns of rows; none if there are no columns. A gap has at least this width.
pub(super) fn separators(rows: &[WordRow], gap: f32) -> Vec<f32> {
    let mut edges: Vec<(f32, i32)> = Vec::new();
    let mut parted = 0;
    for row in rows {
        let extents = row.extents(gap);
        if extents.len() < 2 {
            continue;
        }
        parted += 1;
        for (left, right) in extents {
            edges.push((left, 1));
            edges.push((right, -1));
        }
    }
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));

    // A few rows may reach into a gap, such as a head over several columns.
    let tolerated = parted / 10;
    let mut separators = Vec::new();
    let mut covered = 0;
    let mut begin: Option<f32> = None;
    let mut seen = false;
    for (place, change) in edges {
        let before = covered;
        covered += change;
        if before > tolerated && covered <= tolerated {
            begin = Some(place);
        }
        if before <= tolerated && covered > tolerated {
            if let Some(begin) = begin.take()
                && seen
                && place - begin >= gap
            {
                separators.push((begin + place) / 2.0);
            }
            seen = true;
        }
    }
    separators
}

/// Returns rows without those, and without the columns, that have no text.
pub(super) fn without_blanks(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let used = |column: usize| rows.iter().any(|row| row.get(column).is_some_and(|text| !text.is_empty()));
    let kept: Vec<usize> = (0..columns).filter(|column| used(*column)).collect();

    let rows = rows.iter().filter(|row| row.iter().any(|text| !text.is_empty()));
    rows.map(|row| kept.iter().map(|column| row.get(*column).cloned().unwrap_or_default()).collect())
        .collect()
}

/// Returns whether rows are enough of a table, of whose cells at least this part has text.
pub(super) fn is_table(rows: &[Vec<String>], part: f32) -> bool {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let filled: usize = rows.iter().map(|row| row.iter().filter(|text| !text.is_empty()).count()).sum();
    rows.len() >= 2 && columns >= 2 && filled >= 4 && filled as f32 >= part * (rows.len() * columns) as f32
}

/// Returns whether rows are a list, whose marks or numbers are no column, or prose with notes at its margin.
pub(super) fn is_list(rows: &[Cells]) -> bool {
    let columns = rows.first().map_or(0, |row| row.words.len());
    if columns != 2 {
        return false;
    }

    let mut marked = 0;
    let mut with_leaders = 0;
    let mut long = 0;
    for row in rows {
        marked += usize::from(row.is_marked());
        with_leaders += usize::from(row.words.iter().flatten().any(|word| is_leader(&word.text)));
        long += usize::from(row.words.iter().any(|words| words.len() > 9));
    }
    marked.max(with_leaders).max(long) * 10 >= rows.len() * 6
}
