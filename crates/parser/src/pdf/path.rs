//! Straight lines along and across the page: the rules of tables.

use super::geometry::{Area, Matrix};

/// The most lines that are kept of a page; a page with more is a drawing.
pub(super) const MAX_RULES: usize = 6000;
/// The thickness to which a filled area is a line.
const THICK: f32 = 3.0;

/// The lines of the path that is being made.
#[derive(Debug, Default)]
pub(super) struct Path {
    edges: Vec<((f32, f32), (f32, f32))>,
    /// The rectangles around the subpaths.
    boxes: Vec<Area>,
    start: (f32, f32),
    at: (f32, f32),
}

impl Path {
    /// Adds an instruction's lines.
    pub(super) fn add(&mut self, name: &[u8], numbers: &[f32], matrix: Matrix) {
        if self.edges.len() > MAX_RULES {
            return;
        }
        match (name, numbers) {
            (b"m", [.., x, y]) => {
                self.at = matrix.apply(*x, *y);
                self.start = self.at;
                self.boxes.push(Area::between(self.at, self.at));
            }
            (b"l", [.., x, y]) => self.line(matrix.apply(*x, *y)),
            (b"c" | b"v" | b"y", [.., x, y]) => {
                // A curve is no rule, and what it bounds is no cell.
                self.at = matrix.apply(*x, *y);
                self.boxes.pop();
            }
            (b"h", _) => self.line(self.start),
            (b"re", [x, y, width, height]) => {
                self.at = matrix.apply(*x, *y);
                self.start = self.at;
                self.boxes.push(Area::between(self.at, self.at));
                for corner in [(x + width, *y), (x + width, y + height), (*x, y + height), (*x, *y)] {
                    self.line(matrix.apply(corner.0, corner.1));
                }
            }
            _ => {}
        }
    }

    fn line(&mut self, to: (f32, f32)) {
        self.edges.push((self.at, to));
        if let Some(last) = self.boxes.last_mut() {
            *last = last.union(&Area::between(to, to));
        }
        self.at = to;
    }

    /// Adds the path's lines to the rules, and begins a new path.
    pub(super) fn stroke(&mut self, rules: &mut Vec<Area>) {
        for (from, to) in &self.edges {
            let area = Area::between(*from, *to);
            if (area.width() < 1.0) != (area.height() < 1.0) && rules.len() <= MAX_RULES {
                rules.push(area);
            }
        }
        self.clear();
    }

    /// Adds the thin areas of the path to the rules, and begins a new path.
    pub(super) fn fill(&mut self, rules: &mut Vec<Area>) {
        for area in &self.boxes {
            let thin = area.width().min(area.height()) <= THICK;
            let long = area.width().max(area.height()) > 2.0 * THICK;
            if thin && long && rules.len() <= MAX_RULES {
                rules.push(*area);
            }
        }
        self.clear();
    }

    pub(super) fn clear(&mut self) {
        self.edges.clear();
        self.boxes.clear();
    }
}
