//! Lines: segments side by side.

use unpdf::parser::bidi::{contains_rtl, reorder_bidi};

use super::geometry::Area;
use super::segment::{Segment, Word};

/// Segments on one baseline, from left to right.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The segments, from left to right.
    pub(super) cells: Vec<Segment>,
    /// The rectangle around all segments.
    pub(super) area: Area,
    /// The place of the baseline of the segment with the most letters, in points from the top of the page.
    pub(super) y: f32,
    /// The size of the letters of that segment, in points.
    pub(super) size: f32,
    /// `true` if all segments are bold.
    pub(super) bold: bool,
    /// `true` if all letters of all segments have one width.
    pub(super) monospace: bool,
}

impl Line {
    /// Returns the line of these segments; `None` if there are none.
    pub(super) fn new(cells: Vec<Segment>) -> Option<Line> {
        let mut area = cells.first()?.area;
        let mut widest = cells.first()?;
        for cell in &cells {
            area = area.union(&cell.area);
            if cell.letters() > widest.letters() {
                widest = cell;
            }
        }
        let (y, size) = (widest.y, widest.size);
        let bold = cells.iter().all(|cell| cell.bold);
        let monospace = cells.iter().all(|cell| cell.monospace);
        Some(Line { area, y, size, bold, monospace, cells })
    }

    /// Returns the words of all segments, from left to right.
    pub(super) fn words(&self) -> impl Iterator<Item = &Word> {
        self.cells.iter().flat_map(|cell| &cell.words)
    }

    /// Returns the line's text, without markup, in reading order.
    pub(super) fn text(&self) -> String {
        text_of(self.words())
    }
}

/// Returns the text of words on one line, in reading order.
pub(super) fn text_of<'a>(words: impl Iterator<Item = &'a Word>) -> String {
    let mut text = String::new();
    for word in words {
        if !word.glued && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    in_reading_order(text)
}

/// Returns a line that is in the order of the page from left to right, in the order in which it is read.
pub(super) fn in_reading_order(text: String) -> String {
    if contains_rtl(&text) { reorder_bidi(&text) } else { text }
}

/// Returns the lines that segments form, in the order in which they are drawn.
pub(super) fn lines(segments: Vec<Segment>) -> Vec<Line> {
    let mut lines: Vec<Vec<Segment>> = Vec::new();
    for segment in segments {
        match lines.last_mut() {
            Some(cells) if cells.last().is_some_and(|last| follows(last, &segment)) => cells.push(segment),
            _ => lines.push(vec![segment]),
        }
    }
    let lines = lines.into_iter().filter_map(Line::new).collect();
    reunited(lines)
}

/// Returns whether a segment stands to the right of another, on the same baseline.
fn follows(last: &Segment, next: &Segment) -> bool {
    let size = last.size.max(next.size);
    (last.y - next.y).abs() < 0.3 * size && next.area.left > last.area.right - 0.3 * size
}

/// Returns lines of which those that were drawn in several goes, such as all bold words after all others, are one.
fn reunited(lines: Vec<Line>) -> Vec<Line> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&lines[*a], &lines[*b]);
        (a.y.round() as i64).cmp(&(b.y.round() as i64)).then(a.area.left.total_cmp(&b.area.left))
    });

    // For each line, an earlier one that it is a part of.
    let mut home: Vec<usize> = (0..lines.len()).collect();
    let mut merged = false;
    for pair in order.windows(2) {
        let [left, right] = [pair[0], pair[1]];
        if left.abs_diff(right) > 1 && adjoins(&lines[left], &lines[right]) {
            let (left, right) = (root(&home, left), root(&home, right));
            home[left.max(right)] = left.min(right);
            merged = true;
        }
    }
    if !merged {
        return lines;
    }

    let mut groups: Vec<Vec<Segment>> = lines.iter().map(|_| Vec::new()).collect();
    for (place, line) in lines.into_iter().enumerate() {
        groups[root(&home, place)].extend(line.cells);
    }
    for group in &mut groups {
        group.sort_by(|a, b| a.area.left.total_cmp(&b.area.left));
    }
    groups.into_iter().filter_map(Line::new).collect()
}

fn root(home: &[usize], mut place: usize) -> usize {
    while home[place] != place {
        place = home[place];
    }
    place
}

/// Returns whether a line goes on where another one ends.
fn adjoins(left: &Line, right: &Line) -> bool {
    let size = left.size.max(right.size);
    let gap = right.area.left - left.area.right;
    (left.y - right.y).abs() < 0.1 * size && (-0.2 * size..0.6 * size).contains(&gap)
}
